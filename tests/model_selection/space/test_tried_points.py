"""No point of a space is tried twice, and a space of few points ends the search."""

import time
import warnings

import joblib
import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from scipy.stats import binom, randint
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_trainkit.model_selection import OptunaSearchCV
from tests.stable_ids import stable_id

X, y = np.arange(24.0).reshape(12, 2), np.arange(12) % 2


class Cheap(ClassifierMixin, BaseEstimator):
    """Costs nothing; fails when told, and its score is random when told."""

    def __init__(self, a=0, b=0, c="x", fails=False, noisy=False):
        self.a, self.b, self.c, self.fails, self.noisy = a, b, c, fails, noisy

    def fit(self, X, y):
        if self.fails:
            raise ValueError("fails")
        return self

    def score(self, X, y):
        return self.a + 0.1 * self.b + (np.random.default_rng().random() if self.noisy else 0.0)


def branches(trial):
    kind = trial.suggest_categorical("kind", ["one", "two"])
    if kind == "one":
        return {"c": kind, "a": trial.suggest_int("a", 0, 2)}
    return {"c": kind, "b": trial.suggest_float("b", 0.0, 0.3, step=0.1)}


SPACES = {
    "choices": ({"a": [1, 2], "c": ["x", "y"]}, 4),
    "integers": ({"a": randint(0, 3), "b": IntDistribution(1, 5, step=2)}, 9),
    "logarithmic integers": ({"a": IntDistribution(1, 4, log=True)}, 4),
    "steps": ({"a": FloatDistribution(0.0, 0.7, step=0.1)}, 8),
    "one number": ({"a": FloatDistribution(0.5, 0.5), "c": ["x", "y"]}, 2),
    "discrete distribution": ({"a": binom(3, 0.5)}, 4),
    "failing": ({"fails": [True, False], "a": [1, 2]}, 4),
    "dicts": ([{"a": [1, 2]}, {"b": [1, 2, 3]}], 5),
    "objects": ({"c": [StandardScaler(), None, (1, 2)]}, 3),
    "function": (branches, 7),
    "function that draws nothing": (lambda trial: {"a": 1}, 1),
}
SAMPLERS = ["tpe", "random", "qmc", "forest", "gp", "cmaes", "nsga2"]


def make_search(space, **settings):
    return OptunaSearchCV(
        Cheap(),
        space,
        **({"n_trials": 25, "cv": 2, "random_state": 0, "refit": False} | settings),
    )


def keys(search):
    return [repr(sorted(params.items())) for params in search.cv_results_["params"]]


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_space_of_few_points_ends_the_search_with_a_warning(name, sampler):
    space, n_points = SPACES[name]
    with pytest.warns(UserWarning, match=f"ended after {n_points} trials, of n_trials=25"):
        search = make_search(space, sampler=sampler).fit(X, y)
    assert len(set(keys(search))) == search.n_trials_ == len(search.trials_) == n_points


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_tries_a_point_once(sampler):
    search = make_search({"a": [1, 2, 3], "b": randint(0, 2)}, sampler=sampler).fit(X, y)
    assert len(set(keys(search))) == len(keys(search)) == 6


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "settings",
    [
        {"enqueue": [{"a": 2, "c": "y"}, {"a": 1}]},
        {"enqueue": [{"a": 2}, {"a": 2}]},
        {"pruner": "median"},
        {"pruner": "racing"},
        {"ordered": False},
        {"n_jobs": 2},
        {"sampler": optuna.samplers.BruteForceSampler()},
        {"random_state": None},
    ],
    ids=stable_id,
)
def test_no_setting_repeats_a_point(settings):
    with joblib.parallel_config("threading"):
        search = make_search(SPACES["choices"][0], **settings).fit(X, y)
    assert len(set(keys(search))) == len(keys(search)) == 4


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_fixed_parameter_stays_fixed():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        random = optuna.samplers.RandomSampler(seed=0)
        sampler = optuna.samplers.PartialFixedSampler({"a": 1}, random)
    search = make_search({"a": [1, 2], "b": [1, 2, 3]}, sampler=sampler).fit(X, y)
    assert [params["a"] for params in search.cv_results_["params"]] == [1, 1, 1]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_resumed_search_goes_on_with_what_is_left(tmp_path):
    settings = {"storage": tmp_path / "study", "resume": True, "sampler": "random"}
    first = make_search({"a": [1, 2, 3, 4, 5]}, n_trials=3, **settings).fit(X, y)
    again = make_search({"a": [1, 2, 3, 4, 5]}, n_trials=9, **settings).fit(X, y)
    assert keys(again)[:3] == keys(first)
    assert len(set(keys(again))) == again.n_trials_ == 5
    n_known = len(again.study_.trials)
    once_more = make_search({"a": [1, 2, 3, 4, 5]}, n_trials=9, **settings).fit(X, y)
    assert keys(once_more) == keys(again)
    assert len(once_more.study_.trials) <= n_known + 1


