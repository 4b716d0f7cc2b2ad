"""OptunaSearchCV against the contract of scikit-learn's searches."""

import inspect
import pickle
import sys
import warnings

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from scipy.stats import loguniform, uniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_trainkit.exceptions import LeakageWarning
from sklearn_trainkit.model_selection import OptunaSearchCV

X, y = make_classification(n_samples=60, n_features=4, random_state=0)
PIPE = Pipeline([("scale", StandardScaler()), ("clf", LogisticRegression())])


def without_times(results):
    return {key: value for key, value in results.items() if "_time" not in key}


@parametrize_with_checks(
    [
        OptunaSearchCV(estimator, space, n_trials=2, cv=2, error_score="raise")
        for estimator, space in [
            (LogisticRegression(), {"C": FloatDistribution(0.1, 10, log=True)}),
            (Ridge(), {"alpha": [0.1, 1.0]}),
            (make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": FloatDistribution(0.1, 1)}),
        ]
    ]
)
def test_scikit_learn_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("scoring", "refit"),
    [(None, True), ("roc_auc", True), (["accuracy", "recall"], "recall"), (["accuracy"], False)],
)
def test_a_dictated_search_has_the_results_of_grid_search(scoring, refit):
    grid = {"scale": [StandardScaler(), "passthrough"], "clf__C": [0.01, 1.0, 100.0]}
    arguments = {"scoring": scoring, "refit": refit, "cv": 3, "return_train_score": True}
    theirs = GridSearchCV(PIPE, grid, **arguments).fit(X, y)
    ours = OptunaSearchCV(PIPE, grid, sampler="grid", n_trials=None, **arguments).fit(X, y)
    np.testing.assert_equal(without_times(ours.cv_results_), without_times(theirs.cv_results_))
    assert list(ours.cv_results_)[:4] == list(theirs.cv_results_)[:4]
    for name in ("best_index_", "best_score_", "best_params_"):
        assert getattr(ours, name, None) == getattr(theirs, name, None)
    if refit:
        np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "cmaes", "nsga2"])
def test_a_seed_repeats_the_search_for_every_sampler(sampler):
    space = {"clf__C": loguniform(1e-3, 1e3), "clf__tol": uniform(0.001, 1)}

    def params(seed):
        search = OptunaSearchCV(PIPE, space, n_trials=6, sampler=sampler, cv=2, random_state=seed)
        return search.fit(X, y).cv_results_["params"]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert params(0) == params(0)
        assert params(0) != params(1)


def test_a_sampler_instance_is_used_and_left_as_it_was():
    search = OptunaSearchCV(
        PIPE,
        {"clf__C": loguniform(1e-3, 1e3)},
        n_trials=3,
        cv=2,
        sampler=optuna.samplers.RandomSampler(seed=7),
    )
    first = search.fit(X, y).cv_results_["params"]
    assert search.fit(X, y).cv_results_["params"] == first
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=7))
    expected = [study.ask().suggest_float("clf__C", 1e-3, 1e3, log=True) for _ in range(3)]
    assert [params["clf__C"] for params in first] == expected


class NoisyClassifier(ClassifierMixin, BaseEstimator):
    """Scores its own draw, so that every source of randomness shows."""

    def __init__(self, a=0, random_state=None):
        self.a = a
        self.random_state = random_state

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.draw_ = np.random.RandomState(self.random_state).uniform()
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)

    def score(self, X, y):
        return self.draw_ + X[:, 0].mean()


def test_the_seed_reaches_splits_and_estimators():
    def scores(seed):
        search = OptunaSearchCV(
            make_pipeline(NoisyClassifier()),
            {"noisyclassifier__a": [0, 0]},
            n_trials=2,
            cv=ShuffleSplit(2),
            random_state=seed,
        ).fit(X, y)
        first, second = search.cv_results_["mean_test_score"]
        assert first == second  # candidates differ by their parameters only
        assert search.best_estimator_[-1].draw_ + X[:, 0].mean() == search.score(X, y)
        return first

    assert scores(0) == scores(0)
    assert scores(0) != scores(1)


