"""Racing: candidates begin with one fold and short trainings, the best are given all folds."""

from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np
import optuna

from sklearn_trainkit.model_selection.evaluation._evaluator import (
    EvaluationSetup,
    Evaluator,
    TrialJob,
    build_candidate,
)
from sklearn_trainkit.model_selection.evaluation._trial_record import (
    COMPLETE,
    FOLD_SCORES,
    PRUNED,
    FoldOutcome,
    TrialRecord,
    select_score,
)
from sklearn_trainkit.model_selection.scheduling._ladder import LadderLoop
from sklearn_trainkit.model_selection.scheduling._search_loop import storable
from sklearn_trainkit.model_selection.study._rungs import (
    Ladder,
    RacingPruner,
    Rung,
    make_race,
    race_factors,
)
from sklearn_trainkit.model_selection.workers._runners import TrialResult

__all__ = ["RacingLoop"]


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
    seconds : float
        Its time so far.
    n_fold_epochs : int
        Epochs trained so far, all folds and trainings together.
    """

    folds: list[FoldOutcome] = field(default_factory=list)
    scores: dict[int, list[float]] = field(default_factory=dict)
    last: TrialRecord | None = None
    n_epochs: int | None = None
    seconds: float = 0.0
    n_fold_epochs: int = 0


class RacingLoop(LadderLoop):
    """The loop of :class:`RacingPruner`.

    Parameters
    ----------
    pruner : RacingPruner
    n_epochs : int or None
        Of the estimator as it is; None for whole fits.
    evaluate : callable
        Evaluates a candidate on some of the folds.
    *args, **kwargs
        As for :class:`LadderLoop`, less the ladder.
    """

    def __init__(
        self,
        *args: Any,
        pruner: RacingPruner,
        n_epochs: int | None,
        evaluate: Evaluator,
        setup: EvaluationSetup,
        **kwargs: Any,
    ) -> None:
        self._rungs = make_race(pruner, len(setup.folds), n_epochs)
        ladder = Ladder(race_factors(pruner, len(self._rungs)))
        super().__init__(*args, setup=setup, ladder=ladder, **kwargs)
        self._evaluate = evaluate

    def _begin(self, trial: optuna.Trial, job: TrialJob) -> None:
        self._go_on(trial, job, Racer(), 0)

    def _go_on(self, trial: optuna.Trial, job: TrialJob, kept: Racer, rung: int) -> None:
        """Evaluate what a rung asks for beyond the one before, and wait there or end there."""
        racer, started, told = kept, perf_counter(), set(kept.scores)
        try:
            record = self._train(racer, job, rung)
            for step, value in record.curve:
                if step not in told:
                    trial.report(value, step)
            # Samplers may look at those that wait.
            trial.set_user_attr(FOLD_SCORES, storable(record.fold_scores))
        except BaseException:
            self._give_up(trial)
            raise
        racer.seconds += perf_counter() - started
        if record.state == COMPLETE and rung < len(self._rungs) - 1:
            place = self._rungs[rung]
            record = replace(record, state=PRUNED, reason=f"paused at {_describe(place)}")
            self._rest(trial, job, racer, rung, TrialResult(record, {}, racer.seconds))
            return
        self._end(trial, job, TrialResult(record, {}, racer.seconds), [rung])

    def _train(self, racer: Racer, job: TrialJob, rung: int) -> TrialRecord:
        """Return the record of a candidate as of a rung."""
        goal = self._rungs[rung]
        if rung > 0 and self._is_longer(racer, job, rung):
            racer.folds = []
        before = racer.n_epochs if racer.folds else None
        missing = range(len(racer.folds), goal.n_folds)
        if missing:
            record = self._evaluate_folds(racer, job, rung, missing)
            racer.folds += record.folds
            epochs = [each for each in (record.n_epochs, before) if each is not None]
            racer.n_epochs = max(epochs, default=None)
            racer.n_fold_epochs += (record.n_epochs or 0) * len(record.folds)
            racer.last = record
        assert racer.last is not None
        racer.scores[goal.n_epochs or 1] = [
            select_score(fold.test_scores, self._setup.metric) for fold in racer.folds
        ]
        return replace(
            racer.last,
            folds=tuple(racer.folds),
            curve=tuple((step, float(np.mean(each))) for step, each in racer.scores.items()),
            fold_scores=tuple(tuple(each) for each in racer.scores.values()),
            n_epochs=racer.n_epochs,
            n_fold_epochs=None if racer.n_epochs is None else racer.n_fold_epochs,
        )

    def _is_longer(self, racer: Racer, job: TrialJob, rung: int) -> bool:
        """Return whether a rung asks for longer training than the one before."""
        if self._rungs[rung - 1].n_epochs == self._rungs[rung].n_epochs:
            return False
        # A choice of the last step may have no epochs, while others have.
        if racer.n_epochs is not None:
            return True
        candidate = build_candidate(self._setup, job.params)
        return self._setup.stepping_of(candidate).kind is not None

    def _evaluate_folds(
        self, racer: Racer, job: TrialJob, rung: int, missing: range
    ) -> TrialRecord:
        goal = self._rungs[rung]
        folds = self._setup.folds
        setup = replace(
            self._setup,
            folds=replace(folds, folds=tuple(folds.folds[index] for index in missing)),
            # Its own number may be searched too.
            max_epochs=None if goal.n_epochs == self._rungs[-1].n_epochs else goal.n_epochs,
            in_epochs=goal.n_epochs is not None,
        )
        context = job.callback_ctx
        if context is not None:
            context = context.subcontext(
                task_name="rung",
                task_id=rung,
                max_subtasks=len(missing),
                sequential_subtasks=False,
            ).call_on_fit_task_begin(estimator=setup.caller)
        per_trial = self._deadlines.per_trial
        left = None if per_trial is None else max(0.0, per_trial - racer.seconds)
        watch = self._deadlines._replace(per_trial=left).watch(None)
        record = self._evaluate(setup, replace(job, callback_ctx=context), watch)
        if context is not None:
            context.call_on_fit_task_end(estimator=setup.caller)
        return record


def _describe(rung: Rung) -> str:
    folds = f"{rung.n_folds} fold" + "s" * (rung.n_folds > 1)
    return folds if rung.n_epochs is None else f"{folds}, epoch {rung.n_epochs}"
