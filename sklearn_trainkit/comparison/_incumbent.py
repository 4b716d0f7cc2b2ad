"""Which trial a search would return if it stopped now."""

from collections.abc import Sequence

import numpy as np

from sklearn_trainkit.model_selection.evaluation._trial_record import COMPLETE
from sklearn_trainkit.model_selection.results._trials_table import TrialRow

__all__ = ["follow_incumbent"]


def follow_incumbent(trials: Sequence[TrialRow], order: Sequence[int]) -> list[int | None]:
    """Return the index of the best complete trial after each trial of ``order``.

    In a halving search only trials with the largest resource so far are compared, as the search
    itself does, so the incumbent's score may fall when the resource grows. Of equal scores the
    earlier one stays.

    Parameters
    ----------
    trials : sequence of TrialRow
        Everything tried.
    order : sequence of int
        Indices into ``trials``, in the order in which they ended.

    Returns
    -------
    incumbents : list of (int or None)
        One for each entry of ``order``; None while no trial is complete.
    """
    incumbents: list[int | None] = []
    incumbent: int | None = None
    top_resource = -np.inf
    for index in order:
        trial = trials[index]
        if trial.resource > top_resource:
            top_resource, incumbent = trial.resource, None
        is_candidate = trial.state == COMPLETE and not trial.resource < top_resource
        if is_candidate and (incumbent is None or trial.score > trials[incumbent].score):
            incumbent = index
        incumbents.append(incumbent)
    return incumbents
