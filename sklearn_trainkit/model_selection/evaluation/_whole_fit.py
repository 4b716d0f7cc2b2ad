"""The whole-fit evaluator: any estimator, fold by fold, with a report after each fold."""

from collections.abc import Callable
from dataclasses import replace
from traceback import format_exc
from typing import Any

import numpy as np
from sklearn.base import clone

from sklearn_trainkit.model_selection.evaluation._evaluator import (
    EvaluationSetup,
    TrialJob,
    build_candidate,
)
from sklearn_trainkit.model_selection.evaluation._trial_record import (
    FAILED,
    PRUNED,
    FoldOutcome,
    TrialRecord,
    mean_test_score,
)
from sklearn_trainkit.model_selection.evaluation._trial_watch import TrialWatch
from sklearn_trainkit.model_selection.evaluation._verbose import print_fold
from sklearn_trainkit.utils._sklearn_private import MultimetricScorer, fit_and_score

__all__ = ["build_or_record", "evaluate_whole_fit", "failed_outcome", "make_record"]


def evaluate_whole_fit(setup: EvaluationSetup, job: TrialJob, watch: TrialWatch) -> TrialRecord:
    """Fit and score a candidate on one fold after the other.

    The value reported after fold ``k`` (counted from 1) is the mean test score so far, or that
    fold's own score for pruners that compare folds pairwise. Where training in epochs was hoped
    for, the record says why it was not done.
    """
    candidate = build_or_record(setup, job)
    if isinstance(candidate, TrialRecord):
        return candidate
    how = setup.describe_whole_fit(candidate) if setup.explains_whole_fits else None
    folds: list[FoldOutcome] = []
    for index in range(len(setup.folds)):
        folds.append(_fit_fold(setup, job, candidate, index))
        shown = folds[-1:] if setup.report_folds else folds
        reason = watch.report(index + 1, mean_test_score(shown, setup.metric))
        if reason is not None and index + 1 < len(setup.folds):
            return TrialRecord(
                job.number,
                job.params,
                tuple(folds),
                state=PRUNED,
                curve=tuple(watch.curve),
                reason=f"{reason} after {index + 1} of {len(setup.folds)} folds",
                evaluation=how,
            )
    return replace(make_record(setup, job, folds, watch.curve), evaluation=how)


def make_record(
    setup: EvaluationSetup,
    job: TrialJob,
    folds: list[FoldOutcome],
    curve: list[tuple[int, float]],
    n_epochs: int | None = None,
) -> TrialRecord:
    """Return the record of a trial that ran to its end: complete, or failed if a score is NaN."""
    state, reason = "complete", None
    if np.isnan(mean_test_score(folds, setup.metric)):
        errors = [fold.fit_error for fold in folds if fold.fit_error is not None]
        state = FAILED
        reason = errors[0].strip().splitlines()[-1] if errors else "a score is NaN"
    return TrialRecord(job.number, job.params, tuple(folds), state, tuple(curve), n_epochs, reason)


def failed_outcome(setup: EvaluationSetup, error: str, fit_time: float = 0.0) -> FoldOutcome:
    """Return the outcome of a fold that could not be fitted: ``error_score`` for every metric."""
    scores: Any = setup.error_score
    if isinstance(setup.scorer, MultimetricScorer):
        scores = dict.fromkeys(setup.scorer._scorers, setup.error_score)
    train_scores = scores if setup.return_train_score else None
    return FoldOutcome(scores, train_scores, fit_time, 0.0, error)


def _fit_fold(setup: EvaluationSetup, job: TrialJob, candidate: Any, index: int) -> FoldOutcome:
    fold = setup.folds.folds[index]
    context = None
    if job.callback_ctx is not None:
        context = job.callback_ctx.subcontext(task_name="candidate-split-evaluation", task_id=index)
    is_last = index + 1 == len(setup.folds)
    # Times, warnings, callbacks and the array API are scikit-learn's own from here on.
    result = fit_and_score(
        candidate if is_last else clone(candidate),
        setup.folds.X,
        setup.folds.y,
        scorer=setup.scorer,
        train=fold.train,
        test=fold.test,
        verbose=0,
        parameters=None,
        fit_params=setup.folds.fit_params,
        score_params=setup.folds.score_params,
        return_train_score=setup.return_train_score,
        return_times=True,
        error_score=setup.error_score,
        caller=setup.caller,
        callback_ctx=context,
    )
    outcome = FoldOutcome(
        result["test_scores"],
        result.get("train_scores"),
        result["fit_time"],
        result["score_time"],
        result["fit_error"],
    )
    if setup.verbose > 1:
        print_fold(setup.verbose, job, index, len(setup.folds), outcome)
    return outcome


def build_or_record(
    setup: EvaluationSetup, job: TrialJob, build: Callable[..., Any] = build_candidate
) -> Any:
    """Return what ``build(setup, params)`` does; the record of a failed trial if that raises."""
    try:
        return build(setup, job.params)
    except Exception:
        if setup.error_score == "raise":
            raise
        folds = [failed_outcome(setup, format_exc()) for _ in range(len(setup.folds))]
        return make_record(setup, job, folds, [])
