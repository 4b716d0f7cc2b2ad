"""What a search tries first: what is dictated, the estimator's own parameters, a portfolio."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from sklearn_trainkit.model_selection._search_space import EnqueuedTrial, SearchSpace

__all__ = ["list_first_candidates"]

_MAX_PORTFOLIO = 16


def list_first_candidates(
    space: SearchSpace, enqueue: Any, estimator: Any, n_trials: int | None
) -> list[EnqueuedTrial]:
    """Return the candidates that ``enqueue`` stands for.

    Parameters
    ----------
    space : SearchSpace
    enqueue : list of dict and str, "estimator", "portfolio" or None
    estimator : estimator
        The one that is tuned.
    n_trials : int or None
        Of the whole search: a portfolio takes at most half of them.

    Raises
    ------
    TypeError, ValueError
        When a candidate is none, or the space holds nothing of what is asked for.
    """
    entries = [] if enqueue is None else [enqueue] if isinstance(enqueue, str) else enqueue
    listed: list[EnqueuedTrial] = []
    for index, entry in enumerate(entries):
        if isinstance(entry, Mapping):
            listed.append(space.match(entry, f"enqueue[{index}]"))
        elif entry == "estimator":
            listed.append(_find_own(space, estimator))
        elif entry == "portfolio":
            limit = _MAX_PORTFOLIO
            if n_trials is not None:
                limit = min(limit, max(n_trials // 2, 1))
            listed += _list_portfolio(space, estimator)[:limit]
        else:
            raise TypeError(
                f"enqueue[{index}] needs to be a dict of parameter names to values, 'estimator' "
                f"or 'portfolio', but got {entry!r}."
            )
    return listed


def _find_own(space: SearchSpace, estimator: Any) -> EnqueuedTrial:
    own = space.match_subset(estimator.get_params(deep=True))
    if own is None:
        raise ValueError(
            "enqueue='estimator': none of the estimator's own parameters is in "
            "param_distributions. Pass a list of dicts instead."
        )
    return own


def _list_portfolio(space: SearchSpace, estimator: Any) -> list[EnqueuedTrial]:
    """Return the portfolio of the estimator, or of its part that has one, fitted into the space.

    Numbers become the nearest ones that the space holds. Candidates that keep all their named
    choices (activation, normalization) come first, and without their optimizer they are left
    out: a rate that was found with one is none for another. What the portfolio leaves open is
    the estimator's own, where the space holds that.
    """
    own = estimator.get_params(deep=True)
    parts = {"": estimator, **{f"{name}__": value for name, value in own.items()}}
    entries = [
        {f"{prefix}{name}": value for name, value in entry.items()}
        for prefix, part in parts.items()
        if hasattr(part, "get_portfolio") and not isinstance(part, type)
        for entry in part.get_portfolio()
    ]
    if not entries:
        raise ValueError(
            f"enqueue='portfolio': neither {type(estimator).__name__} nor a part of it has a "
            "portfolio (get_portfolio), as MLPNetClassifier and MLPNetRegressor have. Pass a list "
            "of dicts instead, or enqueue='estimator'."
        )
    fitting = [fit for entry in entries if (fit := _fit_into(space, own, entry)) is not None]
    found: list[EnqueuedTrial] = []
    for _, candidate in sorted(fitting, key=itemgetter(0)):
        if candidate not in found:
            found.append(candidate)
    if not found:
        names = sorted({name for entry in entries for name in entry})
        raise ValueError(
            "enqueue='portfolio': param_distributions holds no candidate of the portfolio, which "
            f"sets {names}. Pass a list of dicts instead, or enqueue='estimator'."
        )
    return found


def _fit_into(
    space: SearchSpace, own: Mapping[str, Any], entry: Mapping[str, Any]
) -> tuple[int, EnqueuedTrial] | None:
    """Return how many named choices of an entry get lost in ``space``, and what it becomes."""
    candidate = space.match_subset({**own, **entry}, nearest=entry)
    if candidate is None or not entry.keys() & candidate.params.keys():
        return None
    drawn = dict.fromkeys(space.list_names())
    becomes = {**own, **drawn, **candidate.params}
    lost = [
        name for name, value in entry.items() if isinstance(value, str) and becomes[name] != value
    ]
    if any(name.split("__")[-1] == "optimizer" for name in lost):
        return None
    return len(lost), candidate
