"""Careful choices: one standard error, collapsed refits, candidates that learned nothing."""

import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from sklearn_trainkit.model_selection import OneStandardErrorRule, OptunaSearchCV
from sklearn_trainkit.model_selection.results._selection import describe_majority_ties

RESULTS = {
    "params": [{"width": 64}, {"width": 8}, {"width": 16}, {"width": 4}],
    "split0_test_score": np.array([0.80, 0.77, 0.78, 0.6]),
    "split1_test_score": np.array([0.90, 0.81, 0.88, 0.6]),
    "mean_test_score": np.array([0.85, 0.79, 0.83, 0.6]),
    "mean_fit_time": np.array([9.0, 1.0, 2.0, 0.1]),
}


@pytest.mark.parametrize("cost", ["mean_fit_time", lambda params: params["width"]])
def test_the_cheapest_within_one_standard_error_wins(cost):
    # The standard error of the best is 0.05: rows 0 and 2 are within it.
    assert OneStandardErrorRule(cost=cost)(RESULTS) == 2


def test_pruned_rows_never_win():
    states = np.array(["complete", "complete", "pruned", "complete"])
    assert OneStandardErrorRule()({**RESULTS, "state": states}) == 0


def test_an_unknown_cost_is_named():
    with pytest.raises(ValueError, match="cost='size' is no column of cv_results_"):
        OneStandardErrorRule(cost="size")(RESULTS)


class Collapses(ClassifierMixin, BaseEstimator):
    """Learns well on few rows; on all of them only from some seeds."""

    def __init__(self, a=0, random_state=None, max_iter=1):
        self.a = a
        self.random_state = random_state
        self.max_iter = max_iter

    def fit(self, X, y):
        return self.partial_fit(X, y)

    def partial_fit(self, X, y, classes=None):
        self.classes_ = np.unique(y)
        good_seed = self.random_state not in (None, 7)
        self.flip_ = 0 if len(X) < 100 or good_seed else 1
        return self

    def predict(self, X):
        return (X[:, 0].astype(int) + self.flip_) % 2


X, y = np.arange(200.0).reshape(100, 2) // 2, np.arange(100) % 2


def test_a_collapsed_refit_is_announced():
    search = OptunaSearchCV(Collapses(random_state=7), {"a": [0]}, n_trials=1, cv=2)
    with pytest.warns(UserWarning, match=r"scores 0 on the rows it was trained on.*scored 1 on"):
        search.fit(X, y)


@pytest.mark.filterwarnings("error")
def test_a_collapsed_refit_is_trained_again_from_another_seed():
    search = OptunaSearchCV(
        Collapses(random_state=7), {"a": [0]}, n_trials=1, cv=2, refit_retries=2
    )
    assert search.fit(X, y).score(X, y) == 1.0
    assert search.best_estimator_.random_state != 7


def test_candidates_that_only_predict_the_majority_are_announced():
    rows, labels = make_classification(400, weights=[0.97], flip_y=0, random_state=0)
    space = {"C": [1e-7, 2e-7, 3e-7, 4e-7, 5e-7]}
    search = OptunaSearchCV(LogisticRegression(), space, sampler="grid", n_trials=None, cv=2)
    with pytest.warns(UserWarning, match="100% of the candidates.*Use scoring='roc_auc'"):
        search.fit(rows, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.set_params(scoring="roc_auc").fit(rows, labels)


def test_labels_on_a_device_are_left_there():
    class OnDevice:
        def __array_namespace__(self):
            raise AssertionError("asked for")

    assert describe_majority_ties(np.full(9, 0.9), OnDevice()) is None


def test_two_objectives_have_a_pareto_front():
    rows, labels = make_classification(200, flip_y=0.2, random_state=0)
    search = OptunaSearchCV(
        LogisticRegression(max_iter=500),
        {"C": [1e-4, 1e-3, 1e-2, 1e-1, 1.0], "class_weight": [{1: 1}, {1: 4}]},
        sampler="grid",
        n_trials=None,
        scoring=["precision", "recall"],
        objectives=["precision", "recall"],
        refit=lambda results: int(np.argmax(results["mean_test_precision"])),
        cv=3,
    ).fit(rows, labels)
    results = search.cv_results_
    points = np.column_stack([results["mean_test_precision"], results["mean_test_recall"]])
    beaten = [
        any((other >= point).all() and (other > point).any() for other in points)
        for point in points
    ]
    np.testing.assert_array_equal(search.pareto_front_, np.flatnonzero(~np.array(beaten)))
    assert {trial.number for trial in search.study_.best_trials} == set(search.pareto_front_)
    assert search.best_index_ == np.argmax(points[:, 0])


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_fit_time_is_minimized(sampler):
    search = OptunaSearchCV(
        LogisticRegression(),
        {"C": [0.1, 1.0, 10.0]},
        n_trials=4,
        objectives=["score", "fit_time"],
        sampler=sampler,
        cv=2,
    ).fit(X, y)
    assert [direction.name for direction in search.study_.directions] == ["MAXIMIZE", "MINIMIZE"]
    fastest = np.argmin(search.cv_results_["mean_fit_time"])
    assert fastest in search.pareto_front_


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objectives": ["score", "size"]}, "'size' is neither a metric"),
        ({"objectives": ["score"]}, "needs at least two different names"),
        ({"objectives": ["score", "fit_time"], "pruner": "median"}, "compares one number"),
        ({"objectives": ["score", "fit_time"], "sampler": "forest"}, "follows one objective"),
    ],
)
def test_bad_objectives(settings, message):
    search = OptunaSearchCV(LogisticRegression(), {"C": [1.0]}, n_trials=1, **settings)
    with pytest.raises(ValueError, match=message):
        search.fit(X, y)
