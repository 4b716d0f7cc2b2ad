"""Sums and extremes of blocks behind one interface: with numpy, or in compiled loops.

Sums are of deviations from a shift: `Sums` has how many values were missing, the sum and the sum
of squares of each feature. Both ways leave NaN out and agree up to rounding.
"""

from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np

from sklearn_trainkit.preprocessing.arrays._choose_loops import compiled_loops
from sklearn_trainkit.preprocessing.arrays._feature_blocks import FeatureBlocks, InfiniteValueError

__all__ = ["BlockStatistics", "CompiledStatistics", "NumpyStatistics", "Sums", "statistics_for"]

Array = np.ndarray[Any, np.dtype[Any]]

_PIECE = 512
# Numbers side by side whose extremes a compiled loop keeps in the first-level cache.
_ROW_IN_RUN = 128


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
        *,
        careful: bool,
        check_finite: bool,
    ) -> Sums:
        """Return the sums over some blocks of ``x * 2**-exponent - shift``.

        A NaN is left out if `careful`; otherwise it makes its feature's sums NaN. An infinite
        value raises InfiniteValueError if `careful` and `check_finite`, or makes its sums infinite.
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
        *,
        careful: bool,
        check_finite: bool,
    ) -> Sums:
        """See `BlockStatistics`."""
        buffer = np.empty(max(block.size for block in group))
        placed = blocks.pattern(shift) if blocks.folded else blocks.spread(shift)
        total = np.zeros((2, blocks.n_fold * blocks.period if blocks.folded else blocks.n_features))
        missing = np.zeros(blocks.n_features, dtype=np.int64)
        for block in group:
            into = buffer[: block.size].reshape(block.shape)
            deviations = _deviations(blocks, block, placed, exponent, into)
            if careful:
                missing += _leave_out_missing(blocks, block, deviations, check_finite)
            _add_sums(blocks, deviations, total)
        if not blocks.folded:
            return Sums(missing, *total)
        sums, squares = np.add.reduce(total.reshape(2, blocks.n_fold, blocks.period), axis=1)
        gathered = (blocks.gather_period(np.add, part) for part in (sums, squares))
        return Sums(missing, *gathered)

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
        source = np.ldexp(block, -blocks.spread(exponent), out=buffer)
    # Converting first is faster than an operation that converts as it goes.
    if source.dtype != np.float64 or (blocks.folded and not source.flags.c_contiguous):
        np.copyto(buffer, source)
        source = buffer
    if not blocks.folded:
        return np.subtract(source, shift, out=buffer)
    for rows, target in zip(blocks.fold(source), blocks.fold(buffer), strict=True):
        np.subtract(rows, shift[: rows.shape[1]], out=target)
    return buffer


def _leave_out_missing(
    blocks: FeatureBlocks, block: Array, deviations: Array, check_finite: bool
) -> Array | int:
    """Set NaN to zero in the deviations, and count them per feature."""
    if np.isfinite(np.add.reduce(deviations, axis=None)):
        return 0
    if check_finite and block.dtype.kind == "f" and np.isinf(block).any():
        raise InfiniteValueError
    missing = np.isnan(deviations)
    np.copyto(deviations, 0.0, where=missing)
    if blocks.folded and missing.size <= 255 * blocks.period * blocks.n_fold:
        # Sums of at most 255 bytes cannot overflow a byte, and add sixteen times as fast.
        main, rest = blocks.fold(missing.view(np.uint8))
        wide = np.add.reduce(main, axis=0, dtype=np.uint8).reshape(blocks.n_fold, blocks.period)
        total = np.add.reduce(wide, axis=0, dtype=np.int64)
        total += np.add.reduce(rest, axis=0, dtype=np.int64)
        return blocks.gather_period(np.add, total)
    return blocks.reduce(np.add, missing, dtype=np.int64)


def _add_sums(blocks: FeatureBlocks, block: Array, total: Array) -> None:
    """Add sum and sum of squares of a contiguous float64 block to `total`."""
    if not blocks.folded:
        runs = block.reshape(blocks.n_runs(block), -1)
        total[0] += blocks.gather_runs(np.add, np.add.reduce(runs, axis=1), block)
        total[1] += blocks.gather_runs(np.add, _row_squares(runs), block)
        return
    for rows in blocks.fold(block):
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
        *,
        careful: bool,
        check_finite: bool,
    ) -> Sums:
        """See `BlockStatistics`; without exponents."""
        assert exponent is None
        missing = np.zeros(blocks.n_features, dtype=np.int64)
        sums, squares = np.zeros((2, blocks.n_features))
        for block in group:
            for found in self._sum_block(blocks, block, shift, careful):
                missing += found.missing
                sums += found.sums
                squares += found.squares
        suspicious = careful and check_finite and not np.isfinite(squares).all()
        if suspicious and any(np.isinf(block).any() for block in group):
            raise InfiniteValueError
        return Sums(missing, sums, squares)

    def _sum_block(
        self, blocks: FeatureBlocks, block: Array, shift: Array, careful: bool
    ) -> list[Sums]:
        if not blocks.folded:
            runs = blocks.runs(block)
            found = _no_sums(len(runs[1]))
            self._loops.run_moments(*runs, blocks.along_runs(shift, block), careful, *found)
            return [Sums(*(blocks.gather_runs(np.add, part, block) for part in found))]
        parts = []
        for rows in blocks.rows(np.ascontiguousarray(block)):
            found = _no_sums(rows.shape[1])
            self._loops.row_moments(rows, blocks.along_row(shift, rows.shape[1]), careful, *found)
            parts.append(Sums(*(blocks.gather_row(np.add, part) for part in found)))
        return parts

    def extremes(self, blocks: FeatureBlocks) -> tuple[Array, Array]:
        """See `BlockStatistics`."""
        lows, highs = [], []
        view = blocks.view
        # A processor fetches ahead along a column: whole columns take two thirds of the time.
        by_columns = not blocks.folded and view.ndim == 2 and view.strides[1] == view.itemsize
        for index in [slice(None)] if by_columns else blocks.slices():
            block = view[index]
            if blocks.folded:
                for rows in blocks.rows(np.ascontiguousarray(block)):
                    low, high = _empty_range(rows.shape[1], rows.dtype)
                    self._loops.row_range(rows, low, high)
                    lows.append(blocks.gather_row(np.minimum, low))
                    highs.append(blocks.gather_row(np.maximum, high))
            else:
                runs = blocks.runs(block)
                low, high = _empty_range(len(runs[1]), block.dtype)
                self._loops.run_range(*runs, low, high, _ROW_IN_RUN)
                lows.append(blocks.gather_runs(np.minimum, low, block))
                highs.append(blocks.gather_runs(np.maximum, high, block))
        low, high = np.minimum.reduce(lows), np.maximum.reduce(highs)
        unseen = low > high
        low[unseen] = high[unseen] = np.nan
        return low, high


def _no_sums(size: int) -> Sums:
    return Sums(np.zeros(size, dtype=np.int64), *np.zeros((2, size)))


def _empty_range(size: int, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    return np.full(size, np.inf, dtype=dtype), np.full(size, -np.inf, dtype=dtype)
