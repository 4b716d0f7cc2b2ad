"""Normalization layers of several networks against autograd, buffers included."""

import pytest
from torch import nn

from sklearn_trainkit.neural_network.modules._normalization import NORMS, make_norm
from sklearn_trainkit.neural_network.stacking._module_block import ModuleBlock
from sklearn_trainkit.neural_network.stacking._stacked_layers import (
    NotStackableError,
    stacked_layer,
)
from tests.neural_network.stacks import assert_gradients_are_autograds

OTHERS = {
    "batch without scale": lambda: nn.BatchNorm1d(6, affine=False),
    "batch with momentum": lambda: nn.BatchNorm1d(6, momentum=0.5, eps=0.1),
    "layer without scale": lambda: nn.LayerNorm(6, elementwise_affine=False),
    "layer without shift": lambda: nn.LayerNorm(6, bias=False),
    "groups": lambda: nn.GroupNorm(3, 6),
    "rms with eps": lambda: nn.RMSNorm(6, eps=0.1),
}
LAYERS = {**{name: lambda name=name: make_norm(name, 6) for name in NORMS}, **OTHERS}


@pytest.mark.parametrize("name", LAYERS)
def test_outputs_and_gradients_are_those_of_each_network(name):
    # A norm may have no parameters, and a block needs some.
    make = LAYERS[name]
    assert_gradients_are_autograds(lambda: nn.Sequential(make(), nn.Linear(6, 2)), atol=1e-11)


@pytest.mark.parametrize("name", LAYERS)
def test_inside_a_network_too(name):
    assert_gradients_are_autograds(
        lambda: nn.Sequential(nn.Linear(5, 6), LAYERS[name](), nn.Tanh(), nn.Linear(6, 2)),
        shape=(9, 5),
        atol=1e-11,
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.BatchNorm1d(6, momentum=None),
        lambda: nn.BatchNorm1d(6, track_running_stats=False),
        lambda: nn.LayerNorm((2, 3)),
        lambda: nn.RMSNorm((2, 3)),
    ],
)
def test_rare_settings_are_refused(make):
    modules = [make(), make()]
    with pytest.raises(NotStackableError, match="Norm"):
        stacked_layer(modules, ModuleBlock([nn.Sequential(m) for m in modules]).part(0, 2))
