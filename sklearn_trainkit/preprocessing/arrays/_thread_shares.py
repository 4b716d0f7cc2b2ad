"""An array in shares for threads: of rows, or of columns where these lie one after the other."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

__all__ = ["run_in_threads", "share_out"]

Array = np.ndarray[Any, np.dtype[Any]]


def share_out(X: Array, n_threads: int) -> tuple[bool, list[slice]]:
    """Return whether each thread gets columns of its own, and which columns or rows.

    Examples
    --------
    >>> share_out(np.zeros((6, 4)), 2)
    (False, [slice(0, 3, None), slice(3, 6, None)])
    >>> share_out(np.zeros((6, 4), order="F"), 2)
    (True, [slice(0, 2, None), slice(2, 4, None)])
    """
    by_columns = X.ndim == 2 and X.flags.f_contiguous and X.shape[1] >= n_threads
    length = X.shape[1] if by_columns else len(X)
    bounds = [length * i // n_threads for i in range(n_threads + 1)]
    return by_columns, [slice(start, stop) for start, stop in pairwise(bounds)]


def run_in_threads(calls: list[Callable[[], Any]]) -> list[Any]:
    """Call each in a thread of its own; return the results in order, or raise the first error."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [task.result() for task in [pool.submit(call) for call in calls]]
