"""Several processes on one stored study: trials are shared out, and what was lost is taken up."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from sklearn_trainkit.model_selection.evaluation._trial_record import TrialRecord, failed_record
from sklearn_trainkit.model_selection.space._search_space import EnqueuedTrial, SearchSpace
from sklearn_trainkit.model_selection.study._live_processes import Drivers
from sklearn_trainkit.model_selection.study._search_study import SearchStudy
from sklearn_trainkit.model_selection.study._storage import (
    ENQUEUED,
    RECORD,
    read_record,
    record_to_json,
)

__all__ = ["JointStudy"]

_DRIVER = "driver"
_INTERRUPTED = "interrupted"
# How often a trial may lose its process before it is recorded as failed.
_MAX_INTERRUPTIONS = 3
_POLL_SECONDS = 0.2
_ASKING_SECONDS = 60.0


class JointStudy:
    """What this process knows of a stored study that others may be working on too.

    Parameters
    ----------
    study : SearchStudy
    space : SearchSpace
    enqueued : dict of str to EnqueuedTrial

    Attributes
    ----------
    earlier : list of TrialRecord
        What had finished when this process came.
    """

    def __init__(
        self, study: SearchStudy, space: SearchSpace, enqueued: Mapping[str, EnqueuedTrial]
    ) -> None:
        self._study = study
        self._space = space
        self._enqueued = enqueued
        self._known: set[int] = set()
        self._seen: list[FrozenTrial] = []
        self._drivers = Drivers(study)
        try:
            self.rescue()
            self._n_found = len(self._read())
            self.earlier = [record for _, record in self.read_news()]
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Let the others know that this process is at work."""
        self._drivers.start()

    def close(self) -> None:
        """Leave the study to the others."""
        self._drivers.close()

    def draw_entropy(self) -> list[int] | None:
        """Return what makes this driver's proposals its own; None where it is the first one."""
        if self._drivers.list_others():
            return [self._n_found, int(self._drivers.me, 16)]
        # The same seed again would draw the same candidates again.
        return [self._n_found] if self._n_found else None

    def count_started(self) -> int:
        """Return how many trials had finished or were running when last looked."""
        return sum(_counts(trial) for trial in self._seen)

    def admit(self, trial: optuna.Trial, n_trials: int | None) -> bool:
        """Return whether a trial just asked for may run; if not, it is withdrawn.

        Numbers are given by the storage one after the other, so of two drivers that ask for the
        last trial at the same time exactly one gets it; the same holds for enqueued candidates.
        """
        trial.set_user_attr(_DRIVER, self._drivers.me)
        self._known.add(trial.number)
        before = [other for other in self._read() if other.number < trial.number]
        key = trial.user_attrs.get(ENQUEUED)
        doubled = key is not None and any(
            _counts(other) and other.user_attrs.get(ENQUEUED) == key for other in before
        )
        if doubled or (n_trials is not None and sum(map(_counts, before)) >= n_trials):
            self._study.withdraw(trial)
            return False
        return True

    def read_news(self, *, refresh: bool = True) -> list[tuple[FrozenTrial, TrialRecord]]:
        """Return the trials of others that have finished since the last call.

        Without ``refresh`` those that were seen when the last trial was admitted: a database is
        read once per trial.
        """
        news = []
        for trial in self._read() if refresh else self._seen:
            finished = trial.state.is_finished() and RECORD in trial.user_attrs
            if finished and trial.number not in self._known:
                self._known.add(trial.number)
                news.append((trial, read_record(trial, self._space, self._enqueued)))
        return news

    def wait_for_others(self) -> bool:
        """Wait a moment for trials of others; return whether there are any, running or to run."""
        self.rescue()
        states = {trial.state for trial in self._read() if trial.number not in self._known}
        if TrialState.RUNNING in states:
            time.sleep(_POLL_SECONDS)
            return True
        return False

    def has_waiting(self) -> bool:
        """Return whether a trial that lost its process waits for another one."""
        return any(trial.state == TrialState.WAITING for trial in self._seen)

    def list_running_elsewhere(self) -> list[dict[str, Any]]:
        """Return what the trials drew that others were at when the last trial was admitted."""
        return [
            trial.params
            for trial in self._seen
            if trial.state == TrialState.RUNNING and trial.number not in self._known
        ]

    def rescue(self) -> None:
        """Put back the trials whose process is gone; one that loses too many has failed."""
        running = [
            trial
            for trial in self._read()
            if trial.state == TrialState.RUNNING and trial.number not in self._known
        ]
        if not running:
            return
        alive = self._drivers.list_others()
        for trial in running:
            owner = trial.user_attrs.get(_DRIVER)
            # A trial is without an owner for a moment, while somebody asks for it.
            asking = owner is None and alive and _age(trial) < _ASKING_SECONDS
            if owner not in alive and not asking:
                self._put_back(trial)

    def _put_back(self, trial: FrozenTrial) -> None:
        attrs = {key: value for key, value in trial.user_attrs.items() if key != _DRIVER}
        attrs[_INTERRUPTED] = attrs.get(_INTERRUPTED, 0) + 1
        done = RECORD in attrs  # killed between its record and its end
        lost = attrs[_INTERRUPTED] >= _MAX_INTERRUPTIONS and (
            done or self._fail(trial, attrs[_INTERRUPTED])
        )
        try:
            self._study.tell(trial.number, state=TrialState.FAIL)
        except ValueError:  # another driver was faster
            return
        if not (lost or done):
            self._study.enqueue_trial(trial.params, user_attrs=attrs)

    def _fail(self, trial: FrozenTrial, n_times: int) -> bool:
        """Store a record for a trial; return False if it never got as far as its parameters."""
        try:
            params = self._space.suggest(trial)
        except ValueError:
            return False
        reason = f"Its process was killed {n_times} times while it evaluated this candidate."
        record = failed_record(trial.number, params, reason)
        self._study._storage.set_trial_user_attr(trial._trial_id, RECORD, record_to_json(record))
        return True

    def _read(self) -> list[FrozenTrial]:
        self._seen = self._study._storage.get_all_trials(self._study._study_id, deepcopy=False)
        return self._seen


def _counts(trial: FrozenTrial) -> bool:
    """Return whether a trial uses up a part of ``n_trials``."""
    return trial.state == TrialState.RUNNING or RECORD in trial.user_attrs


def _age(trial: FrozenTrial) -> float:
    began = trial.datetime_start
    return 0.0 if began is None else (datetime.now() - began).total_seconds()
