"""The compiled code of this machine: where it is kept, and when it is compiled."""

import os
import sys
import threading
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = [
    "FLOATS",
    "NOT_YET",
    "cache_folder",
    "compile_steps",
    "is_kept",
    "reason_against",
    "training_steps",
]

FLOATS = ("float32", "float64")
NOT_YET = "nothing is compiled yet: sklearn_trainkit.compile_engines() does it, once"
_lock = threading.Lock()
# By type of number: the compiled function, or why there is none in this process.
_steps: dict[str, Any] = {}


def cache_folder() -> Path:
    """Return the folder that keeps compiled code, which need not exist.

    ``SKLEARN_TRAINKIT_CACHE`` names another one than the user's folder for caches.
    """
    own = os.environ.get("SKLEARN_TRAINKIT_CACHE")
    if own:
        return Path(own)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "sklearn_trainkit"


@cache
def _sources_digest() -> str:
    """Return a digest of all that is compiled together."""
    digest = sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _base(dtype: str) -> Path:
    return cache_folder() / f"steps-{_sources_digest()}-numba{version('numba')}-{dtype}"


def is_kept(dtype: str) -> bool:
    """Tell whether there is code for a type, perhaps of another processor, without numba."""
    base = _base(dtype)
    return any(base.parent.glob(f"{base.name}.*.nbc"))


def reason_against(dtype: str) -> str | None:
    """Return why there is no compiled code for a type of number in this process; None if there is.

    The first answer holds for the process, until :func:`compile_steps` is called: the same fit
    has the same engine before and after.
    """
    if dtype not in FLOATS:
        return f"it is compiled for float32 and float64, not for {dtype}"
    found = _steps.get(dtype)
    if found is None:
        with _lock:
            found = _steps.get(dtype)
            if found is None:
                found = _steps[dtype] = _loaded(dtype)
    return found if isinstance(found, str) else None


def training_steps(dtype: str) -> Any:
    """Return the compiled ``train_steps`` for a type of number."""
    return _steps[dtype]


def compile_steps(dtype: str) -> None:
    """Compile for a type of number, unless that is done.

    Raises
    ------
    ImportError
        If numba is not installed, or not for this NumPy.
    """
    with _lock:
        if isinstance(_steps.get(dtype), (str, type(None))):
            _steps[dtype] = _made(dtype, may_compile=True)


def _loaded(dtype: str) -> Any:
    try:
        if not is_kept(dtype):
            return NOT_YET
        from sklearn_trainkit.utils._loop_cache import NotKeptError
    except PackageNotFoundError:
        return "numba is not installed"
    except Exception as error:  # not made for this NumPy: it says so in many ways
        return f"numba cannot be used: {error}"
    try:
        return _made(dtype, may_compile=False)
    except NotKeptError:
        return NOT_YET
    except Exception as error:
        return f"numba cannot be used: {error}"


def _made(dtype: str, *, may_compile: bool) -> Any:
    import numba
    from numba import types

    from sklearn_trainkit.neural_network.kernels._arithmetic import FAST_MATH
    from sklearn_trainkit.neural_network.kernels._epoch import train_steps
    from sklearn_trainkit.utils._loop_cache import FolderCache

    if vars(numba.config).get("DISABLE_JIT"):
        raise ImportError("NUMBA_DISABLE_JIT is set")
    steps: Any = numba.njit(train_steps, fastmath=FAST_MATH, nogil=True, error_model="numpy")
    cache = FolderCache(train_steps, _base(dtype), _sources_digest())
    cache.may_compile = may_compile
    steps._cache = cache
    real, whole = getattr(types, dtype), types.int64
    row, table = real[::1], real[:, ::1]
    reals = types.float64[::1]
    indices, pairs = whole[::1], whole[:, ::1]
    memory = types.Tuple([pairs, types.float64[:, ::1], *[row] * 6])
    data = types.Tuple([table, indices, table, table])
    batches = types.Tuple([indices, pairs, types.int16[::1]])
    loss = types.Tuple([whole, types.float64, row])
    optimizer = types.Tuple([whole, reals, reals, row, row, row])
    clipping = types.Tuple([pairs, reals])
    steps.compile((whole, memory, data, batches, loss, clipping, optimizer, reals, reals, table))
    steps.disable_compile()
    return steps
