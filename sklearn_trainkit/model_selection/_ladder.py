"""The rungs of pause and resume: where candidates wait, and who goes on next.

Plain successive halving decides on a candidate when it arrives at a rung and never comes back to
it. Here nobody is dismissed: a candidate that waits goes on as soon as it is among the best third
of all that came to its rung (Li et al., "A System for Massively Parallel Hyperparameter Tuning",
2020, whose promotion rule this is).
"""

import math

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

__all__ = ["Ladder", "PauseAndResumePruner", "make_rungs"]


class PauseAndResumePruner(BasePruner):
    """Let candidates wait with their weights, and train on the best of those that wait.

    Only for per-epoch evaluation with one worker. Candidates that still wait when the search ends
    are reported as pruned.

    Parameters
    ----------
    reduction_factor : int, default=3
        One in this many goes on from each rung; rungs are as many times apart.
    min_epochs : int, default=1
        Epochs of the first rung.
    max_in_memory : int, default=16
        How many waiting candidates are kept in memory; the weights of more go to disk, where
        the estimator allows it (our nets when seeded, and ``partial_fit``; not skorch's nets).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import SGDClassifier
    >>> from sklearn_trainkit.model_selection import OptunaSearchCV, PauseAndResumePruner
    >>> X, y = load_iris(return_X_y=True)
    >>> search = OptunaSearchCV(
    ...     SGDClassifier(max_iter=9, random_state=0),
    ...     {"alpha": [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1]},
    ...     sampler="grid",
    ...     n_trials=None,
    ...     pruner=PauseAndResumePruner(reduction_factor=3),
    ... ).fit(X, y)
    >>> sorted(search.cv_results_["n_epochs"].tolist())
    [1, 1, 1, 3, 3, 9]
    """

    def __init__(
        self, reduction_factor: int = 3, min_epochs: int = 1, max_in_memory: int = 16
    ) -> None:
        if reduction_factor < 2:
            raise ValueError(f"reduction_factor={reduction_factor} needs to be at least 2.")
        if min_epochs < 1:
            raise ValueError(f"min_epochs={min_epochs} needs to be at least 1.")
        self.reduction_factor = reduction_factor
        self.min_epochs = min_epochs
        self.max_in_memory = max_in_memory

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return False: nobody is dismissed."""
        return False


def make_rungs(n_epochs: int, min_epochs: int, reduction_factor: int) -> list[int]:
    """Return the epochs at which candidates wait, the last one being the end.

    >>> make_rungs(12, 1, 3), make_rungs(27, 1, 3), make_rungs(2, 5, 3)
    ([1, 3, 12], [1, 3, 9, 27], [2])
    """
    rungs = []
    epoch = min_epochs
    # A rung close to the end would save next to nothing.
    while 2 * epoch <= n_epochs:
        rungs.append(epoch)
        epoch *= reduction_factor
    return [*rungs, n_epochs]


class Ladder:
    """Who came how far, and who goes on next.

    Parameters
    ----------
    n_rungs : int
        The last of them is the end.
    reduction_factor : int
        One in this many goes on.
    """

    def __init__(self, n_rungs: int, reduction_factor: int) -> None:
        self._factor = reduction_factor
        self._values: list[dict[int, float]] = [{} for _ in range(n_rungs)]

    def arrive(self, number: int, rung: int, value: float) -> None:
        """Note that a candidate came to a rung; NaN counts as the worst."""
        self._values[rung][number] = -math.inf if math.isnan(value) else value

    def is_waiting(self, number: int, rung: int) -> bool:
        """Return whether a candidate came to this rung and no further."""
        return number in self._values[rung] and number not in self._values[rung + 1]

    def pick(self, *, more_to_come: bool) -> tuple[int, int] | None:
        """Return who goes on, and from which rung: those furthest up first.

        While there are more to come, no more than a third of those that came to a rung go on,
        even if better ones came since; at the end these go on too.
        """
        for rung in reversed(range(len(self._values) - 1)):
            ranked = self._rank(rung)
            places = len(ranked) // self._factor
            if more_to_come and len(self._values[rung + 1]) >= places:
                continue
            for number in ranked[:places]:
                if self.is_waiting(number, rung):
                    return number, rung
        return None

    def pick_last(self) -> tuple[int, int] | None:
        """Return the best of those furthest up when nobody came to the end."""
        if self._values[-1]:
            return None
        for rung in reversed(range(len(self._values) - 1)):
            if self._values[rung]:
                return self._rank(rung)[0], rung
        return None

    def _rank(self, rung: int) -> list[int]:
        values = self._values[rung]
        return sorted(values, key=lambda number: (-values[number], number))
