"""Ending a trial that hangs: with its process, also from inside a matrix product."""

import faulthandler
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["end_process_after", "read_note"]

_lock = threading.Lock()
# When each trial of this process has to be over; threads of a Dask worker share the one timer.
_ends: dict[int, tuple[float, str | None]] = {}


@contextmanager
def end_process_after(seconds: float | None, note: str | None = None) -> Iterator[None]:
    """End this process when the block takes longer; None never does.

    The timer is a thread in C, which needs no interpreter lock: it works inside a compiled loop,
    where neither a Python thread nor a signal handler would get its turn.

    Parameters
    ----------
    seconds : float or None
    note : str or None
        File that is left with the stack at that moment.
    """
    if seconds is None:
        yield
        return
    me = threading.get_ident()
    with _lock:
        _ends[me] = time.monotonic() + seconds, note
        _set_timer()
    try:
        yield
    finally:
        with _lock:
            del _ends[me]
            _set_timer()
        if note is not None:
            Path(note).unlink(missing_ok=True)


def read_note(path: Path) -> str | None:
    """Return where the process hung when it was ended, or None if it was not."""
    try:
        stack = path.read_text()
    except OSError:
        return None
    if not stack:
        return None
    frames = [line.strip() for line in stack.splitlines() if line.startswith("  File ")]
    return frames[0] if frames else "unknown"


_note_file: IO[str] | None = None


def _set_timer() -> None:
    global _note_file
    faulthandler.cancel_dump_traceback_later()
    if _note_file is not None:
        _note_file.close()
        _note_file = None
    if not _ends:
        return
    end, note = min(_ends.values(), key=lambda item: item[0])
    seconds = max(end - time.monotonic(), 0.001)
    if note is None:
        faulthandler.dump_traceback_later(seconds, exit=True)
        return
    _note_file = open(note, "w")  # noqa: SIM115 (the timer writes to it later)
    faulthandler.dump_traceback_later(seconds, exit=True, file=_note_file)
