"""Files that are replaced as a whole: never half written, and swept of what dead processes left."""

import errno
import hashlib
import os
import re
import secrets
import socket
import time
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be deleted
    fcntl = None

__all__ = ["host_name", "is_still_at", "lock_file", "replace_file", "sweep_unfinished"]

_UNFINISHED = re.compile(
    r"\.unfinished-(?P<pid>\d+)-(?P<host>[\w.]+)-[0-9a-f]{8}-(?P<name>.+)", re.S
)
# Names that earlier versions gave to their unfinished files.
_EARLIER = (
    re.compile(r"\.unfinished-(?P<pid>\d+)-(?P<name>.+)", re.S),
    re.compile(r"(?P<name>[0-9a-f]{40})\.(?P<pid>\d+)\.partial"),
)
_LONGEST_NAME = 120
# No write takes so long. Over a network, locks and clocks of other machines are not to be trusted.
_SECONDS_OF_DOUBT = 3600.0


def replace_file(path: str | os.PathLike[str], content: bytes, what: str = "file") -> None:
    """Write a file that is there as a whole or not at all.

    It is written beside its place under another name, which is locked as long as its writer lives,
    and moved when it is complete. What is no ordinary file, such as a pipe, is written to as it is.

    Parameters
    ----------
    path : path-like
    content : bytes
    what : str, default="file"
        What the file is, for the message.

    Raises
    ------
    OSError
        When it cannot be written: the disk is full, the folder is missing or read-only. The
        message names ``path``; nothing is left behind, and an earlier file stays as it was.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     replace_file(Path(folder, "table.csv"), b"a,b")
    ...     os.listdir(folder)
    ['table.csv']
    """
    place = Path(os.path.realpath(path))
    try:
        if place.exists() and not place.is_file():
            if place.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            place.write_bytes(content)
        else:
            _write_beside(place, content)
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"The {what} cannot be written ({reason}); nothing was left in its place"
        raise OSError(error.errno or errno.EIO, message, os.fspath(path)) from error


def sweep_unfinished(folder: str | os.PathLike[str], name: str | None = None) -> None:
    """Delete the unfinished files of processes that have died while they wrote.

    Parameters
    ----------
    folder : path-like
        Nothing happens if it does not exist.
    name : str or None, default=None
        Only those of the file of this name.
    """
    own = None if name is None else _short(name)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in list(entries):
            found = _described(entry.name)
            if found is not None and own in (None, found["name"]):
                _delete_if_abandoned(Path(entry.path), int(found["pid"]), found.get("host"))


def _write_beside(place: Path, content: bytes) -> None:
    file, unfinished = _open_locked(place)
    try:
        with file:
            file.write(content)
            file.flush()
            with suppress(FileNotFoundError):  # a file keeps its permissions
                unfinished.chmod(place.stat().st_mode & 0o7777)
            if os.name == "posix":  # moved while it is locked, so that nobody sweeps it
                os.replace(unfinished, place)
        if os.name != "posix":
            os.replace(unfinished, place)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise


def _open_locked(place: Path) -> tuple[BinaryIO, Path]:
    while True:
        token = secrets.token_hex(4)
        name = f".unfinished-{os.getpid()}-{host_name()}-{token}-{_short(place.name)}"
        unfinished = place.with_name(name)
        file = unfinished.open("xb")
        if not lock_file(file, wait=True) or is_still_at(file, unfinished):
            return file, unfinished
        file.close()  # swept between its opening and its lock


def _delete_if_abandoned(path: Path, pid: int, host: str | None) -> None:
    with suppress(OSError):
        age = time.time() - path.stat().st_mtime
        if host not in (None, host_name()) and age < _SECONDS_OF_DOUBT:
            return
        with path.open("rb+") as file:
            locked = lock_file(file, wait=False)
            if locked is None or host is None:
                abandoned = age > _SECONDS_OF_DOUBT or not _process_lives(pid)
            else:
                abandoned = locked
            if abandoned and is_still_at(file, path):
                path.unlink()


def lock_file(file: BinaryIO, wait: bool) -> bool | None:
    """Lock a file until it is closed; False where somebody else has it, None for no locks here."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True


def is_still_at(file: BinaryIO, path: Path) -> bool:
    """Tell whether an open file is what lies at ``path``."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def _process_lives(pid: int) -> bool:
    if os.name != "posix":  # there, signal 0 is not a question
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _described(name: str) -> dict[str, str] | None:
    for pattern in (_UNFINISHED, *_EARLIER):
        match = pattern.fullmatch(name)
        if match is not None:
            return match.groupdict()
    return None


def host_name() -> str:
    """Return the name of this machine in letters, digits and underscores."""
    return re.sub(r"\W", "_", socket.gethostname(), flags=re.A)[:40] or "here"


def _short(name: str) -> str:
    """Return a file's name, or what stands for it where a longer one would be too long."""
    if len(os.fsencode(name)) <= _LONGEST_NAME:
        return name
    return hashlib.sha1(os.fsencode(name)).hexdigest()[:16]
