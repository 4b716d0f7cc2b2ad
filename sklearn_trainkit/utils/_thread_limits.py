"""Threads inside one trial: of the linear algebra, of OpenMP and of torch, whichever are loaded."""

import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

__all__ = ["limit_threads", "limit_torch_threads", "one_blas_thread"]

# Looking for the loaded libraries takes milliseconds, so it is done again only when modules came.
_found: dict[str, tuple[int, ThreadpoolController]] = {}


@contextmanager
def limit_threads(n_threads: int) -> Iterator[None]:
    """Run the block with ``n_threads`` threads in every library that is loaded; put back after.

    Libraries that the block itself loads start with their own number.
    """
    n_modules = len(sys.modules)
    if "controller" not in _found or _found["controller"][0] != n_modules:
        _found["controller"] = n_modules, ThreadpoolController()
    with _found["controller"][1].limit(limits=n_threads), limit_torch_threads(n_threads):
        yield


@contextmanager
def limit_torch_threads(n_threads: int) -> Iterator[None]:
    """Run the block with ``n_threads`` intra-op threads of torch, if it is loaded."""
    if "torch" not in sys.modules:
        yield
        return
    from sklearn_trainkit.utils._threads import torch_threads

    with torch_threads(n_threads):
        yield


class _OneBlasThread:
    """Keeps scipy's linear algebra at one thread while anybody wants it so."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_wanting = 0
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            self._n_wanting += 1
            if self._n_wanting == 1:
                self._limit = _scipy_blas().limit(limits=1)

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._n_wanting -= 1
            if self._n_wanting == 0:
                self._limit.restore_original_limits()


_one_blas_thread = _OneBlasThread()


@cache
def _scipy_blas() -> ThreadpoolController:
    import scipy.linalg.cython_blas  # noqa: F401 - what compiled code calls

    return ThreadpoolController().select(user_api="blas")


def one_blas_thread() -> AbstractContextManager[None]:
    """Run the block with one thread of BLAS; the blocks of several threads may overlap."""
    return _one_blas_thread
