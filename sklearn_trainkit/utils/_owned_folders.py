"""Temporary folders that know their owner, so that those of dead processes can be swept."""

import os
import re
import shutil
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from sklearn_trainkit.utils._whole_files import host_name, is_still_at, lock_file

__all__ = ["OwnedFolder"]

_OWNER = ".owner"
_PREFIX = "sklearn_trainkit-"


class OwnedFolder:
    """A temporary folder that is removed with this object, or at the end of the process.

    A process that was killed removes nothing: so each new folder first sweeps those of its kind
    whose owners have died. A lock on a file in the folder tells that the owner lives.

    Parameters
    ----------
    kind : str
        What it is for, a part of its name.

    Attributes
    ----------
    name : str
        Path of the folder.

    Examples
    --------
    >>> folder = OwnedFolder("example")
    >>> Path(folder.name).is_dir()
    True
    >>> folder.cleanup()
    >>> Path(folder.name).exists()
    False
    """

    def __init__(self, kind: str) -> None:
        _sweep(kind)
        self.name, owner = _make_locked(f"{_PREFIX}{kind}-")
        self._finalizer = weakref.finalize(self, _remove, self.name, owner, os.getpid())

    def cleanup(self) -> None:
        """Remove the folder now."""
        self._finalizer()


def _make_locked(prefix: str) -> tuple[str, BinaryIO]:
    while True:
        name = tempfile.mkdtemp(prefix=prefix)
        owner = Path(name, _OWNER).open("wb")  # noqa: SIM115, open for as long as the folder
        if not lock_file(owner, wait=True) or is_still_at(owner, Path(name, _OWNER)):
            owner.write(host_name().encode())
            owner.flush()
            return name, owner
        owner.close()  # swept between its opening and its lock


def _remove(name: str, owner: BinaryIO, pid: int) -> None:
    owner.close()
    if os.getpid() == pid:  # a forked process does not own it
        shutil.rmtree(name, ignore_errors=True)


def _sweep(kind: str) -> None:
    pattern = re.compile(rf"{re.escape(_PREFIX + kind)}-\w{{8}}")
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in [entry for entry in entries if pattern.fullmatch(entry.name)]:
            with suppress(OSError), Path(entry.path, _OWNER).open("rb+") as owner:
                # Locks of other machines on a shared folder are not to be trusted.
                if lock_file(owner, wait=False) and owner.read() == host_name().encode():
                    shutil.rmtree(entry.path, ignore_errors=True)
