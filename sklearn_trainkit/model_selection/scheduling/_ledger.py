"""What came out of the trials: told to the study, kept as records, passed on to whoever listens."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from sklearn_trainkit.model_selection.evaluation._trial_record import (
    COMPLETE,
    FOLD_SCORES,
    PRUNED,
    TrialRecord,
    TrialResult,
)
from sklearn_trainkit.model_selection.study._patient_storage import StorageLostError
from sklearn_trainkit.model_selection.study._search_study import SearchStudy
from sklearn_trainkit.model_selection.study._storage import RECORD
from sklearn_trainkit.model_selection.workers._candidate import Candidate

__all__ = ["Ledger"]

_STATES = {COMPLETE: TrialState.COMPLETE, PRUNED: TrialState.PRUNED}


class Ledger:
    """Keeps the books of a search; the only writer of what came out of its trials.

    Parameters
    ----------
    study : SearchStudy
    metric : str or None
        The score that guides the search, when there are several.
    objectives : sequence of str
        What is told to the study.
    earlier : sequence of TrialRecord
        Those of earlier sessions.
    curves_are_told : bool
        Whether the study knows the curve of a trial by the time that it ends.
    learners : sequence of callables ``(frozen_trial)``
        Called with every trial that has ended, here or elsewhere.
    end_task : callable
        Ends the task of a trial in scikit-learn's task tree.
    listener : callable
        Called with each record, once it is told.
    callbacks : sequence of callables ``(study, frozen_trial)``
        Called after each trial.
    persist : callable ``(trial, record)`` or None, default=None
        Stores a record along with its trial.

    Attributes
    ----------
    records : list of TrialRecord
        All trials, as they ended.
    best : float
        The best score of a complete trial; minus infinity before there is one.
    n_stale : int
        How many trials ended since.
    seconds : float
        Time spent evaluating.
    """

    def __init__(
        self,
        study: SearchStudy,
        *,
        metric: str | None,
        objectives: Sequence[str],
        earlier: Sequence[TrialRecord],
        curves_are_told: bool,
        learners: Sequence[Callable[[FrozenTrial], Any]],
        end_task: Callable[[Any], None],
        listener: Callable[[TrialRecord], None],
        callbacks: Sequence[Callable[[optuna.Study, FrozenTrial], Any]],
        persist: Callable[[optuna.Trial, TrialRecord], None] | None = None,
    ) -> None:
        self.records = list(earlier)
        self.best = -np.inf
        self.n_stale = 0
        self.seconds = 0.0
        self._study = study
        self._metric = metric
        self._objectives = objectives
        self._curves_are_told = curves_are_told
        self._learners = learners
        self._end_task = end_task
        self._listener = listener
        self._callbacks = callbacks
        self._persist = persist
        self._frozen: list[FrozenTrial] = []
        for record in self.records:
            self._rate(record)
        for frozen in study.get_trials(deepcopy=False) if self.records else ():
            if frozen.state.is_finished() and RECORD in frozen.user_attrs:
                self._learn(frozen)

    def score_of(self, record: TrialRecord) -> float:
        """Return the score that guides the search."""
        return record.mean_score(self._metric)

    def list_trials(self) -> list[FrozenTrial]:
        """Return the trials behind ``records`` that were told, without asking the storage."""
        numbers = {record.number for record in self.records}
        return [frozen for frozen in self._frozen if frozen.number in numbers]

    def hear(self, frozen: FrozenTrial, record: TrialRecord) -> None:
        """Take in a trial of another process."""
        self.records.append(record)
        self._rate(record)
        self._learn(frozen)

    def note(self, candidate: Candidate, record: TrialRecord) -> None:
        """Tell the study how far a candidate came that has not ended: samplers look at those."""
        self._tell_curve(candidate, record)
        self._tell_fold_scores(candidate.trial, record)

    def tell(self, candidate: Candidate, result: TrialResult) -> None:
        """Tell the study, and all that listen, how a trial ended."""
        record = result.record
        # First of all: what the storage cannot take is kept here.
        self.records.append(record)
        self._rate(record)
        self._end_task(candidate.job.callback_ctx)
        try:
            frozen = self._store(candidate, result)
        except StorageLostError:
            self._frozen.append(self._freeze(candidate.trial, record))
            raise
        self._learn(frozen)
        self._listener(record)
        for callback in self._callbacks:
            callback(self._study, frozen)

    def keep(self, candidate: Candidate, record: TrialRecord) -> None:
        """Keep what had come out of a trial when the storage was lost."""
        if record.number not in {known.number for known in self.records}:
            self.records.append(record)
            self._frozen.append(self._freeze(candidate.trial, record))

    def fail(self, trial: optuna.Trial) -> None:
        """Note that a trial was cut off, unless it had ended."""
        self._study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)

    def _store(self, candidate: Candidate, result: TrialResult) -> FrozenTrial:
        """Put what came out of a trial into the study."""
        trial, record = candidate.trial, result.record
        if not self._curves_are_told:
            self._tell_curve(candidate, record)
        for key, value in result.pruner_attrs.items():
            self._study.note(trial, key, value)
        self._tell_fold_scores(trial, record)
        if self._persist is not None:
            self._persist(trial, record)
        state, values = self._outcome(record)
        return self._study.tell(trial, values, state=state)

    def _tell_curve(self, candidate: Candidate, record: TrialRecord) -> None:
        for step, value in record.curve:
            if step not in candidate.told:
                candidate.trial.report(value, step)
                candidate.told.add(step)

    def _tell_fold_scores(self, trial: optuna.Trial, record: TrialRecord) -> None:
        if record.fold_scores:
            trial.set_user_attr(FOLD_SCORES, _storable(record.fold_scores))

    def _freeze(self, trial: optuna.Trial, record: TrialRecord) -> FrozenTrial:
        """Return what the study would hold, had the storage taken it."""
        state, values = self._outcome(record)
        frozen = create_trial(
            state=state,
            values=values,
            params=trial.params,
            distributions=trial.distributions,
            intermediate_values=dict(record.curve),
        )
        frozen.number = trial.number
        return frozen

    def _outcome(self, record: TrialRecord) -> tuple[TrialState, list[float] | None]:
        state = _STATES.get(record.state, TrialState.FAIL)
        if state != TrialState.COMPLETE:
            return state, None
        return state, [record.objective(name, self._metric) for name in self._objectives]

    def _learn(self, frozen: FrozenTrial) -> None:
        self._frozen.append(frozen)
        for learner in self._learners:
            learner(frozen)

    def _rate(self, record: TrialRecord) -> None:
        score = self.score_of(record) if record.state == COMPLETE else -np.inf
        self.n_stale = 0 if score > self.best else self.n_stale + 1
        self.best = max(self.best, score)


def _storable(fold_scores: Sequence[Sequence[float]]) -> list[list[float | None]]:
    """Return the folds' scores as JSON can hold them, NaN as None."""
    return [[None if np.isnan(score) else float(score) for score in row] for row in fold_scores]
