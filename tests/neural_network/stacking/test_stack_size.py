"""The rule for how many networks go side by side."""

import pytest

from sklearn_trainkit.neural_network.modules._mlp_module import MLPModule
from sklearn_trainkit.neural_network.stacking._stack_size import networks_side_by_side


@pytest.mark.parametrize(
    ("hidden_units", "batch_size", "at_least", "at_most"),
    [
        ((128, 64), 64, 10, 200),
        ((128, 64), 1024, 2, 3),
        ((256, 128), 1024, 1, 1),
        ((512, 512), 64, 5, 20),
        ((512, 512), 1024, 1, 1),
    ],
)
def test_wide_networks_and_large_batches_go_in_smaller_parts(
    hidden_units, batch_size, at_least, at_most
):
    module = MLPModule(50, 5, hidden_units=hidden_units)
    assert at_least <= networks_side_by_side(module, batch_size) <= at_most
