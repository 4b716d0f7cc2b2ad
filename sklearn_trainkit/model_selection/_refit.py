"""The refit: the winner on all rows, trained as it was when it was scored."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_trainkit.model_selection._epoch_steppers import last_step, stepper_kind
from sklearn_trainkit.model_selection._evaluate_per_epoch import fit_by_stepping
from sklearn_trainkit.model_selection._evaluation import (
    EvaluationSetup,
    build_candidate,
    fill_seeds,
)
from sklearn_trainkit.model_selection._selection import describe_collapse
from sklearn_trainkit.utils._scorers import metric_scorer
from sklearn_trainkit.utils._sklearn_private import score_estimator

__all__ = ["Refit", "refit_winner"]


@dataclass(frozen=True)
class Refit:
    """A refitted winner.

    Attributes
    ----------
    estimator : estimator
        Fitted on all rows.
    seconds : float
        Time of all attempts.
    collapse : str or None
        What to tell the user when its training went wrong.
    """

    estimator: Any
    seconds: float
    collapse: str | None


def refit_winner(
    setup: EvaluationSetup,
    params: dict[str, Any],
    n_epochs: int | None,
    *,
    fold_scores: np.ndarray,
    n_retries: int,
    context: Any,
    begin: Callable[[], Any],
) -> Refit:
    """Fit a candidate on all rows, with the seeds and epochs it was scored with.

    A training in epochs can go wrong on all rows though it went well on each fold. It is noticed
    by the score on the training rows, and tried again from other seeds up to ``n_retries`` times.

    Parameters
    ----------
    setup : EvaluationSetup
    params : dict
        Of the winner.
    n_epochs : int or None
        Epochs of the winner's trial, when it was evaluated per epoch.
    fold_scores : ndarray of shape (n_splits,)
        Test scores of the winner; empty to skip the comparison.
    n_retries : int
    context : CallbackContext
        Task of the refit; goes to the first attempt.
    begin : callable
        Tells scikit-learn's callbacks that the task begins.
    """
    started = time.time()
    best: tuple[float, Any, str | None] | None = None
    for attempt in range(n_retries + 1):
        estimator = build_candidate(setup, params)
        if attempt:
            fill_seeds(estimator, (setup.seed or 0) + attempt, keep=params, only_none=False)
        spreading = context.propagate_callback_context(estimator) if not attempt else nullcontext()
        with spreading:
            if not attempt:
                begin()
            _fit(estimator, setup, n_epochs)
        score = _score_own_rows(estimator, setup) if len(fold_scores) else np.nan
        collapse = None if np.isnan(score) else describe_collapse(score, fold_scores)
        if best is None or score > best[0]:
            best = score, estimator, collapse
        if collapse is None:
            break
    assert best is not None
    return Refit(best[1], time.time() - started, best[2])


def _fit(estimator: Any, setup: EvaluationSetup, n_epochs: int | None) -> None:
    folds = setup.folds
    if n_epochs is not None and stepper_kind(last_step(estimator)) == "partial_fit":
        fit_by_stepping(estimator, folds.X, folds.y, folds.fit_params, n_epochs)
    elif folds.y is None:
        estimator.fit(folds.X, **folds.fit_params)
    else:
        estimator.fit(folds.X, folds.y, **folds.fit_params)


def _score_own_rows(estimator: Any, setup: EvaluationSetup) -> float:
    """Return the guiding score on the training rows; NaN where training is not in epochs."""
    if stepper_kind(last_step(estimator)) is None:
        return float("nan")
    folds = setup.folds
    score = score_estimator(
        estimator,
        folds.X,
        folds.y,
        metric_scorer(setup.scorer, setup.metric),
        folds.score_params,
        np.nan,
    )
    return float("nan") if isinstance(score, dict) else float(score)
