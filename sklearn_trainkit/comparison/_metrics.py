"""Whether the metric of a searcher can be computed for a data set, before anything is trained."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring

from sklearn_trainkit.comparison._datasets import Dataset
from sklearn_trainkit.comparison._splits import OuterFold
from sklearn_trainkit.model_selection.evaluation._metric_check import check_metrics, list_variants

__all__ = ["check_metric"]


def check_metric(
    strategy: str, searcher: Any, dataset: str, data: Dataset, fold: OuterFold, scoring: Any
) -> None:
    """Raise ValueError when the metric that guides a searcher cannot be computed on a data set.

    Other metrics that cannot be computed are warned of.
    """
    scoring = getattr(searcher, "scoring", None) if scoring is None else scoring
    if scoring is None:
        return
    X, y, _ = data
    refit = getattr(searcher, "refit", True)
    several = not (isinstance(scoring, str) or callable(scoring))
    first = next(iter(scoring)) if several else "score"
    try:
        told = check_metrics(
            check_scoring(searcher.estimator, scoring=scoring),
            scoring,
            searcher.estimator,
            X,
            y,
            [(fold.train, fold.test)],
            _list_variants(searcher),
            guiding=[refit if several and isinstance(refit, str) else first],
            partly=True,
        )
    except ValueError as error:
        raise ValueError(f"searchers[{strategy!r}] on {dataset!r}: {error}") from None
    for message in told:
        text = f"searchers[{strategy!r}] on {dataset!r}: {message}"
        warnings.warn(text, UserWarning, stacklevel=3)


def _list_variants(searcher: Any) -> list[Any] | None:
    space = getattr(searcher, "param_distributions", getattr(searcher, "param_grid", None))
    branches = [space] if isinstance(space, Mapping) else space
    if not isinstance(branches, Sequence):
        return None
    choices = [
        {name: list(values) for name, values in branch.items() if _is_list(values)}
        for branch in branches
    ]
    return list_variants(searcher.estimator, choices)


def _is_list(values: Any) -> bool:
    return isinstance(values, list | tuple | np.ndarray)