def test_enqueued_candidates_come_first_in_order_and_exactly():
    scalers = [StandardScaler(), MinMaxScaler()]
    enqueue = [{"scale": MinMaxScaler(), "clf__C": 0.1}, {"scale": scalers[0], "clf__C": 7.7}]
    space = {"scale": scalers, "clf__C": loguniform(1e-2, 1e2)}
    search = OptunaSearchCV(PIPE, space, enqueue=enqueue, n_trials=2, cv=2).fit(X, y)
    assert search.cv_results_["params"] == enqueue
    assert [trial.params["clf__C"] for trial in search.trials_] == [0.1, 7.7]
    more = clone(search).set_params(n_trials=4).fit(X, y)
    assert [params["clf__C"] for params in more.cv_results_["params"][:2]] == [0.1, 7.7]
    assert more.n_trials_ == 4


def test_what_an_enqueued_candidate_leaves_out_is_drawn():
    space = {"clf__C": [1.0, 2.0], "clf__tol": [0.1]}
    search = OptunaSearchCV(PIPE, space, enqueue=[{"clf__C": 2.0}], n_trials=1, cv=2).fit(X, y)
    assert search.cv_results_["params"] == [{"clf__C": 2.0, "clf__tol": 0.1}]


def test_the_estimators_own_parameters_can_go_first():
    space = {"scale": [MinMaxScaler(), StandardScaler()], "clf__C": loguniform(0.1, 10)}
    search = OptunaSearchCV(PIPE, space, enqueue="estimator", n_trials=1, cv=2).fit(X, y)
    assert search.best_params_["clf__C"] == 1.0
    assert isinstance(search.best_params_["scale"], StandardScaler)


def test_objects_of_the_space_are_cloned_never_fitted():
    tree, logistic = DecisionTreeClassifier(), LogisticRegression()
    search = OptunaSearchCV(PIPE, {"clf": [tree, logistic]}, n_trials=6, cv=2, random_state=0)
    search.fit(X, y)
    assert not hasattr(tree, "tree_")
    assert not hasattr(logistic, "coef_")
    assert set(search.cv_results_["param_clf"]) == {tree, logistic}
    assert search.best_params_["clf"] is not search.best_estimator_["clf"]
    assert {trial.params["clf"] for trial in search.trials_} == {
        "DecisionTreeClassifier()",
        "LogisticRegression()",
    }


def test_a_smaller_budget_than_the_grid_is_announced():
    search = OptunaSearchCV(PIPE, {"clf__C": [1, 2, 3, 4]}, sampler="grid", n_trials=2, cv=2)
    with pytest.warns(UserWarning, match="room for 2 of the 4 points"):
        search.fit(X, y)
    assert search.n_trials_ == 2


def test_optuna_integration_attributes_agree_with_cv_results():
    search = OptunaSearchCV(PIPE, {"clf__C": loguniform(0.01, 10)}, n_trials=5, cv=2)
    search.fit(X, y)
    assert search.n_trials_ == len(search.trials_) == len(search.cv_results_["params"]) == 5
    assert search.best_trial_.number == search.best_index_ == search.study_.best_trial.number
    assert search.best_trial_.value == search.best_score_ == search.study_.best_value
    assert len(search.trials_dataframe()) == 5


def test_callbacks_see_each_trial_and_may_stop_the_search():
    numbers = []

    def stop_at_third(study, trial):
        numbers.append(trial.number)
        if trial.number == 2:
            study.stop()

    search = OptunaSearchCV(
        PIPE, {"clf__C": loguniform(0.01, 10)}, n_trials=9, cv=2, callbacks=[stop_at_third]
    )
    assert search.fit(X, y).n_trials_ == 3
    assert numbers == [0, 1, 2]


def test_optunas_log_is_silent_and_comes_back(caplog, capsys):
    level = optuna.logging.get_verbosity()
    OptunaSearchCV(PIPE, {"clf__C": [1.0]}, n_trials=1, cv=2).fit(X, y)
    assert optuna.logging.get_verbosity() == level
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
    assert not caplog.records


