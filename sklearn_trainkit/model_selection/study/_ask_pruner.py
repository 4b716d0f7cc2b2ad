"""Where a pruner is asked: in the study, or in a worker on a snapshot of finished trials."""

import copy
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import optuna
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from sklearn_trainkit.model_selection.study._search_study import STUDY_NAME

__all__ = ["CurveSnapshot", "SnapshotPruning", "SnapshotRows", "ask_in_study"]

# Successive halving and Hyperband note on each trial how far it got.
_RUNG_PREFIX = "completed_rung_"


def ask_in_study(trial: optuna.Trial) -> Callable[[int, float], bool]:
    """Return what reports a trial's value at a step to its study, and says what the pruner says."""

    def prune(step: int, value: float) -> bool:
        trial.report(value, step)
        return trial.should_prune()

    return prune


class SnapshotRows(NamedTuple):
    """What travels to a worker."""

    token: str
    pruner: optuna.pruners.BasePruner
    rows: tuple[tuple[int, int, float | None, dict[int, float], dict[str, Any]], ...]


class CurveSnapshot:
    """In the main process: the finished trials, in the least that pruners need of them.

    Parameters
    ----------
    token : str
        Tells one search from another in a worker that serves both.
    pruner : optuna pruner
        Decides in the workers.
    """

    def __init__(self, token: str, pruner: optuna.pruners.BasePruner) -> None:
        self._token = token
        self._pruner = pruner
        self._rows: list[Any] = []

    def add(self, frozen: FrozenTrial) -> None:
        """Add a finished trial."""
        attrs = {k: v for k, v in frozen.system_attrs.items() if k.startswith(_RUNG_PREFIX)}
        value = frozen.values[0] if frozen.values else None
        self._rows.append(
            (frozen.number, int(frozen.state), value, frozen.intermediate_values, attrs)
        )

    def freeze(self) -> SnapshotRows:
        """Return the snapshot as of now."""
        return SnapshotRows(self._token, self._pruner, tuple(self._rows))


class _WorkerStudy:
    """A worker's copy of the study, kept between its jobs, so that rows are added only once."""

    def __init__(self) -> None:
        self.storage = InMemoryStorage()
        study_id = self.storage.create_new_study([StudyDirection.MAXIMIZE], STUDY_NAME)
        self.study_id = study_id
        self.study = optuna.Study(STUDY_NAME, self.storage)
        self.ids: dict[int, int] = {}

    def add(self, number: int, trial: FrozenTrial) -> int:
        trial_id = self.storage.create_new_trial(self.study_id, trial)
        # Hyperband sorts trials into brackets by their number in the true study.
        self.storage.get_trial(trial_id).number = number
        return trial_id

    def withdraw(self, trial_id: int) -> dict[str, Any]:
        """Let no pruner see a trial again; return what was noted on it."""
        noted = self.storage.get_trial(trial_id).system_attrs
        self.storage.set_trial_state_values(trial_id, TrialState.FAIL)
        self.storage.get_trial(trial_id).system_attrs = {}
        return noted


# Each thread has a copy of its own: what others are at is not in the snapshot, so that a seeded
# search repeats itself.
_local = threading.local()


class SnapshotPruning:
    """In a worker: decides for one trial."""

    def __init__(self, snapshot: SnapshotRows, number: int) -> None:
        if getattr(_local, "token", None) != snapshot.token:
            _local.token, _local.copy = snapshot.token, _WorkerStudy()
        self._copy: _WorkerStudy = _local.copy
        for row in snapshot.rows:
            if row[0] not in self._copy.ids:
                self._copy.ids[row[0]] = self._copy.add(row[0], _thaw(row))
        # As it was sent: what a pruner keeps of earlier trials differs from worker to worker.
        self._pruner = copy.deepcopy(snapshot.pruner)
        self._trial_id = self._copy.add(number, create_trial(state=TrialState.RUNNING))

    def prune(self, step: int, value: float) -> bool:
        """Record the value; return what the pruner says."""
        storage = self._copy.storage
        storage.set_trial_intermediate_value(self._trial_id, step, value)
        trial = storage.get_trial(self._trial_id)
        return self._pruner.prune(self._copy.study, trial)

    def finish(self) -> dict[str, Any]:
        """Close the trial in this copy; return what the pruner noted on it.

        It comes back with a later snapshot. Which worker had it must not decide who knows of it.
        """
        noted = self._copy.withdraw(self._trial_id)
        return {k: v for k, v in noted.items() if k.startswith(_RUNG_PREFIX)}


def _thaw(row: tuple[int, int, float | None, dict[int, float], dict[str, Any]]) -> FrozenTrial:
    _, state, value, curve, attrs = row
    return create_trial(
        state=TrialState(state), value=value, intermediate_values=curve, system_attrs=attrs
    )
