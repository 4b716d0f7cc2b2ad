"""Whether compiled loops do the work for an array: where numba is installed, for large ones."""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["compile_loop", "compiled_loops"]

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
        from sklearn_trainkit.preprocessing import _numba_loops
    except Exception:  # not installed, or not made for this numpy: it says so in many ways
        return None
    return _numba_loops


def compile_loop(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Have numba compile a function, without fast math, and keep what it has compiled.

    It goes by the contents of the file that holds the function: what is compiled into a function,
    as numba's intrinsics are, belongs in the same file.
    """
    import numba

    compiled: Any = numba.njit(loop, nogil=True, error_model="numpy")
    with suppress(Exception):  # there is nowhere to keep it, or this numba keeps it otherwise
        from sklearn_trainkit.preprocessing._loop_cache import LoopCache

        compiled._cache = LoopCache(loop)
    return compiled
