"""Threads inside one trial: of the linear algebra, of OpenMP and of torch, whichever are loaded."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

__all__ = ["limit_threads", "limit_torch_threads"]

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
