"""View an n-d array as cache-sized blocks whose inner loop is wide, whatever its memory order.

Statistics and scaling need, for every element, the number that belongs to its feature. numpy is
fast when its inner loop is long, so a block takes one of two forms:

- *folded*: several rows side by side. With 3 features and the pattern ``[m0 m1 m2]``, the rows
  ``[a0 a1 a2] [b0 b1 b2] [c0 c1 c2] [d0 d1 d2]`` become
  ``[a0 a1 a2 b0 b1 b2] [c0 c1 c2 d0 d1 d2]`` against ``[m0 m1 m2 m0 m1 m2]``;
- *runs*: a feature already lies in long runs (channels of an image, columns of a
  Fortran-ordered table), so plain broadcasting is wide enough.
"""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from sklearn_trainkit.preprocessing.arrays._choose_loops import compiled_loops

__all__ = [
    "BLOCK_ELEMENTS",
    "FeatureBlocks",
    "InfiniteValueError",
    "blocks_of",
    "feature_chunks",
    "memory_order",
]

# 131,072 float64 are a megabyte: the working buffer stays in a core's second-level cache.
BLOCK_ELEMENTS = 131_072
# A compiled loop goes through memory once, and needs no buffer.
_COMPILED_BLOCK, _COMPILED_ROW = 1_048_576, 128
_FIRST_BLOCK_SHARE = 16
_FOLDED_WIDTH = 1_024
_LONG_RUN = 128
_RUN_IN_BLOCK = 4_096

Array = np.ndarray[Any, np.dtype[Any]]


class InfiniteValueError(ValueError):
    """A block holds an infinite value."""


def memory_order(X: Array) -> tuple[int, ...]:
    """Return the axes of `X` from the slowest to the fastest in memory."""
    if X.flags.c_contiguous:
        return tuple(range(X.ndim))
    return tuple(sorted(range(X.ndim), key=lambda axis: -abs(X.strides[axis])))


def feature_chunks(
    X: Array, feature_axes: tuple[int, ...], run: int = _RUN_IN_BLOCK
) -> list[slice]:
    """Cut a column-major table into groups of columns, so that its blocks keep runs of `run`."""
    if X.ndim != 2 or feature_axes != (1,) or memory_order(X) != (1, 0):
        return [slice(None)]
    n_columns = BLOCK_ELEMENTS // min(max(1, X.shape[0]), run)
    return [slice(start, start + n_columns) for start in range(0, X.shape[1], n_columns)]


