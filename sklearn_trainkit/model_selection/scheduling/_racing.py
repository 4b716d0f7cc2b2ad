"""Racing: candidates begin with one fold and short trainings, the best are given all folds."""

from dataclasses import dataclass, field, replace

import numpy as np

from sklearn_trainkit.model_selection.evaluation._evaluator import (
    EvaluationSetup,
    Evaluator,
    Resting,
    TrialJob,
    build_candidate,
)
from sklearn_trainkit.model_selection.evaluation._trial_record import (
    COMPLETE,
    PRUNED,
    FoldOutcome,
    TrialRecord,
    select_score,
)
from sklearn_trainkit.model_selection.evaluation._trial_watch import TrialWatch
from sklearn_trainkit.model_selection.study._rungs import Rung

__all__ = ["Race"]


@dataclass
class Racer:
    """What a candidate has behind it.

    Attributes
    ----------
    folds : list of FoldOutcome
        The latest outcome of each fold it was given.
    scores : dict of int to list of float
        The guiding score of each fold at the rungs' numbers of epochs (1 for whole fits).
    last : TrialRecord or None
        What came out last.
    n_epochs : int or None
        The most epochs of a fold in its latest training.
    n_fold_epochs : int
        Epochs trained so far, all folds and trainings together.
    """

    folds: list[FoldOutcome] = field(default_factory=list)
    scores: dict[int, list[float]] = field(default_factory=dict)
    last: TrialRecord | None = None
    n_epochs: int | None = None
    n_fold_epochs: int = 0

    def pack(self) -> "Racer":
        """Return itself: it can be sent as it is."""
        return self

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass(frozen=True)
class Race:
    """Evaluates candidates of a race, in any worker: each up to the rung that its job says.

    Attributes
    ----------
    evaluate : callable
        Evaluates a candidate on some of the folds.
    rungs : tuple of Rung
    """

    evaluate: Evaluator
    rungs: tuple[Rung, ...]

    def __call__(
        self,
        setup: EvaluationSetup,
        job: TrialJob,
        watch: TrialWatch,
    ) -> TrialRecord | Resting:
        """Evaluate what a rung asks for beyond the one before."""
        racer = job.kept or Racer()
        record = self._train(racer, setup, job, watch)
        if record.state == COMPLETE and job.rung < len(self.rungs) - 1:
            reason = f"paused at {_describe(self.rungs[job.rung])}"
            return Resting(replace(record, state=PRUNED, reason=reason), racer)
        return record

    def _train(
        self, racer: Racer, setup: EvaluationSetup, job: TrialJob, watch: TrialWatch
    ) -> TrialRecord:
        """Return the record of a candidate as of a rung."""
        goal = self.rungs[job.rung]
        if job.rung > 0 and self._is_longer(racer, setup, job):
            racer.folds = []
        before = racer.n_epochs if racer.folds else None
        missing = range(len(racer.folds), goal.n_folds)
        if missing:
            record = self._evaluate_folds(setup, job, missing, watch)
            racer.folds += record.folds
            epochs = [each for each in (record.n_epochs, before) if each is not None]
            racer.n_epochs = max(epochs, default=None)
            racer.n_fold_epochs += (record.n_epochs or 0) * len(record.folds)
            racer.last = record
        assert racer.last is not None
        racer.scores[goal.n_epochs or 1] = [
            select_score(fold.test_scores, setup.metric) for fold in racer.folds
        ]
        return replace(
            racer.last,
            folds=tuple(racer.folds),
            curve=tuple((step, float(np.mean(each))) for step, each in racer.scores.items()),
            fold_scores=tuple(tuple(each) for each in racer.scores.values()),
            n_epochs=racer.n_epochs,
            n_fold_epochs=None if racer.n_epochs is None else racer.n_fold_epochs,
        )

    def _is_longer(self, racer: Racer, setup: EvaluationSetup, job: TrialJob) -> bool:
        """Return whether a rung asks for longer training than the one before."""
        if self.rungs[job.rung - 1].n_epochs == self.rungs[job.rung].n_epochs:
            return False
        # A choice of the last step may have no epochs, while others have.
        if racer.n_epochs is not None:
            return True
        candidate = build_candidate(setup, job.params)
        return setup.stepping_of(candidate).kind is not None

    def _evaluate_folds(
        self, setup: EvaluationSetup, job: TrialJob, missing: range, watch: TrialWatch
    ) -> TrialRecord:
        goal, folds = self.rungs[job.rung], setup.folds
        setup = replace(
            setup,
            folds=replace(folds, folds=tuple(folds.folds[index] for index in missing)),
            # Its own number may be searched too.
            max_epochs=None if goal.n_epochs == self.rungs[-1].n_epochs else goal.n_epochs,
            in_epochs=goal.n_epochs is not None,
        )
        context = job.callback_ctx
        if context is not None:
            context = context.subcontext(
                task_name="rung",
                task_id=job.rung,
                max_subtasks=len(missing),
                sequential_subtasks=False,
            ).call_on_fit_task_begin(estimator=setup.caller)
        record = self.evaluate(setup, replace(job, callback_ctx=context), watch)
        if context is not None:
            context.call_on_fit_task_end(estimator=setup.caller)
        return record


def _describe(rung: Rung) -> str:
    folds = f"{rung.n_folds} fold" + "s" * (rung.n_folds > 1)
    return folds if rung.n_epochs is None else f"{folds}, epoch {rung.n_epochs}"
