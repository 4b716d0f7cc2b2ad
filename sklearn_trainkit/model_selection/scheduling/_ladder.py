"""The search loop with candidates that wait at rungs until it is their turn."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.trial import TrialState

from sklearn_trainkit.model_selection.evaluation._evaluator import EvaluationSetup, TrialJob
from sklearn_trainkit.model_selection.evaluation._trial_record import COMPLETE
from sklearn_trainkit.model_selection.scheduling._search_loop import SearchLoop
from sklearn_trainkit.model_selection.study._patient_storage import StorageLostError
from sklearn_trainkit.model_selection.study._rungs import Ladder
from sklearn_trainkit.model_selection.workers._runners import Deadlines, TrialResult

__all__ = ["LadderLoop"]


class LadderLoop(SearchLoop):
    """A search loop in one process whose candidates climb rungs, the best of each rung first.

    Parameters
    ----------
    setup : EvaluationSetup
    deadlines : Deadlines
    ladder : Ladder
    *args, **kwargs
        As for :class:`SearchLoop`.
    """

    def __init__(
        self,
        *args: Any,
        setup: EvaluationSetup,
        deadlines: Deadlines,
        ladder: Ladder,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._setup = setup
        self._deadlines = deadlines
        self._ladder = ladder
        self._resting: dict[int, tuple[optuna.Trial, TrialJob, TrialResult, Any]] = {}

    @abstractmethod
    def _begin(self, trial: optuna.Trial, job: TrialJob) -> None:
        """Bring a new candidate to the first rung."""

    @abstractmethod
    def _go_on(self, trial: optuna.Trial, job: TrialJob, kept: Any, rung: int) -> None:
        """Bring a candidate to its next rung; ``kept`` is what it rested with."""

    def _forget_all(self) -> None:
        """Let go of what was kept of those that wait."""

    def _run(self) -> None:
        try:
            while not self._is_ended():
                more_to_come = not self._is_out_of_trials()
                picked = self._ladder.pick(more_to_come=more_to_come)
                if picked is None and more_to_come:
                    asked = self._ask_next()
                    if asked is not None:
                        self._begin(*asked)
                    continue
                picked = picked or self._ladder.pick_last()
                if picked is None:
                    break
                number, rung = picked
                trial, job, _, kept = self._resting.pop(number)
                self._study.waiting.discard(number)
                self._go_on(trial, job, kept, rung + 1)
        finally:
            self._dismiss()

    def _rest(
        self, trial: optuna.Trial, job: TrialJob, kept: Any, rung: int, result: TrialResult
    ) -> None:
        """Have a candidate wait at a rung; ``result`` is for the case that this was its end."""
        self._ladder.arrive(trial.number, rung, result.record.mean_score(self._metric))
        self._resting[trial.number] = trial, job, result, kept
        self._study.waiting.add(trial.number)

    def _end(
        self, trial: optuna.Trial, job: TrialJob, result: TrialResult, passed: Sequence[int]
    ) -> None:
        """Tell of a candidate's end; it has passed some more rungs, unless it failed.

        One that failed, or was cut off, is in nobody's way: somebody else may take its place.
        """
        record = result.record
        if record.state == COMPLETE and not any(fold.fit_error for fold in record.folds):
            for rung in passed:
                self._ladder.arrive(trial.number, rung, record.mean_score(self._metric))
        else:
            self._ladder.leave(trial.number)
        self._tell(trial, job, result)

    def _dismiss(self) -> None:
        lost: StorageLostError | None = None
        for trial, job, result, _ in self._resting.values():
            self._study.waiting.discard(trial.number)
            self._ladder.leave(trial.number)
            try:
                self._tell(trial, job, result)
            except StorageLostError as error:  # the others are kept in memory, too
                lost = error
        self._resting.clear()
        self._forget_all()
        if lost is not None:
            raise lost

    def _give_up(self, trial: optuna.Trial) -> None:
        """Note that a trial was cut off, by Ctrl-C or an error that is to be raised."""
        self._study.tell(trial, state=TrialState.FAIL)
