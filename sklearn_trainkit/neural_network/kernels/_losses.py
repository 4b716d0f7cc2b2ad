"""Losses of a batch, with the gradient of the network's output."""

import math
from typing import Any

from sklearn_trainkit.neural_network.kernels._arithmetic import (
    compiled_part,
    exp,
    log1p_exp,
    sigmoid,
)
from sklearn_trainkit.neural_network.kernels._codes import LossKind

__all__ = ["loss_and_gradient"]

_CROSS_ENTROPY = int(LossKind.CROSS_ENTROPY)
_BINARY = int(LossKind.BINARY_CROSS_ENTROPY)
_SQUARED, _HUBER = int(LossKind.SQUARED_ERROR), int(LossKind.HUBER)


@compiled_part
def _cross_entropy(
    o: Any, g: Any, codes: Any, weights: Any, rows: Any, smoothing: float, spread: Any
) -> float:
    n_rows, n_classes = o.shape
    real = o.dtype.type
    total = 0.0
    for i in range(n_rows):
        row = rows[i]
        weight = 1.0 if weights.size == 0 else float(weights[row, 0])
        most = o[i, 0]
        for j in range(1, n_classes):
            most = o[i, j] if o[i, j] > most else most
        z = real(0)
        for j in range(n_classes):
            e = exp(o[i, j] - most)
            g[i, j] = e
            z += e
        code = codes[row]
        log_z = math.log(z)
        loss = (1.0 - smoothing) * (log_z - (o[i, code] - most))
        if smoothing > 0.0:
            for j in range(n_classes):
                loss += spread[j] * (log_z - (o[i, j] - most))
        total += weight * loss
        share = real(weight / n_rows)
        for j in range(n_classes):
            g[i, j] = (g[i, j] / z - spread[j]) * share
        g[i, code] -= real(1.0 - smoothing) * share
    return total / n_rows


@compiled_part
def _of_each_output(
    kind: int, o: Any, g: Any, y: Any, weights: Any, rows: Any, smoothing: float, spread: Any
) -> float:
    n_rows, n_outputs = o.shape
    real = o.dtype.type
    zero, one, half = real(0), real(1), real(0.5)
    total = 0.0
    for i in range(n_rows):
        row = rows[i]
        for j in range(n_outputs):
            weight = 1.0
            if weights.size:
                weight = float(weights[row, j if weights.shape[1] > 1 else 0])
            out, target = o[i, j], y[row, j]
            if kind == _BINARY:
                target = target * real(1.0 - smoothing) + spread[j]
                size = abs(out)
                loss = (out if out > zero else zero) - out * target + log1p_exp(-size)
                gradient = sigmoid(out) - target
            else:
                d = out - target
                size = abs(d)
                if kind == _SQUARED:
                    loss = d * d
                    gradient = d + d
                elif kind == _HUBER:
                    loss = half * d * d if size < one else size - half
                    gradient = d if size < one else (one if d > zero else -one)
                    gradient = gradient if d == d else d
                else:
                    loss = size
                    gradient = one if d > zero else (-one if d < zero else d)
            total += weight * loss
            g[i, j] = gradient * real(weight / (n_rows * n_outputs))
    return total / (n_rows * n_outputs)


@compiled_part
def loss_and_gradient(
    kind: int,
    o: Any,
    g: Any,
    codes: Any,
    y: Any,
    weights: Any,
    rows: Any,
    smoothing: float,
    spread: Any,
) -> float:
    """Return the mean loss of a batch and write the gradient of its outputs.

    Parameters
    ----------
    kind : int
        A :class:`LossKind`.
    o, g : ndarray of shape (n_rows, n_outputs)
    codes : ndarray of int64, shape (n,), or none
    y : ndarray of shape (n, n_outputs), or none
    weights : ndarray of shape (n, 1), (n, n_outputs), or none
    rows : ndarray of int64, shape (n_rows,)
        The rows of the data that the batch has.
    smoothing : float
        What a label gives to the others.
    spread : ndarray of shape (n_outputs,)
        What each output has of it.
    """
    if kind == _CROSS_ENTROPY:
        return _cross_entropy(o, g, codes, weights, rows, smoothing, spread)
    return _of_each_output(kind, o, g, y, weights, rows, smoothing, spread)