def test_candidates_that_are_dictated_twice_are_tried_twice():
    search = make_search({"a": [1, 2]}, enqueue=[{"a": 1}, {"a": 1}], n_trials=2).fit(X, y)
    assert [params["a"] for params in search.cv_results_["params"]] == [1, 1]


def test_as_many_trials_as_points_need_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert make_search({"a": [1, 2, 3]}, n_trials=3).fit(X, y).n_trials_ == 3


def test_a_huge_space_is_not_listed():
    space = {name: IntDistribution(0, 10**9) for name in ("a", "b")}
    started = time.perf_counter()
    search = make_search(space, sampler=Stubborn(), n_trials=6).fit(X, y)
    assert time.perf_counter() - started < 10.0
    assert len(set(keys(search))) == 6


class Stubborn(optuna.samplers.RandomSampler):
    """Draws the same again and again."""

    def sample_independent(self, study, trial, param_name, param_distribution):
        return 1


def test_a_function_that_asks_for_more_than_draws_may_repeat_itself():
    def space(trial):
        return {"a": trial.suggest_int("a", 0, 1), "c": trial.study.study_name}

    assert make_search(space, n_trials=5).fit(X, y).n_trials_ == 5


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"n_trials": 1},
        {"n_trials": None},
        {"sampler": "random"},
        {"sampler": "grid"},
        {"sampler": "gp"},
        {"sampler": "cmaes"},
        {"sampler": "qmc"},
        {"sampler": "forest"},
        {"sampler": "nsga2"},
        {"enqueue": [{}]},
        {"pruner": "median"},
        {"pruner": "racing"},
        {"timeout": 60.0, "n_trials": None},
        {"n_jobs": 2},
        {"refit": True},
    ],
    ids=str,
)
def test_an_empty_space_is_the_estimator_as_it_is(settings):
    model = Cheap(a=3)
    search = OptunaSearchCV(model, {}, cv=3, random_state=0, **settings)
    with warnings.catch_warnings(), joblib.parallel_config("threading"):
        warnings.filterwarnings("error", message="No point")
        search.fit(X, y)
    grid = GridSearchCV(model, {}, cv=3).fit(X, y)
    assert search.best_params_ == grid.best_params_ == {}
    assert search.best_score_ == grid.best_score_
    assert search.cv_results_["params"] == grid.cv_results_["params"] == [{}]


@pytest.mark.parametrize("stored", [False, True])
def test_the_trials_of_the_study_have_a_value_each(stored, tmp_path):
    storage = str(tmp_path / "s.journal") if stored else None
    space = {"max_depth": [1, 2, 3]}
    search = OptunaSearchCV(
        DecisionTreeClassifier(), space, n_trials=9, cv=2, random_state=0, storage=storage
    )
    with pytest.warns(UserWarning, match="No point"):
        search.fit(*load_iris(return_X_y=True))
    held = search.study_.get_trials()
    assert len(held) > 3
    assert [trial.number for trial in held] == list(range(len(held)))
    values = [trial.value for trial in search.study_.trials]
    assert max(values) == search.best_score_
    assert len(values) == search.n_trials_ == 3
