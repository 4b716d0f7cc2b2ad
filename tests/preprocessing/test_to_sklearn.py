"""Whole Pipelines get scikit-learn's scalers, and predict the same."""

import numpy as np
import pandas as pd
import pytest
import sklearn.preprocessing
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import VotingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline

from sklearn_trainkit.preprocessing import (
    MinMaxScaler,
    SplitBeforeScaling,
    StandardScaler,
    to_sklearn,
)

OURS = (MinMaxScaler, StandardScaler, SplitBeforeScaling)


def nested():
    union = FeatureUnion([("standard", StandardScaler()), ("range", MinMaxScaler())])
    columns = ColumnTransformer(
        [("both", make_pipeline(MinMaxScaler((1, 2)), union), ["a", "b"])],
        remainder=StandardScaler(),
    )
    return make_pipeline(columns, MinMaxScaler(clip=True))


class Taker(LinearRegression):
    def fit(self, X, y, X_val=None, y_val=None):
        return super().fit(X, y)


MODELS = {
    "nested": make_pipeline(nested(), LinearRegression()),
    "search": GridSearchCV(make_pipeline(nested(), LinearRegression()), {}, cv=2),
    "target": TransformedTargetRegressor(LinearRegression(), transformer=StandardScaler()),
    "ensemble": VotingRegressor([("one", make_pipeline(nested(), LinearRegression()))]),
    "split": SplitBeforeScaling(make_pipeline(nested(), Taker()), random_state=0),
}


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(5, 3, size=(40, 3)), columns=["a", "b", "c"])
    return X, X["a"] * 2 + rng.normal(size=40)


def holds_ours(value):
    if isinstance(value, OURS):
        return True
    if isinstance(value, dict):
        return any(map(holds_ours, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(holds_ours, value))
    return hasattr(value, "get_params") and holds_ours(vars(value))


@pytest.mark.parametrize("name", MODELS)
def test_scalers_are_replaced_wherever_they_are(data, name):
    model = MODELS[name]
    assert holds_ours(model)
    assert not holds_ours(to_sklearn(model))
    model.fit(*data)
    converted = to_sklearn(model)
    assert not holds_ours(converted)
    assert holds_ours(model)
    np.testing.assert_allclose(converted.predict(data[0]), model.predict(data[0]), rtol=1e-12)


def test_a_scaler_used_twice_stays_one():
    scaler = StandardScaler()
    converted = to_sklearn(make_pipeline(scaler, scaler))
    assert converted[0] is converted[1]
    assert type(converted[0]) is sklearn.preprocessing.StandardScaler


@pytest.mark.parametrize(
    ("scaler", "message"),
    [
        (StandardScaler(clip=True), "clip=True has no counterpart"),
        (MinMaxScaler(channel_axis=1), "channel_axis=1 has no counterpart"),
        (MinMaxScaler(data_range=(0, 255)), r"data_range=\(0, 255\) has no .*fit the scaler first"),
        (MinMaxScaler().fit([[0.0], [5e-324]]), r"infinite for features \[0\]"),
    ],
)
def test_what_scikit_learn_does_not_have_is_refused(scaler, message):
    with pytest.raises(ValueError, match=message):
        to_sklearn(make_pipeline(scaler, LinearRegression()))


def test_what_is_no_estimator_is_refused():
    with pytest.raises(TypeError, match="Got list"):
        to_sklearn([StandardScaler()])


def test_onnx_predicts_what_the_pipeline_does():
    skl2onnx = pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    X = np.random.default_rng(0).normal(5, 3, size=(60, 3)).astype(np.float32)
    columns = ColumnTransformer([("s", StandardScaler(), [0, 1]), ("m", MinMaxScaler(), [2])])
    model = make_pipeline(columns, LogisticRegression()).fit(X, X[:, 0] > 5)
    graph = skl2onnx.to_onnx(to_sklearn(model), X[:1], options={"zipmap": False})
    session = runtime.InferenceSession(graph.SerializeToString())
    labels, probabilities = session.run(None, {"X": X})
    np.testing.assert_array_equal(labels.astype(bool), model.predict(X))
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-5)
