"""A storage that waits while the one behind it is away, and says so when it does not come back."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import optuna
from optuna.storages import BaseStorage

from sklearn_trainkit.model_selection.study._journal import JournalDamagedError
from sklearn_trainkit.model_selection.study._secrets import scrub

__all__ = ["PatientStorage", "StorageLostError", "be_patient", "open_patiently"]

# How long a database may be restarted, or a disk be full, before the search gives up.
PATIENCE_SECONDS = 120.0
# The same where a storage is opened: an address may simply be wrong.
OPENING_SECONDS = 15.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
# SQLAlchemy's, psycopg's and grpc's, by name: each may be missing.
_AWAY = {"OperationalError", "InterfaceError", "RpcError"}
_FOR_GOOD = (
    "authentication failed",
    "no password supplied",
    "does not exist",
    "could not translate host name",
    "failed to resolve host",
    "name or service not known",
    "unable to open database file",
    "readonly database",
)


class StorageLostError(RuntimeError):
    """The storage did not come back, or is damaged."""


class PatientStorage(BaseStorage):
    """Passes every call on, again and again while the storage cannot be reached.

    Parameters
    ----------
    storage : optuna storage
    name : str
        What messages call it.
    """

    def __init__(self, storage: BaseStorage, name: str) -> None:
        self._storage = storage
        self._name = name
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
                if _is_damage(error):
                    self._give_up("is damaged", error)
                if not _may_pass(error):
                    raise
                n_failures += 1
                waited = time.monotonic() - started
                if self._lost or waited + pause > PATIENCE_SECONDS:
                    self._give_up(f"could not be used for {waited:.0f} s", error)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _give_up(self, what: str, error: Exception) -> None:
        self._lost = True
        advice = (
            "Restore the file, or begin another one"
            if what == "is damaged"
            else "Trials that had finished are in it: when it is back, the same call with "
            "resume=True goes on from there"
        )
        raise StorageLostError(
            f"The storage {what}: {scrub(_describe(error), self._storage)} "
            f"(storage={self._name!r}). {advice}."
        ) from None


def _forward(name: str) -> Callable[..., Any]:
    def method(self: PatientStorage, *args: Any, **kwargs: Any) -> Any:
        return self._call(name, *args, **kwargs)

    return method


for _name, _member in vars(BaseStorage).items():
    if callable(_member) and not _name.startswith("_"):
        setattr(PatientStorage, _name, _forward(_name))
PatientStorage.__abstractmethods__ = frozenset()


def be_patient(storage: BaseStorage, name: str) -> BaseStorage:
    """Return ``storage`` with patience."""
    return PatientStorage(storage, name)  # type: ignore[abstract]


def open_patiently(open_storage: Callable[[], BaseStorage]) -> BaseStorage:
    """Open a storage, again and again for some seconds while it is being restarted."""
    started, pause = time.monotonic(), _FIRST_PAUSE
    while True:
        try:
            return open_storage()
        except Exception as error:
            waited = time.monotonic() - started
            if not _is_away(error) or waited + pause > OPENING_SECONDS:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _may_pass(error: BaseException) -> bool:
    """Return whether an error tells of a storage that is away, not of a wrong call."""
    return isinstance(error, OSError) or any(map(_is_disconnect, _list_causes(error)))


def _is_away(error: BaseException) -> bool:
    """Return whether a storage that cannot be opened may come back by itself."""
    return any(
        _is_disconnect(cause) and not any(text in str(cause).lower() for text in _FOR_GOOD)
        for cause in _list_causes(error)
    )


def _is_disconnect(error: BaseException) -> bool:
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(names & _AWAY) or getattr(error, "connection_invalidated", False) is True


def _is_damage(error: BaseException) -> bool:
    """Return whether somebody has damaged the files of a storage."""
    if isinstance(error, JournalDamagedError):
        return True
    if isinstance(error, ValueError) and type(error).__module__ in ("json.decoder", "builtins"):
        # optuna's own journal raises these for a broken line.
        return type(error).__name__ in ("JSONDecodeError", "UnicodeDecodeError") or (
            str(error) == "Invalid log format."
        )
    texts = [str(cause) for cause in _list_causes(error)]
    return any("malformed" in text or "file is not a database" in text for text in texts)


def _list_causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those behind it: what is raised last may hide what happened first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _describe(error: BaseException) -> str:
    if isinstance(error, JournalDamagedError):
        return str(error)
    causes = list(_list_causes(error))
    cause = next(filter(_is_disconnect, causes), error.__cause__ or error)
    first_line = next(iter(str(cause).splitlines()), "")
    return f"{type(cause).__name__}: {first_line}"
