"""Count, mean and variance per feature, in one pass over the data.

A block of rows is brought into cache as float64 around the running mean, its sums are taken
there, and blocks are merged by the formula of Chan, Golub and LeVeque (1983). The mean is held
as a high and a low part, so that a standard deviation of 1e-2 around 1e6 keeps its digits; a
binary exponent per feature keeps squares of subnormal and huge values inside float64.
"""

from typing import Any

import numpy as np

from sklearn_trainkit.preprocessing.arrays._block_statistics import statistics_for
from sklearn_trainkit.preprocessing.arrays._feature_blocks import (
    FeatureBlocks,
    InfiniteValueError,
    blocks_of,
    feature_chunks,
)
from sklearn_trainkit.preprocessing.arrays._numpy_settings import BlockLoops

__all__ = ["ColumnMoments", "exponents_for"]

Array = np.ndarray[Any, np.dtype[Any]]

# Outside of these magnitudes a square may leave the range of float64.
_SMALL, _LARGE = 1e-130, 1e130
_SUSPICIOUS_SQUARES = 1e-255
_BLOCKS_PER_MERGE = 32


class ColumnMoments:
    """Running count, mean and sum of squared deviations of every feature.

    Parameters
    ----------
    n_features : int
        Number of features.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_trainkit.preprocessing.arrays._column_moments import ColumnMoments
    >>> moments = ColumnMoments(1)
    >>> moments.update(np.array([[1.0], [np.nan]]), (1,))
    >>> moments.update(np.array([[3.0], [5.0]]), (1,))
    >>> moments.count, moments.mean(), moments.variance().round(3)
    (array([3]), array([3.]), array([2.667]))
    """

    def __init__(self, n_features: int) -> None:
        self.count = np.zeros(n_features, dtype=np.int64)
        # The mean is (high + low) * 2**exponent, the squares are in units of 2**(2 exponent).
        self.high = np.zeros(n_features)
        self.low = np.zeros(n_features)
        self.squares = np.zeros(n_features)
        self.exponent: Array | None = None
        # Sums of weights, and squares, are in units of 2**unit; None rows: as many as counted.
        self.unit = 0
        self.rows: Array | None = None

    @classmethod
    def from_values(cls, count: Array, mean: Array, variance: Array | None) -> "ColumnMoments":
        """Resume from published values (NaN where the count is zero)."""
        moments = cls(len(mean))
        count = np.array(np.broadcast_to(count, mean.shape))
        moments.count = count if count.dtype.kind == "f" else count.astype(np.int64)
        if count.dtype.kind == "f":  # sums of weights: how many rows they were is not published
            moments.rows = np.ceil(count).astype(np.int64)
        seen = moments.count > 0
        moments.high = np.where(seen, mean, 0.0).astype(np.float64)
        if variance is not None:
            moments.squares = np.where(seen, variance * moments.count, 0.0)
        return moments

    # -- results -------------------------------------------------------------------------

    def mean(self) -> Array:
        """Mean per feature, NaN where nothing was seen."""
        return np.where(self.count > 0, self._unscaled(self.high + self.low, 1), np.nan)

    def variance(self) -> Array:
        """Biased variance per feature, NaN where nothing was seen."""
        return self._unscaled(self._scaled_variance(), 2)

    def standard_deviation(self) -> Array:
        """Root of the variance; right even where the variance leaves the range of float64."""
        return self._unscaled(np.sqrt(self._scaled_variance()), 1)

    def is_constant(self) -> Array:
        """Tell features that are constant up to rounding, by scikit-learn's rule.

        The rule counts rows, whatever they weigh.
        """
        eps = np.finfo(np.float64).eps
        variance = self._scaled_variance()
        n_rows = self.count if self.rows is None else self.rows
        with np.errstate(over="ignore"):
            bound = n_rows * eps * variance + (n_rows * self.high * eps) ** 2
        return variance <= bound

    def seen(self) -> Array:
        """Return how many values each feature has seen, or what they weighed."""
        return self.count if self.rows is None else np.ldexp(self.count, self.unit)

    def _scaled_variance(self) -> Array:
        return np.where(self.count > 0, self.squares / _divisor(self.count), np.nan)

    def _unscaled(self, values: Array, power: int) -> Array:
        if self.exponent is None:
            return values
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp(values, power * self.exponent)

    # -- updates -------------------------------------------------------------------------

    def update(self, X: Array, feature_axes: tuple[int, ...], check_finite: bool = True) -> None:
        """Add the rows of `X`; NaN are left out.

        Raises
        ------
        InfiniteValueError
            If `check_finite` and a value is infinite.
        """
        with BlockLoops():
            for features in feature_chunks(X, feature_axes):
                part = self.view(features)
                part._update_chunk(blocks_of(X[:, features], feature_axes), check_finite)
                self.assign(features, part)

    def _update_chunk(self, blocks: FeatureBlocks, check_finite: bool) -> None:
        indices = list(blocks.slices())
        careful = False
        if blocks.view.ndim == 2 and blocks.view.size == len(self.count) and not self.count.any():
            self._start_with_row(blocks.view.reshape(-1), check_finite)
            return
        if indices and not self.count.all():
            careful = self._place_shift(blocks, blocks.view[indices[0]], check_finite)
        # Blocks share one shift, so that the merge is paid once for all of them; never more
        # blocks than were seen before, so that the shift stays near the mean of all.
        start, n_blocks = 0, 1
        while start < len(indices):
            group = [blocks.view[index] for index in indices[start : start + n_blocks]]
            careful = self._add_group(blocks, group, careful, check_finite)
            start += n_blocks
            n_blocks = min(start, _BLOCKS_PER_MERGE)

    def _start_with_row(self, row: Array, check_finite: bool) -> None:
        if check_finite and row.dtype.kind == "f" and np.isinf(row).any():
            raise InfiniteValueError
        self.count = np.asarray(row == row, dtype=np.int64)
        self.high = np.where(self.count, row, 0).astype(np.float64)

    def view(self, features: slice) -> "ColumnMoments":
        """Return the moments of some features, to be updated and given back to `assign`."""
        if features == slice(None):
            return self
        part = ColumnMoments(len(self.count[features]))
        for name in ("count", "high", "low", "squares"):
            setattr(part, name, getattr(self, name)[features])
        part.exponent = None if self.exponent is None else self.exponent[features]
        return part

    def assign(self, features: slice, part: "ColumnMoments") -> None:
        """Take over the moments of some features."""
        if part is self:
            return
        for name in ("count", "high", "low", "squares"):
            getattr(self, name)[features] = getattr(part, name)
        if self.exponent is not None or part.exponent is not None:
            exponent = self._exponents().copy()
            exponent[features] = part._exponents()
            self.exponent = exponent

    def merge(self, other: "ColumnMoments") -> None:
        """Add what `other` has seen (Chan, Golub and LeVeque)."""
        if self.exponent is not None or other.exponent is not None:
            zeros = np.zeros(len(self.count), dtype=np.int64)
            mine = zeros if self.exponent is None else self.exponent
            theirs = zeros if other.exponent is None else other.exponent
            mine = np.where(self._is_blank(), theirs, mine)
            theirs = np.where(other._is_blank(), mine, theirs)
            common = np.maximum(mine, theirs)
            self._rescale(common)
            other._rescale(common)
        if self.rows is not None or other.rows is not None:
            self._merge_rows(other)
        self.add_sums(other.count, other.high - self.high + other.low, other.squares)

    def _merge_rows(self, other: "ColumnMoments") -> None:
        """Bring both to the larger unit of weights, and add up the rows."""
        mine = self.count if self.rows is None else self.rows
        self.rows = mine + (other.count if other.rows is None else other.rows)
        used = [moments.unit for moments in (self, other) if moments.count.any()]
        unit = max(used, default=0)
        for moments in (self, other):
            step = moments.unit - unit
            moments.count = np.ldexp(moments.count.astype(np.float64), step)
            moments.squares = np.ldexp(moments.squares, step)
            moments.unit = unit

    def add_sums(self, count: Array, offset: Array, squares: Array) -> None:
        """Add `count` values whose mean lies at ``high + offset``."""
        total = self.count + count
        share = count / _divisor(total)
        delta = np.where(count > 0, offset - self.low, 0.0)
        self.squares = self.squares + (squares + delta * delta * (self.count * share))
        low = self.low + delta * share
        self.count = total
        high = self.high + low
        self.low = low - (high - self.high)
        self.high = high

    def _add_group(
        self, blocks: FeatureBlocks, group: list[Array], careful: bool, check_finite: bool
    ) -> bool:
        """Add blocks that share a shift; return whether NaN make the careful way the shorter."""
        sums = self._group_sums(blocks, group, careful, check_finite)
        if not careful and not np.isfinite(sums[1]).all():
            careful = True
            sums = self._group_sums(blocks, group, careful, check_finite)
        if self._adapt_exponent(blocks, group, *sums[1:]):
            sums = self._group_sums(blocks, group, True, check_finite)
        self._merge_group(group[0].dtype, *sums)
        return careful

    def _merge_group(self, dtype: np.dtype[Any], count: Array, sums: Array, squares: Array) -> None:
        offset = sums / np.maximum(count, 1)
        squares = np.maximum(squares - sums * offset, 0.0)
        self.add_sums(count, offset + (self._anchor(dtype) - self.high), squares)

    def _anchor(self, dtype: np.dtype[Any]) -> Array:
        """Return what is subtracted before summing: the high mean, or close to it.

        A float32 less a float32 is exact in float64, so are its sums over many rows.
        """
        if dtype.itemsize > 4:
            return self.high
        return self.high.astype(np.float32).astype(np.float64)

    def _place_shift(self, blocks: FeatureBlocks, block: Array, check_finite: bool) -> bool:
        """Start features not yet seen near their mean: at a value, then at this block's mean.

        Starting at a value keeps a constant column exact; the mean of the first block replaces
        it because that value may be an outlier.
        """
        fresh = self.count == 0
        block = block[
            tuple(slice(None) if a in blocks.layout.kept else slice(64) for a in range(block.ndim))
        ]
        lowest = blocks.reduce(np.fmin, np.ascontiguousarray(block)).astype(np.float64)
        if self.exponent is None and fresh.all() and self._start_near(blocks, block, lowest):
            return False
        probe = ColumnMoments(len(fresh))
        probe.high = np.where(np.isfinite(lowest), lowest, 0.0)
        probe._rescale_high(self.exponent)
        careful = probe._add_group(blocks, [block], False, check_finite)
        if probe.exponent is not None:
            self._rescale(np.where(fresh, probe.exponent, self._exponents()))
            probe._rescale(self._exponents())
        self.high = np.where(fresh, probe.high, self.high)
        self.low = np.where(fresh, 0.0, self.low)
        return careful

    def _start_near(self, blocks: FeatureBlocks, block: Array, lowest: Array) -> bool:
        """Start all features at the block's mean, unless values are missing or huge."""
        deviations = np.subtract(block, blocks.layout.spread(lowest), order="C")
        offset = blocks.reduce(np.add, deviations) * (blocks.n_features / block.size)
        near = lowest + offset
        if not np.abs(near).max() < _LARGE:
            return False
        self.high = near
        return True

    def _group_sums(
        self, blocks: FeatureBlocks, group: list[Array], careful: bool, check_finite: bool
    ) -> tuple[Array, Array, Array]:
        """Return count, sum and sum of squares of the deviations from the high mean."""
        shift = self._anchor(group[0].dtype)
        statistics = statistics_for(blocks.view, self.exponent)
        found = statistics.sum_deviations(blocks, group, shift, self.exponent, careful)
        suspicious = careful and check_finite and not np.isfinite(found.squares).all()
        if suspicious and any(np.isinf(block).any() for block in group):
            raise InfiniteValueError
        n_values = sum(block.size for block in group) // blocks.n_features
        count = np.full(blocks.n_features, n_values, dtype=np.int64)
        return count - found.missing, found.sums, found.squares

    # -- range of float64 ----------------------------------------------------------------

    def _exponents(self) -> Array:
        if self.exponent is None:
            return np.zeros(len(self.count), dtype=np.int64)
        return self.exponent

    def _is_blank(self) -> Array:
        return (self.squares == 0) & (self.high == 0) & (self.low == 0)

    def _rescale_high(self, exponent: Array | None) -> None:
        if exponent is not None:
            self.exponent = exponent
            self.high = np.ldexp(self.high, -exponent)

    def _rescale(self, exponent: Array) -> None:
        step = self._exponents() - exponent
        self.high = np.ldexp(self.high, step)
        self.low = np.ldexp(self.low, step)
        self.squares = np.ldexp(self.squares, 2 * step)
        self.exponent = exponent if exponent.any() else None

    def _adapt_exponent(
        self, blocks: FeatureBlocks, group: list[Array], sums: Array, squares: Array
    ) -> bool:
        """Change the unit of features whose squares left the range of float64."""
        suspects = ~np.isfinite(squares) | ~np.isfinite(sums)
        if group[0].dtype == np.float64:
            suspects |= (squares < _SUSPICIOUS_SQUARES) & (np.abs(self.high) < _SMALL)
        if not suspects.any():
            return False
        magnitude = np.fmax.reduce(
            [
                blocks.reduce(np.fmax, np.abs(np.asarray(block, dtype=np.float64, order="C")))
                for block in group
            ]
        )
        present = self._exponents()
        known = np.isfinite(magnitude) & (magnitude > 0)
        wanted = np.where(known, exponents_for(magnitude), present)
        blank = self._is_blank() | (np.abs(np.ldexp(self.high, present)) <= magnitude)
        wanted = np.where(blank & (self.squares == 0), wanted, np.maximum(wanted, present))
        wanted = np.where(suspects, wanted, present).astype(np.int64)
        if np.array_equal(wanted, present):
            return False
        self._rescale(wanted)
        return True


def exponents_for(magnitude: Array) -> Array:
    """Return by which power of two to divide values so that squares keep their digits."""
    extreme = (magnitude > _LARGE) | ((magnitude > 0) & (magnitude < _SMALL))
    return np.where(extreme & np.isfinite(magnitude), np.frexp(magnitude)[1], 0)


def _divisor(count: Array) -> Array:
    return np.where(count > 0, count, 1)
