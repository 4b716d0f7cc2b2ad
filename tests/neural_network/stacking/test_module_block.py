"""A block of parameters, of which each module keeps a view."""

import copy
import itertools

import pytest
import torch
from torch import nn

from sklearn_trainkit.neural_network.modules._losses import CrossEntropy
from sklearn_trainkit.neural_network.stacking._module_block import (
    ModuleBlock,
    StackedNetwork,
    check_unshared,
)
from sklearn_trainkit.neural_network.stacking._stacked_layers import NotStackableError
from tests.neural_network.stacks import make_modules


def small():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))


def test_modules_see_the_block_and_get_storage_of_their_own_back():
    modules = make_modules(small)
    before = [copy.deepcopy(module.state_dict()) for module in modules]
    block = ModuleBlock(modules)
    for module, state in zip(modules, before, strict=True):
        for name, value in module.state_dict().items():
            assert torch.equal(value, state[name])
    block.values.mul_(2.0)
    assert torch.equal(modules[1][0].weight, 2 * before[1]["0.weight"])
    modules[1][1].running_mean.fill_(3.0)
    block.detach()
    block.values.zero_()
    assert torch.equal(modules[1][0].weight, 2 * before[1]["0.weight"])
    assert (modules[1][1].running_mean == 3.0).all()
    assert modules[1][0].weight.untyped_storage().nbytes() == modules[1][0].weight.nbytes


def test_a_part_of_the_networks_leaves_the_others_gradients_alone():
    modules = make_modules(small)
    block = ModuleBlock(modules)
    block.gradients.fill_(7.0)
    network = StackedNetwork(block, [CrossEntropy()] * 3, 1, 3)
    X, y = torch.randn(2, 5, 3, dtype=torch.float64), torch.zeros(2, 5, dtype=torch.long)
    with torch.no_grad():
        losses, outputs = network.leave_gradients(X, y, None)
    assert losses.shape == (2,)
    assert outputs.shape == (2, 5, 2)
    assert (block.gradients[0] == 7.0).all()
    starts = sorted(start for start, _, _ in block.columns.values())
    assert starts == [0, 16, 32, 48, 64, 80]  # each on a cache line
    for row, (start, stop, _) in itertools.product((1, 2), block.columns.values()):
        assert not (block.gradients[row, start:stop] == 7.0).any()


def frozen():
    module = small()
    module[0].bias.requires_grad_(False)
    return module


def hooked():
    module = small()
    module[0].weight.register_hook(lambda gradient: gradient.clamp(-1e-3, 1e-3))
    return module


def hooked_afterwards():
    module = small()
    module[3].bias.register_post_accumulate_grad_hook(lambda parameter: None)
    return module


@pytest.mark.parametrize(
    ("modules", "reason"),
    [
        ([nn.Linear(3, 2), nn.Linear(3, 3)], "shapes"),
        ([frozen(), frozen()], "frozen"),
        ([small(), hooked()], "hooks"),
        ([hooked_afterwards(), small()], "hooks"),
        ([nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double())] * 2, "type or device"),
    ],
)
def test_modules_that_differ_or_are_not_trained_are_refused(modules, reason):
    with pytest.raises(NotStackableError, match=reason):
        ModuleBlock(modules)


def test_parameters_that_no_layer_uses_are_named():
    block = ModuleBlock([small(), small()])
    with pytest.raises(NotStackableError, match=r"0\.bias, 0\.weight"):
        block.check_all_used()


def test_shared_layers_are_refused():
    layer = nn.Linear(3, 3)
    with pytest.raises(NotStackableError, match="two places"):
        check_unshared(nn.Sequential(layer, layer))
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    with pytest.raises(NotStackableError, match="two places"):
        check_unshared(tied)
