"""What a search tries first: what is dictated, the estimator's own parameters, a portfolio."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sklearn_trainkit.model_selection._fit_portfolio import fit_portfolio
from sklearn_trainkit.model_selection._search_space import EnqueuedTrial, SearchSpace

__all__ = ["key_candidates", "list_first_candidates"]

_MAX_PORTFOLIO = 16


def list_first_candidates(
    space: SearchSpace, enqueue: Any, estimator: Any, n_trials: int | None
) -> list[EnqueuedTrial]:
    """Return the candidates that ``enqueue`` stands for.

    Dicts are all listed; what a name stands for has to be content with the trials that they
    leave, and is left out where it is listed already.

    Parameters
    ----------
    space : SearchSpace
    enqueue : list of dict and str, "estimator", "portfolio" or None
    estimator : estimator
        The one that is tuned.
    n_trials : int or None
        Of the whole search: a portfolio takes at most half of them, but one.

    Raises
    ------
    TypeError, ValueError
        When a candidate is none, or the space holds nothing of what is asked for.
    """
    entries = [] if enqueue is None else [enqueue] if isinstance(enqueue, str) else list(enqueue)
    room = None
    if n_trials is not None:
        room = n_trials - sum(isinstance(entry, Mapping) for entry in entries)
    listed: list[EnqueuedTrial] = []
    for index, entry in enumerate(entries):
        if isinstance(entry, Mapping):
            listed.append(space.match(entry, f"enqueue[{index}]"))
            continue
        found = _list_named(space, entry, f"enqueue[{index}]", estimator, n_trials)
        known = [candidate.fixed for candidate in listed]
        added = [candidate for candidate in found if candidate.fixed not in known][:room]
        listed += added
        if room is not None:
            room -= len(added)
    return listed


def key_candidates(listed: Sequence[EnqueuedTrial]) -> dict[str, EnqueuedTrial]:
    """Return the candidates by a key that is the same in every session, in their order.

    A stored trial knows its candidate by it, whatever else is enqueued when the study goes on.
    """
    keyed: dict[str, EnqueuedTrial] = {}
    for candidate in listed:
        text = repr(sorted(candidate.fixed.items()))
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        count = sum(key.startswith(digest) for key in keyed)
        keyed[f"{digest}-{count}"] = candidate
    return keyed


def _list_named(
    space: SearchSpace, name: Any, where: str, estimator: Any, n_trials: int | None
) -> list[EnqueuedTrial]:
    if not isinstance(name, str) or name not in ("estimator", "portfolio"):
        raise TypeError(
            f"{where} needs to be a dict of parameter names to values, 'estimator' or "
            f"'portfolio', but got {name!r}."
        )
    if name == "portfolio":
        half = _MAX_PORTFOLIO if n_trials is None else max(n_trials // 2, 1)
        return fit_portfolio(space, estimator)[: min(half, _MAX_PORTFOLIO)]
    own = space.match_subset(estimator.get_params(deep=True))
    if own is None:
        raise ValueError(
            "enqueue='estimator': none of the estimator's own parameters is in "
            "param_distributions. Pass a list of dicts instead."
        )
    return [own]
