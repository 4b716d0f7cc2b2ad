"""Where candidates that wait leave what they need to go on: in memory, or on disk."""

import pickle
from pathlib import Path
from typing import Any, Protocol

from sklearn_trainkit.utils._owned_folders import OwnedFolder

__all__ = ["Kept", "WaitingRoom"]


class Kept(Protocol):
    """What a candidate needs to go on."""

    def pack(self) -> Any:
        """Return it in a form that can be pickled and sent to another process.

        Raises
        ------
        Exception
            Whatever an estimator of somebody else's raises.
        """

    def close(self) -> None:
        """Let go of it."""


class WaitingRoom:
    """Keeps what belongs to candidates that wait, the longest waiting on disk where possible.

    Parameters
    ----------
    max_in_memory : int or None, default=None
        How many are kept in memory; None for all.
    """

    def __init__(self, max_in_memory: int | None = None) -> None:
        self._max_in_memory = max_in_memory
        self._here: dict[int, Kept] = {}
        self._stuck: set[int] = set()
        self._folder: OwnedFolder | None = None

    def put(self, number: int, kept: Kept) -> None:
        """Keep what belongs to a candidate."""
        self._here[number] = kept
        if self._max_in_memory is None:
            return
        movable = [waiting for waiting in self._here if waiting not in self._stuck]
        for waiting in movable[: max(0, len(self._here) - self._max_in_memory)]:
            self._move_to_disk(waiting)

    def take(self, number: int) -> Any:
        """Give it back."""
        if number in self._here:
            return self._here.pop(number)
        path = self._path(number)
        kept = pickle.loads(path.read_bytes())
        path.unlink()
        return kept

    def close(self) -> None:
        """Let go of everybody."""
        for kept in self._here.values():
            kept.close()
        self._here.clear()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _path(self, number: int) -> Path:
        if self._folder is None:
            self._folder = OwnedFolder("waiting")
        return Path(self._folder.name) / f"{number}.pkl"

    def _move_to_disk(self, number: int) -> None:
        path = self._path(number)
        try:
            path.write_bytes(pickle.dumps(self._here[number].pack()))
        except Exception:  # a full disk, or whatever an estimator of somebody else's raises
            path.unlink(missing_ok=True)
            self._stuck.add(number)
            return
        self._here.pop(number).close()
