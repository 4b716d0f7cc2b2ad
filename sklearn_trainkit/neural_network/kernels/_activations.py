"""Activation functions with their derivatives, in one pass over the numbers."""

from typing import Any

from sklearn_trainkit.neural_network.kernels._arithmetic import (
    compiled_part,
    erf,
    exp,
    expm1,
    sigmoid,
    tanh,
)
from sklearn_trainkit.neural_network.kernels._codes import Activation

__all__ = ["activate", "rectify"]

_ELU, _GELU, _GELU_TANH = int(Activation.ELU), int(Activation.GELU), int(Activation.GELU_TANH)
_MISH, _SILU, _TANH = int(Activation.MISH), int(Activation.SILU), int(Activation.TANH)
_ROOT_HALF, _DENSITY = 0.7071067811865476, 0.3989422804014327  # of the normal distribution
_ROOT_TWO_BY_PI, _CUBIC = 0.7978845608028654, 0.044715


@compiled_part
def rectify(x: Any, y: Any, slope: Any) -> None:
    """Write x where it is positive, else slope * x: ReLU and its leaky kind."""
    slope = x.dtype.type(slope)
    zero = x.dtype.type(0)
    if slope == zero:
        for i in range(x.size):
            y[i] = zero if x[i] < zero else x[i]
    else:
        for i in range(x.size):
            y[i] = x[i] if x[i] > zero else x[i] * slope


@compiled_part
def _gelu(x: Any, y: Any, slope: Any) -> None:
    one, half = x.dtype.type(1), x.dtype.type(0.5)
    root, density = x.dtype.type(_ROOT_HALF), x.dtype.type(_DENSITY)
    for i in range(x.size):
        v = x[i]
        share = half * (one + erf(v * root))
        slope[i] = share + v * density * exp(-half * v * v)
        y[i] = v * share


@compiled_part
def _gelu_by_tanh(x: Any, y: Any, slope: Any) -> None:
    one, half, three = x.dtype.type(1), x.dtype.type(0.5), x.dtype.type(3)
    root, cubic = x.dtype.type(_ROOT_TWO_BY_PI), x.dtype.type(_CUBIC)
    for i in range(x.size):
        v = x[i]
        t = tanh(root * (v + cubic * v * v * v))
        inner = root * (one + three * cubic * v * v)
        slope[i] = half * (one + t) + half * v * (one - t * t) * inner
        y[i] = half * v * (one + t)


@compiled_part
def _mish(x: Any, y: Any, slope: Any) -> None:
    one, two, most = x.dtype.type(1), x.dtype.type(2), x.dtype.type(20)
    for i in range(x.size):
        v = x[i]
        e = exp(most if v > most else v)
        n = e * (e + two)
        t = n / (n + two)  # the hyperbolic tangent of log(1 + e)
        slope[i] = t + v * (one - t * t) * (e / (one + e))
        y[i] = v * t


@compiled_part
def _silu(x: Any, y: Any, slope: Any) -> None:
    one = x.dtype.type(1)
    for i in range(x.size):
        v = x[i]
        s = sigmoid(v)
        slope[i] = s * (one + v * (one - s))
        y[i] = v * s


@compiled_part
def _elu(x: Any, y: Any, slope: Any, alpha: float, scale: float) -> None:
    one, zero = x.dtype.type(1), x.dtype.type(0)
    a, factor = x.dtype.type(alpha), x.dtype.type(scale)
    for i in range(x.size):
        v = x[i]
        less_one = expm1(zero if v > zero else v)
        slope[i] = factor * (one if v > zero else a * (less_one + one))
        y[i] = factor * (v if v > zero else a * less_one)


@compiled_part
def activate(kind: int, x: Any, y: Any, slope: Any, alpha: float, scale: float) -> None:
    """Write a function of x into y, and its derivative into slope, which may be x itself.

    Parameters
    ----------
    kind : int
        An :class:`Activation`.
    x, y, slope : ndarray of shape (n,)
    alpha, scale : float
        Of ELU, whose scaled kind is SELU.
    """
    one = x.dtype.type(1)
    if kind == _GELU:
        _gelu(x, y, slope)
    elif kind == _GELU_TANH:
        _gelu_by_tanh(x, y, slope)
    elif kind == _SILU:
        _silu(x, y, slope)
    elif kind == _ELU:
        _elu(x, y, slope, alpha, scale)
    elif kind == _MISH:
        _mish(x, y, slope)
    elif kind == _TANH:
        for i in range(x.size):
            t = tanh(x[i])
            slope[i] = one - t * t
            y[i] = t
    else:
        for i in range(x.size):
            s = sigmoid(x[i])
            slope[i] = s * (one - s)
            y[i] = s
