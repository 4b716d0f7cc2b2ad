"""Hyperparameter search."""

from sklearn_trainkit.model_selection._ladder import PauseAndResumePruner
from sklearn_trainkit.model_selection._search import OptunaSearchCV
from sklearn_trainkit.model_selection._selection import OneStandardErrorRule

__all__ = ["OneStandardErrorRule", "OptunaSearchCV", "PauseAndResumePruner"]
