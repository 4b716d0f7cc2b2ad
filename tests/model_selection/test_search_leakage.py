"""No test row reaches a scaler inside a search, and signs of one outside are told."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline

from sklearn_trainkit.exceptions import LeakageWarning
from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.neural_network import MLPNetRegressor
from sklearn_trainkit.preprocessing import MinMaxScaler, StandardScaler

rng = np.random.default_rng(0)
X = rng.normal(3.0, 2.0, size=(80, 4)) ** 2
y = X[:, 0] - X[:, 1]
FOLDS = KFold(4, shuffle=True, random_state=0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler()])
@pytest.mark.parametrize(
    ("model", "evaluator"),
    [
        (LinearRegression(), "whole-fit"),
        (MLPRegressor(hidden_layer_sizes=2, batch_size=2, max_iter=2, random_state=0), "per-epoch"),
        (MLPNetRegressor((4,), max_epochs=2), "fold-stack"),
    ],
)
def test_each_folds_scaler_has_the_training_parts_statistics(scaler, model, evaluator):
    seen = []

    def record(estimator, X_test, y_test):
        seen.append(estimator[0])
        return 0.0

    pipe = make_pipeline(scaler, model)
    search = OptunaSearchCV(
        pipe,
        {f"{pipe.steps[1][0]}": [model]},
        n_trials=1,
        cv=FOLDS,
        scoring=record,
        refit=False,
        pruner=None if evaluator == "whole-fit" else "median",
    ).fit(X, y)
    assert search.evaluator_ == evaluator
    parts = [X[train] for train, _ in FOLDS.split(X)]
    matching = [[matches(fitted, part) for part in parts].index(True) for fitted in seen]
    assert set(matching) == {0, 1, 2, 3}
    assert not any(matches(fitted, X) for fitted in seen)


def matches(fitted, rows):
    if isinstance(fitted, StandardScaler):
        return np.allclose(fitted.mean_, rows.mean(axis=0), rtol=1e-12)
    return np.array_equal(fitted.data_min_, rows.min(axis=0)) and np.array_equal(
        fitted.data_max_, rows.max(axis=0)
    )


def search_over(estimator):
    return OptunaSearchCV(estimator, {"fit_intercept": [True]}, n_trials=1, cv=2, random_state=0)


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler()])
def test_rows_that_look_scaled_as_a_whole_are_told(scaler):
    with pytest.warns(LeakageWarning, match="on all rows"):
        search_over(LinearRegression()).fit(scaler.fit_transform(X), y)


def test_raw_rows_are_not_accused():
    with warnings.catch_warnings():
        warnings.simplefilter("error", LeakageWarning)
        search_over(LinearRegression()).fit(X, y)
