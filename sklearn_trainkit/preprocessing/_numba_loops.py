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
    "PAIRS",
    "row_moments",
    "row_range",
    "run_moments",
    "run_range",
]

# Partial sums: long sums in one accumulator lose digits, and short ones cannot be vectorized.
_ROWS_PER_SUM = 512
_LANES = 128
_LANES_PER_SUM = 65_536


def _compile(loop: Callable[..., Any]) -> Callable[..., Any]:
    try:
        compiled: Any = numba.njit(loop, cache=True, nogil=True, error_model="numpy")
    except RuntimeError:  # there is nowhere to keep it
        compiled = numba.njit(loop, nogil=True, error_model="numpy")
    return compiled


# -- scaling: write the result, tell whether the source holds an infinite value ------------------


@_compile
def _subtract_multiply_rows(X: Any, first: Any, second: Any, out: Any) -> bool:
    infinite = False
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            value = X[i, j]
            infinite |= abs(value) == np.inf
            out[i, j] = (value - first[j]) * second[j]
    return infinite


@_compile
def _subtract_multiply_runs(X: Any, first: Any, second: Any, out: Any) -> bool:
    infinite = False
    for i in range(X.shape[0]):
        offset, factor = first[i], second[i]
        source, target = X[i], out[i]
        for j in range(len(source)):
            value = source[j]
            infinite |= abs(value) == np.inf
            target[j] = (value - offset) * factor
    return infinite


@_compile
def _multiply_add_rows(X: Any, first: Any, second: Any, out: Any) -> bool:
    infinite = False
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            value = X[i, j]
            infinite |= abs(value) == np.inf
            out[i, j] = value * first[j] + second[j]
    return infinite


@_compile
def _multiply_add_runs(X: Any, first: Any, second: Any, out: Any) -> bool:
    infinite = False
    for i in range(X.shape[0]):
        factor, offset = first[i], second[i]
        source, target = X[i], out[i]
        for j in range(len(source)):
            value = source[j]
            infinite |= abs(value) == np.inf
            target[j] = value * factor + offset
    return infinite


# The loop over rows and the loop over runs that do two operations at once.
PAIRS = {
    (np.subtract, np.multiply): (_subtract_multiply_rows, _subtract_multiply_runs),
    (np.multiply, np.add): (_multiply_add_rows, _multiply_add_runs),
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
def run_moments(X: Any, shift: Any, careful: bool, missing: Any, sums: Any, squares: Any) -> None:
    """As `row_moments`, per run."""
    n_runs, length = X.shape
    part, part_squares = np.empty(_LANES), np.empty(_LANES)
    part_missing = np.empty(_LANES, dtype=np.int64)
    for i in range(n_runs):
        center, run = shift[i], X[i]
        for start in range(0, length, _LANES_PER_SUM):
            stop = min(start + _LANES_PER_SUM, length)
            part[:] = 0.0
            part_squares[:] = 0.0
            part_missing[:] = 0
            n_full = (stop - start) // _LANES
            for k in range(n_full):
                base = start + k * _LANES
                if careful:
                    for lane in range(_LANES):
                        deviation = np.float64(run[base + lane]) - center
                        is_missing = deviation != deviation
                        part_missing[lane] += is_missing
                        deviation = 0.0 if is_missing else deviation
                        part[lane] += deviation
                        part_squares[lane] += deviation * deviation
                else:
                    for lane in range(_LANES):
                        deviation = np.float64(run[base + lane]) - center
                        part[lane] += deviation
                        part_squares[lane] += deviation * deviation
            for j in range(start + n_full * _LANES, stop):
                deviation = np.float64(run[j]) - center
                is_missing = careful and deviation != deviation
                part_missing[0] += is_missing
                deviation = 0.0 if is_missing else deviation
                part[0] += deviation
                part_squares[0] += deviation * deviation
            total, total_squares = 0.0, 0.0
            for lane in range(_LANES):
                total += part[lane]
                total_squares += part_squares[lane]
                missing[i] += part_missing[lane]
            sums[i] += total
            squares[i] += total_squares


@_compile
def row_range(X: Any, low: Any, high: Any) -> None:
    """Lower `low` and raise `high` to the values of each position in a row; NaN are left out."""
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            value = X[i, j]
            low[j] = value if value < low[j] else low[j]
            high[j] = value if value > high[j] else high[j]


@_compile
def run_range(X: Any, low: Any, high: Any) -> None:
    """As `row_range`, per run."""
    n_runs, length = X.shape
    least, most = np.empty(_LANES, dtype=X.dtype), np.empty(_LANES, dtype=X.dtype)
    n_full = length // _LANES
    for i in range(n_runs):
        run = X[i]
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
