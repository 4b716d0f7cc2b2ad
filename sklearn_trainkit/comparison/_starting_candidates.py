"""Give every strategy the same candidates to begin with."""

from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, ParameterSampler, RandomizedSearchCV

__all__ = ["NO_PLACE", "add_starting_candidates", "check_starting_candidates"]

NO_PLACE = "starting candidates were not given: the searcher has no place for them"


def check_starting_candidates(candidates: Any, searchers: Mapping[str, Any]) -> None:
    """Raise when the candidates are not parameters of the estimators.

    Raises
    ------
    TypeError
        When they are not a list of dicts.
    ValueError
        When an estimator lacks a parameter.
    """
    are_dicts = isinstance(candidates, list | tuple) and all(
        isinstance(candidate, Mapping) for candidate in candidates
    )
    if not are_dicts:
        raise TypeError(
            "starting_candidates must be a list of dicts of parameter names to values; got "
            f"{candidates!r}"
        )
    for name, searcher in searchers.items():
        known = searcher.estimator.get_params(deep=True)
        unknown = sorted({key for candidate in candidates for key in candidate} - known.keys())
        if unknown:
            raise ValueError(
                f"starting_candidates names {unknown}, which the estimator of searchers[{name!r}] "
                "lacks"
            )


def add_starting_candidates(
    search: Any, candidates: Sequence[Mapping[str, Any]], seed: int
) -> tuple[Any, str]:
    """Return a search that tries the candidates first, and a note when that is not possible.

    The number of trials stays as it is, except for a grid, which keeps all of its points.

    Parameters
    ----------
    search : searcher
        A clone that may be changed.
    candidates : sequence of dict
        Parameters to try first, in this order.
    seed : int
        Seed of the search.

    Returns
    -------
    search : searcher
        The same, or one that does the same.
    note : str
        Empty when the candidates are in place.
    """
    points = [{name: [value] for name, value in candidate.items()} for candidate in candidates]
    # Subclasses may mean something else by the same parameters.
    if type(search) is GridSearchCV:
        grid = search.param_grid
        own = [grid] if isinstance(grid, Mapping) else list(grid)
        return search.set_params(param_grid=points + own), ""
    if type(search) is RandomizedSearchCV:
        return _sample_beforehand(search, points, seed), ""
    parameters = search.get_params(deep=False)
    if "enqueue" in parameters:
        queue = search.enqueue or []
        queue = [queue] if isinstance(queue, str) else queue
        return search.set_params(enqueue=[*map(dict, candidates), *queue]), ""
    return search, NO_PLACE


def _sample_beforehand(search: Any, points: list[dict[str, list[Any]]], seed: int) -> Any:
    # A randomized search has no place for given candidates. Its sample does not depend on scores,
    # so it can be drawn now and searched as a list of grids of one point each.
    n_sampled = max(search.n_iter - len(points), 0)
    sampled = ParameterSampler(search.param_distributions, n_sampled, random_state=seed)
    points = points[: search.n_iter]
    if n_sampled:
        points += [{name: [value] for name, value in params.items()} for params in sampled]
    shared = search.get_params(deep=False).keys() & GridSearchCV(None, {}).get_params().keys()
    options = {name: getattr(search, name) for name in shared}
    return GridSearchCV(**{**options, "param_grid": clone(points, safe=False)})
