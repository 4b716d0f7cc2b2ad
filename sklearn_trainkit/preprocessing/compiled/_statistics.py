"""Sums and ranges per feature in loops that numba compiles, one pass over memory each."""

from typing import Any

import numpy as np

from sklearn_trainkit.utils._compile_loop import compile_loop

__all__ = ["row_moments", "row_range", "run_moments", "run_range"]

# Long sums in one accumulator lose digits.
_ROWS_PER_SUM = 512


@compile_loop
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


@compile_loop
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


@compile_loop
def row_range(X: Any, low: Any, high: Any) -> None:
    """Lower `low` and raise `high` to the values of each position in a row; NaN are left out.

    Rows are taken by fours: what is kept of a position is then loaded and stored once for four
    numbers, which took longer than reading these from memory.
    """
    single = X.shape[0] // 4 * 4
    for i in range(0, single, 4):
        first, second, third, fourth = X[i], X[i + 1], X[i + 2], X[i + 3]
        for j in range(X.shape[1]):
            p, q, r, s = first[j], second[j], third[j], fourth[j]
            least = p if p < low[j] else low[j]
            most = p if p > high[j] else high[j]
            least = q if q < least else least
            most = q if q > most else most
            least = r if r < least else least
            most = r if r > most else most
            low[j] = s if s < least else least
            high[j] = s if s > most else most
    for i in range(single, X.shape[0]):
        for j in range(X.shape[1]):
            value = X[i, j]
            low[j] = value if value < low[j] else low[j]
            high[j] = value if value > high[j] else high[j]


@compile_loop
def run_range(memory: Any, starts: Any, length: int, low: Any, high: Any, width: int) -> None:
    """As `row_range`, per run, as rows of `width` numbers (no constant, as in `run_moments`).

    Both halves of a run at once: two streams from memory are faster than one.
    """
    least, most = np.empty(width, dtype=memory.dtype), np.empty(width, dtype=memory.dtype)
    half = length // (2 * width) * width
    for i in range(len(starts)):
        run = memory[starts[i] : starts[i] + length]
        least[:] = low[i]
        most[:] = high[i]
        first, second = run[:half].reshape(-1, width), run[half : 2 * half].reshape(-1, width)
        for k in range(first.shape[0]):
            for j in range(width):
                x, y = first[k, j], second[k, j]
                least[j] = x if x < least[j] else least[j]
                most[j] = x if x > most[j] else most[j]
                least[j] = y if y < least[j] else least[j]
                most[j] = y if y > most[j] else most[j]
        row_range(run[2 * half :].reshape(-1, 1), least, most)
        low[i], high[i] = least.min(), most.max()
