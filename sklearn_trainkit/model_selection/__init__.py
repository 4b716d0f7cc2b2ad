"""Hyperparameter search."""

from sklearn_trainkit.model_selection._search import OptunaSearchCV

__all__ = ["OptunaSearchCV"]
