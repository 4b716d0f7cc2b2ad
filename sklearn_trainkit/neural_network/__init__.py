"""Neural networks as scikit-learn estimators."""

from sklearn_trainkit.neural_network._mlp_classifier import MLPNetClassifier
from sklearn_trainkit.neural_network._mlp_regressor import MLPNetRegressor
from sklearn_trainkit.neural_network._net_classifier import NetClassifier
from sklearn_trainkit.neural_network._net_regressor import NetRegressor
from sklearn_trainkit.neural_network._recurrent_classifier import RecurrentNetClassifier
from sklearn_trainkit.neural_network._recurrent_regressor import RecurrentNetRegressor

__all__ = [
    "MLPNetClassifier",
    "MLPNetRegressor",
    "NetClassifier",
    "NetRegressor",
    "RecurrentNetClassifier",
    "RecurrentNetRegressor",
]
