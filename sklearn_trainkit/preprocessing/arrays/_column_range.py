"""Minimum and maximum per feature, in one pass over the data."""

from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from sklearn_trainkit.preprocessing.arrays._choose_loops import compiled_loops
from sklearn_trainkit.preprocessing.arrays._feature_blocks import (
    FeatureBlocks,
    InfiniteValueError,
    blocks_of,
    feature_chunks,
)
from sklearn_trainkit.preprocessing.arrays._thread_shares import run_in_threads, share_out

__all__ = ["column_min_max"]

Array = np.ndarray[Any, np.dtype[Any]]

# Numbers side by side whose extremes a compiled loop keeps in the first-level cache.
_ROW_IN_RUN = 128


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
    parts = [
        _chunk_min_max(blocks_of(X[:, features], feature_axes))
        for features in feature_chunks(X, feature_axes)
    ]
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


def _chunk_min_max(blocks: FeatureBlocks) -> tuple[Array, Array]:
    loops = compiled_loops(blocks.view)
    if loops is not None:
        return _compiled_min_max(blocks, loops)
    parts = []
    careful = False
    for index in blocks.slices():
        block = blocks.view[index]
        if blocks.folded:
            block = np.ascontiguousarray(block)
        low = blocks.reduce(np.fmin if careful else np.minimum, block)
        if not careful and block.dtype.kind == "f" and np.isnan(low).any():
            careful = True
            low = blocks.reduce(np.fmin, block)
        high = blocks.reduce(np.fmax if careful else np.maximum, block)
        parts.append((low, high))
    return np.fmin.reduce([part[0] for part in parts]), np.fmax.reduce([part[1] for part in parts])


def _compiled_min_max(blocks: FeatureBlocks, loops: ModuleType) -> tuple[Array, Array]:
    lows, highs = [], []
    view = blocks.view
    # A processor fetches ahead along a column, so that whole columns take two thirds of the time.
    by_columns = not blocks.folded and view.ndim == 2 and view.strides[1] == view.itemsize
    for index in [slice(None)] if by_columns else blocks.slices():
        block = view[index]
        if blocks.folded:
            for rows in blocks.rows(np.ascontiguousarray(block)):
                low, high = _empty_range(rows.shape[1], rows.dtype)
                loops.row_range(rows, low, high)
                lows.append(blocks.gather_row(np.minimum, low))
                highs.append(blocks.gather_row(np.maximum, high))
        else:
            memory, starts, length = blocks.runs(block)
            low, high = _empty_range(len(starts), block.dtype)
            loops.run_range(memory, starts, length, low, high, _ROW_IN_RUN)
            lows.append(blocks.gather_runs(np.minimum, low, block))
            highs.append(blocks.gather_runs(np.maximum, high, block))
    low, high = np.minimum.reduce(lows), np.maximum.reduce(highs)
    unseen = low > high
    low[unseen] = high[unseen] = np.nan
    return low, high


def _empty_range(size: int, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    return np.full(size, np.inf, dtype=dtype), np.full(size, -np.inf, dtype=dtype)
