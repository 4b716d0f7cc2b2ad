"""Whether compiled loops do the work for an array: where numba is installed, for large ones."""

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["compiled_loops"]

# numba and its stored loops take about half a second to load: never for a small table.
_WORTHWHILE_ELEMENTS = 1_048_576
_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def compiled_loops(
    X: np.ndarray[Any, np.dtype[Any]], *, if_loaded: bool = False
) -> ModuleType | None:
    """Return the module of compiled loops if they serve `X`, else None.

    Parameters
    ----------
    X : ndarray
        They serve native float32 and float64, from about a million numbers on.
    if_loaded : bool, default=False
        Whether they serve smaller arrays too once a large one has loaded them. Only where they
        give the same bits as numpy: a result may not depend on what was done before.

    Returns
    -------
    loops : module or None
        None where numba is not installed.
    """
    if X.dtype not in _FLOATS:
        return None
    loaded = if_loaded and _load.cache_info().currsize > 0
    return _load() if loaded or X.size >= _WORTHWHILE_ELEMENTS else None


@cache
def _load() -> ModuleType | None:
    try:
        from numba import config

        if vars(config).get("DISABLE_JIT"):  # their instructions are for compiled code only
            return None
        from sklearn_trainkit.preprocessing.compiled import _loops
    except Exception:  # not installed, or not made for this numpy: it says so in many ways
        return None
    return _loops
