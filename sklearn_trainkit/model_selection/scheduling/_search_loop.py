"""The search loop: ask the study for a trial, have it evaluated, tell the study what came out."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from sklearn_trainkit.model_selection.evaluation._evaluator import TrialJob
from sklearn_trainkit.model_selection.evaluation._trial_record import (
    COMPLETE,
    FOLD_SCORES,
    PRUNED,
    TrialRecord,
    failed_record,
)
from sklearn_trainkit.model_selection.scheduling._trial_plan import SearchBudget
from sklearn_trainkit.model_selection.space._search_space import EnqueuedTrial, SearchSpace
from sklearn_trainkit.model_selection.space._tried_points import TriedPoints
from sklearn_trainkit.model_selection.study._patient_storage import StorageLostError
from sklearn_trainkit.model_selection.study._search_study import SearchStudy
from sklearn_trainkit.model_selection.study._shared_study import JointStudy
from sklearn_trainkit.model_selection.study._storage import ENQUEUED, RECORD, draw_params
from sklearn_trainkit.model_selection.workers._pool_runner import Death
from sklearn_trainkit.model_selection.workers._runners import Runner, TrialResult

__all__ = ["SearchLoop", "storable"]

_STATES = {COMPLETE: TrialState.COMPLETE, PRUNED: TrialState.PRUNED}

Callback = Callable[[optuna.Study, FrozenTrial], Any]


class SearchLoop:
    """Asks and tells; the only writer of its study.

    Parameters
    ----------
    study : SearchStudy
        Holds the trials.
    space : SearchSpace
        Turns a trial into parameters.
    runner : Runner
        Evaluates trials.
    enqueued : dict of str to EnqueuedTrial
        Candidates to try first, by their keys.
    budget : SearchBudget
        When to end.
    metric : str or None
        The score that guides the search, when there are several.
    objectives : sequence of str
        What is told to the study.
    ordered : bool
        Tell results in the order of the trials, one ask per tell, so that a seeded search with
        several workers repeats itself.
    tried : TriedPoints
        Keeps the sampler from proposing a point again.
    joint : JointStudy or None
        The study as shared with earlier sessions and other processes; None in memory.
    callbacks : sequence of callables ``(study, frozen_trial)``
        Called after each trial.
    begin_task, end_task : callable
        Begin and end the task of a trial in scikit-learn's task tree.
    listener : callable
        Called with each record, once it is told.
    persist : callable ``(trial, record)`` or None, default=None
        Stores a record along with its trial.

    Attributes
    ----------
    records : list of TrialRecord
        All trials, in their order.
    interrupted : bool
        Whether Ctrl-C ended the search.
    exhausted : bool
        Whether the search ended because no point of the space was left.
    lost : StorageLostError or None
        Why the storage could not be used any more, if that ended the search.
    ask_seconds, trial_seconds : float
        Time spent proposing, and evaluating.
    """

    def __init__(
        self,
        study: SearchStudy,
        space: SearchSpace,
        runner: Runner,
        *,
        enqueued: Mapping[str, EnqueuedTrial],
        budget: SearchBudget,
        metric: str | None,
        objectives: Sequence[str],
        ordered: bool,
        tried: TriedPoints,
        joint: JointStudy | None,
        callbacks: Sequence[Callback],
        begin_task: Callable[[int], Any],
        end_task: Callable[[Any], None],
        listener: Callable[[TrialRecord], None],
        persist: Callable[[optuna.Trial, TrialRecord], None] | None = None,
    ) -> None:
        self.records = [] if joint is None else list(joint.earlier)
        self.interrupted = False
        self.exhausted = False
        self.lost: StorageLostError | None = None
        self.ask_seconds = 0.0
        self.trial_seconds = 0.0
        self._study = study
        self._space = space
        self._runner = runner
        self._enqueued = enqueued
        self._budget = budget
        self._metric = metric
        self._objectives = objectives
        self._ordered = ordered
        self._callbacks = callbacks
        self._begin_task = begin_task
        self._end_task = end_task
        self._listener = listener
        self._persist = persist
        self._tried = tried
        self._joint = joint
        self._frozen: list[FrozenTrial] = []
        self._pending: dict[Future[TrialResult], tuple[optuna.Trial, TrialJob]] = {}
        self._submitted: dict[int, float] = {}
        self._n_asked = len(self.records)
        self._waiting = deque(_list_untried(study, enqueued))
        self._deadline = None if budget.timeout is None else time.time() + budget.timeout
        self._best = -np.inf
        self._stale = 0
        for record in self.records:
            self._rate(record)
        for frozen in study.get_trials(deepcopy=False) if self.records else ():
            if frozen.state.is_finished() and RECORD in frozen.user_attrs:
                self._learn(frozen)

    def run(self) -> list[TrialRecord]:
        """Evaluate trials until the budget is spent; return all records."""
        clean = False
        try:
            if self._joint is not None:
                self._joint.start()
            self._run()
            while self._has_others_to_wait_for():
                self._run()
            self._hear_from_others(refresh=True)
            clean = True
        except KeyboardInterrupt:
            self.interrupted = True
        except StorageLostError as error:
            self.lost = error
        finally:
            self._abandon_pending()
            self._runner.close(kill=not clean)
            if self._joint is not None:
                self._joint.close()
        return sorted(self.records, key=lambda record: record.number)

    def list_trials(self) -> list[FrozenTrial]:
        """Return the trials behind ``records`` that were told, without asking the storage."""
        numbers = {record.number for record in self.records}
        return [frozen for frozen in self._frozen if frozen.number in numbers]

    def _run(self) -> None:
        while True:
            self._hear_from_others()
            while len(self._pending) < self._runner.n_workers and not self._is_over():
                self._ask()
            if not self._pending:
                return
            for future in self._wait():
                self._collect(future)

    def _hear_from_others(self, *, refresh: bool = False) -> None:
        """Take in what other processes have finished in the same study."""
        if self._joint is None:
            return
        for frozen, record in self._joint.read_news(refresh=refresh):
            self.records.append(record)
            self._rate(record)
            self._learn(frozen)

    def _has_others_to_wait_for(self) -> bool:
        """Return whether other processes still run trials; if one dies, its trials come back."""
        if self._joint is None or self._is_ended() or not self._is_out_of_trials():
            return False
        waited = self._joint.wait_for_others()
        # A point that was another process's may have come back, if that process died.
        self.exhausted = self.exhausted and not self._joint.has_waiting()
        return waited or not self._is_out_of_trials()

    def _is_over(self) -> bool:
        return self._is_out_of_trials() or self._is_ended()

    def _is_ended(self) -> bool:
        """Return whether there is a reason to end other than the number of trials."""
        budget = self._budget
        return (
            self._study.stop_requested
            or (budget.target_score is not None and self._best >= budget.target_score)
            or (budget.patience is not None and self._stale >= budget.patience)
            # The first trial always starts, and its evaluation keeps the deadline.
            or (self._deadline is not None and self._n_asked > 0 and time.time() >= self._deadline)
        )

    def _is_out_of_trials(self) -> bool:
        n_trials = self._budget.n_trials
        if self.exhausted or n_trials is None:
            return self.exhausted
        started = self._n_asked if self._joint is None else self._joint.count_started()
        return started >= n_trials

    def _ask(self) -> None:
        asked = self._ask_next()
        if asked is None:
            return
        trial, job = asked
        try:
            future = self._submit(trial, job)
        except BaseException:
            self._study.tell(trial, state=TrialState.FAIL)
            raise
        self._pending[future] = trial, job

    def _submit(self, trial: optuna.Trial, job: TrialJob) -> "Future[TrialResult]":
        self._submitted[trial.number] = time.time()
        return self._runner.submit(job, trial)

    def _ask_next(self) -> tuple[optuna.Trial, TrialJob] | None:
        """Return the next trial, or None if another process took what was left, or none is left."""
        if self._waiting and self._joint is not None:
            self._waiting = deque(_list_untried(self._study, self._enqueued))
        if self._waiting:
            key = self._waiting.popleft()
            dictated, attrs = self._enqueued[key].fixed, {ENQUEUED: key}
            drawn = self._draw(self._study.ask_for(dictated, attrs))
        else:
            dictated, attrs = {}, {}
            drawn = self._draw(self._study.ask())
        if drawn is not None and self._was_tried(drawn[0]):
            drawn = self._draw_another(*drawn, dictated, attrs)
        if drawn is None:
            return None
        trial, params = drawn
        with self._failing(trial):
            self._tried.add(trial.params)
            self._n_asked += 1
            return trial, TrialJob(trial.number, params, self._begin_task(trial.number))

    def _draw(self, trial: optuna.Trial) -> tuple[optuna.Trial, dict[str, Any]] | None:
        """Return a trial that was asked for with its parameters; None if it may not run."""
        with self._failing(trial):
            if self._joint is not None and not self._joint.admit(trial, self._budget.n_trials):
                return None
            started = time.perf_counter()
            params = draw_params(trial, self._space, self._enqueued)
            self.ask_seconds += time.perf_counter() - started
            return trial, params

    def _was_tried(self, trial: optuna.Trial) -> bool:
        if self._joint is not None:
            self._tried.note_elsewhere(self._joint.list_running_elsewhere())
        return self._tried.holds(trial.params)

    def _draw_another(
        self,
        trial: optuna.Trial,
        params: dict[str, Any],
        dictated: Mapping[str, Any],
        attrs: dict[str, Any],
    ) -> tuple[optuna.Trial, dict[str, Any]] | None:
        """Return a trial of a point that was not tried, in the place of one that was.

        A candidate that is dictated as a whole is tried as often as it is dictated.
        """
        fixed = dictated or getattr(self._study.sampler, "_fixed_params", {})
        try:
            found = self._tried.find_untried(trial.number, fixed)
        except Exception:  # a space that asks its trial for more than draws
            return trial, params
        if found is None and dictated:
            return trial, params
        self._study.withdraw(trial)
        if found is None:
            self.exhausted = True
            return None
        return self._draw(self._study.ask_for(found, attrs))

    @contextmanager
    def _failing(self, trial: optuna.Trial) -> Iterator[None]:
        """Leave no running trial behind when something is raised."""
        try:
            yield
        except BaseException:
            self._study.tell(trial, state=TrialState.FAIL)
            raise

    def _wait(self) -> list["Future[TrialResult]"]:
        if self._ordered:
            oldest = next(iter(self._pending))
            wait([oldest])
            return [oldest]
        done, _ = wait(self._pending, return_when=FIRST_COMPLETED)
        return [future for future in self._pending if future in done]

    def _collect(self, future: "Future[TrialResult]") -> None:
        if future not in self._pending:
            return
        trial, job = self._pending[future]
        if self._find_death(future, trial) is not None:
            self._rerun_alone()
            return
        self._tell(trial, job, future.result())
        del self._pending[future]

    def _find_death(self, future: "Future[TrialResult]", trial: optuna.Trial) -> Death | None:
        """Return how the worker of a trial died, if it did."""
        error = CancelledError() if future.cancelled() else future.exception()
        if error is None:
            return None
        seconds = time.time() - self._submitted[trial.number]
        return self._runner.diagnose(error, trial.number, seconds)

    def _rerun_alone(self) -> None:
        """Run what was in flight when a worker died, one by one, to find the culprit."""
        if self._runner.death_takes_all:
            wait(self._pending)
        suspects = [
            (future, self._find_death(future, trial))
            for future, (trial, _) in self._pending.items()
            if future.done()
        ]
        broken = True
        for future, death in suspects:
            if death is None:  # it had finished in time
                continue
            trial, job = self._pending[future]
            again = future
            if not death.final:
                if broken:
                    self._runner.restart()
                again = self._submit(trial, job)
                wait([again])
                death = self._find_death(again, trial)
            broken = death is not None or not self._runner.death_takes_all
            if death is None:
                result = again.result()
            else:
                result = TrialResult(failed_record(job.number, job.params, death.reason), {}, 0.0)
            self._tell(trial, job, result)
            del self._pending[future]
        if broken:
            self._runner.restart()

    def _tell(self, trial: optuna.Trial, job: TrialJob, result: TrialResult) -> None:
        record = result.record
        # First of all: what the storage cannot take is kept here.
        self.records.append(record)
        self._rate(record)
        self.trial_seconds += result.seconds
        self._end_task(job.callback_ctx)
        try:
            frozen = self._store(trial, result)
        except StorageLostError:
            self._frozen.append(self._freeze(trial, record))
            raise
        self._learn(frozen)
        self._listener(record)
        for callback in self._callbacks:
            callback(self._study, frozen)

    def _store(self, trial: optuna.Trial, result: TrialResult) -> FrozenTrial:
        """Put what came out of a trial into the study."""
        record = result.record
        self._copy_curve(trial, result)
        if record.fold_scores:
            trial.set_user_attr(FOLD_SCORES, storable(record.fold_scores))
        if self._persist is not None:
            self._persist(trial, record)
        state, values = self._outcome(record)
        return self._study.tell(trial, values, state=state)

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
        """Take note of a trial that has ended, here or elsewhere."""
        self._frozen.append(frozen)
        self._tried.add(frozen.params)
        self._runner.tell(frozen)

    def _copy_curve(self, trial: optuna.Trial, result: TrialResult) -> None:
        """Bring home what was reported elsewhere; here it is in the study already."""
        if self._runner.reports_live:
            return
        for step, value in result.record.curve:
            trial.report(value, step)
        for key, value in result.pruner_attrs.items():
            self._study.note(trial, key, value)

    def _rate(self, record: TrialRecord) -> None:
        score = record.mean_score(self._metric) if record.state == COMPLETE else -np.inf
        self._stale = 0 if score > self._best else self._stale + 1
        self._best = max(self._best, score)

    def _abandon_pending(self) -> None:
        for future, (trial, _) in self._pending.items():
            if self.lost is not None:
                self._keep_finished(future, trial)
            future.cancel()
            with suppress(StorageLostError):
                self._study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
        self._pending.clear()

    def _keep_finished(self, future: "Future[TrialResult]", trial: optuna.Trial) -> None:
        """Keep what had come out of a trial when the storage was lost."""
        known = {record.number for record in self.records}
        if future.done() and not future.cancelled() and future.exception() is None:
            record = future.result().record
            if record.number not in known:
                self.records.append(record)
                self._frozen.append(self._freeze(trial, record))


def _list_untried(study: SearchStudy, enqueued: Iterable[str]) -> list[str]:
    """Return which enqueued candidates no session has asked for yet, or was kept from trying."""
    asked = {
        trial.user_attrs.get(ENQUEUED)
        for trial in study.get_trials(deepcopy=False)
        if trial.state != TrialState.FAIL or RECORD in trial.user_attrs
    }
    return [key for key in enqueued if key not in asked]


def storable(fold_scores: Sequence[Sequence[float]]) -> list[list[float | None]]:
    """Return the folds' scores as JSON can hold them, NaN as None."""
    return [[None if np.isnan(score) else float(score) for score in row] for row in fold_scores]
