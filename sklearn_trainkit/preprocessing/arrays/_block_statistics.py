"""Sums and extremes of blocks behind one interface: with numpy, or in compiled loops.

Sums are of deviations from a shift: `Sums` has how many values were missing, the sum and the sum
of squares of each feature. Both ways leave NaN out and agree up to rounding.
"""

from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np

from sklearn_trainkit.preprocessing.arrays._choose_loops import compiled_loops
from sklearn_trainkit.preprocessing.arrays._feature_blocks import FeatureBlocks
from sklearn_trainkit.preprocessing.arrays._memory_layout import read_only
from sklearn_trainkit.preprocessing.arrays._missing_values import leave_out_missing
from sklearn_trainkit.preprocessing.arrays._sizes import COMPILED_SUMS_ROW

__all__ = ["BlockStatistics", "CompiledStatistics", "NumpyStatistics", "Sums", "statistics_for"]

Array = np.ndarray[Any, np.dtype[Any]]

_PIECE = 512


class Sums(NamedTuple):
    """What a group of blocks leaves, per feature."""

    missing: Array
    sums: Array
    squares: Array


class BlockStatistics(Protocol):
    """What statistics ask of those who go through the numbers."""

    def sum_deviations(
        self,
        blocks: FeatureBlocks,
        group: list[Array],
        shift: Array,
        exponent: Array | None,
        careful: bool,
    ) -> Sums:
        """Return the sums over some blocks of ``x * 2**-exponent - shift``.

        A NaN is left out if `careful`; otherwise it makes its feature's sums NaN. An infinite
        value makes the sum of squares infinite.
        """

    def extremes(self, blocks: FeatureBlocks) -> tuple[Array, Array]:
        """Return minimum and maximum over all blocks; NaN for a feature that is NaN throughout."""


def statistics_for(X: Array, exponent: Array | None = None) -> BlockStatistics:
    """Return who goes through the numbers of `X`; compiled loops know no exponents."""
    loops = None if exponent is not None else compiled_loops(X)
    return NumpyStatistics() if loops is None else CompiledStatistics(loops)


class NumpyStatistics:
    """A numpy operation on a whole block at a time, in a buffer that stays in cache."""

    def sum_deviations(
        self,
        blocks: FeatureBlocks,
        group: list[Array],
        shift: Array,
        exponent: Array | None,
        careful: bool,
    ) -> Sums:
        """See `BlockStatistics`."""
        buffer = np.empty(max(block.size for block in group))
        layout = blocks.layout
        width = blocks.n_fold * layout.period if blocks.folded else blocks.n_features
        placed = layout.along_row(shift, blocks.n_fold) if blocks.folded else layout.spread(shift)
        total = np.zeros((2, width))
        missing = np.zeros(blocks.n_features, dtype=np.int64)
        for block in group:
            into = buffer[: block.size].reshape(block.shape)
            deviations = _deviations(blocks, block, placed, exponent, into)
            if careful:
                missing += leave_out_missing(blocks, deviations)
            _add_sums(blocks, deviations, total)
        if not blocks.folded:
            return Sums(missing, *total)
        patterns = np.add.reduce(total.reshape(2, blocks.n_fold, layout.period), axis=1)
        return Sums(missing, *(layout.gather_row(np.add, pattern) for pattern in patterns))

    def extremes(self, blocks: FeatureBlocks) -> tuple[Array, Array]:
        """See `BlockStatistics`."""
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
            parts.append((low, blocks.reduce(np.fmax if careful else np.maximum, block)))
        lows, highs = zip(*parts, strict=True)
        return np.fmin.reduce(lows), np.fmax.reduce(highs)


def _deviations(
    blocks: FeatureBlocks, block: Array, shift: Array, exponent: Array | None, buffer: Array
) -> Array:
    source = block
    if exponent is not None:
        source = np.ldexp(block, -blocks.layout.spread(exponent), out=buffer)
    # Converting first is faster than an operation that converts as it goes.
    if source.dtype != np.float64 or (blocks.folded and not source.flags.c_contiguous):
        np.copyto(buffer, source)
        source = buffer
    if not blocks.folded:
        return np.subtract(source, shift, out=buffer)
    parts = zip(blocks.fold(source, blocks.n_fold), blocks.fold(buffer, blocks.n_fold), strict=True)
    for rows, target in parts:
        np.subtract(rows, shift[: rows.shape[1]], out=target)
    return buffer


def _add_sums(blocks: FeatureBlocks, block: Array, total: Array) -> None:
    """Add sum and sum of squares of a contiguous float64 block to `total`."""
    if not blocks.folded:
        layout = blocks.layout
        runs = block.reshape(layout.n_runs(block.shape), -1)
        total[0] += layout.gather_runs(np.add, np.add.reduce(runs, axis=1), block.shape)
        total[1] += layout.gather_runs(np.add, _row_squares(runs), block.shape)
        return
    for rows in blocks.fold(block, blocks.n_fold):
        if len(rows):
            total[0, : rows.shape[1]] += np.add.reduce(rows, axis=0)
            total[1, : rows.shape[1]] += np.einsum("ij,ij->j", rows, rows)


