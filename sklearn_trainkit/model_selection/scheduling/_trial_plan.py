"""What is tried and how long: the space, the first candidates, the budget."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_trainkit.model_selection.space._first_candidates import (
    key_candidates,
    list_first_candidates,
)
from sklearn_trainkit.model_selection.space._search_space import (
    EnqueuedTrial,
    SearchSpace,
    check_names,
    make_search_space,
)
from sklearn_trainkit.utils._warn_user import warn_user

__all__ = ["SearchBudget", "TrialPlan", "plan_trials"]


@dataclass(frozen=True)
class SearchBudget:
    """When a search ends.

    Attributes
    ----------
    n_trials : int or None
        Number of trials in the study; None for no limit.
    timeout : float or None
        Seconds from when the workers are called.
    trial_timeout : float or None
        Seconds for one trial.
    target_score : float or None
        Ends once a complete trial reaches it.
    patience : int or None
        Ends after as many finished trials without a better score.
    """

    n_trials: int | None
    timeout: float | None = None
    trial_timeout: float | None = None
    target_score: float | None = None
    patience: int | None = None


@dataclass(frozen=True)
class TrialPlan:
    """What is tried, and how long.

    Attributes
    ----------
    space : SearchSpace
    enqueued : dict of str to EnqueuedTrial
        Tried first, by their keys.
    budget : SearchBudget
    sampler_seed : int
    """

    space: SearchSpace
    enqueued: dict[str, EnqueuedTrial]
    budget: SearchBudget
    sampler_seed: int


def plan_trials(search: Any, seed: int) -> TrialPlan:
    """Check the space, the candidates to try first, and whether a search has an end.

    Raises
    ------
    TypeError, ValueError
        When a setting is wrong or two contradict each other; the message names them.
    """
    space = make_search_space(search.param_distributions)
    check_names(space, search.estimator)
    n_trials = search.n_trials
    enqueued = list_first_candidates(space, search.enqueue, search.estimator, n_trials)
    if n_trials is not None and n_trials < len(enqueued):
        raise ValueError(
            f"n_trials={n_trials} is less than the {len(enqueued)} candidates in enqueue; raise "
            "n_trials or shorten enqueue."
        )
    if isinstance(search.sampler, str) and search.sampler == "grid":
        enqueued = enqueued + _list_grid(space, enqueued, n_trials, seed)
        n_trials = len(enqueued)
    elif n_trials is None and search.timeout is None and not space.is_empty():
        raise ValueError(
            "n_trials=None and timeout=None: the search would never end. Set one of them."
        )
    budget = SearchBudget(
        n_trials, search.timeout, search.trial_timeout, search.target_score, search.patience
    )
    return TrialPlan(space, key_candidates(enqueued), budget, seed)


def _list_grid(
    space: SearchSpace, before: Sequence[EnqueuedTrial], n_trials: int | None, seed: int
) -> list[EnqueuedTrial]:
    try:
        points = space.list_points()
    except ValueError as error:
        raise ValueError(
            f"sampler='grid' needs a finite space, but {error}; use lists, ranges of integers, or "
            "distributions with a step."
        ) from None
    known = [candidate.fixed for candidate in before]
    grid = [space.match(point, "the grid") for point in points]
    grid = [point for point in grid if point.fixed not in known]
    room = len(grid) if n_trials is None else n_trials - len(before)
    if room >= len(grid):
        return grid
    warn_user(
        f"n_trials={n_trials} leaves room for {room} of the {len(grid)} points of the grid; they "
        "are picked at random. n_trials=None tries them all."
    )
    picked = np.random.RandomState(seed).permutation(len(grid))[:room]
    return [grid[index] for index in sorted(picked)]
