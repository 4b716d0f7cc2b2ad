"""Activation functions of several networks at once, with their derivatives."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from sklearn_trainkit.neural_network.stacking._stacked_layers import (
    STACKERS,
    MemberTensors,
    StackedLayer,
    check_alike,
    stacks,
)

_aten = torch.ops.aten
# Constants of Klambauer et al., NeurIPS 2017, as torch has them.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946

# From the layer's settings and (gradient, input, output) to the gradient of the input.
_DERIVATIVES: dict[type[nn.Module], Callable[[Any, Any, Any, Any], torch.Tensor]] = {
    nn.ELU: lambda f, g, x, y: _aten.elu_backward.default(g, f.alpha, 1.0, 1.0, False, x),
    nn.GELU: lambda f, g, x, y: _aten.gelu_backward.default(g, x, approximate=f.approximate),
    nn.LeakyReLU: lambda f, g, x, y: _aten.leaky_relu_backward.default(
        g, x, f.negative_slope, False
    ),
    nn.Mish: lambda f, g, x, y: _aten.mish_backward.default(g, x),
    nn.ReLU: lambda f, g, x, y: _aten.threshold_backward.default(g, x, 0),
    nn.SELU: lambda f, g, x, y: _aten.elu_backward.default(
        g, SELU_ALPHA, SELU_SCALE, 1.0, False, x
    ),
    nn.Sigmoid: lambda f, g, x, y: _aten.sigmoid_backward.default(g, y),
    nn.SiLU: lambda f, g, x, y: _aten.silu_backward.default(g, x),
    nn.Tanh: lambda f, g, x, y: _aten.tanh_backward.default(g, y),
}
_FUNCTIONS: dict[type[nn.Module], Callable[[Any, torch.Tensor], torch.Tensor]] = {
    nn.ELU: lambda f, x: functional.elu(x, f.alpha),
    nn.GELU: lambda f, x: functional.gelu(x, approximate=f.approximate),
    nn.LeakyReLU: lambda f, x: functional.leaky_relu(x, f.negative_slope),
    nn.Mish: lambda f, x: functional.mish(x),
    nn.ReLU: lambda f, x: torch.relu(x),
    nn.SELU: lambda f, x: torch.selu(x),
    nn.Sigmoid: lambda f, x: torch.sigmoid(x),
    nn.SiLU: lambda f, x: functional.silu(x),
    nn.Tanh: lambda f, x: torch.tanh(x),
}


@stacks(*_DERIVATIVES)
class StackedActivation(StackedLayer):
    """An elementwise function whose derivative torch has as a kernel."""

    kept = ("_x", "_y")

    def __init__(self, layers: Sequence[nn.Module], tensors: MemberTensors) -> None:
        check_alike(layers)
        self._layer = layers[0]
        self._function = _FUNCTIONS[type(layers[0])]
        self._derivative = _DERIVATIVES[type(layers[0])]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._x = x
        self._y = self._function(self._layer, x)
        return self._y

    def backward(self, gradient: torch.Tensor, needs_input: bool) -> torch.Tensor | None:
        return self._derivative(self._layer, gradient, self._x, self._y) if needs_input else None


class StackedElementwise(StackedLayer):
    """Any other elementwise function without parameters; autograd gives its derivative."""

    kept = ("_x", "_y")

    def __init__(self, layers: Sequence[nn.Module], tensors: MemberTensors) -> None:
        check_alike(layers)
        layer: Any = copy.deepcopy(layers[0])
        if hasattr(layer, "inplace"):
            layer.inplace = False
        self._layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            self._x = x.detach().requires_grad_()
            self._y = self._layer(self._x)
        return self._y.detach()

    def backward(self, gradient: torch.Tensor, needs_input: bool) -> torch.Tensor | None:
        return torch.autograd.grad(self._y, self._x, gradient)[0] if needs_input else None


_ELEMENTWISE = (
    nn.CELU,
    nn.Hardshrink,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.Hardtanh,
    nn.LogSigmoid,
    nn.ReLU6,
    nn.Softplus,
    nn.Softshrink,
    nn.Softsign,
    nn.Tanhshrink,
    nn.Threshold,
)
STACKERS.update(dict.fromkeys(_ELEMENTWISE, StackedElementwise))
