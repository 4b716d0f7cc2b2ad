"""Worker processes give what the main process gives; a dying worker costs one candidate."""

import os
import warnings

import joblib
import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.callback.tests._utils import RecordingCallback
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_trainkit.model_selection import OptunaSearchCV
from tests.model_selection.epoch_learner import EpochLogistic

X, y = make_classification(n_samples=60, n_features=4, random_state=0)
PIPE = Pipeline([("scale", StandardScaler()), ("clf", EpochLogistic(max_iter=4))])
SPACE = {"clf__alpha": loguniform(1e-6, 1e2)}


def scores_of(search):
    results = search.cv_results_
    return {key: results[key] for key in results if "_time" not in key}


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers_change_nothing_but_the_time(backend):
    settings = {"n_trials": 6, "sampler": "random", "cv": 2, "random_state": 0}
    alone = OptunaSearchCV(PIPE, SPACE, **settings).fit(X, y)
    with joblib.parallel_config(backend):
        together = OptunaSearchCV(PIPE, SPACE, n_jobs=2, **settings).fit(X, y)
    np.testing.assert_equal(scores_of(together), scores_of(alone))


def test_a_seeded_pruning_search_repeats_itself_at_fixed_n_jobs():
    def fit():
        search = OptunaSearchCV(
            PIPE,
            SPACE,
            n_trials=12,
            pruner="successive_halving",
            evaluator="per-epoch",
            cv=2,
            n_jobs=2,
            random_state=0,
        )
        return search.fit(X, y)

    first, second = fit(), fit()
    assert first.cv_results_["params"] == second.cv_results_["params"]
    np.testing.assert_equal(scores_of(first), scores_of(second))
    assert "pruned" in first.cv_results_["state"]
    curves = [trial.intermediate_values for trial in first.trials_]
    assert all(
        len(curve) == n for curve, n in zip(curves, first.cv_results_["n_epochs"], strict=True)
    )


def test_results_come_in_the_order_of_the_trials_even_if_not_told_so():
    search = OptunaSearchCV(PIPE, SPACE, n_trials=7, cv=2, n_jobs=2, ordered=False).fit(X, y)
    trials = [trial.params["clf__alpha"] for trial in search.trials_]
    assert trials == search.cv_results_["param_clf__alpha"].tolist()


def test_joblibs_own_workers_still_work_afterwards():
    OptunaSearchCV(PIPE, SPACE, n_trials=2, cv=2, n_jobs=2).fit(X, y)
    assert joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(value) for value in (-1, 2)) == [1, 2]
    OptunaSearchCV(PIPE, SPACE, n_trials=2, cv=2, n_jobs=2).fit(X, y)


def test_estimators_of_a_script_reach_the_workers():
    class Local(LogisticRegression):
        pass

    search = OptunaSearchCV(Local(), {"C": [0.1, 1.0]}, n_trials=2, cv=2, n_jobs=2)
    assert isinstance(search.fit(X, y).best_estimator_, Local)


def test_large_rows_are_mapped_read_only_and_cut_writeable():
    class InPlace(ClassifierMixin, BaseEstimator):
        def __init__(self, a=0):
            self.a = a

        def fit(self, X, y):
            X += 1  # a memory map would refuse
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            return np.full(len(X), self.classes_[0])

    rows = np.zeros((60, 3000))
    search = OptunaSearchCV(
        InPlace(), {"a": [0]}, n_trials=2, cv=2, n_jobs=2, error_score="raise", refit=False
    )
    search.fit(rows, y)
    assert not rows.any()


class KillsWorker(ClassifierMixin, BaseEstimator):
    """Takes its worker down when ``a`` is 1."""

    def __init__(self, a=0):
        self.a = a

    def fit(self, X, y):
        if self.a == 1:
            os._exit(1)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def test_a_candidate_that_kills_its_worker_fails_alone():
    search = OptunaSearchCV(
        KillsWorker(), {"a": [0, 1, 2]}, sampler="grid", n_trials=None, cv=2, n_jobs=2
    )
    with (
        pytest.warns(FitFailedWarning, match="The worker process died twice"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        search.fit(X, y)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True, False]


def test_errors_come_back_when_they_should():
    search = OptunaSearchCV(
        LogisticRegression(), {"C": [-1.0]}, n_trials=3, cv=2, n_jobs=2, error_score="raise"
    )
    with pytest.raises(ValueError, match="'C' parameter"):
        search.fit(X, y)


def test_configuration_and_filters_travel():
    with warnings.catch_warnings(), config_context(enable_metadata_routing=True):
        warnings.simplefilter("error")
        estimator = LogisticRegression().set_fit_request(sample_weight=True)
        estimator.set_score_request(sample_weight=True)
        search = OptunaSearchCV(
            estimator, {"C": [1.0, 2.0]}, n_trials=2, cv=2, n_jobs=2, error_score="raise"
        )
        search.fit(X, y, sample_weight=np.ones(60))


def test_callbacks_hear_from_the_workers():
    callback = RecordingCallback()
    OptunaSearchCV(PIPE, SPACE, n_trials=3, cv=2, n_jobs=2).set_callbacks(callback).fit(X, y)
    # Root, search, refit, three trials, and six folds.
    assert callback.count_hooks("on_fit_task_begin") == 12
    assert callback.count_hooks("on_fit_task_end") == 12
