"""Warnings that many fits of one search would give are given once."""

import threading
import warnings
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

__all__ = ["tell_once_per_process", "told_once", "warn_once"]


class _Told:
    """What has been told since the outermost search of this process began."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.depth = 0
        self.keys: set[Hashable] = set()


_told = _Told()


def warn_once(message: str, key: Hashable, stacklevel: int = 2) -> None:
    """Warn, unless a warning of this ``key`` was given within the same :func:`told_once`.

    Parameters
    ----------
    message : str
    key : hashable
        What the warning is about, without what differs from fold to fold.
    stacklevel : int, default=2
        As in :func:`warnings.warn`.
    """
    with _told.lock:
        if _told.depth and key in _told.keys:
            return
        _told.keys.add(key)
    warnings.warn(message, UserWarning, stacklevel=stacklevel + 1)


@contextmanager
def told_once() -> Iterator[None]:
    """Let warnings of one key be given once inside the block, by all threads of this process.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as caught, told_once():
    ...     for n_rows in (90, 91):
    ...         warn_once(f"only {n_rows} rows", key="rows")
    >>> [str(each.message) for each in caught]
    ['only 90 rows']
    """
    with _told.lock:
        if not _told.depth:
            _told.keys.clear()
        _told.depth += 1
    try:
        yield
    finally:
        with _told.lock:
            _told.depth -= 1


def tell_once_per_process() -> None:
    """Let a worker process, which serves one search after the other, tell of each key once."""
    with _told.lock:
        _told.depth = max(_told.depth, 1)
