"""Hyperparameter search."""

from sklearn_trainkit.model_selection._search import OptunaSearchCV
from sklearn_trainkit.model_selection.folds_at_once._cross_validate import cross_validate
from sklearn_trainkit.model_selection.folds_at_once._fold_ensemble import (
    FoldEnsembleClassifier,
    FoldEnsembleRegressor,
)
from sklearn_trainkit.model_selection.results._selection import OneStandardErrorRule
from sklearn_trainkit.model_selection.space._portfolio import choose_portfolio
from sklearn_trainkit.model_selection.study._forest_sampler import ForestSampler
from sklearn_trainkit.model_selection.study._rungs import PauseAndResumePruner, RacingPruner

__all__ = [
    "FoldEnsembleClassifier",
    "FoldEnsembleRegressor",
    "ForestSampler",
    "OneStandardErrorRule",
    "OptunaSearchCV",
    "PauseAndResumePruner",
    "RacingPruner",
    "choose_portfolio",
    "cross_validate",
]
