"""Mean and variance per feature of rows with weights, over the same range as without.

Weights only count by their ratios, so that they are brought to a power of two around 1 first, and
the count is kept in that unit; values are brought into the range in which squares keep all digits.
"""

from typing import Any

import numpy as np

from sklearn_trainkit.preprocessing.arrays._column_moments import ColumnMoments, exponents_for
from sklearn_trainkit.preprocessing.arrays._column_range import column_min_max

__all__ = ["weighted_moments"]

Array = np.ndarray[Any, np.dtype[Any]]

_CHUNK_ELEMENTS = 65_536


def weighted_moments(X: Array, weight: Array, check_finite: bool = True) -> ColumnMoments:
    """Return the moments of a table whose rows count by their weights.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Real numbers; NaN are left out.
    weight : ndarray of shape (n_samples,)
        Not negative. A row of weight zero is left out.
    check_finite : bool, default=True
        Whether an infinite value raises, also in a row of weight zero.

    Returns
    -------
    moments : ColumnMoments
        Without any rows if all weights are zero.

    Examples
    --------
    >>> moments = weighted_moments(np.array([[1.0], [3.0], [9.0]]), np.array([3e200, 1e200, 0.0]))
    >>> moments.mean(), moments.variance()
    (array([1.5]), array([0.75]))
    """
    moments = ColumnMoments(X.shape[1])
    moments.rows = np.zeros(X.shape[1], dtype=np.int64)
    if not weight.all():
        if check_finite:
            column_min_max(X, (1,))
        X, weight = X[weight > 0], weight[weight > 0]
    if not len(X):
        return moments
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        low, high = column_min_max(X, (1,), check_finite)
        moments.unit = int(np.frexp(weight.max())[1])
        exponent = exponents_for(np.fmax(np.abs(low), np.abs(high)).astype(np.float64))
        moments.exponent = exponent if exponent.any() else None
        shift = np.where(np.isnan(low), 0.0, np.ldexp(low.astype(np.float64), -exponent))
        share = np.ldexp(weight, -moments.unit)
        step = max(1, _CHUNK_ELEMENTS // X.shape[1])
        for start in range(0, len(X), step):
            rows = np.ldexp(X[start : start + step].astype(np.float64), -exponent)
            _add_rows(moments, rows, shift, share[start : start + step])
    return moments


def _add_rows(moments: ColumnMoments, rows: Array, shift: Array, share: Array) -> None:
    """Add rows in the unit of `moments`: the mean of all of them first, then what differs."""
    rows -= shift  # a constant column becomes exactly zero
    missing = np.isnan(rows)
    some_missing = bool(missing.any())
    if some_missing:
        rows[missing] = 0.0
        there = ~missing
        count, n_rows = share @ there, there.sum(axis=0)
    else:
        count, n_rows = np.full(rows.shape[1], share.sum()), np.full(rows.shape[1], len(rows))
    divisor = np.where(count > 0, count, 1.0)
    mean = share @ rows / divisor
    rows -= mean
    if some_missing:
        rows[missing] = 0.0
    left = share @ rows / divisor  # what rounding took from the mean
    squares = np.maximum(share @ (rows * rows) - left * left * count, 0.0)
    moments.rows = n_rows if moments.rows is None else moments.rows + n_rows
    moments.add_sums(count, (mean + left) + (shift - moments.high), squares)
