"""Pruners by name, the default among them: what ends a trial before its time."""

import copy
import warnings

import optuna
from optuna.pruners import BasePruner

from sklearn_trainkit.model_selection.study._rungs import PauseAndResumePruner, RacingPruner

__all__ = ["PRUNER_NAMES", "make_pruner"]

PRUNER_NAMES = [
    "auto",
    "hyperband",
    "median",
    "pause_and_resume",
    "racing",
    "successive_halving",
    "wilcoxon",
]


def make_pruner(
    pruner: "str | BasePruner | None", *, n_trials: int | None, n_splits: int, n_epochs: int | None
) -> "BasePruner | None":
    """Return a pruner of its own for one search, or None.

    Parameters
    ----------
    pruner : str, optuna pruner or None
        As in :class:`OptunaSearchCV`.
    n_trials : int or None
        Budget, on which "auto" depends.
    n_splits : int
        Reports of a whole-fit trial.
    n_epochs : int or None
        Reports of a per-epoch trial; None for whole-fit evaluation.
    """
    if pruner is None:
        return None
    if isinstance(pruner, BasePruner):
        return copy.deepcopy(pruner)
    if pruner == "auto":
        pruner = _default_pruner(n_trials, n_epochs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if pruner == "median":
            return optuna.pruners.MedianPruner(n_startup_trials=5)
        if pruner == "successive_halving":
            return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
        if pruner == "pause_and_resume":
            return PauseAndResumePruner()
        if pruner == "racing":
            return RacingPruner()
        if pruner == "wilcoxon":
            return optuna.pruners.WilcoxonPruner(p_threshold=0.1)
        return optuna.pruners.HyperbandPruner(
            min_resource=1, max_resource=n_epochs or n_splits, reduction_factor=3
        )


def _default_pruner(n_trials: int | None, n_epochs: int | None) -> str:
    """Return what did best in our measurements; docs/search.md has them."""
    few_or_many = n_trials is not None and (n_trials <= 30 or n_trials >= 200)
    return "median" if n_epochs is None or few_or_many else "successive_halving"
