"""The per-epoch evaluator: all folds of a trial train in step, with a report after each epoch.

Inside a Pipeline, the steps before the last are fitted once per fold, on its training rows, and
the test rows only ever pass through ``transform``.
"""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import clone

from sklearn_trainkit.model_selection.evaluation._epoch_steppers import count_epochs, make_stepper
from sklearn_trainkit.model_selection.evaluation._evaluator import (
    EvaluationSetup,
    TrialJob,
    build_candidate,
)
from sklearn_trainkit.model_selection.evaluation._fold_training import FoldTraining, fit_head
from sklearn_trainkit.model_selection.evaluation._stepping_table import PARTIAL_FIT
from sklearn_trainkit.model_selection.evaluation._trial_record import PRUNED, TrialRecord
from sklearn_trainkit.model_selection.evaluation._trial_watch import TrialWatch
from sklearn_trainkit.model_selection.evaluation._whole_fit import (
    build_or_record,
    evaluate_whole_fit,
    make_record,
)
from sklearn_trainkit.utils._pipelines import last_step, own_fit_params

__all__ = [
    "TrialTraining",
    "build_trainable",
    "evaluate_per_epoch",
    "fit_by_stepping",
    "start_training",
    "train_to_end",
]

# Scoring after each of very many short epochs would cost more than training.
_MAX_REPORTS = 100


def build_trainable(setup: EvaluationSetup, params: dict[str, Any]) -> Any:
    """Return the candidate; raise if it trains in epochs and does not say how many."""
    candidate = build_candidate(setup, params)
    if setup.stepping_of(candidate).kind is not None:
        count_epochs(last_step(candidate))
    return candidate


def evaluate_per_epoch(setup: EvaluationSetup, job: TrialJob, watch: TrialWatch) -> TrialRecord:
    """Train a candidate on all folds in step.

    The value reported after an epoch is the mean test score over folds. A candidate whose last
    step does not train in epochs is evaluated fold by fold, without reports: they would be
    compared with epochs.
    """
    return train_to_end(start_training(setup, job, watch), watch)


def start_training(
    setup: EvaluationSetup,
    job: TrialJob,
    watch: TrialWatch,
    begin: "Callable[..., TrialTraining | TrialRecord] | None" = None,
) -> "TrialTraining | TrialRecord":
    """Begin a trial; return its record instead when there is nothing to advance by epochs.

    ``begin(setup, job, candidate, watch)`` does so in place of :class:`TrialTraining`.
    """
    candidate = build_or_record(setup, job, build_trainable)
    if isinstance(candidate, TrialRecord):
        return candidate
    if setup.stepping_of(candidate).kind is None:
        record = evaluate_whole_fit(setup, job, watch.without_pruner())
        return replace(record, evaluation=setup.describe_whole_fit(candidate))
    if begin is not None:
        return begin(setup, job, candidate, watch)
    return TrialTraining(setup, job, candidate)


def train_to_end(started: "TrialTraining | TrialRecord", watch: TrialWatch) -> TrialRecord:
    """Return the record of a trial that was begun, unless there was one already."""
    if isinstance(started, TrialRecord):
        return started
    with closing(started):
        reason = started.train(watch)
        return started.finish(watch, reason)


class TrialTraining:
    """All folds of one trial, trained in step; can be left and taken up again.

    Attributes
    ----------
    epoch : int
        Epochs trained.
    """

    def __init__(self, setup: EvaluationSetup, job: TrialJob, candidate: Any) -> None:
        self.epoch = 0
        self._setup = setup
        self._job = job
        self._interval = max(1, -(-count_epochs(last_step(candidate)) // _MAX_REPORTS))
        self._stack = ExitStack()
        self._folds = [
            FoldTraining(setup, job, clone(candidate), index, self._stack)
            for index in range(len(setup.folds))
        ]

    def close(self) -> None:
        """Take scikit-learn's callbacks off the estimators again, and end their tasks."""
        for fold in self._folds:
            fold.close()
        self._stack.close()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("_setup", "_stack")}

    def attach(self, setup: EvaluationSetup) -> None:
        """Go on after a stay on disk."""
        self._setup = setup
        self._stack = ExitStack()
        for fold in self._folds:
            fold.attach(setup, self._stack)

    def is_done(self) -> bool:
        """Return whether no fold wants another epoch, or the trial can no longer win."""
        hopeless = isinstance(self._setup.error_score, float) and np.isnan(self._setup.error_score)
        if hopeless and any(fold.error for fold in self._folds):
            return True
        return all(fold.done for fold in self._folds)

    def train(self, watch: TrialWatch, until: int | None = None) -> str | None:
        """Train up to epoch ``until``, or to the end; return why it stopped early, if it did."""
        while not self.is_done() and (until is None or self.epoch < until):
            self._train_epoch()
            reason = self.end_epoch(watch, until)
            if reason is not None and not self.is_done():
                return reason
        return None

    def end_epoch(self, watch: TrialWatch, until: int | None = None) -> str | None:
        """Count an epoch of all folds and report it; return a reason to stop, if there is one."""
        self.epoch += 1
        if any(fold.error for fold in self._folds) and self.is_done():
            return None
        at_rest = self.is_done() or self.epoch == until
        if not watch.prunes or (self.epoch % self._interval and not at_rest):
            return watch.check_time()
        scores = self.fold_scores_now()
        return watch.report(self.epoch, float(np.mean(scores)), scores)

    def _train_epoch(self) -> None:
        for fold in self._folds:
            fold.train_epoch()

    def fold_scores_now(self) -> list[float]:
        """Return the guiding score of each fold as of this epoch."""
        return [fold.score_now() for fold in self._folds]

    def finish(self, watch: TrialWatch, reason: str | None = None) -> TrialRecord:
        """End the training; a reason makes it a pruned trial."""
        folds = [fold.finish() for fold in self._folds]
        if reason is not None:
            return self._pruned(folds, watch, reason)
        record = make_record(self._setup, self._job, folds, watch.curve, self._count())
        return replace(record, fold_scores=tuple(watch.fold_scores))

    def leave(self, watch: TrialWatch) -> TrialRecord:
        """Come to rest; return the record for the case that this is the end."""
        for fold in self._folds:
            if fold.run is not None:
                fold.run.release()
        return self._pruned([fold.outcome() for fold in self._folds], watch, "paused")

    def _pruned(self, folds: list[Any], watch: TrialWatch, reason: str) -> TrialRecord:
        job, n_epochs = self._job, self._count()
        reason = f"{reason} at epoch {n_epochs}"
        return TrialRecord(
            job.number,
            job.params,
            tuple(folds),
            PRUNED,
            tuple(watch.curve),
            n_epochs,
            reason,
            fold_scores=tuple(watch.fold_scores),
        )

    def _count(self) -> int:
        return max(fold.epoch for fold in self._folds)


def fit_by_stepping(
    estimator: Any, X: Any, y: Any, fit_params: dict[str, Any], n_epochs: int
) -> None:
    """Fit ``estimator`` on all rows for exactly ``n_epochs`` epochs, as its trial was.

    For those that are taken at their word; what all others do is ``fit``.
    """
    own_params, head_params = own_fit_params(estimator, fit_params)
    X = fit_head(estimator, X, y, head_params)
    stepper = make_stepper(PARTIAL_FIT, last_step(estimator), n_epochs)
    stepper.begin(X, y, own_params)
    while not stepper.done:
        stepper.train_epoch()
        stepper.count_epoch()
    stepper.finish()
