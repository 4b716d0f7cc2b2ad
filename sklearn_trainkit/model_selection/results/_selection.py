"""Choosing a winner with more care than the highest mean, and noticing a hollow choice."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.multiclass import type_of_target

__all__ = [
    "OneStandardErrorRule",
    "describe_collapse",
    "describe_majority_ties",
    "find_pareto_front",
]

# A refit that lost more than this share of its cross-validated score has collapsed.
_TOLERATED_LOSS = 0.05
_TOLERATED_LOSS_OF_ONE_FOLD = 0.25


@dataclass(frozen=True)
class OneStandardErrorRule:
    """Pick the cheapest candidate within one standard error of the best, as ``refit=``.

    Parameters
    ----------
    metric : str, default="score"
        Name of the score, as in ``mean_test_<metric>``.
    cost : str or callable, default="mean_fit_time"
        A column of ``cv_results_``, or a function of a candidate's parameters; lower is cheaper.
        Fit times vary from run to run, so a seeded search repeats itself only with another cost.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_trainkit.model_selection import OneStandardErrorRule, OptunaSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> search = OptunaSearchCV(
    ...     DecisionTreeClassifier(random_state=0),
    ...     {"max_depth": [1, 2, 3, 4, 5]},
    ...     sampler="grid",
    ...     n_trials=None,
    ...     refit=OneStandardErrorRule(cost="param_max_depth"),
    ... ).fit(X, y)
    >>> search.best_params_
    {'max_depth': 3}
    """

    metric: str = "score"
    cost: str | Callable[[Mapping[str, Any]], float] = "mean_fit_time"

    def __call__(self, cv_results: Mapping[str, Any]) -> int:
        """Return the row of the candidate to refit."""
        means = np.array(cv_results[f"mean_test_{self.metric}"], dtype=float)
        states = cv_results.get("state")
        if states is not None:
            means[states != "complete"] = np.nan
        if np.isnan(means).all():
            raise ValueError("OneStandardErrorRule: no candidate has a score to compare.")
        best = int(np.nanargmax(means))
        good = np.flatnonzero(means >= means[best] - self._standard_error(cv_results, best))
        costs = self._costs(cv_results)
        return int(min(good, key=lambda row: (costs[row], -means[row], row)))

    def _standard_error(self, cv_results: Mapping[str, Any], row: int) -> float:
        folds = [key for key in cv_results if _is_fold_score(key, self.metric)]
        scores = [cv_results[key][row] for key in folds]
        return float(np.std(scores, ddof=1) / np.sqrt(len(scores))) if len(scores) > 1 else 0.0

    def _costs(self, cv_results: Mapping[str, Any]) -> list[float]:
        if callable(self.cost):
            return [float(self.cost(params)) for params in cv_results["params"]]
        if self.cost not in cv_results:
            raise ValueError(
                f"OneStandardErrorRule: cost={self.cost!r} is no column of cv_results_; there are "
                f"{sorted(cv_results)}."
            )
        return [float(value) for value in cv_results[self.cost]]


def describe_collapse(train_score: float, fold_scores: np.ndarray) -> str | None:
    """Return what to say when a refit scores worse on rows it has seen than its folds did unseen.

    Both scores are those of the same rows.

    >>> describe_collapse(0.63, np.array([0.97, 0.98, 0.97])) is None
    False
    >>> describe_collapse(0.99, np.array([0.97, 0.98, 0.97])) is None
    True
    """
    mean, spread = float(np.mean(fold_scores)), float(np.std(fold_scores))
    # A single fold does not show how much scores vary.
    tolerated = _TOLERATED_LOSS if len(fold_scores) > 1 else _TOLERATED_LOSS_OF_ONE_FOLD
    if not np.isfinite(mean) or train_score >= mean - max(3 * spread, tolerated * abs(mean)):
        return None
    return (
        f"The refitted estimator scores {train_score:.4g} on the rows it was trained on, while "
        f"its folds scored {mean:.4g} on rows they had not seen: this training went wrong. Set "
        "refit_retries to train it again from other seeds, or lower the learning rate."
    )


def describe_majority_ties(means: np.ndarray, y: Any) -> str | None:
    """Return what to say when most candidates only ever predict the most frequent class."""
    if hasattr(y, "__array_namespace__") and not isinstance(y, np.ndarray):
        return None  # labels on a device stay there
    try:
        if type_of_target(y) not in ("binary", "multiclass"):
            return None
    except ValueError:  # a list of lists: labels of the steps of sequences
        return None
    _, counts = np.unique(np.asarray(y), return_counts=True)
    share = counts.max() / counts.sum()
    scored = means[np.isfinite(means)]
    if len(scored) < 4 or share < 0.8:
        return None
    tied = np.mean(np.abs(scored - share) < 1e-3)
    if tied <= 0.5:
        return None
    return (
        f"{tied:.0%} of the candidates have the accuracy {share:.3f} of always predicting the most "
        "frequent class, so accuracy hardly tells them apart. Use scoring='roc_auc', "
        "'average_precision', 'balanced_accuracy' or 'neg_log_loss'."
    )


def find_pareto_front(values: np.ndarray) -> np.ndarray:
    """Return the rows that no other row beats in one column without losing in another.

    Parameters
    ----------
    values : ndarray of shape (n_candidates, n_objectives)
        Higher is better; rows with NaN are left out.

    >>> find_pareto_front(np.array([[1.0, 5.0], [2.0, 3.0], [0.5, 4.0], [2.0, 1.0]]))
    array([0, 1])
    """
    front = []
    for row in np.flatnonzero(~np.isnan(values).any(axis=1)):
        at_least = (values >= values[row]).all(axis=1)
        better = (values > values[row]).any(axis=1)
        if not (at_least & better).any():
            front.append(row)
    return np.array(front, dtype=int)


def _is_fold_score(key: str, metric: str) -> bool:
    return key.startswith("split") and key.endswith(f"_test_{metric}")
