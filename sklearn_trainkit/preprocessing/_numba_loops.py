"""Loops over large arrays that numba compiles, one pass over memory each.

numpy needs a pass, if only through cache, for every operation. The loops do the same arithmetic
in the same order for each element (no fast math), so that scaling gives the same bits as numpy's.
They release the interpreter lock. ``rows`` are rows of a table or of several rows side by side,
with values along the row; ``runs`` are stretches of one feature each.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

__all__ = [
    "FUSED",
    "row_moments",
    "row_range",
    "run_moments",
    "run_range",
]

# Long sums in one accumulator lose digits.
_ROWS_PER_SUM = 512
# Several extremes side by side can be vectorized.
_LANES = 128


def _compile(loop: Callable[..., Any]) -> Callable[..., Any]:
    try:
        compiled: Any = numba.njit(loop, cache=True, nogil=True, error_model="numpy")
    except RuntimeError:  # there is nowhere to keep it
        compiled = numba.njit(loop, nogil=True, error_model="numpy")
    return compiled


# -- scaling: write the result, tell whether the source holds an infinite value ------------------


@_compile
def _subtract_multiply_rows(X: Any, mean: Any, factor: Any, out: Any) -> bool:
    infinite = False
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            value = X[i, j]
            infinite |= abs(value) == np.inf
            out[i, j] = (value - mean[j]) * factor[j]
    return infinite


@_compile
def _subtract_multiply_runs(X: Any, mean: Any, factor: Any, out: Any) -> bool:
    infinite = False
    for i in range(X.shape[0]):
        m, f = mean[i], factor[i]
        source, target = X[i], out[i]
        for j in range(len(source)):
            value = source[j]
            infinite |= abs(value) == np.inf
            target[j] = (value - m) * f
    return infinite


@_compile
def _subtract_twice_multiply_rows(X: Any, mean: Any, low: Any, factor: Any, out: Any) -> bool:
    infinite = False
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            value = X[i, j]
            infinite |= abs(value) == np.inf
            out[i, j] = (value - mean[j] - low[j]) * factor[j]
    return infinite


@_compile
def _subtract_twice_multiply_runs(X: Any, mean: Any, low: Any, factor: Any, out: Any) -> bool:
    infinite = False
    for i in range(X.shape[0]):
        m, rest, f = mean[i], low[i], factor[i]
        source, target = X[i], out[i]
        for j in range(len(source)):
            value = source[j]
            infinite |= abs(value) == np.inf
            target[j] = (value - m - rest) * f
    return infinite


@_compile
def _multiply_add_rows(X: Any, factor: Any, mean: Any, out: Any) -> bool:
    infinite = False
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            value = X[i, j]
            infinite |= abs(value) == np.inf
            out[i, j] = value * factor[j] + mean[j]
    return infinite


@_compile
def _multiply_add_runs(X: Any, factor: Any, mean: Any, out: Any) -> bool:
    infinite = False
    for i in range(X.shape[0]):
        f, m = factor[i], mean[i]
        source, target = X[i], out[i]
        for j in range(len(source)):
            value = source[j]
            infinite |= abs(value) == np.inf
            target[j] = value * f + m
    return infinite


@_compile
def _multiply_add_twice_rows(X: Any, factor: Any, low: Any, mean: Any, out: Any) -> bool:
    infinite = False
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            value = X[i, j]
            infinite |= abs(value) == np.inf
            out[i, j] = value * factor[j] + low[j] + mean[j]
    return infinite


@_compile
def _multiply_add_twice_runs(X: Any, factor: Any, low: Any, mean: Any, out: Any) -> bool:
    infinite = False
    for i in range(X.shape[0]):
        f, rest, m = factor[i], low[i], mean[i]
        source, target = X[i], out[i]
        for j in range(len(source)):
            value = source[j]
            infinite |= abs(value) == np.inf
            target[j] = value * f + rest + m
    return infinite


# The loop over rows and the loop over runs that do all of these operations at once.
FUSED = {
    (np.subtract, np.multiply): (_subtract_multiply_rows, _subtract_multiply_runs),
    (np.subtract, np.subtract, np.multiply): (
        _subtract_twice_multiply_rows,
        _subtract_twice_multiply_runs,
    ),
    (np.multiply, np.add): (_multiply_add_rows, _multiply_add_runs),
    (np.multiply, np.add, np.add): (_multiply_add_twice_rows, _multiply_add_twice_runs),
}


# -- statistics ----------------------------------------------------------------------------------


@_compile
def row_moments(X: Any, shift: Any, careful: bool, missing: Any, sums: Any, squares: Any) -> None:
    """Add the deviations from `shift` and their squares, per position in a row.

    A NaN is left out and counted in `missing` if `careful`; otherwise it makes its sums NaN.
    """
    n_rows, width = X.shape
    part, part_squares = np.empty(width), np.empty(width)
    for start in range(0, n_rows, _ROWS_PER_SUM):
        part[:] = 0.0
        part_squares[:] = 0.0
        for i in range(start, min(start + _ROWS_PER_SUM, n_rows)):
            if careful:
                for j in range(width):
                    deviation = np.float64(X[i, j]) - shift[j]
                    is_missing = deviation != deviation
                    missing[j] += is_missing
                    deviation = 0.0 if is_missing else deviation
                    part[j] += deviation
                    part_squares[j] += deviation * deviation
            else:
                for j in range(width):
                    deviation = np.float64(X[i, j]) - shift[j]
                    part[j] += deviation
                    part_squares[j] += deviation * deviation
        for j in range(width):
            sums[j] += part[j]
            squares[j] += part_squares[j]


@_compile
def run_moments(
    memory: Any,
    starts: Any,
    length: int,
    shift: Any,
    careful: bool,
    missing: Any,
    sums: Any,
    squares: Any,
    width: int = 128,
) -> None:
    """As `row_moments`, per run: each is `length` numbers from its start in `memory`.

    A run is summed as rows of `width` numbers. That is an argument, because a constant would be
    unrolled instead of vectorized.
    """
    row_shift, row_sums, row_squares = np.empty(width), np.empty(width), np.empty(width)
    row_missing = np.empty(width, dtype=np.int64)
    n_full = length // width * width
    for i in range(len(starts)):
        run = memory[starts[i] : starts[i] + length]
        row_shift[:] = shift[i]
        row_sums[:] = 0.0
        row_squares[:] = 0.0
        row_missing[:] = 0
        row_moments(
            run[:n_full].reshape(-1, width), row_shift, careful, row_missing, row_sums, row_squares
        )
        row_moments(
            run[n_full:].reshape(-1, 1), row_shift, careful, row_missing, row_sums, row_squares
        )
        sums[i] += row_sums.sum()
        squares[i] += row_squares.sum()
        missing[i] += row_missing.sum()


@_compile
def row_range(X: Any, low: Any, high: Any) -> None:
    """Lower `low` and raise `high` to the values of each position in a row; NaN are left out."""
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            value = X[i, j]
            low[j] = value if value < low[j] else low[j]
            high[j] = value if value > high[j] else high[j]


@_compile
def run_range(memory: Any, starts: Any, length: int, low: Any, high: Any) -> None:
    """As `row_range`, per run."""
    least, most = np.empty(_LANES, dtype=memory.dtype), np.empty(_LANES, dtype=memory.dtype)
    n_full = length // _LANES
    for i in range(len(starts)):
        run = memory[starts[i] : starts[i] + length]
        least[:] = low[i]
        most[:] = high[i]
        for k in range(n_full):
            for lane in range(_LANES):
                value = run[k * _LANES + lane]
                least[lane] = value if value < least[lane] else least[lane]
                most[lane] = value if value > most[lane] else most[lane]
        for j in range(n_full * _LANES, length):
            value = run[j]
            least[0] = value if value < least[0] else least[0]
            most[0] = value if value > most[0] else most[0]
        for lane in range(_LANES):
            low[i] = min(low[i], least[lane])
            high[i] = max(high[i], most[lane])
