"""An n-d array as blocks of whole samples that fit in cache, for statistics.

numpy is fast when its inner loop is long, so a block takes one of two forms:

- *folded*: several rows side by side. With 3 features and the pattern ``[m0 m1 m2]``, the rows
  ``[a0 a1 a2] [b0 b1 b2] [c0 c1 c2] [d0 d1 d2]`` become
  ``[a0 a1 a2 b0 b1 b2] [c0 c1 c2 d0 d1 d2]`` against ``[m0 m1 m2 m0 m1 m2]``;
- *runs*: a feature already lies in long runs (channels of an image, columns of a
  Fortran-ordered table), so plain broadcasting is wide enough.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from sklearn_trainkit.preprocessing.arrays._choose_loops import compiled_loops
from sklearn_trainkit.preprocessing.arrays._memory_layout import layout_of, memory_order
from sklearn_trainkit.preprocessing.arrays._sizes import (
    BLOCK_ELEMENTS,
    COMPILED_ELEMENTS,
    FIRST_BLOCK_SHARE,
    LONG_RUN,
    RUN_IN_BLOCK,
    SUMS_ROW,
)

__all__ = ["FeatureBlocks", "InfiniteValueError", "blocks_of", "feature_chunks"]

Array = np.ndarray[Any, np.dtype[Any]]


class InfiniteValueError(ValueError):
    """A block holds an infinite value."""


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

    Attributes
    ----------
    layout : MemoryLayout
        Of `X`.
    view : ndarray
        `X` in memory order.
    folded : bool
        The form of the blocks.
    n_fold : int
        Rows side by side; 1 where not folded.
    """

    def __init__(
        self, X: Array, feature_axes: tuple[int, ...], block_elements: int = BLOCK_ELEMENTS
    ) -> None:
        self.layout = layout = layout_of(X.shape, memory_order(X), feature_axes)
        self.view = X.transpose(layout.order)
        self.n_features = layout.n_features
        self._block_elements = block_elements
        self.folded = layout.order[0] == 0 and layout.first > 0 and layout.run < LONG_RUN
        self.n_fold = max(1, SUMS_ROW // max(1, layout.period)) if self.folded else 1

    def fold(self, block: Array, n_fold: int) -> tuple[Array, Array]:
        """View a contiguous block as rows of several patterns, and the few left-over rows."""
        period = self.layout.period
        rows = block.reshape(-1, period)
        n_main = len(rows) // n_fold * n_fold
        return rows[:n_main].reshape(-1, n_fold * period), rows[n_main:]

    def reduce(self, ufunc: np.ufunc, block: Array, **kwargs: Any) -> Array:
        """Reduce a contiguous block to one value per feature."""
        if not self.folded:
            runs = block.reshape(self.layout.n_runs(block.shape), -1)
            partial = ufunc.reduce(runs, axis=1, **kwargs)
            return self.layout.gather_runs(ufunc, partial, block.shape)
        parts = [
            self.layout.join_patterns(ufunc, ufunc.reduce(rows, axis=0, **kwargs))
            for rows in self.fold(block, self.n_fold)
            if len(rows)
        ]
        return self.layout.gather_row(ufunc, parts[0] if len(parts) == 1 else ufunc(*parts))

    def slices(self) -> Iterator[tuple[slice, ...]]:
        """Yield the index of each block in the view: whole samples, in order."""
        sample_axis = self.layout.order.index(0)
        n_samples = self.view.shape[sample_axis]
        per_sample = max(1, self.view.size // max(1, n_samples))
        step = max(1, self._block_elements // per_sample)
        if step > self.n_fold:
            step = step // self.n_fold * self.n_fold
        before = (slice(None),) * sample_axis
        start, size = 0, step
        if self._block_elements > BLOCK_ELEMENTS:
            size = max(self.n_fold, step // FIRST_BLOCK_SHARE // self.n_fold * self.n_fold)
        while start < n_samples:
            yield (*before, slice(start, min(start + size, n_samples)))
            start, size = start + size, step


def blocks_of(X: Array, feature_axes: tuple[int, ...]) -> FeatureBlocks:
    """Return blocks of the size that suits those who work on them."""
    large = (X.flags.c_contiguous or X.flags.f_contiguous) and compiled_loops(X) is not None
    return FeatureBlocks(X, feature_axes, COMPILED_ELEMENTS if large else BLOCK_ELEMENTS)


def feature_chunks(X: Array, feature_axes: tuple[int, ...]) -> list[slice]:
    """Cut a column-major table into groups of columns, so that its blocks keep long runs."""
    if X.ndim != 2 or feature_axes != (1,) or memory_order(X) != (1, 0):
        return [slice(None)]
    n_columns = BLOCK_ELEMENTS // min(max(1, X.shape[0]), RUN_IN_BLOCK)
    return [slice(start, start + n_columns) for start in range(0, X.shape[1], n_columns)]
