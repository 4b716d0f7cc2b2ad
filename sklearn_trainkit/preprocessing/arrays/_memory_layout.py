"""Which feature every element of an array in memory belongs to, and pieces that fit in cache.

An array in memory order is one long line of numbers. Either the same pattern of features repeats
along it (rows of a table, small images), or one feature fills a long run (columns of a
Fortran-ordered table, channels of large images). A piece of the line then goes through numpy
with an inner loop of thousands of numbers: several patterns side by side, or a whole run.
"""

from collections.abc import Iterator
from itertools import pairwise
from math import gcd, prod
from typing import Any, NamedTuple

import numpy as np

from sklearn_trainkit.preprocessing.arrays._feature_blocks import memory_order

__all__ = ["MemoryLayout", "Piece", "aligned_empty", "aligned_empty_like", "segments"]

Array = np.ndarray[Any, np.dtype[Any]]

_TILE = 4_096
_LONG_RUN, _SHORT_RUN = 2_048, 128
_LONG_PERIOD = 16_384
_CACHE_LINE = 64
_LINE_ELEMENTS = 16  # of the smallest dtype that is computed with


class Piece(NamedTuple):
    """A stretch of memory, the shape to view it in, and the part of a placed value for it."""

    start: int
    stop: int
    shape: tuple[int, ...]
    part: slice


class MemoryLayout:
    """Pieces of an array in memory order, and values per feature laid out to match.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    order : tuple of int
        Its axes from the slowest to the fastest in memory.
    feature_axes : tuple of int
        The axes that keep values of their own, in increasing order.
    piece_elements : int
        Elements in a piece, at most.
    row_elements : int, default=4096
        Elements in a row of several patterns side by side, at most.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_trainkit.preprocessing.arrays._memory_layout import MemoryLayout
    >>> layout = MemoryLayout((5_000, 3), (0, 1), (1,), 12_000)
    >>> [(piece.start, piece.stop, piece.shape) for piece in layout.pieces(0, 15_000)]
    [(0, 8160, (2, 4080)), (8160, 12240, (1, 4080)), (12240, 15000, (2760,))]
    >>> layout.place(np.array([1.0, 2.0, 3.0])).shape
    (4080,)
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        order: tuple[int, ...],
        feature_axes: tuple[int, ...],
        piece_elements: int,
        row_elements: int = _TILE,
    ) -> None:
        self._order = order
        self._shape = tuple(shape[axis] for axis in order)
        self._spread_shape = tuple(
            size if axis in feature_axes else 1 for axis, size in enumerate(shape)
        )
        self._piece = piece_elements
        positions = [order.index(axis) for axis in feature_axes]
        self._first, self._last = min(positions), max(positions)
        run, period = prod(self._shape[self._last + 1 :]), prod(self._shape[self._first :])
        self._has_runs = (
            self._first == 0
            or run >= _LONG_RUN
            or (run >= _SHORT_RUN and period > min(_LONG_PERIOD, piece_elements))
        )
        self._is_table = not self._has_runs and len(shape) == 2
        self._unit = run if self._has_runs else period
        n_tiles = 1
        if not self._has_runs:
            n_tiles = _count_tiles(period, min(row_elements, self._piece), min(_TILE, self._piece))
        self._width = n_tiles * self._unit

    def place(self, per_feature: Array) -> Array:
        """Lay out one value per feature: along a row of a piece, or one for each run."""
        if self._is_table:
            return self._tiled(per_feature)
        spread = per_feature.reshape(self._spread_shape).transpose(self._order)
        if self._has_runs:
            lead = (*self._shape[: self._last + 1], *spread.shape[self._last + 1 :])
            return _expanded(spread, lead).reshape(-1, 1)
        lead = (*spread.shape[: self._first], *self._shape[self._first :])
        return self._tiled(_expanded(spread, lead).reshape(-1))

    def _tiled(self, pattern: Array) -> Array:
        tiles = aligned_empty(self._width, pattern.dtype)
        tiles.reshape(-1, self._unit)[...] = pattern
        return tiles

    def pieces(self, start: int, stop: int) -> Iterator[Piece]:
        """Yield the pieces of the memory between two positions, in order."""
        unit = self._unit
        head = min(stop, -(-start // unit) * unit)
        tail = head + (stop - head) // unit * unit
        yield from self._inside_units(start, head)
        if unit > self._piece:
            yield from self._inside_units(head, tail)
        elif self._has_runs:
            yield from self._whole_runs(head, tail)
        else:
            yield from self._whole_tiles(head, tail)
        yield from self._inside_units(tail, stop)

    def _inside_units(self, start: int, stop: int) -> Iterator[Piece]:
        while start < stop:
            unit, offset = divmod(start, self._unit)
            size = min(self._piece, self._unit - offset, stop - start)
            if self._has_runs:
                yield Piece(start, start + size, (1, size), slice(unit, unit + 1))
            else:
                yield Piece(start, start + size, (size,), slice(offset, offset + size))
            start += size

    def _whole_runs(self, start: int, stop: int) -> Iterator[Piece]:
        run = self._unit
        step = self._piece // run * run
        for begin in range(start, stop, step):
            end = min(begin + step, stop)
            yield Piece(begin, end, ((end - begin) // run, run), slice(begin // run, end // run))

    def _whole_tiles(self, start: int, stop: int) -> Iterator[Piece]:
        step = self._piece // self._width * self._width
        tail = start + (stop - start) // self._width * self._width
        for begin in range(start, tail, step):
            end = min(begin + step, tail)
            shape = ((end - begin) // self._width, self._width)
            yield Piece(begin, end, shape, slice(None))
        if tail < stop:
            yield Piece(tail, stop, (stop - tail,), slice(stop - tail))


def _count_tiles(period: int, row_elements: int, most_elements: int) -> int:
    """Return how many patterns lie side by side: as many as make rows of whole cache lines.

    These may need a longer row, up to `most_elements`.
    """
    n_tiles = max(1, row_elements // max(1, period))
    aligned = _LINE_ELEMENTS // gcd(period, _LINE_ELEMENTS)
    if n_tiles < aligned and aligned * period <= most_elements:
        return aligned
    return n_tiles // aligned * aligned or n_tiles


def _expanded(values: Array, shape: tuple[int, ...]) -> Array:
    return values if values.shape == shape else np.broadcast_to(values, shape)


def segments(
    shape: tuple[int, ...], rows: tuple[int, int], size: int
) -> Iterator[tuple[tuple[slice, ...], int, int]]:
    """Yield parts of a C-ordered array of about `size` elements: index, start and stop in memory.

    Only the rows between two numbers are covered.
    """
    row = prod(shape[1:])
    if row <= size or len(shape) == 1:
        step = max(1, size // max(1, row))
        for begin, end in pairwise([*range(rows[0], rows[1], step), rows[1]]):
            yield (slice(begin, end),), begin * row, end * row
        return
    for begin in range(*rows):
        for index, start, stop in segments(shape[1:], (0, shape[1]), size):
            yield (slice(begin, begin + 1), *index), begin * row + start, begin * row + stop


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
