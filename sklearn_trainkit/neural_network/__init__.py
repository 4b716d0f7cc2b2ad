"""Neural networks as scikit-learn estimators."""

from sklearn_trainkit.neural_network._mlp_classifier import MLPNetClassifier
from sklearn_trainkit.neural_network._mlp_regressor import MLPNetRegressor

__all__ = [
    "MLPNetClassifier",
    "MLPNetRegressor",
]