def _row_squares(runs: Array) -> Array:
    """Sum the squares along each row, in short pieces: the rounding error grows with the piece."""
    n_pieces = runs.shape[1] // _PIECE
    main = runs[:, : n_pieces * _PIECE].reshape(len(runs), n_pieces, _PIECE)
    rest = runs[:, n_pieces * _PIECE :]
    total = np.einsum("ij,ij->i", rest, rest)
    return total + np.add.reduce(np.einsum("ijk,ijk->ij", main, main), axis=1)


class CompiledStatistics:
    """Loops that go through memory once and need no buffer.

    Parameters
    ----------
    loops : module
        The compiled loops.
    """

    def __init__(self, loops: ModuleType) -> None:
        self._loops = loops

    def sum_deviations(
        self,
        blocks: FeatureBlocks,
        group: list[Array],
        shift: Array,
        exponent: Array | None,
        careful: bool,
    ) -> Sums:
        """See `BlockStatistics`; without exponents."""
        missing = np.zeros(blocks.n_features, dtype=np.int64)
        sums, squares = np.zeros((2, blocks.n_features))
        for block in group:
            for found in self._sum_block(blocks, block, shift, careful):
                missing += found.missing
                sums += found.sums
                squares += found.squares
        return Sums(missing, sums, squares)

    def _sum_block(
        self, blocks: FeatureBlocks, block: Array, shift: Array, careful: bool
    ) -> list[Sums]:
        layout = blocks.layout
        if not blocks.folded:
            runs = _memory_of_runs(blocks, block)
            found = _no_sums(len(runs[1]))
            placed = read_only(layout.along_runs(shift, block.shape))
            self._loops.run_moments(*runs, placed, careful, *found)
            return [Sums(*(layout.gather_runs(np.add, part, block.shape) for part in found))]
        parts = []
        for rows in _rows_of_patterns(blocks, block):
            found = _no_sums(rows.shape[1])
            placed = read_only(layout.along_row(shift, rows.shape[1] // layout.period))
            self._loops.row_moments(read_only(rows), placed, careful, *found)
            parts.append(Sums(*(layout.gather_row(np.add, part) for part in found)))
        return parts

    def extremes(self, blocks: FeatureBlocks) -> tuple[Array, Array]:
        """See `BlockStatistics`."""
        lows, highs = [], []
        layout, view = blocks.layout, blocks.view
        # A processor fetches ahead along a column: whole columns take two thirds of the time.
        by_columns = not blocks.folded and view.ndim == 2 and view.strides[1] == view.itemsize
        for index in [slice(None)] if by_columns else blocks.slices():
            block = view[index]
            if blocks.folded:
                for rows in _rows_of_patterns(blocks, block):
                    low, high = _empty_range(rows.shape[1], rows.dtype)
                    self._loops.row_range(read_only(rows), low, high)
                    lows.append(layout.gather_row(np.minimum, low))
                    highs.append(layout.gather_row(np.maximum, high))
            else:
                runs = _memory_of_runs(blocks, block)
                low, high = _empty_range(len(runs[1]), block.dtype)
                self._loops.run_range(*runs, low, high, COMPILED_SUMS_ROW)
                lows.append(layout.gather_runs(np.minimum, low, block.shape))
                highs.append(layout.gather_runs(np.maximum, high, block.shape))
        low, high = np.minimum.reduce(lows), np.maximum.reduce(highs)
        unseen = low > high
        low[unseen] = high[unseen] = np.nan
        return low, high


def _rows_of_patterns(blocks: FeatureBlocks, block: Array) -> list[Array]:
    n_side = max(1, COMPILED_SUMS_ROW // blocks.layout.period)
    return [rows for rows in blocks.fold(np.ascontiguousarray(block), n_side) if len(rows)]


def _memory_of_runs(blocks: FeatureBlocks, block: Array) -> tuple[Array, Array, int]:
    """Return memory, where in it each run of an unfolded block starts, and their length."""
    inside = block.ndim == 2 and block.strides[1] == block.itemsize <= block.strides[0]
    if not inside or block.strides[0] % block.itemsize:
        block = np.ascontiguousarray(block)
        block = block.reshape(blocks.layout.n_runs(block.shape), -1)
    n_runs, length = block.shape
    starts = np.arange(n_runs) * (block.strides[0] // block.itemsize)
    # From the first number of the block to its last.
    n_elements = int(starts[-1]) + length
    memory = np.lib.stride_tricks.as_strided(
        block, (n_elements,), (block.itemsize,), writeable=False
    )
    return memory, starts, length


def _no_sums(size: int) -> Sums:
    return Sums(np.zeros(size, dtype=np.int64), *np.zeros((2, size)))


def _empty_range(size: int, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    return np.full(size, np.inf, dtype=dtype), np.full(size, -np.inf, dtype=dtype)
