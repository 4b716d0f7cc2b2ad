"""Watch how much memory this process and its children hold, where the system tells (Linux)."""

import contextlib
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["PeakMemory"]

PROCESSES = Path("/proc")


class PeakMemory:
    """Measure the highest resident memory of this process and its descendants in a block.

    It samples, so a peak shorter than the interval may pass unseen, and memory that processes
    share is counted for each of them.

    Parameters
    ----------
    interval : float, default=0.2
        Seconds between two samples.

    Attributes
    ----------
    megabytes : float
        The peak in units of 10**6 bytes; NaN where the system does not tell.

    Examples
    --------
    >>> with PeakMemory() as peak:
    ...     big = bytearray(50_000_000)
    >>> peak.megabytes > 50 or not PROCESSES.exists()
    True
    """

    def __init__(self, interval: float = 0.2):
        self.interval = interval
        self.megabytes = float("nan")
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._sample()
        self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()
        self._watcher.join()
        self._sample()

    def _watch(self) -> None:
        while not self._done.wait(self.interval):
            self._sample()

    def _sample(self) -> None:
        held = sum(map(_resident_bytes, _family(os.getpid())))
        if held:
            self.megabytes = max(held / 1e6, self.megabytes)  # in this order, NaN gives way


def _family(pid: int) -> list[int]:
    members = [pid]
    for member in members:  # grows while it is walked: children, then theirs
        for task in _listed(PROCESSES / str(member) / "task"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                members.extend(map(int, (task / "children").read_text().split()))
    return members


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _resident_bytes(pid: int) -> int:
    try:
        pages = (PROCESSES / str(pid) / "statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
