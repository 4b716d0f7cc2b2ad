"""Which feature every element of an array in memory belongs to.

An array in memory order is one long line of numbers. Either the same pattern of features repeats
along it (rows of a table, small images), or one feature fills a long run (columns of a
Fortran-ordered table, channels of large images). numpy and compiled loops are fast when their
inner loop is long, over several patterns side by side or over a whole run; statistics
(`_feature_blocks.py`) and scaling (`_memory_pieces.py`) choose which.
"""

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

__all__ = [
    "MemoryLayout",
    "aligned_empty",
    "aligned_empty_like",
    "layout_of",
    "memory_order",
    "read_only",
]

Array = np.ndarray[Any, np.dtype[Any]]

_CACHE_LINE = 64


class MemoryLayout:
    """Values per feature laid out to match memory, and gathered from it.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    order : tuple of int
        Its axes from the slowest to the fastest in memory.
    feature_axes : tuple of int
        The axes that keep values of their own, in increasing order.

    Attributes
    ----------
    shape : tuple of int
        Sizes of the axes in memory order.
    kept : tuple of int
        Positions of the feature axes in it; `first` and `last` of them.
    period : int
        Elements after which the pattern of features repeats, where axis 0 is the slowest.
    run : int
        Elements of one feature side by side.
    n_features : int
        Number of features.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_trainkit.preprocessing.arrays._memory_layout import MemoryLayout
    >>> layout = MemoryLayout((4, 2, 3), (0, 1, 2), (1,))  # two channels of three pixels
    >>> layout.along_row(np.array([7.0, 8.0]), 2)
    array([7., 7., 7., 8., 8., 8., 7., 7., 7., 8., 8., 8.])
    >>> layout.gather_row(np.add, np.arange(6.0))
    array([ 3., 12.])
    """

    def __init__(
        self, shape: tuple[int, ...], order: tuple[int, ...], feature_axes: tuple[int, ...]
    ) -> None:
        self.order = order
        self.shape = tuple(shape[axis] for axis in order)
        self.kept = tuple(order.index(axis) for axis in feature_axes)
        self.first, self.last = min(self.kept), max(self.kept)
        self.run, self.period = prod(self.shape[self.last + 1 :]), prod(self.shape[self.first :])
        self.n_features = prod(shape[axis] for axis in feature_axes)
        self._spread_shape = tuple(
            size if axis in feature_axes else 1 for axis, size in enumerate(shape)
        )
        self._is_pattern = self.period == self.n_features and len(self.kept) == 1
        # Puts the feature axes back into their order in the array.
        self._back = tuple(np.argsort([order[position] for position in sorted(self.kept)]))

    def spread(self, per_feature: Array) -> Array:
        """Give values per feature the shape that broadcasts against the array in memory order."""
        return per_feature.reshape(self._spread_shape).transpose(self.order)

    def along_row(self, per_feature: Array, n_patterns: int) -> Array:
        """Lay values per feature out along a row of several patterns."""
        pattern = per_feature
        if not self._is_pattern:
            spread = self.spread(per_feature)
            shape = (*spread.shape[: self.first], *self.shape[self.first :])
            pattern = np.broadcast_to(spread, shape).reshape(-1)
        row = aligned_empty(n_patterns * self.period, per_feature.dtype)
        row.reshape(n_patterns, self.period)[...] = pattern
        return row

    def along_runs(self, per_feature: Array, shape: tuple[int, ...]) -> Array:
        """Lay one value out for each run of a part that has this shape."""
        spread = self.spread(per_feature)
        after = spread.shape[self.last + 1 :]
        return np.broadcast_to(spread, (*shape[: self.last + 1], *after)).reshape(-1)

    def n_runs(self, shape: tuple[int, ...]) -> int:
        """Return how many runs a part of this shape has."""
        return prod(shape[: self.last + 1])

    def join_patterns(self, reduce: np.ufunc, row: Array) -> Array:
        """Reduce a row of patterns to one pattern."""
        if row.size == self.period:
            return row
        joined: Array = reduce.reduce(row.reshape(-1, self.period), axis=0)
        return joined

    def gather_row(self, reduce: np.ufunc, row: Array) -> Array:
        """Reduce one value for each position in a row of patterns to one per feature."""
        pattern = self.join_patterns(reduce, row)
        if self._is_pattern:
            return pattern
        return self._gather(reduce, pattern.reshape(self.shape[self.first :]), self.first)

    def gather_runs(self, reduce: np.ufunc, partial: Array, shape: tuple[int, ...]) -> Array:
        """Reduce one value for each run of a part that has this shape to one per feature."""
        return self._gather(reduce, partial.reshape(shape[: self.last + 1]), 0)

    def _gather(self, reduce: np.ufunc, partial: Array, skipped: int) -> Array:
        kept = [position - skipped for position in self.kept]
        others = tuple(axis for axis in range(partial.ndim) if axis not in kept)
        values = reduce.reduce(partial, axis=others) if others else partial
        if len(kept) > 1:
            values = values.transpose(self._back)
        return np.ascontiguousarray(values).reshape(-1)


# For arrays of middle size, finding out about the layout takes a tenth of the time.
layout_of = lru_cache(64)(MemoryLayout)


def memory_order(X: Array) -> tuple[int, ...]:
    """Return the axes of `X` from the slowest to the fastest in memory."""
    if X.flags.c_contiguous:
        return tuple(range(X.ndim))
    return tuple(sorted(range(X.ndim), key=lambda axis: -abs(X.strides[axis])))


def read_only(X: Array) -> Array:
    """Return `X` as an array that cannot be written to, as memory maps often are.

    What a compiled loop only reads is passed this way: for each kind numba compiles it again.
    """
    view = X.view()
    view.flags.writeable = False
    return view


def aligned_empty_like(X: Array, dtype: np.dtype[Any]) -> Array:
    """Return an empty array in the memory order of `X` that starts on a cache line."""
    if X.flags.c_contiguous:
        return aligned_empty(X.size, dtype).reshape(X.shape)
    order = memory_order(X)
    table = aligned_empty(X.size, dtype).reshape([X.shape[axis] for axis in order])
    inverse = sorted(range(X.ndim), key=order.__getitem__)
    return table.transpose(inverse)


def aligned_empty(size: int, dtype: np.dtype[Any]) -> Array:
    """Return an empty line of numbers that starts on a cache line.

    numpy starts arrays at any multiple of 16 bytes; operations whose vectors straddle two lines
    take a quarter longer.
    """
    buffer = np.empty(size + _CACHE_LINE // dtype.itemsize, dtype=dtype)
    skipped = -buffer.__array_interface__["data"][0] % _CACHE_LINE // dtype.itemsize
    return buffer[skipped : skipped + size]
