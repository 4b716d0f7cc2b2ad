"""The pruners by which candidates wait for each other, and the rungs at which they do."""

from collections.abc import Sequence
from typing import NamedTuple

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

__all__ = [
    "PauseAndResumePruner",
    "RacingPruner",
    "Rung",
    "make_race",
    "make_rungs",
    "race_factors",
]


class PauseAndResumePruner(BasePruner):
    """Let candidates wait with their weights, and train on the best of those that wait.

    Only where training is in epochs. Candidates that still wait when the search ends are reported
    as pruned. Between worker processes weights travel: nets that cannot be sent (skorch's own,
    those without a seed, and with callbacks that keep more than the history, such as skorch's
    EarlyStopping) are refused there, and as one choice among others do not wait.

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
    >>> from sklearn_trainkit.model_selection import OptunaSearchCV, PauseAndResumePruner
    >>> from sklearn_trainkit.neural_network import MLPNetClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> search = OptunaSearchCV(
    ...     MLPNetClassifier((4,), max_epochs=9, random_state=0),
    ...     {"lr": [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]},
    ...     sampler="grid",
    ...     n_trials=None,
    ...     pruner=PauseAndResumePruner(reduction_factor=3),
    ... ).fit(X, y)
    >>> sorted(search.cv_results_["n_epochs"].tolist())
    [1, 1, 1, 1, 3, 9]
    """

    def __init__(
        self, reduction_factor: int = 3, min_epochs: int = 1, max_in_memory: int = 16
    ) -> None:
        _check_least("reduction_factor", reduction_factor, 2)
        _check_least("min_epochs", min_epochs, 1)
        self.reduction_factor = reduction_factor
        self.min_epochs = min_epochs
        self.max_in_memory = max_in_memory

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return False: nobody is dismissed."""
        return False


class RacingPruner(BasePruner):
    """Race candidates on one fold first, in short trainings, and give all folds to the best.

    A candidate begins with the first fold and one epoch, and the best of those that came as far
    train anew on that fold, three times as long, and so on to all its epochs; the better half of
    those is evaluated on the other folds. Each training is a whole one: its learning-rate schedule
    ends with it, because the first epochs of a long schedule rank candidates worse than a short
    schedule does. Where training is not in epochs, candidates race over folds only. Candidates that
    were not given all folds are reported as pruned.

    Racing over folds: Maron and Moore, "Hoeffding Races", 1993; over the length of training: Li et
    al., "A System for Massively Parallel Hyperparameter Tuning", 2020.

    Parameters
    ----------
    reduction_factor : int, default=3
        One in this many goes on from each rung but the first and the last one; trainings become as
        many times longer.
    first_reduction_factor : int, default=4
        One in this many goes on from the first rung, the cheapest.
    last_reduction_factor : int, default=2
        One in this many goes on to the last rung: is given all folds or, if there are no others
        than the first ones, all epochs.
    min_epochs : int, default=1
        Epochs of the first rung.
    n_first_folds : int, default=1
        Folds of all rungs but the last.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_trainkit.model_selection import OptunaSearchCV, RacingPruner
    >>> from sklearn_trainkit.neural_network import MLPNetClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> search = OptunaSearchCV(
    ...     MLPNetClassifier((4,), max_epochs=3, random_state=0),
    ...     {"lr": [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]},
    ...     sampler="grid",
    ...     n_trials=None,
    ...     cv=3,
    ...     pruner=RacingPruner(),
    ... ).fit(X, y)
    >>> sorted(zip(search.cv_results_["n_epochs"].tolist(), search.cv_results_["n_folds"].tolist()))
    [(1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (3, 1), (3, 1), (3, 3)]
    """

    def __init__(
        self,
        reduction_factor: int = 3,
        first_reduction_factor: int = 4,
        last_reduction_factor: int = 2,
        min_epochs: int = 1,
        n_first_folds: int = 1,
    ) -> None:
        _check_least("reduction_factor", reduction_factor, 2)
        _check_least("first_reduction_factor", first_reduction_factor, 2)
        _check_least("last_reduction_factor", last_reduction_factor, 1)
        _check_least("min_epochs", min_epochs, 1)
        _check_least("n_first_folds", n_first_folds, 1)
        self.reduction_factor = reduction_factor
        self.first_reduction_factor = first_reduction_factor
        self.last_reduction_factor = last_reduction_factor
        self.min_epochs = min_epochs
        self.n_first_folds = n_first_folds

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return False: who goes on is decided between trainings, not within one."""
        return False


def _check_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ValueError(f"{name}={value} needs to be at least {least}.")


class Rung(NamedTuple):
    """How much of its evaluation a candidate has behind it: folds, and epochs on each."""

    n_folds: int
    n_epochs: int | None


def make_race(pruner: RacingPruner, n_splits: int, n_epochs: int | None) -> list[Rung]:
    """Return the rungs of a race; without epochs they differ in folds only.

    >>> [tuple(rung) for rung in make_race(RacingPruner(), 3, 12)]
    [(1, 1), (1, 3), (1, 12), (3, 12)]
    >>> [tuple(rung) for rung in make_race(RacingPruner(), 5, None)]
    [(1, None), (5, None)]
    """
    n_first = min(pruner.n_first_folds, n_splits)
    epochs: Sequence[int | None] = [None]
    if n_epochs is not None:
        epochs = make_rungs(n_epochs, pruner.min_epochs, pruner.reduction_factor)
    rungs = [Rung(n_first, each) for each in epochs]
    return rungs if n_first == n_splits else [*rungs, Rung(n_splits, epochs[-1])]


def race_factors(pruner: RacingPruner, n_rungs: int) -> list[int]:
    """Return one in how many goes on from each rung but the last.

    >>> race_factors(RacingPruner(), 5), race_factors(RacingPruner(), 2)
    ([4, 3, 3, 2], [2])
    """
    factors = [pruner.reduction_factor] * (n_rungs - 1)
    if factors:
        factors[0] = pruner.first_reduction_factor
        factors[-1] = pruner.last_reduction_factor
    return factors


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
