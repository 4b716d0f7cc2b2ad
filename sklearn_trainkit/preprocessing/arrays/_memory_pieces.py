"""Pieces of an array in memory order that fit in cache, for scaling."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from math import gcd, prod
from typing import Any, NamedTuple

import numpy as np

from sklearn_trainkit.preprocessing.arrays._memory_layout import MemoryLayout
from sklearn_trainkit.preprocessing.arrays._sizes import (
    LONG_PERIOD,
    LONG_RUN,
    ROW_ELEMENTS,
    WIDE_RUN,
)

__all__ = ["MemoryPieces", "Piece", "pieces_of", "segments"]

Array = np.ndarray[Any, np.dtype[Any]]

_LINE_ELEMENTS = 16  # of the smallest dtype that is computed with


class Piece(NamedTuple):
    """A stretch of memory, the shape to view it in, and the part of a placed value for it."""

    start: int
    stop: int
    shape: tuple[int, ...]
    part: slice


class MemoryPieces:
    """Pieces of an array in memory order, and values per feature laid out to match.

    Parameters
    ----------
    layout : MemoryLayout
        Of the array.
    piece_elements : int
        Elements in a piece, at most.
    row_elements : int, default=4096
        Elements in a row of several patterns side by side, at most.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_trainkit.preprocessing.arrays._memory_layout import MemoryLayout
    >>> from sklearn_trainkit.preprocessing.arrays._memory_pieces import MemoryPieces
    >>> pieces = MemoryPieces(MemoryLayout((5_000, 3), (0, 1), (1,)), 12_000)
    >>> [(piece.start, piece.stop, piece.shape) for piece in pieces.between(0, 15_000)]
    [(0, 8160, (2, 4080)), (8160, 12240, (1, 4080)), (12240, 15000, (2760,))]
    >>> pieces.place(np.array([1.0, 2.0, 3.0])).shape
    (4080,)
    """

    def __init__(
        self, layout: MemoryLayout, piece_elements: int, row_elements: int = ROW_ELEMENTS
    ) -> None:
        self._layout = layout
        self._piece = piece_elements
        run, period = layout.run, layout.period
        self._has_runs = (
            layout.first == 0
            or run >= WIDE_RUN
            or (run >= LONG_RUN and period > min(LONG_PERIOD, piece_elements))
        )
        self._unit, self._n_units = (run, 1) if self._has_runs else (period, 1)
        if not self._has_runs:
            most = min(ROW_ELEMENTS, piece_elements)
            self._n_units = _count_patterns(period, min(row_elements, piece_elements), most)
        self._width = self._n_units * self._unit

    def place(self, per_feature: Array) -> Array:
        """Lay out one value per feature: along a row of a piece, or one for each run."""
        if self._has_runs:
            return self._layout.along_runs(per_feature, self._layout.shape).reshape(-1, 1)
        return self._layout.along_row(per_feature, self._n_units)

    def between(self, start: int, stop: int) -> Iterator[Piece]:
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
            yield from self._whole_rows(head, tail)
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

    def _whole_rows(self, start: int, stop: int) -> Iterator[Piece]:
        step = self._piece // self._width * self._width
        tail = start + (stop - start) // self._width * self._width
        for begin in range(start, tail, step):
            end = min(begin + step, tail)
            shape = ((end - begin) // self._width, self._width)
            yield Piece(begin, end, shape, slice(None))
        if tail < stop:
            yield Piece(tail, stop, (stop - tail,), slice(stop - tail))


pieces_of = lru_cache(32)(MemoryPieces)


def _count_patterns(period: int, row_elements: int, most_elements: int) -> int:
    """Return how many patterns lie side by side: as many as make rows of whole cache lines.

    These may need a longer row, up to `most_elements`.
    """
    n_patterns = max(1, row_elements // max(1, period))
    aligned = _LINE_ELEMENTS // gcd(period, _LINE_ELEMENTS)
    if n_patterns < aligned and aligned * period <= most_elements:
        return aligned
    return n_patterns // aligned * aligned or n_patterns


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
