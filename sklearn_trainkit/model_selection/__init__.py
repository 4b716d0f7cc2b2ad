"""Hyperparameter search."""

from sklearn_trainkit.model_selection._cross_validate import cross_validate
from sklearn_trainkit.model_selection._fold_ensemble import (
    FoldEnsembleClassifier,
    FoldEnsembleRegressor,
)
from sklearn_trainkit.model_selection._forest_sampler import ForestSampler
from sklearn_trainkit.model_selection._ladder import PauseAndResumePruner, RacingPruner
from sklearn_trainkit.model_selection._portfolio import choose_portfolio
from sklearn_trainkit.model_selection._search import OptunaSearchCV
from sklearn_trainkit.model_selection._selection import OneStandardErrorRule

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
