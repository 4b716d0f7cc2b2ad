"""Linear layers, dropout and skips, forward and backward."""

from typing import Any

import numpy as np

from sklearn_trainkit.neural_network.kernels._arithmetic import compiled_part
from sklearn_trainkit.neural_network.kernels._codes import Use

__all__ = [
    "add",
    "concatenate",
    "drop",
    "hand_back",
    "linear",
    "linear_backward",
    "multiply",
    "rectify_backward",
]

_NONE, _SET = int(Use.NONE), int(Use.SET)


@compiled_part
def linear(x: Any, y: Any, weight: Any, bias: Any) -> None:
    """Write x @ weight.T + bias; the bias may be empty."""
    np.dot(x, weight.T, y)
    if bias.size:
        for i in range(y.shape[0]):
            for j in range(y.shape[1]):
                y[i, j] += bias[j]


@compiled_part
def linear_backward(
    x: Any,
    g: Any,
    weight: Any,
    weight_gradient: Any,
    bias_gradient: Any,
    passed: Any,
    use: int,
    spare: Any,
) -> None:
    """Write the gradients of weight and bias, and that of x as ``use`` says."""
    np.dot(g.T, x, weight_gradient)
    if bias_gradient.size:
        bias_gradient[:] = 0
        for i in range(g.shape[0]):
            for j in range(g.shape[1]):
                bias_gradient[j] += g[i, j]
    if use == _SET:
        np.dot(g, weight, passed)
    elif use != _NONE:
        np.dot(g, weight, spare)
        for i in range(passed.shape[0]):
            for j in range(passed.shape[1]):
                passed[i, j] += spare[i, j]


@compiled_part
def drop(x: Any, y: Any, bits: Any, below: int, scale: Any) -> None:
    """Write x times its mask: scale where the random bits are below a threshold, else zero."""
    scale = x.dtype.type(scale)
    zero = x.dtype.type(0)
    for i in range(x.size):
        y[i] = x[i] * (scale if bits[i] < below else zero)


@compiled_part
def rectify_backward(g: Any, y: Any, slope: Any) -> None:
    """Turn g, the gradient of y, into that of what was rectified."""
    slope = y.dtype.type(slope)
    zero = y.dtype.type(0)
    for i in range(y.size):
        g[i] = g[i] * slope if y[i] <= zero else g[i]


@compiled_part
def multiply(g: Any, slope: Any) -> None:
    """Multiply g by slope, number by number."""
    for i in range(g.size):
        g[i] *= slope[i]


@compiled_part
def add(x: Any, other: Any, y: Any) -> None:
    """Write x + other."""
    for i in range(y.size):
        y[i] = x[i] + other[i]


@compiled_part
def concatenate(x: Any, other: Any, y: Any) -> None:
    """Write x and other side by side."""
    width = x.shape[1]
    for i in range(y.shape[0]):
        for j in range(width):
            y[i, j] = x[i, j]
        for j in range(other.shape[1]):
            y[i, width + j] = other[i, j]


@compiled_part
def hand_back(g: Any, first: int, passed: Any, use: int) -> None:
    """Hand some columns of g, from the first on, to where they came from."""
    if use == _NONE:
        return
    for i in range(passed.shape[0]):
        for j in range(passed.shape[1]):
            if use == _SET:
                passed[i, j] = g[i, first + j]
            else:
                passed[i, j] += g[i, first + j]
