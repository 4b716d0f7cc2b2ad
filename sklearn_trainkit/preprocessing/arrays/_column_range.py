"""Minimum and maximum per feature, in one pass over the data."""

from functools import partial
from typing import Any

import numpy as np

from sklearn_trainkit.preprocessing.arrays._block_statistics import statistics_for
from sklearn_trainkit.preprocessing.arrays._feature_blocks import (
    InfiniteValueError,
    blocks_of,
    feature_chunks,
)
from sklearn_trainkit.preprocessing.arrays._thread_shares import run_in_threads, share_out

__all__ = ["column_min_max"]

Array = np.ndarray[Any, np.dtype[Any]]


def column_min_max(
    X: Array, feature_axes: tuple[int, ...], check_finite: bool = True, n_threads: int = 1
) -> tuple[Array, Array]:
    """Return minimum and maximum per feature in one pass; NaN are left out.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...)
        The data, of a real dtype.
    feature_axes : tuple of int
        The axes that keep values of their own.
    check_finite : bool, default=True
        Whether an infinite value raises.
    n_threads : int, default=1
        Threads that share the rows, or the columns.

    Returns
    -------
    low, high : ndarray of shape (n_features,)
        In the dtype of `X`; NaN for a feature that is NaN throughout.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_trainkit.preprocessing.arrays._column_range import column_min_max
    >>> column_min_max(np.array([[1.0, np.nan], [5.0, 2.0]]), (1,))
    (array([1., 2.]), array([5., 2.]))
    """
    if n_threads == 1:
        low, high = _min_max(X, feature_axes)
    else:
        low, high = _min_max_in_threads(X, feature_axes, n_threads)
    if check_finite and X.dtype.kind == "f" and (np.isinf(low).any() or np.isinf(high).any()):
        raise InfiniteValueError
    return low, high


def _min_max(X: Array, feature_axes: tuple[int, ...]) -> tuple[Array, Array]:
    chunks = [blocks_of(X[:, part], feature_axes) for part in feature_chunks(X, feature_axes)]
    parts = [statistics_for(blocks.view).extremes(blocks) for blocks in chunks]
    low = np.concatenate([part[0] for part in parts])
    return low, np.concatenate([part[1] for part in parts])


def _min_max_in_threads(
    X: Array, feature_axes: tuple[int, ...], n_threads: int
) -> tuple[Array, Array]:
    by_columns, shares = share_out(X, n_threads)
    values = [X[:, share] if by_columns else X[share] for share in shares]
    parts = run_in_threads([partial(_min_max, part, feature_axes) for part in values])
    lows, highs = zip(*parts, strict=True)
    if by_columns:
        return np.concatenate(lows), np.concatenate(highs)
    return np.fmin.reduce(lows), np.fmax.reduce(highs)
