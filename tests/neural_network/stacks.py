"""Stacked layers against autograd, network by network."""

import copy

import torch
from sklearn.base import clone
from skorch.callbacks import Callback

from sklearn_trainkit.neural_network.stacking._module_block import ModuleBlock
from sklearn_trainkit.neural_network.stacking._stacked_layers import stacked_layer


class WatchesSteps(Callback):
    """Might do anything between the steps, so that autograd trains the network."""

    def on_grad_computed(self, net, **kwargs):
        pass


def with_autograd(net):
    """Return an unfitted copy of a network that autograd will train: the reference."""
    return clone(net).set_params(callbacks=[*(net.callbacks or []), WatchesSteps()])


def make_modules(make, n_modules=3):
    """Return modules of one kind with different weights, in train mode and float64."""
    torch.manual_seed(0)
    modules = [make().double().train() for _ in range(n_modules)]
    with torch.no_grad():
        for module in modules:
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return modules


def assert_gradients_are_autograds(make, shape=(7, 6), atol=1e-12):
    modules = make_modules(make)
    twins = copy.deepcopy(modules)
    x = torch.randn(len(modules), *shape, dtype=torch.float64)
    block = ModuleBlock(modules)
    layer = stacked_layer(modules, block.part(0, len(modules)))
    block.check_all_used()
    with torch.no_grad():
        y = layer.forward(x)
        upstream = torch.randn_like(y)
        inner = layer.backward(upstream, needs_input=True)
    assert inner is not None
    for row, twin in enumerate(twins):
        own = x[row].clone().requires_grad_()
        expected = twin(own)
        expected.backward(upstream[row])
        torch.testing.assert_close(y[row], expected.detach(), rtol=0, atol=atol)
        torch.testing.assert_close(inner[row], own.grad, rtol=0, atol=atol)
        for name, parameter in twin.named_parameters():
            start, stop, shape = block.columns[name]
            seen = block.gradients[row, start:stop].view(shape)
            torch.testing.assert_close(seen, parameter.grad, rtol=0, atol=atol, msg=name)
        for name, buffer in twin.named_buffers():
            torch.testing.assert_close(dict(modules[row].named_buffers())[name], buffer)
