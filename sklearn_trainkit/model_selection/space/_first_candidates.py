"""What a search tries first: what is dictated, the estimator's own parameters, a portfolio."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sklearn_trainkit.model_selection.space._fit_portfolio import fit_portfolio
from sklearn_trainkit.model_selection.space._search_space import (
    BranchedSpace,
    EnqueuedTrial,
    SearchSpace,
)

__all__ = ["key_candidates", "list_first_candidates"]

_MAX_PORTFOLIO = 16


def list_first_candidates(
    space: SearchSpace, enqueue: Any, estimator: Any, n_trials: int | None
) -> list[EnqueuedTrial]:
    """Return the candidates that ``enqueue`` stands for.

    Dicts are all listed; what a name stands for takes the trials that they leave, and nothing is
    listed for it twice.

    Parameters
    ----------
    space : SearchSpace
    enqueue : list of dict and str, "estimator", "portfolio" or None
    estimator : estimator
        The one that is tuned.
    n_trials : int or None
        Of the whole search: a portfolio takes half of them at most, and one at least.

    Raises
    ------
    TypeError, ValueError
        When a candidate is none, or the space holds nothing of what is asked for.
    """
    entries = [] if enqueue is None else [enqueue] if isinstance(enqueue, str) else list(enqueue)
    dictated = {
        index: _match(space, entry, f"enqueue[{index}]")
        for index, entry in enumerate(entries)
        if isinstance(entry, Mapping)
    }
    known = [candidate.fixed for candidate in dictated.values()]
    room = None if n_trials is None else max(n_trials - len(dictated), 0)
    listed: list[EnqueuedTrial] = []
    for index, entry in enumerate(entries):
        if index in dictated:
            listed.append(dictated[index])
            continue
        found = _list_named(space, entry, f"enqueue[{index}]", estimator, n_trials)
        added = [candidate for candidate in found if candidate.fixed not in known][:room]
        listed += added
        known += [candidate.fixed for candidate in added]
        room = None if room is None else room - len(added)
    return listed


def key_candidates(listed: Sequence[EnqueuedTrial]) -> dict[str, EnqueuedTrial]:
    """Return the candidates by a key that is the same in every session, in their order.

    A stored trial knows its candidate by it, whatever else is enqueued when the study goes on.
    """
    keyed: dict[str, EnqueuedTrial] = {}
    seen: Counter[str] = Counter()
    for candidate in listed:
        text = repr(sorted(candidate.fixed.items()))
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        keyed[f"{digest}-{seen[digest]}"] = candidate
        seen[digest] += 1
    return keyed


def _match(space: SearchSpace, candidate: Mapping[Any, Any], where: str) -> EnqueuedTrial:
    if not all(isinstance(name, str) for name in candidate):
        raise TypeError(f"{where} needs names of parameters as keys, but got {candidate!r}.")
    return space.match(candidate, where)


def _list_named(
    space: SearchSpace, name: Any, where: str, estimator: Any, n_trials: int | None
) -> list[EnqueuedTrial]:
    if not isinstance(name, str) or name not in ("estimator", "portfolio"):
        raise TypeError(
            f"{where} needs to be a dict of parameter names to values, 'estimator' or "
            f"'portfolio', but got {name!r}."
        )
    if not isinstance(space, BranchedSpace):
        raise ValueError(
            f"enqueue={name!r}: param_distributions is a function of a trial, and only that knows "
            "which draws make a candidate. Pass a list of dicts of draws instead."
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
