"""Reasons against an engine that are seen before it is made; more are in test_stacked(_run).py."""

import pytest
from torch import nn

from sklearn_trainkit.neural_network.engines._obstacles import no_gain_by_stacking_several
from sklearn_trainkit.neural_network.modules._mlp_module import MLPModule
from sklearn_trainkit.neural_network.stacking._stacked_batches import networks_side_by_side


@pytest.mark.parametrize(
    ("hidden_units", "batch_size"),
    [((128, 64), 64), ((128, 64), 1024), ((256, 128), 1024), ((512, 512), 1024)],
)
def test_batches_of_which_only_one_fits_into_the_cache_are_a_reason(hidden_units, batch_size):
    module = MLPModule(50, 5, hidden_units=hidden_units)
    reason = no_gain_by_stacking_several(module, batch_size)
    assert (reason is None) == (networks_side_by_side(module, batch_size) > 1)
    assert reason is None or f"batches of {batch_size} rows" in reason


def test_very_many_weights_are_a_reason():
    module = nn.Linear(1000, 1000, bias=False)
    reason = no_gain_by_stacking_several(module, 8)
    assert reason == "1000000 weights are too many to gain by stacking"
