"""How a loop is compiled, and where what was compiled is kept."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

__all__ = ["compile_loop"]


def compile_loop(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Have numba compile a function, without fast math, and keep what it has compiled.

    It goes by the contents of the file that holds the function: what is compiled into a function,
    as numba's intrinsics are, belongs in the same file.
    """
    import numba

    compiled: Any = numba.njit(loop, nogil=True, error_model="numpy")
    with suppress(Exception):  # there is nowhere to keep it, or this numba keeps it otherwise
        from sklearn_trainkit.utils._loop_cache import LoopCache

        compiled._cache = LoopCache(loop)
    return compiled
