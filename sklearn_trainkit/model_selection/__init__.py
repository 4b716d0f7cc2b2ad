"""Hyperparameter search."""

from sklearn_trainkit.model_selection._cross_validate import cross_validate
from sklearn_trainkit.model_selection._ladder import PauseAndResumePruner
from sklearn_trainkit.model_selection._search import OptunaSearchCV
from sklearn_trainkit.model_selection._selection import OneStandardErrorRule

__all__ = ["OneStandardErrorRule", "OptunaSearchCV", "PauseAndResumePruner", "cross_validate"]