@pytest.mark.parametrize("sampler", ["cmaes", "gp", "nsga2", "qmc", "random", "tpe"])
def test_no_sampler_logs_that_branches_are_drawn_in_its_own_way(sampler, capsys):
    space = [{"clf__C": [0.1, 1.0, 10.0]}, {"clf__tol": [1e-3, 1e-2, 1e-1]}]
    OptunaSearchCV(PIPE, space, n_trials=6, sampler=sampler, cv=2, random_state=0).fit(X, y)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_a_fitted_search_survives_pickling():
    search = OptunaSearchCV(PIPE, {"clf__C": loguniform(0.01, 10)}, n_trials=3, cv=2).fit(X, y)
    copied = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(copied.predict(X), search.predict(X))
    assert copied.best_trial_ == search.best_trial_


class FailsAbove(ClassifierMixin, BaseEstimator):
    """Fails to fit when ``a`` exceeds ``limit``."""

    def __init__(self, a=0, limit=1):
        self.a = a
        self.limit = limit

    def fit(self, X, y):
        if self.a > self.limit:
            raise ArithmeticError(f"a={self.a} is too much")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def test_a_failed_candidate_is_recorded_and_never_wins():
    search = OptunaSearchCV(FailsAbove(), {"a": [0, 5]}, sampler="grid", n_trials=None, cv=2)
    with (
        pytest.warns(FitFailedWarning, match="2 fits failed out of a total of 4"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        search.fit(X, y)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]
    assert search.best_params_ == {"a": 0}
    assert [trial.state.name for trial in search.trials_] == ["COMPLETE", "FAIL"]


def test_all_failed_shows_why():
    search = OptunaSearchCV(FailsAbove(), {"a": [5, 6]}, n_trials=2, cv=2)
    with pytest.raises(ValueError, match=r"All the 4 fits failed[\s\S]*a=5 is too much"):
        search.fit(X, y)


def test_error_score_raise_stops_at_once():
    search = OptunaSearchCV(FailsAbove(), {"a": [5]}, n_trials=2, cv=2, error_score="raise")
    with pytest.raises(ArithmeticError, match="a=5 is too much"):
        search.fit(X, y)
    assert [trial.state.name for trial in search.trials_] == ["FAIL"]


def test_parameters_that_do_not_fit_together_are_a_failed_candidate():
    space = {"clf": [LogisticRegression(), DecisionTreeClassifier()], "clf__C": [1.0]}
    search = OptunaSearchCV(PIPE, space, sampler="grid", n_trials=None, cv=2)
    with (
        pytest.warns(FitFailedWarning, match="Invalid parameter 'C'"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        search.fit(X, y)
    assert isinstance(search.best_params_["clf"], LogisticRegression)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"param_distributions": []}, ValueError, "is an empty list: there is nothing to search"),
        ({"param_distributions": {0: [1]}}, TypeError, r"names.*strings.*got 0 \(of type int\)"),
        ({"param_distributions": {("a", "b"): [1]}}, TypeError, r"names.*\('a', 'b'\)"),
        ({"param_distributions": [{"clf__C": [1.0]}, {None: [1]}]}, TypeError, "got None"),
        ({"param_distributions": {"C": [1.0]}}, ValueError, "Did you mean 'clf__C'"),
        ({"param_distributions": {"clf__max_itr": [9]}}, ValueError, "mean 'clf__max_iter'"),
        ({"param_distributions": lambda trial: {"C": 1.0}}, ValueError, "Did you mean 'clf__C'"),
        ({"param_distributions": lambda trial: 3}, TypeError, "has to return a dict"),
        ({"callbacks": [1]}, TypeError, r"callbacks\[0\] needs to be a function"),
        ({"param_distributions": {"Q": [1]}}, ValueError, "names 'Q'"),
        ({"param_distributions": 3}, ValueError, "'param_distributions' parameter"),
        ({"n_trials": 0}, ValueError, "'n_trials' parameter"),
        ({"n_trials": None}, ValueError, "would never end"),
        ({"timeout": -1}, ValueError, "'timeout' parameter"),
        ({"sampler": "bayes"}, ValueError, r"'sampler' parameter.*'tpe'.*Got 'bayes'"),
        ({"sampler": "grid"}, ValueError, "sampler='grid' needs a finite space, but 'clf__C'"),
        ({"enqueue": [{"clf__C": 1e9}]}, ValueError, r"enqueue\[0\] sets clf__C=1000000000.0"),
        ({"enqueue": [3]}, TypeError, r"enqueue\[0\] needs to be a dict"),
        ({"enqueue": [{"clf__C": 1.0}] * 9}, ValueError, "n_trials=2 is less than the 9"),
        ({"scoring": "speed"}, ValueError, "'scoring' parameter"),
        ({"scoring": ["accuracy"], "refit": True}, ValueError, "For multi-metric scoring"),
        ({"cv": 100}, ValueError, "n_splits=100"),
    ],
)
def test_bad_settings_are_refused_before_the_first_fit(arguments, error, message):
    class NeverFit(LogisticRegression):
        def fit(self, X, y):
            raise AssertionError("fitted")

    settings = {"param_distributions": {"clf__C": loguniform(0.1, 10)}, "n_trials": 2} | arguments
    pipe = Pipeline([("clf", NeverFit())])
    with pytest.raises(error, match=message):
        OptunaSearchCV(pipe, error_score="raise", **settings).fit(X, y)


