"""The rule for how many networks go side by side."""

import pytest
from torch import nn

from sklearn_trainkit.neural_network.modules._mlp_module import MLPModule
from sklearn_trainkit.neural_network.stacking._stack_size import networks_side_by_side, size_reason


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
    side_by_side = networks_side_by_side(module, batch_size)
    assert at_least <= side_by_side <= at_most
    reason = size_reason(module, batch_size)
    assert (reason is None) == (side_by_side > 1)
    assert reason is None or f"batches of {batch_size} rows" in reason


def test_very_many_weights_are_a_reason():
    module = nn.Linear(1000, 1000, bias=False)
    assert size_reason(module, 8) == "1000000 weights are too many to gain by stacking"
