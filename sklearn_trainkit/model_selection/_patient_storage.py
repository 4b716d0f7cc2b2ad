"""A storage that waits while the one behind it is away, and says so when it does not come back."""

import json
import os
import time
from collections.abc import Callable
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.storages.journal import JournalFileBackend

from sklearn_trainkit.model_selection._secrets import scrub

__all__ = ["PatientStorage", "StorageLostError", "WholeLineJournal", "be_patient"]

# How long a database may be restarted, or a disk be full, before the search gives up.
PATIENCE_SECONDS = 120.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0


class StorageLostError(RuntimeError):
    """The storage did not come back; what had finished is in it."""


class PatientStorage(BaseStorage):
    """Passes every call on, again and again while the storage cannot be reached.

    Parameters
    ----------
    storage : optuna storage
    """

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage
        self._lost = False

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        started, pause = time.monotonic(), _FIRST_PAUSE
        n_failures = 0
        while True:
            try:
                return getattr(self._storage, name)(*args, **kwargs)
            except optuna.exceptions.UpdateFinishedTrialError:
                if n_failures and name == "set_trial_state_values":
                    return True  # it had arrived, only the answer was lost
                raise
            except Exception as error:
                if not _may_pass(error):
                    raise
                n_failures += 1
                waited = time.monotonic() - started
                if self._lost or waited + pause > PATIENCE_SECONDS:
                    self._lost = True
                    raise StorageLostError(
                        f"The storage could not be used for {waited:.0f} s: "
                        f"{scrub(_describe(error), self._storage)}. "
                        "Trials that had finished are in it: when it is back, the same call with "
                        "resume=True goes on from there."
                    ) from None
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def _forward(name: str) -> Callable[..., Any]:
    def method(self: PatientStorage, *args: Any, **kwargs: Any) -> Any:
        return self._call(name, *args, **kwargs)

    return method


for _name, _member in vars(BaseStorage).items():
    if callable(_member) and not _name.startswith("_"):
        setattr(PatientStorage, _name, _forward(_name))
PatientStorage.__abstractmethods__ = frozenset()


def be_patient(storage: BaseStorage) -> BaseStorage:
    """Return ``storage`` with patience."""
    return PatientStorage(storage)  # type: ignore[abstract]


def _may_pass(error: BaseException) -> bool:
    """Return whether an error tells of a storage that is away, not of a wrong call."""
    if isinstance(error, OSError):
        return True
    cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
    names = {cls.__name__ for cls in type(cause).__mro__}
    # SQLAlchemy's and grpc's, by name: either may be missing.
    return bool(names & {"OperationalError", "InterfaceError", "RpcError"})


def _describe(error: BaseException) -> str:
    cause = error.__cause__ or error
    first_line = next(iter(str(cause).splitlines()), "")
    return f"{type(cause).__name__}: {first_line}"


class WholeLineJournal(JournalFileBackend):
    """A journal file in which no line is ever half written, so that a full disk costs nothing."""

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append ``logs``, or leave the file as it was."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        self._lock.acquire()
        try:
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
