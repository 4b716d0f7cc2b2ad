"""scikit-learn's estimator checks over one table of cheap instances, none expected to fail."""

import inspect
import re

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_trainkit.model_selection import FoldEnsembleClassifier, FoldEnsembleRegressor
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
from sklearn_trainkit.neural_network.modules._mlp_module import MLPModule
from sklearn_trainkit.preprocessing import MinMaxScaler, StandardScaler

ESTIMATORS = [
    MinMaxScaler(),
    StandardScaler(),
    MLPNetClassifier(),
    MLPNetRegressor(),
    # Where a few epochs at a higher rate are enough for the checks, they are all there are.
    NetClassifier(MLPModule, lr=0.03, max_epochs=8),
    NetRegressor(MLPModule, lr=0.03, max_epochs=12),
    MLPNetClassifier((16, 16), norm="layer", skip="add", optimizer="adam", lr=0.02),
    MLPNetRegressor((16, 16), norm="rms", skip="concat", clip_norm=1.0, lr=0.03, max_epochs=6),
    RecurrentNetClassifier((8,), sequence_shape=(-1, 1), batch_size=-1, lr=0.05, max_epochs=15),
    RecurrentNetRegressor((8,), cell="lstm", sequence_shape=(-1, 1), lr=0.03),
    ConvNetClassifier((8,), image_shape=(1, -1), norm="layer", lr=0.03, max_epochs=10),
    ConvNetRegressor((8,), image_shape=(1, -1), norm=None, pooling=None, lr=0.03, max_epochs=6),
    FoldEnsembleClassifier(MLPNetClassifier((16,), lr=0.03, max_epochs=8, random_state=0), cv=2),
    FoldEnsembleRegressor(MLPNetRegressor((16,), lr=0.03, max_epochs=12, random_state=0), cv=2),
]

NETWORKS = [
    ConvNetClassifier,
    ConvNetRegressor,
    MLPNetClassifier,
    MLPNetRegressor,
    NetClassifier,
    NetRegressor,
    RecurrentNetClassifier,
    RecurrentNetRegressor,
    UNetSegmenter,
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learns_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("cls", [*NETWORKS, FoldEnsembleClassifier, FoldEnsembleRegressor])
def test_documented_defaults_are_those_of_the_signature(cls):
    parameters = cls.__doc__.split("Attributes\n")[0]
    documented = dict(re.findall(r"^ {4}(\w+) :.*?default=(.+)$", parameters, re.MULTILINE))
    signature = inspect.signature(cls).parameters
    assert documented
    for name, text in documented.items():
        default = signature[name].default
        assert text.replace('"', "'") == repr(default), name
