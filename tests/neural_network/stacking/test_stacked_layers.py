"""Linear layers, dropout and skip connections of several networks against autograd."""

import pytest
import torch
from torch import nn

from sklearn_trainkit.neural_network.modules._dropout import (
    SeededDropout,
    scaled_mask,
    scaled_masks,
)
from sklearn_trainkit.neural_network.modules._mlp_module import DenseLayer, MLPModule
from sklearn_trainkit.neural_network.modules._skip_connections import (
    ConcatLayer,
    LongSkipStack,
    ResidualLayer,
)
from sklearn_trainkit.neural_network.stacking._module_block import ModuleBlock
from sklearn_trainkit.neural_network.stacking._stacked_layers import (
    NotStackableError,
    stacked_layer,
)
from tests.neural_network.stacks import assert_gradients_are_autograds, make_modules

LAYERS = {
    "linear": lambda: nn.Linear(6, 4),
    "no bias": lambda: nn.Linear(6, 4, bias=False),
    "identity": lambda: nn.Sequential(nn.Linear(6, 4), nn.Identity()),
    "dense": lambda: DenseLayer(6, 4, norm="layer"),
    "added": lambda: ResidualLayer(nn.Linear(6, 6), 6, 6),
    "projected": lambda: ResidualLayer(nn.Linear(6, 4), 6, 4),
    "concatenated": lambda: ConcatLayer(nn.Linear(6, 4)),
    "long skips": lambda: LongSkipStack([nn.Linear(6, 5), nn.Linear(5, 2), nn.Linear(7, 5)]),
    "long skips, four": lambda: LongSkipStack(
        [nn.Linear(6, 5), nn.Linear(5, 3), nn.Linear(6, 3), nn.Linear(8, 5)]
    ),
    "network": lambda: MLPModule(6, 3, hidden_units=(5, 4), skip="concat"),
    "linear model": lambda: MLPModule(6, 3, hidden_units=()),
}


@pytest.mark.parametrize("name", LAYERS)
def test_outputs_and_gradients_are_those_of_each_network(name):
    assert_gradients_are_autograds(LAYERS[name])


def test_a_first_layer_returns_no_gradient_of_its_input():
    modules = make_modules(lambda: MLPModule(6, 3, hidden_units=(5,), skip="add"))
    layer = stacked_layer(modules, ModuleBlock(modules).part(0, 3))
    with torch.no_grad():
        output = layer.forward(torch.randn(3, 7, 6, dtype=torch.float64))
        assert layer.backward(torch.ones_like(output), needs_input=False) is None


@pytest.mark.parametrize("rates", [(0.5, 0.5, 0.5), (0.1, 0.5, 0.9)])
@pytest.mark.parametrize("shape", [(4, 8), (3, 5)])
def test_each_networks_masks_come_from_its_own_generator(rates, shape):
    def generators():
        return [torch.Generator().manual_seed(seed) for seed in range(3)]

    like = torch.empty(3, *shape, dtype=torch.float64)
    expected = [scaled_mask(like[0], *pair) for pair in zip(rates, generators(), strict=True)]
    seen = scaled_masks(like, rates, generators())
    torch.testing.assert_close(seen, torch.stack(expected), rtol=0, atol=1e-15)


def test_dropout_scales_the_gradient_by_the_same_mask():
    layers = [SeededDropout(0.5) for _ in range(2)]
    for seed, layer in enumerate(layers):
        layer.generator = torch.Generator().manual_seed(seed)
    stacked = stacked_layer(layers, None)
    ones = torch.ones(2, 3, 4)
    dropped = stacked.forward(ones)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(stacked.backward(ones, True), dropped)


def test_differences_and_unknown_layers_are_named():
    block = None
    with pytest.raises(NotStackableError, match="ELU, ReLU"):
        stacked_layer([nn.ReLU(), nn.ELU()], block)
    with pytest.raises(NotStackableError, match="Bilinear cannot be stacked"):
        stacked_layer([nn.Bilinear(2, 2, 2)], block)
    hooked = nn.ReLU()
    hooked.register_forward_hook(lambda *_: None)
    with pytest.raises(NotStackableError, match="ReLU has hooks"):
        stacked_layer([hooked], block)
    with pytest.raises(NotStackableError, match=r"alpha=2\.0"):
        stacked_layer([nn.ELU(), nn.ELU(2.0)], block)
