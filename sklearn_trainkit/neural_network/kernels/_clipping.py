"""Gradient clipping, by norm, by value and by the ratio to the weights."""

from typing import Any

import numpy as np

from sklearn_trainkit.neural_network.kernels._arithmetic import compiled_part

__all__ = ["clip"]


@compiled_part
def _clip_adaptive(p: Any, g: Any, units: Any, ratio: float) -> None:
    real = p.dtype.type
    for k in range(units.shape[0]):
        start, size = units[k, 0], units[k, 1]
        for u in range(units[k, 2]):
            first = start + u * size
            weights, gradients = real(0), real(0)
            for i in range(first, first + size):
                weights += p[i] * p[i]
                gradients += g[i] * g[i]
            limit = max(np.sqrt(weights), real(1e-3)) * real(ratio)
            norm = np.sqrt(gradients)
            # A comparison that NaN passes: what is not finite stays so.
            if not norm <= limit:
                factor = limit / norm
                for i in range(first, first + size):
                    g[i] *= factor


@compiled_part
def clip(p: Any, g: Any, units: Any, limits: Any) -> None:
    """Clip one network's gradients in place.

    Parameters
    ----------
    p, g : ndarray of shape (n,)
    units : ndarray of int64, shape (n_parameters, 3)
        Of each parameter the beginning, the size of a unit, and how many units it has.
    limits : ndarray of float64, shape (3,)
        By norm, by value, and by the ratio of a unit's norms; infinite for none.
    """
    real = p.dtype.type
    if limits[2] < np.inf:
        _clip_adaptive(p, g, units, limits[2])
    if limits[0] < np.inf:
        total = real(0)
        for i in range(g.size):
            total += g[i] * g[i]
        factor = real(limits[0]) / (np.sqrt(total) + real(1e-6))
        if not factor >= real(1):
            for i in range(g.size):
                g[i] *= factor
    if limits[1] < np.inf:
        most = real(limits[1])
        for i in range(g.size):
            v = g[i]
            v = most if v > most else v
            g[i] = -most if v < -most else v
