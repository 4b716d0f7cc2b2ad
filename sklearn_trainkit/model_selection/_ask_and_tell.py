"""The search loop: ask the study for a trial, evaluate it, tell the study what came out."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from sklearn_trainkit.model_selection._evaluation import Reporter, SilentReporter, TrialJob
from sklearn_trainkit.model_selection._search_space import EnqueuedTrial, SearchSpace
from sklearn_trainkit.model_selection._study import SearchStudy
from sklearn_trainkit.model_selection._trial_record import COMPLETE, PRUNED, TrialRecord

__all__ = ["SearchBudget", "SearchLoop"]

_ENQUEUED = "enqueued"
_STATES = {COMPLETE: TrialState.COMPLETE, PRUNED: TrialState.PRUNED}

Evaluate = Callable[[TrialJob, Reporter], TrialRecord]
Callback = Callable[[optuna.Study, FrozenTrial], Any]


@dataclass(frozen=True)
class SearchBudget:
    """When a search ends.

    Attributes
    ----------
    n_trials : int or None
        Number of trials in the study; None for no limit.
    timeout : float or None
        Seconds after which no further trial starts.
    """

    n_trials: int | None
    timeout: float | None


class LiveReporter:
    """Reports straight into the study, so that the pruner sees every trial so far."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial

    def report(self, step: int, value: float) -> bool:
        """Record the value; return what the pruner says."""
        self._trial.report(value, step)
        return self._trial.should_prune()


class SearchLoop:
    """Asks and tells in one process; the only writer of its study.

    Parameters
    ----------
    study : SearchStudy
        Holds the trials.
    space : SearchSpace
        Turns a trial into parameters.
    enqueued : sequence of EnqueuedTrial
        Candidates to try first.
    budget : SearchBudget
        When to end.
    metric : str or None
        The score told to the study, when there are several.
    callbacks : sequence of callables ``(study, frozen_trial)``
        Called after each trial.
    listener : callable or None
        Called with each record, after it was told.
    """

    def __init__(
        self,
        study: SearchStudy,
        space: SearchSpace,
        *,
        enqueued: Sequence[EnqueuedTrial],
        budget: SearchBudget,
        metric: str | None,
        prunes: bool = False,
        callbacks: Sequence[Callback] = (),
        listener: Callable[[TrialRecord], None] | None = None,
    ) -> None:
        self.study = study
        self.space = space
        self.budget = budget
        self.metric = metric
        self.records: list[TrialRecord] = []
        self._enqueued = enqueued
        self._prunes = prunes
        self._callbacks = callbacks
        self._listener = listener
        self._started = time.monotonic()
        self._n_asked = 0
        for index, candidate in enumerate(enqueued):
            study.enqueue_trial(candidate.fixed, user_attrs={_ENQUEUED: index})

    def run(self, evaluate: Evaluate, make_context: Callable[[int], Any]) -> list[TrialRecord]:
        """Evaluate trials until the budget is spent; return their records."""
        while not self._is_over():
            trial = self.study.ask()
            self._n_asked += 1
            try:
                job = TrialJob(trial.number, self._draw(trial), make_context(trial.number))
                reporter = LiveReporter(trial) if self._prunes else SilentReporter()
                record = evaluate(job, reporter)
            except BaseException:
                self.study.tell(trial, state=TrialState.FAIL)
                raise
            self._tell(trial, record)
        return self.records

    def _is_over(self) -> bool:
        n_trials, timeout = self.budget.n_trials, self.budget.timeout
        if self.study.stop_requested:
            return True
        if n_trials is not None and self._n_asked >= n_trials:
            return True
        # The first trial always runs: without it there would be no result at all.
        spent = time.monotonic() - self._started
        return timeout is not None and self._n_asked > 0 and spent >= timeout

    def _draw(self, trial: optuna.Trial) -> dict[str, Any]:
        params = self.space.suggest(trial)
        if self._n_asked <= len(self._enqueued):
            index = trial.user_attrs.get(_ENQUEUED)
            if index is not None:
                # The user's own objects, not what decoding makes of them.
                params.update(self._enqueued[index].params)
        return params

    def _tell(self, trial: optuna.Trial, record: TrialRecord) -> None:
        state = _STATES.get(record.state, TrialState.FAIL)
        value = record.mean_score(self.metric) if state == TrialState.COMPLETE else None
        frozen = self.study.tell(trial, value, state=state)
        self.records.append(record)
        for callback in self._callbacks:
            callback(self.study, frozen)
        if self._listener is not None:
            self._listener(record)
