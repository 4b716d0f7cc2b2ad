"""Clipping in a block against clipping network by network."""

import itertools

import pytest
import torch
from torch import nn

from sklearn_trainkit.callbacks._clipping import clip_gradients_
from sklearn_trainkit.neural_network.stacking._module_block import ModuleBlock
from sklearn_trainkit.neural_network.stacking._stacked_clipping import make_clipping
from tests.neural_network.stacks import make_modules

LIMITS = [None, (0.5, 0.5, 0.5), (0.1, None, 100.0)]


@pytest.mark.parametrize(("norms", "values", "ratios"), list(itertools.product(LIMITS, repeat=3)))
def test_each_network_is_clipped_by_itself(norms, values, ratios):
    norms, values, ratios = (limits or (None,) * 3 for limits in (norms, values, ratios))
    modules = make_modules(lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)))
    block = ModuleBlock(modules)
    gradients = [
        {name: torch.randn_like(p) for name, p in module.named_parameters()} for module in modules
    ]
    block.gradients.copy_(block.laid_out(gradients))
    for clip in make_clipping(block, norms, values, ratios):
        clip()
    for row, (module, own) in enumerate(zip(modules, gradients, strict=True)):
        for name, parameter in module.named_parameters():
            parameter.grad = own[name]
        clip_gradients_(list(module.parameters()), norms[row], values[row], ratios[row])
    expected = block.laid_out(
        [{name: p.grad for name, p in module.named_parameters()} for module in modules]
    )
    torch.testing.assert_close(block.gradients, expected, rtol=0, atol=1e-14)
