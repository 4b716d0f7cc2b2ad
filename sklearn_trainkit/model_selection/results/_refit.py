"""The refit: the winner on all rows, trained as it was when it was scored."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import get_tags

from sklearn_trainkit.model_selection.evaluation._evaluator import (
    EvaluationSetup,
    build_candidate,
    fill_seeds,
)
from sklearn_trainkit.model_selection.evaluation._per_epoch import fit_by_stepping
from sklearn_trainkit.model_selection.evaluation._stepping_table import PARTIAL_FIT
from sklearn_trainkit.model_selection.results._selection import describe_collapse
from sklearn_trainkit.utils._pipelines import last_step
from sklearn_trainkit.utils._scorers import metric_scorer
from sklearn_trainkit.utils._sklearn_private import num_samples, safe_split, score_estimator

__all__ = ["Refit", "refit_winner"]

# More parts than this would take long to score, where each is a row (leave-one-out).
_MOST_PARTS = 20


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
    by the scores on the rows that the folds were tested on, and tried again from other seeds up to
    ``n_retries`` times.

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
        score, collapse = _compare_with_folds(estimator, setup, fold_scores)
        if best is None or score > best[0]:
            best = score, estimator, collapse
        if collapse is None:
            break
    assert best is not None
    return Refit(best[1], time.time() - started, best[2])


def _fit(estimator: Any, setup: EvaluationSetup, n_epochs: int | None) -> None:
    folds = setup.folds
    if n_epochs is not None and setup.stepping_of(estimator).kind == PARTIAL_FIT:
        fit_by_stepping(estimator, folds.X, folds.y, folds.fit_params, n_epochs)
    elif folds.y is None:
        estimator.fit(folds.X, **folds.fit_params)
    else:
        estimator.fit(folds.X, folds.y, **folds.fit_params)


def _can_collapse(estimator: Any) -> bool:
    """Return whether ``estimator`` learns a target in epochs, so that a training can go wrong."""
    final = last_step(estimator)
    in_epochs = hasattr(final, "max_epochs") or (
        hasattr(final, "max_iter") and hasattr(final, "partial_fit")
    )
    return bool(in_epochs and get_tags(estimator).target_tags.required)


def _compare_with_folds(
    estimator: Any, setup: EvaluationSetup, fold_scores: np.ndarray
) -> tuple[float, str | None]:
    """Return the mean score on the folds' test rows, and what is wrong with it.

    The refitted estimator was trained on these rows, the folds were not; but they are the same
    rows, so that scores may be compared which grow with the number of rows, or with what is in
    them. NaN where it cannot be told.
    """
    if not len(fold_scores) or not _can_collapse(estimator):
        return float("nan"), None
    n_splits = len(setup.folds)
    looked_at = np.unique(np.linspace(0, n_splits - 1, min(n_splits, _MOST_PARTS)).astype(int))
    scores = np.array([_score_part(estimator, setup, index) for index in looked_at])
    known = np.isfinite(scores) & np.isfinite(fold_scores[looked_at])
    if not known.any():
        return float("nan"), None
    mean = float(scores[known].mean())
    return mean, describe_collapse(mean, fold_scores[looked_at][known])


def _score_part(estimator: Any, setup: EvaluationSetup, index: int) -> float:
    """Return the guiding score on the test rows of a fold."""
    folds = setup.folds
    fold = folds.folds[index]
    # A matrix of similarities has a column for every row that the refit was trained on.
    X, y = safe_split(estimator, folds.X, folds.y, fold.test, np.arange(num_samples(folds.X)))
    score = score_estimator(
        estimator,
        X,
        y,
        metric_scorer(setup.scorer, setup.metric),
        fold.test_score_params,
        np.nan,
    )
    return float("nan") if isinstance(score, dict) else float(score)
