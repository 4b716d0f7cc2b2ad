"""Normalizations, forward and backward, of a batch whose rows lie one after the other."""

from typing import Any

import numpy as np

from sklearn_trainkit.neural_network.kernels._arithmetic import compiled_part

__all__ = [
    "normalize_batch",
    "normalize_batch_backward",
    "normalize_groups",
    "normalize_groups_backward",
    "normalize_roots",
    "normalize_roots_backward",
    "scale_and_shift",
    "scale_and_shift_backward",
]


@compiled_part
def scale_and_shift(kept: Any, y: Any, weight: Any, bias: Any) -> None:
    """Write kept * weight + bias, where there are such, for (rows, width)."""
    n_rows, width = kept.shape
    for i in range(n_rows):
        if weight.size == 0:
            for j in range(width):
                y[i, j] = kept[i, j]
        elif bias.size == 0:
            for j in range(width):
                y[i, j] = kept[i, j] * weight[j]
        else:
            for j in range(width):
                y[i, j] = kept[i, j] * weight[j] + bias[j]


@compiled_part
def scale_and_shift_backward(
    g: Any, kept: Any, weight: Any, weight_gradient: Any, bias_gradient: Any
) -> None:
    """Sum the gradients of weight and bias; turn g, of the output, into that of kept."""
    n_rows, width = g.shape
    if bias_gradient.size:
        bias_gradient[:] = 0
        for i in range(n_rows):
            for j in range(width):
                bias_gradient[j] += g[i, j]
    if weight.size:
        weight_gradient[:] = 0
        for i in range(n_rows):
            for j in range(width):
                weight_gradient[j] += g[i, j] * kept[i, j]
                g[i, j] *= weight[j]


@compiled_part
def normalize_batch(
    x: Any, kept: Any, running: Any, scales: Any, eps: float, momentum: float
) -> None:
    """Bring each column to mean 0 and variance 1.

    Parameters
    ----------
    x, kept : ndarray of shape (n_rows, width)
        ``kept`` is written, and may be ``x``.
    running : ndarray of shape (2 * width,)
        Running means and variances, which are brought up to date.
    scales : ndarray of shape (2 * width,)
        The reciprocal standard deviations are written to its first half; the rest is for use here.
    """
    n_rows, width = x.shape
    real = x.dtype.type
    share = real(1) / real(n_rows)
    mean = scales[width:]
    mean[:] = 0
    for i in range(n_rows):
        for j in range(width):
            mean[j] += x[i, j]
    for j in range(width):
        mean[j] *= share
        scales[j] = 0
    for i in range(n_rows):
        for j in range(width):
            d = x[i, j] - mean[j]
            kept[i, j] = d
            scales[j] += d * d
    rate, unbiased = real(momentum), real(n_rows) / real(max(n_rows - 1, 1))
    for j in range(width):
        variance = scales[j] * share
        running[j] += rate * (mean[j] - running[j])
        running[width + j] += rate * (variance * unbiased - running[width + j])
        scales[j] = real(1) / np.sqrt(variance + real(eps))
    for i in range(n_rows):
        for j in range(width):
            kept[i, j] *= scales[j]


@compiled_part
def normalize_batch_backward(g: Any, kept: Any, scales: Any, sums: Any) -> None:
    """Turn g, the gradient of kept, into that of the input; ``sums`` (2 * width,) is for use."""
    n_rows, width = g.shape
    share = g.dtype.type(1) / g.dtype.type(n_rows)
    plain, along = sums[:width], sums[width : 2 * width]
    sums[: 2 * width] = 0
    for i in range(n_rows):
        for j in range(width):
            plain[j] += g[i, j]
            along[j] += g[i, j] * kept[i, j]
    for j in range(width):
        plain[j] *= share
        along[j] *= share
    for i in range(n_rows):
        for j in range(width):
            g[i, j] = (g[i, j] - plain[j] - kept[i, j] * along[j]) * scales[j]


@compiled_part
def normalize_groups(x: Any, kept: Any, scales: Any, n_groups: int, eps: float) -> None:
    """Bring each of a row's groups to mean 0 and variance 1; layer norm has one group.

    Parameters
    ----------
    x, kept : ndarray of shape (n_rows, width)
        ``kept`` is written, and may be ``x``.
    scales : ndarray of shape (n_rows * n_groups,)
        Where the reciprocal standard deviations are written.
    """
    n_rows, width = x.shape
    real = x.dtype.type
    size = width // n_groups
    share, least = real(1) / real(size), real(eps)
    for i in range(n_rows):
        for k in range(n_groups):
            first = k * size
            total = real(0)
            for j in range(size):
                total += x[i, first + j]
            mean = total * share
            total = real(0)
            for j in range(size):
                d = x[i, first + j] - mean
                total += d * d
            scale = real(1) / np.sqrt(total * share + least)
            for j in range(size):
                kept[i, first + j] = (x[i, first + j] - mean) * scale
            scales[i * n_groups + k] = scale


@compiled_part
def normalize_groups_backward(g: Any, kept: Any, scales: Any, n_groups: int) -> None:
    """Turn g, the gradient of kept, into that of the input."""
    n_rows, width = g.shape
    real = g.dtype.type
    size = width // n_groups
    share = real(1) / real(size)
    for i in range(n_rows):
        for k in range(n_groups):
            first = k * size
            plain, along = real(0), real(0)
            for j in range(size):
                plain += g[i, first + j]
                along += g[i, first + j] * kept[i, first + j]
            plain *= share
            along *= share
            scale = scales[i * n_groups + k]
            for j in range(size):
                g[i, first + j] = (g[i, first + j] - plain - kept[i, first + j] * along) * scale


@compiled_part
def normalize_roots(x: Any, kept: Any, scales: Any, eps: float) -> None:
    """Bring each row to root mean square 1."""
    n_rows, width = x.shape
    real = x.dtype.type
    share, least = real(1) / real(width), real(eps)
    for i in range(n_rows):
        total = real(0)
        for j in range(width):
            total += x[i, j] * x[i, j]
        scale = real(1) / np.sqrt(total * share + least)
        for j in range(width):
            kept[i, j] = x[i, j] * scale
        scales[i] = scale


@compiled_part
def normalize_roots_backward(g: Any, kept: Any, scales: Any) -> None:
    """Turn g, the gradient of kept, into that of the input."""
    n_rows, width = g.shape
    real = g.dtype.type
    share = real(1) / real(width)
    for i in range(n_rows):
        along = real(0)
        for j in range(width):
            along += g[i, j] * kept[i, j]
        along *= share
        for j in range(width):
            g[i, j] = (g[i, j] - kept[i, j] * along) * scales[i]