def test_documented_defaults_are_those_of_the_signature():
    documented = OptunaSearchCV.__doc__
    for name, parameter in inspect.signature(OptunaSearchCV).parameters.items():
        if parameter.default is not inspect.Parameter.empty:
            shown = "np.nan" if name == "error_score" else repr(parameter.default).replace("'", '"')
            head = documented.split(f"\n    {name} : ")[1].split("\n        ")[0]
            assert f"default={shown}" in head, name


def test_splits_are_drawn_once():
    search = OptunaSearchCV(
        DecisionTreeClassifier(random_state=0),
        {"max_depth": [3]},
        n_trials=3,
        cv=KFold(3, shuffle=True),
    ).fit(X, y)
    assert len(set(search.cv_results_["mean_test_score"])) == 1


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("n_iter", "n_trials"), ("param_grid", "param_distributions"), ("scorring", "scoring")],
)
def test_names_of_other_searches_are_answered_with_ours(theirs, ours):
    with pytest.raises(TypeError, match=rf"unexpected .*'{theirs}'.*Did you mean.*{ours}"):
        OptunaSearchCV(LogisticRegression(), {}, **{theirs: 1})
    assert "kwargs" not in inspect.signature(OptunaSearchCV).parameters


def interrupted_by(study, trial):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sampler": "grid", "n_trials": 2}, "leaves room for 2 of the 3 points"),
        ({"n_trials": 5}, "No point of param_distributions is left"),
        ({"n_trials": 2, "pruner": "median"}, "can never prune"),
        (
            {"n_trials": 2, "enqueue": [{"C": 1.0}], "callbacks": [interrupted_by]},
            "Interrupted after 1 trials",
        ),
        ({"n_trials": 3, "enqueue": [{"C": -1.0}]}, "test scores are non-finite"),
    ],
)
def test_warnings_point_at_the_line_that_called_fit(settings, message):
    X, y = np.arange(24.0).reshape(12, 2), np.arange(12) % 2
    search = OptunaSearchCV(
        LogisticRegression(), {"C": [-1.0, 1.0, 2.0]}, cv=2, refit=False, **settings
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, y)
        here = sys._getframe().f_lineno - 1
    (warning,) = (each for each in caught if message in str(each.message))
    assert (warning.filename, warning.lineno) == (__file__, here)


def test_a_warning_of_leakage_points_at_the_line_that_called_fit():
    rows = np.random.default_rng(0).normal(size=(30, 2))
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    search = OptunaSearchCV(LogisticRegression(), {"C": [1.0]}, n_trials=1, cv=2, refit=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", LeakageWarning)
        search.fit(rows, np.arange(30) % 2)
        here = sys._getframe().f_lineno - 1
    assert {each.category for each in caught} == {LeakageWarning}
    assert {(each.filename, each.lineno) for each in caught} == {(__file__, here)}
