"""One small instance of every kind of network, with data for it."""

import numpy as np
from torch import nn

from sklearn_trainkit.neural_network import (
    ConvNetClassifier,
    ConvNetRegressor,
    MLPNetClassifier,
    MLPNetRegressor,
    NetClassifier,
    NetRegressor,
    RecurrentNetClassifier,
    RecurrentNetRegressor,
    UNetSegmenter,
)

_rng = np.random.default_rng(0)
ROWS = _rng.normal(size=(24, 4)).astype(np.float32)
IMAGES = _rng.normal(size=(24, 1, 8, 8)).astype(np.float32)
SEQUENCES = _rng.normal(size=(24, 5, 3)).astype(np.float32)
LABELS = np.tile(["cat", "dog", "eel"], 8)
NUMBERS = 1000 + 300 * ROWS[:, 0].astype(np.float64)


class Tiny(nn.Sequential):
    """A module of the user's, with one argument of its own."""

    def __init__(self, n_features, n_outputs, width=6):
        super().__init__(nn.Linear(n_features, width), nn.Tanh(), nn.Linear(width, n_outputs))


_KINDS = {
    "MLPNetClassifier": (MLPNetClassifier, {"hidden_units": (6,)}, ROWS, LABELS),
    "MLPNetRegressor": (MLPNetRegressor, {"hidden_units": (6,)}, ROWS, NUMBERS),
    "NetClassifier": (NetClassifier, {"module": Tiny}, ROWS, LABELS),
    "NetRegressor": (NetRegressor, {"module": Tiny}, ROWS, NUMBERS),
    "ConvNetClassifier": (ConvNetClassifier, {"channels": (2, 4)}, IMAGES, LABELS),
    "ConvNetRegressor": (ConvNetRegressor, {"channels": (2, 4)}, IMAGES, NUMBERS),
    "RecurrentNetClassifier": (RecurrentNetClassifier, {"hidden_units": (5,)}, SEQUENCES, LABELS),
    "RecurrentNetRegressor": (RecurrentNetRegressor, {"hidden_units": (5,)}, SEQUENCES, NUMBERS),
    "UNetSegmenter": (UNetSegmenter, {"channels": (2, 4)}, IMAGES, IMAGES[:, 0] > 0),
}
KINDS = list(_KINDS)


def make_net(kind, **params):
    """Return an unfitted network of a kind, and X and y for it."""
    cls, own, X, y = _KINDS[kind]
    return cls(**{**own, "max_epochs": 2, "batch_size": 10, "random_state": 0, **params}), X, y


def answers(net, X):
    """Return the most detailed answer of a network."""
    return net.predict_proba(X) if hasattr(net, "predict_proba") else net.predict(X)
