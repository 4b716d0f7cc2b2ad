"""Signs of leakage are found where they are, and nowhere else."""

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler as SklearnMinMaxScaler
from sklearn.preprocessing import StandardScaler as SklearnStandardScaler

from sklearn_trainkit.exceptions import LeakageWarning
from sklearn_trainkit.preprocessing import (
    MinMaxScaler,
    StandardScaler,
    find_leakage,
    find_unscaled_validation,
    scaling_of_all_rows,
    warn_of_leakage,
)


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return rng.gamma(2.0, 3.0, size=(200, 6)) + np.arange(6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (lambda X: SklearnStandardScaler().fit_transform(X), "standardized"),
        (lambda X: (X - X.mean(0)) / X.std(0, ddof=1), "standardized"),
        (lambda X: SklearnMinMaxScaler().fit_transform(X), "min-max scaled"),
        (lambda X: X, None),
        (lambda X: X - X.mean(0), None),
        (lambda X: SklearnStandardScaler().fit(X[:150]).transform(X), None),
        (lambda X: SklearnMinMaxScaler().fit(X[:100]).transform(X) * 0.99, None),
    ],
)
def test_scaling_of_all_rows(X, dtype, scale, expected):
    scaled = scale(X).astype(dtype)
    assert scaling_of_all_rows(scaled) == expected
    assert scaling_of_all_rows(pd.DataFrame(scaled)) == expected


def test_most_columns_decide_and_missing_values_are_left_out(X):
    scaled = SklearnStandardScaler().fit_transform(X)
    scaled[:, 0] = X[:, 0]
    scaled[3, 4] = np.nan
    scaled = np.column_stack([scaled, np.ones(len(X))])
    assert scaling_of_all_rows(scaled) == "standardized"
    scaled[:, 1:4] = X[:, 1:4]
    assert scaling_of_all_rows(scaled) is None


@pytest.mark.parametrize(
    "values",
    [
        np.eye(10)[np.arange(50) % 10],  # one-hot: zeros and ones without any scaling
        np.zeros((5, 3)),
        np.array([["a", "b"], ["c", "d"]]),
        np.arange(8).reshape(4, 2),
        [[1.0], [2.0, 3.0]],
    ],
    ids=["one-hot", "zeros", "strings", "integers", "ragged"],
)
def test_what_cannot_tell_shows_no_sign(values):
    assert scaling_of_all_rows(values) is None


def test_images_are_judged_by_channel():
    images = np.random.default_rng(0).uniform(3, 90, size=(20, 3, 4, 4))
    scaled = StandardScaler(channel_axis=1).fit_transform(images)
    assert scaling_of_all_rows(scaled) == "standardized"
    assert scaling_of_all_rows(images) is None


def test_a_scaler_fitted_outside_is_found(X):
    frozen = make_pipeline(FrozenEstimator(StandardScaler().fit(X)), LogisticRegression())
    fitted = make_pipeline(MinMaxScaler().fit(X), LogisticRegression())
    elsewhere = make_pipeline(MinMaxScaler().fit(X[:20]), LogisticRegression())
    fresh = make_pipeline(MinMaxScaler(), LogisticRegression())
    assert "frozen" in find_leakage(frozen, X)[0]
    assert "'minmaxscaler'" in find_leakage(fitted, X)[0]
    assert find_leakage(elsewhere, X) == []
    assert find_leakage(fresh, X) == []


def test_warnings_are_of_their_own_class(X):
    with pytest.warns(LeakageWarning, match="X looks standardized on all rows"):
        warn_of_leakage(LogisticRegression(), SklearnStandardScaler().fit_transform(X))


class Net(LinearRegression):
    def fit(self, X, y, X_val=None, y_val=None):
        self.X_val_ = X_val
        return super().fit(X, y)


def test_an_unscaled_validation_set_is_found(X):
    plain = make_pipeline(StandardScaler(), Net())
    message = find_unscaled_validation(plain, X, {"net__X_val": X[:30], "net__y_val": X[:30, 0]})
    assert "transform_input=None" in message[0]
    with config_context(enable_metadata_routing=True):
        net = Net().set_fit_request(X_val=True, y_val=True)
        right = make_pipeline(StandardScaler(), net, transform_input=["X_val"])
        assert find_unscaled_validation(right, X, {"X_val": X[:30]}) == []
    assert find_unscaled_validation(Net(), X, {"X_val": X[:30]}) == []
    assert find_unscaled_validation(plain, X, None) == []


def test_a_validation_set_as_long_as_X_is_found(X):
    messages = find_unscaled_validation(Net(), X, {"X_val": X.copy()})
    assert "as many rows as X (200)" in messages[0]


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler()])
def test_inside_a_search_each_scaler_knows_the_training_part_only(X, scaler):
    seen = []

    def record(estimator, X_test, y_test):
        seen.append(estimator[0])
        return 0.0

    cv = KFold(4)
    pipe = make_pipeline(scaler, LinearRegression())
    GridSearchCV(pipe, {}, cv=cv, scoring=record, refit=False).fit(X, X[:, 0])
    assert len(seen) == 4
    for fitted, (train, _) in zip(seen, cv.split(X), strict=True):
        if isinstance(fitted, StandardScaler):
            np.testing.assert_allclose(fitted.mean_, X[train].mean(axis=0), rtol=1e-13)
            np.testing.assert_allclose(fitted.scale_, X[train].std(axis=0), rtol=1e-13)
        else:
            np.testing.assert_array_equal(fitted.data_min_, X[train].min(axis=0))
            np.testing.assert_array_equal(fitted.data_max_, X[train].max(axis=0))
