"""A study in a journal file: no line is ever half written, and damage is told with its line."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

__all__ = ["JournalDamagedError", "open_journal"]

_BEGINNING = b'{"op_code":'
_SQLITE = b"SQLite format 3"


class JournalDamagedError(RuntimeError):
    """Somebody else has changed a journal: it cannot be gone on with."""


def open_journal(path: Path) -> "CheckedJournalStorage":
    """Return the storage of a journal file, which is made where there is none.

    Raises
    ------
    JournalDamagedError
        When the file is no journal, or one of its lines is broken; the message names the line.
    PermissionError
        When it can be read, but not written to.
    """
    lock = JournalFileOpenLock(str(path))
    place = path if path.exists() else path.parent
    if place.exists() and not os.access(place, os.W_OK):
        raise PermissionError(13, "A journal needs to be writable", str(path))
    if path.exists():
        with path.open("rb") as file:
            _check_beginning(path, file.readline())
        lock.acquire()
        try:
            _drop_torn_tail(path)
        finally:
            lock.release()
    return CheckedJournalStorage(WholeLineJournal(str(path), lock_obj=lock))


class WholeLineJournal(JournalFileBackend):
    """A journal file in which no line is ever half written, so that a full disk costs nothing."""

    # The line that was handed out last, counted from 1, and what it says.
    line = 0
    log: Any = None
    # How much of the file has been read.
    _n_read = 0
    _size_read = 0

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append ``logs``, or leave the file as it was."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        self._lock.acquire()
        try:
            self._check_size()
            # Unbuffered: closing the file must not try to write the rest once more.
            with open(self._file_path, "ab", buffering=0) as file:
                size = file.seek(0, os.SEEK_END)
                try:
                    content = memoryview(lines.encode())
                    while content:
                        content = content[file.write(content) :]
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(size)
                    raise
        finally:
            self._lock.release()

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        """Yield the logs from a number on; what another process is just writing comes next time."""
        offset = self._log_number_offset.get(log_number_from, 0)
        number = log_number_from if offset else 0
        size = self._check_size()
        with open(self._file_path, "rb") as file:
            if offset:
                file.seek(offset - 1)
                if file.read(1) != b"\n":
                    raise self._damage(number, "does not end where it did: the file was rewritten")
            for line in file:
                offset += len(line)
                if offset > size or not line.endswith(b"\n"):
                    return
                log = self._parse(number + 1, line, is_last=offset == size)
                if log is None:
                    return
                number += 1
                self._log_number_offset[number] = offset
                if number > self._n_read:
                    self._n_read, self._size_read = number, offset
                if number > log_number_from:
                    self.line, self.log = number, log
                    yield log

    def _parse(self, number: int, line: bytes, *, is_last: bool) -> dict[str, Any] | None:
        try:
            log = json.loads(line)
        except ValueError:  # not JSON, or not even UTF-8
            if is_last:  # may be written on
                return None
            raise self._damage(number, f"is broken: {_excerpt(line)}") from None
        if not _is_log(log):
            raise self._damage(number, f"is no line of a journal: {_excerpt(line)}")
        found: dict[str, Any] = log
        return found

    def _check_size(self) -> int:
        """Return the size of the file, unless it has lost what was read of it."""
        path = Path(self._file_path)
        if not path.exists() and path.parent.exists():
            raise JournalDamagedError(f"the journal {self._file_path} was removed")
        size = path.stat().st_size
        if size < self._size_read:
            with path.open("rb") as file:
                left = sum(line.endswith(b"\n") for line in file)
            raise JournalDamagedError(
                f"the journal {self._file_path} was cut off after line {left}; "
                f"{self._n_read} lines had been read"
            )
        return size

    def _damage(self, number: int, what: str) -> JournalDamagedError:
        return JournalDamagedError(f"line {number} of the journal {self._file_path} {what}")


class CheckedJournalStorage(JournalStorage):
    """A journal storage that says which line of another process cannot be followed."""

    def _sync_with_backend(self) -> None:
        backend = self._backend
        assert isinstance(backend, WholeLineJournal)
        try:
            super()._sync_with_backend()
        except (OSError, JournalDamagedError):
            raise
        except Exception as error:
            writer = str((backend.log or {}).get("worker_id"))
            if writer.startswith(self._worker_id_prefix):
                raise  # the answer to a call of our own, such as "this study exists"
            raise backend._damage(
                backend.line, f"does not follow from those before it ({error!r})"
            ) from error


def _check_beginning(path: Path, line: bytes) -> None:
    """Raise for a file of another kind, before anything in it is touched."""
    if line.startswith(_SQLITE):
        raise JournalDamagedError(
            f"{path} is an SQLite database, not a journal: write 'sqlite:///{path}'"
        )
    try:
        whole = not line or _is_log(json.loads(line))
    except ValueError:
        whole = False
    torn = not line.endswith(b"\n") and line.startswith(_BEGINNING[: len(line)])
    if not (whole or torn):
        raise JournalDamagedError(f"line 1 of {path} is no line of a journal: {_excerpt(line)}")


def _drop_torn_tail(path: Path) -> None:
    """Remove a last line that a kill or a full disk left unfinished: it fails every later load."""
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    last = whole.rstrip(b"\n").rsplit(b"\n", 1)[-1]
    try:
        json.loads(last or b"{}")
    except ValueError:
        whole = whole[: len(whole.rstrip(b"\n")) - len(last)]
    if len(whole) < len(content):
        with path.open("r+b") as file:
            file.truncate(len(whole))


def _is_log(parsed: Any) -> bool:
    return isinstance(parsed, dict) and {"op_code", "worker_id"} <= parsed.keys()


def _excerpt(line: bytes) -> str:
    return repr(line[:60])[1:] + ("..." if len(line) > 60 else "")
