"""Loops over large arrays that numba compiles, one pass over memory each.

numpy needs a pass, if only through cache, for every operation. The loops do the same arithmetic
in the same order for each element (no fast math), so that scaling gives the same bits as numpy's.
They release the interpreter lock. ``rows`` are rows of a table or of several rows side by side,
with values along the row; ``runs`` are stretches of one feature each.
"""

from sklearn_trainkit.preprocessing.compiled._scaling import (
    scale_rows,
    scale_runs,
    stream_rows,
    stream_runs,
)
from sklearn_trainkit.preprocessing.compiled._statistics import (
    row_moments,
    row_range,
    run_moments,
    run_range,
)

__all__ = [
    "row_moments",
    "row_range",
    "run_moments",
    "run_range",
    "scale_rows",
    "scale_runs",
    "stream_rows",
    "stream_runs",
]
