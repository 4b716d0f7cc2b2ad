"""Questions about scikit-learn's scorers."""

from typing import Any

from sklearn_trainkit.utils._sklearn_private import (
    BaseScorer,
    MultimetricScorer,
    PassthroughScorer,
)

__all__ = ["is_standard_scorer", "metric_scorer", "name_first_metric"]


def metric_scorer(scorer: Any, metric: str | None) -> Any:
    """Return the scorer of one metric, the first by default, when there are several.

    >>> from sklearn.metrics import get_scorer
    >>> accuracy = get_scorer("accuracy")
    >>> metric_scorer(MultimetricScorer(scorers={"acc": accuracy}), "acc") is accuracy
    True
    """
    if isinstance(scorer, MultimetricScorer):
        scorers = scorer._scorers
        return scorers[metric] if metric in scorers else next(iter(scorers.values()))
    return scorer


def name_first_metric(scorer: Any) -> str:
    """Return the name of the metric that comes first; "score" where there is but one."""
    return str(next(iter(scorer._scorers))) if isinstance(scorer, MultimetricScorer) else "score"


def is_standard_scorer(scorer: Any) -> bool:
    """Return whether a scorer only calls the predict methods or ``score`` of an estimator."""
    return isinstance(scorer, BaseScorer | PassthroughScorer)
