"""``choose_portfolio``: the candidates to try first on new data, from searches on other data."""

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from sklearn_trainkit.model_selection.evaluation._trial_record import COMPLETE
from sklearn_trainkit.model_selection.space._labels import is_equal
from sklearn_trainkit.utils._sklearn_private import Interval, validate_params

__all__ = ["choose_portfolio"]


@validate_params(
    {
        "results": [list, tuple],
        "n_candidates": [Interval(Integral, 1, None, closed="left")],
        "metric": [str],
        "min_differences": [Interval(Integral, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def choose_portfolio(
    results: Sequence[Mapping[str, Any]],
    n_candidates: int = 16,
    *,
    metric: str = "score",
    min_differences: int = 1,
) -> list[dict[str, Any]]:
    """Choose the candidates that did well on many data sets, to be tried first on new ones.

    They come in the order of their mean regret. A candidate's regret on one data set is how far
    it is below the best, in units of the distance from the best to the median; it is 1 from the
    median down, and where the candidate failed or was stopped early.

    Parameters
    ----------
    results : sequence of dict
        ``cv_results_`` of searches that tried the same candidates in the same order, each on data
        of its own: ``OptunaSearchCV(..., enqueue=candidates, n_trials=len(candidates))``.
    n_candidates : int, default=16
        How many to choose, at most.
    metric : str, default="score"
        Whose mean test scores are compared.
    min_differences : int, default=1
        In how many parameters each differs from all that are ahead of it, so that they are not
        all nearly the same.

    Returns
    -------
    portfolio : list of dict
        Parameters, best first; for ``enqueue`` of a search on new data.

    Raises
    ------
    ValueError
        When the searches tried different candidates, or lack the metric.
    TypeError
        When ``results`` are something else.

    References
    ----------
    Feurer, Eggensperger, Falkner, Lindauer, Hutter (2022). Auto-sklearn 2.0: Hands-free AutoML
    via Meta-Learning. Journal of Machine Learning Research 23 (261). There, each further
    candidate is the one that most lowers the mean of the best regrets so far. Under the noise of
    three folds that picks lucky specialists; ours are good everywhere (``docs/search.md``).

    Examples
    --------
    >>> first = {"params": [{"C": 1}, {"C": 5}, {"C": 9}], "mean_test_score": [0.5, 0.8, 0.9]}
    >>> second = {"params": [{"C": 1}, {"C": 5}, {"C": 9}], "mean_test_score": [0.6, 0.7, 0.7]}
    >>> choose_portfolio([first, second], n_candidates=2)
    [{'C': 9}, {'C': 5}]
    """
    candidates = _common_candidates(results)
    regrets = np.mean([_regrets(each, f"mean_test_{metric}") for each in results], axis=0)
    chosen: list[dict[str, Any]] = []
    for index in np.argsort(regrets, kind="stable"):
        candidate = candidates[index]
        if len(chosen) < n_candidates and all(
            _count_differences(candidate, other) >= min_differences for other in chosen
        ):
            chosen.append(candidate)
    return [dict(candidate) for candidate in chosen]


def _count_differences(left: Mapping[str, Any], right: Mapping[str, Any]) -> int:
    shared = left.keys() & right.keys()
    n_alike = sum(is_equal(left[name], right[name]) for name in shared)
    return len(left.keys() | right.keys()) - n_alike


def _common_candidates(results: Sequence[Any]) -> list[dict[str, Any]]:
    if not results:
        raise ValueError("results is empty: it needs cv_results_ of one search or more.")
    for index, each in enumerate(results):
        if not isinstance(each, Mapping) or "params" not in each:
            raise TypeError(
                f"results[{index}] needs to be the cv_results_ of a search, a dict with 'params', "
                f"but got {type(each).__name__}."
            )
    candidates = list(results[0]["params"])
    for index, each in enumerate(results):
        if len(each["params"]) != len(candidates) or any(
            map(_count_differences, candidates, each["params"])
        ):
            raise ValueError(
                f"results[{index}] tried other candidates than results[0], or in another order; "
                "enqueue the same list in all searches, with n_trials equal to its length."
            )
    return candidates


def _regrets(results: Mapping[str, Any], column: str) -> np.ndarray:
    """Return how far each candidate is below the best, the median being 1."""
    if column not in results:
        known = sorted(name for name in results if name.startswith("mean_test_"))
        raise ValueError(f"results have no {column!r}; they have {known}.")
    scores = np.asarray(results[column], dtype=float)
    # The score of a trial that was stopped early is one of fewer epochs or folds.
    stopped = np.asarray(results.get("state", COMPLETE)) != COMPLETE
    scores = np.where(stopped | ~np.isfinite(scores), np.nan, scores)
    if np.isnan(scores).all():
        return np.ones(len(scores))
    below = np.nan_to_num(np.nanmax(scores) - scores, nan=np.inf)
    spread = np.nanmax(scores) - np.nanmedian(scores)
    return np.minimum(below / spread, 1.0) if spread > 0 else (below > 0).astype(float)