class FeatureBlocks:
    """The blocks of an array, with the translation between features and block positions.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...)
        The data; never copied as a whole.
    feature_axes : tuple of int
        The axes that keep statistics of their own, in increasing order, without axis 0.
    block_elements : int, default=131072
        Elements in a block, at most (a single row may be longer).
    """

    def __init__(
        self, X: Array, feature_axes: tuple[int, ...], block_elements: int = BLOCK_ELEMENTS
    ) -> None:
        self.feature_axes = feature_axes
        self.order = memory_order(X)
        self.view = X.transpose(self.order)
        shape = self.view.shape
        self.kept = tuple(self.order.index(axis) for axis in feature_axes)
        self.sample_axis = self.order.index(0)
        self.kept_shape = tuple(X.shape[axis] for axis in feature_axes)
        self.n_features = prod(self.kept_shape)
        self.block_elements = block_elements
        first, self.last_kept = min(self.kept), max(self.kept)
        run = prod(shape[self.last_kept + 1 :])
        self.period = prod(shape[first:])
        self.folded = self.sample_axis == 0 and first > 0 and run < _LONG_RUN
        self.n_fold = max(1, _FOLDED_WIDTH // max(1, self.period)) if self.folded else 1

    # -- features <-> positions -----------------------------------------------------------

    def spread(self, per_feature: Array) -> Array:
        """Give values per feature the shape that broadcasts against a block of the view."""
        shape = [1] * self.view.ndim
        for axis, size in zip(self.feature_axes, self.kept_shape, strict=True):
            shape[axis] = size
        return per_feature.reshape(shape).transpose(self.order)

    def pattern(self, per_feature: Array) -> Array:
        """Repeat values per feature along one folded row."""
        if self.period == self.n_features and len(self.kept) == 1:
            period = per_feature
        else:
            period = np.broadcast_to(
                self.spread(per_feature)[0],
                self.spread(per_feature)[0].shape[: min(self.kept) - 1]
                + self.view.shape[min(self.kept) :],
            ).reshape(-1)
        if self.n_fold == 1:
            return period
        repeated = np.empty((self.n_fold, self.period), dtype=period.dtype)
        repeated[...] = period
        return repeated.reshape(-1)

    def gather(self, reduce: np.ufunc, partial: Array, shape: tuple[int, ...]) -> Array:
        """Reduce what a block left, of view-like `shape`, to one value per feature."""
        partial = partial.reshape(shape)
        offset = self.view.ndim - len(shape) if self.folded else 0
        kept = [axis - offset for axis in self.kept]
        others = tuple(axis for axis in range(partial.ndim) if axis not in kept)
        values = reduce.reduce(partial, axis=others) if others else partial
        if len(self.kept) > 1:
            # Put the feature axes back into their order in X.
            values = values.transpose(np.argsort([self.order[k] for k in sorted(self.kept)]))
        return np.ascontiguousarray(values).reshape(-1)

    def fold(self, block: Array) -> tuple[Array, Array]:
        """View a contiguous block as folded rows, and the few left-over rows unfolded."""
        rows = block.reshape(-1, self.period)
        n_main = len(rows) // self.n_fold * self.n_fold
        return rows[:n_main].reshape(-1, self.n_fold * self.period), rows[n_main:]

    # -- reductions ----------------------------------------------------------------------

    def reduce(self, ufunc: np.ufunc, block: Array, **kwargs: Any) -> Array:
        """Reduce a contiguous block to one value per feature."""
        if not self.folded:
            partial = ufunc.reduce(block.reshape(self.n_runs(block), -1), axis=1, **kwargs)
            return self.gather_runs(ufunc, partial, block)
        main, rest = self.fold(block)
        parts = []
        if len(main):
            wide = ufunc.reduce(main, axis=0, **kwargs).reshape(self.n_fold, self.period)
            parts.append(ufunc.reduce(wide, axis=0))
        if len(rest):
            parts.append(ufunc.reduce(rest, axis=0, **kwargs))
        total = parts[0] if len(parts) == 1 else ufunc(*parts)
        return self.gather_period(ufunc, total)

    def gather_period(self, ufunc: np.ufunc, total: Array) -> Array:
        """Reduce one value per position in a period to one per feature."""
        if self.period == self.n_features and len(self.kept) == 1:
            return total
        return self.gather(ufunc, total, self.view.shape[min(self.kept) :])

    def n_runs(self, block: Array) -> int:
        """Return how many runs of one feature each an unfolded block has."""
        return prod(block.shape[: self.last_kept + 1])

    # -- memory for compiled loops ---------------------------------------------------------

    def runs(self, block: Array) -> tuple[Array, Array, int]:
        """Return memory, where in it each run of an unfolded block starts, and their length."""
        inside = block.ndim == 2 and block.strides[1] == block.itemsize <= block.strides[0]
        if not inside or block.strides[0] % block.itemsize:
            block = np.ascontiguousarray(block)
            block = block.reshape(self.n_runs(block), -1)
        n_runs, length = block.shape
        starts = np.arange(n_runs) * (block.strides[0] // block.itemsize)
        # From the first number of the block to its last.
        n_elements = int(starts[-1]) + length
        memory = np.lib.stride_tricks.as_strided(
            block, (n_elements,), (block.itemsize,), writeable=False
        )
        return memory, starts, length

    def rows(self, block: Array) -> list[Array]:
        """View a contiguous folded block as rows of a few periods, and the rest of it."""
        rows = block.reshape(-1, self.period)
        n_side = max(1, _COMPILED_ROW // self.period)
        n_main = len(rows) // n_side * n_side
        parts = [rows[:n_main].reshape(-1, n_side * self.period), rows[n_main:]]
        return [part for part in parts if len(part)]

    def along_runs(self, per_feature: Array, block: Array) -> Array:
        """Lay out one value per feature for each run."""
        spread = self.spread(per_feature)
        lead = block.shape[: self.last_kept + 1]
        return np.broadcast_to(spread, (*lead, *spread.shape[len(lead) :])).reshape(-1)

    def along_row(self, per_feature: Array, width: int) -> Array:
        """Repeat one value per feature along a row of `width` numbers."""
        spread, first = self.spread(per_feature), min(self.kept)
        period = np.broadcast_to(spread, (*spread.shape[:first], *self.view.shape[first:]))
        return np.tile(period.reshape(-1), width // self.period)

    def gather_runs(self, ufunc: np.ufunc, partial: Array, block: Array) -> Array:
        """Reduce one value per run to one per feature."""
        return self.gather(ufunc, partial, block.shape[: self.last_kept + 1])

    def gather_row(self, ufunc: np.ufunc, partial: Array) -> Array:
        """Reduce one value per position in a row to one per feature."""
        return self.gather_period(ufunc, ufunc.reduce(partial.reshape(-1, self.period), axis=0))

    # -- iteration -----------------------------------------------------------------------

    def slices(self) -> Iterator[tuple[slice, ...]]:
        """Yield the index of each block in the view: whole samples, in order."""
        shape = self.view.shape
        n_samples = shape[self.sample_axis]
        per_sample = max(1, self.view.size // max(1, n_samples))
        step = max(1, self.block_elements // per_sample)
        if step > self.n_fold:
            step = step // self.n_fold * self.n_fold
        before = (slice(None),) * self.sample_axis
        start, size = 0, step
        if self.block_elements > BLOCK_ELEMENTS:
            # The error of the first mean counts by its share of the rows.
            size = max(self.n_fold, step // _FIRST_BLOCK_SHARE // self.n_fold * self.n_fold)
        while start < n_samples:
            yield (*before, slice(start, min(start + size, n_samples)))
            start, size = start + size, step


def blocks_of(X: Array, feature_axes: tuple[int, ...]) -> FeatureBlocks:
    """Return blocks of the size that suits those who work on them."""
    large = (X.flags.c_contiguous or X.flags.f_contiguous) and compiled_loops(X) is not None
    return FeatureBlocks(X, feature_axes, _COMPILED_BLOCK if large else BLOCK_ELEMENTS)
