"""Searches, Pipelines, ensembles and scalers come back from a file of skops as they were."""

import numpy as np
import optuna
import pytest
import skops.io
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_trainkit.model_selection import (
    FoldEnsembleClassifier,
    FoldEnsembleRegressor,
    OptunaSearchCV,
)
from sklearn_trainkit.neural_network import MLPNetClassifier, MLPNetRegressor
from sklearn_trainkit.preprocessing import MinMaxScaler, SplitBeforeScaling, StandardScaler

X, y = load_iris(return_X_y=True)


def net():
    return MLPNetClassifier((4,), max_epochs=2, random_state=0)


def search(**params):
    params = {"n_trials": 3, "cv": 2, "random_state": 0, **params}
    space = {
        "mlpnetclassifier__lr": FloatDistribution(1e-3, 0.1),
        "mlpnetclassifier__norm": [None, "layer"],
    }
    return OptunaSearchCV(make_pipeline(StandardScaler(), net()), space, **params)


def through_skops(fitted):
    content = skops.io.dumps(fitted)
    return skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))


FITTED = {
    "min and max": MinMaxScaler(clip=True),
    "standard": StandardScaler(dtype="float32"),
    "pipeline": make_pipeline(StandardScaler(), net()),
    "split before scaling": SplitBeforeScaling(
        make_pipeline(StandardScaler(), net().set_params(early_stopping=True))
    ),
    "ensemble of classifiers": FoldEnsembleClassifier(net(), cv=2),
    "ensemble of regressors": FoldEnsembleRegressor(MLPNetRegressor((4,), max_epochs=1), cv=2),
    "search": search(),
    "search with a pruner": search(pruner="hyperband", sampler="random"),
    "search in a race": search(pruner="racing"),
    "search of a forest": search(sampler="forest"),
    "search of several scores": search(scoring=["accuracy", "neg_log_loss"], refit="accuracy"),
}


@pytest.mark.parametrize("case", FITTED)
def test_what_is_fitted_comes_back_bit_for_bit(case):
    fitted = FITTED[case].fit(X, y)
    again = through_skops(fitted)
    for method in ("transform", "predict", "predict_proba"):
        if hasattr(fitted, method):
            np.testing.assert_array_equal(getattr(again, method)(X), getattr(fitted, method)(X))


def test_a_search_comes_back_with_a_study_that_goes_on():
    space = {"C": FloatDistribution(0.1, 1.0)}
    fitted = OptunaSearchCV(LogisticRegression(), space, n_trials=3, cv=2, random_state=0).fit(X, y)
    again = through_skops(fitted)
    assert again.best_params_ == fitted.best_params_
    assert again.study_.trials == fitted.study_.trials
    assert all(trial.state is TrialState.COMPLETE for trial in again.study_.trials)
    assert again.study_.direction is optuna.study.StudyDirection.MAXIMIZE
    assert again.study_.ask().number == 3
    for name, values in fitted.cv_results_.items():
        np.testing.assert_array_equal(again.cv_results_[name], values)
