"""Choose the winner of a search, and score it on rows and folds that the search has not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from sklearn_trainkit.comparison._incumbent import follow_incumbent
from sklearn_trainkit.comparison._splits import OuterFold
from sklearn_trainkit.model_selection.results._trials_table import TrialRow

__all__ = ["Winner", "choose_among", "choose_own", "score_on_fresh_folds"]


@dataclass(frozen=True)
class Winner:
    """The model that a search came up with.

    Attributes
    ----------
    model : object
        Fitted on all training rows: the search itself, or its estimator with parameters that won
        within a budget.
    estimator : estimator
        What to clone for further fits.
    inner_score : float
        Mean inner score.
    scorer : callable or None
        The search's scorer, None when it has none to show.
    """

    model: Any
    estimator: Any
    inner_score: float
    scorer: Any

    def score(self, X: Any, y: Any) -> float:
        """Return the score on held-out rows."""
        # A search scores with its own scorer.
        own = self.model is not self.estimator
        return float(self.model.score(X, y) if own else self.scorer(self.model, X, y))


def choose_own(search: Any, trials: Sequence[TrialRow]) -> Winner:
    """Return the winner that the fitted search has chosen and refitted itself."""
    if hasattr(search, "best_score_"):
        inner_score = float(search.best_score_)
    else:
        inner_score = trials[search.best_index_].score  # a callable has picked it
    estimator = getattr(search, "best_estimator_", None)
    return Winner(search, estimator, inner_score, _scorer(search))


def choose_among(
    search: Any, trials: Sequence[TrialRow], order: Sequence[int], X: Any, y: Any
) -> Winner:
    """Return the best of some trials, refitted unless it is the search's own winner.

    Parameters
    ----------
    search : searcher
        Fitted.
    trials : sequence of TrialRow
        Everything it tried.
    order : sequence of int
        Indices of the trials to choose among, in the order in which they ended.
    X : array-like of shape (n_samples, ...)
        All training rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.

    Returns
    -------
    winner : Winner
        The incumbent after the last of them.
    """
    index = follow_incumbent(trials, order)[-1]
    assert index is not None, "a budget selects at least one complete trial"
    trial = trials[index]
    if getattr(search, "best_index_", None) == index:
        return choose_own(search, trials)
    params = clone(dict(trial.params), safe=False)
    estimator = clone(search.estimator).set_params(**params).fit(X, y)
    return Winner(estimator, estimator, trial.score, _scorer(search))


def score_on_fresh_folds(winner: Winner, X: Any, y: Any, fold: OuterFold) -> float:
    """Return the mean score of the winner's parameters on folds drawn anew; NaN if impossible."""
    if not fold.fresh or winner.scorer is None or winner.estimator is None:
        return float("nan")
    estimator = clone(winner.estimator)
    scores = cross_val_score(estimator, X, y, cv=list(fold.fresh), scoring=winner.scorer)
    return float(np.mean(scores))


def _scorer(search: Any) -> Any:
    scorer = getattr(search, "scorer_", None)
    return scorer.get(search.refit) if isinstance(scorer, Mapping) else scorer
