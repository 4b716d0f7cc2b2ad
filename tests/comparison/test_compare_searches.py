"""Searchers meet on the same rows, splits and seeds, and what they spend is counted."""

import json
import re

import numpy as np
import optuna
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingRandomSearchCV,
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    StratifiedShuffleSplit,
    cross_val_score,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from sklearn_trainkit.comparison import compare_searches, summarize_runs
from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.utils._sklearn_private import BaseSearchCV
from tests.callbacks.iterative_classifier import IterativeClassifier

LRS = [0.01, 0.1, 0.5, 1.0]


def pipeline(**net_params):
    return Pipeline([("scaler", StandardScaler()), ("net", IterativeClassifier(**net_params))])


def grid(**options):
    return GridSearchCV(pipeline(), {"net__lr": LRS}, **options)


def randomized(**options):
    return RandomizedSearchCV(pipeline(), {"net__lr": LRS}, n_iter=4, **options)


def only_run(table):
    [run] = summarize_runs(table).to_dict("records")
    return run


class MemorizingSearch(BaseEstimator):
    """A searcher of nothing that keeps what it was given, for the tests of fairness."""

    seen = []

    def __init__(self, estimator, cv=None, refit=True, scoring=None, random_state=None):
        self.estimator = estimator
        self.cv = cv
        self.refit = refit
        self.scoring = scoring
        self.random_state = random_state

    def fit(self, X, y):
        MemorizingSearch.seen.append((self, X, y))
        self.n_splits_ = len(self.cv)
        self.best_score_ = 0.5
        self.cv_results_ = {"params": [{}], "mean_test_score": [0.5]}
        return self

    def score(self, X, y):
        return 0.25


def test_one_row_a_trial_and_the_best_so_far_is_their_running_maximum(data):
    table = compare_searches({"grid": grid(), "random": randomized()}, *data, cv=2)
    assert table["strategy"].tolist() == ["grid"] * 4 + ["random"] * 4
    for _, run in table.groupby("strategy"):
        assert sorted(run["trial"]) == [0, 1, 2, 3]
        assert run["seconds"].is_monotonic_increasing
        np.testing.assert_allclose(run["best_so_far"], run["score"].cummax())
        assert run["best_so_far"].iloc[-1] == run["run_inner_score"].iloc[-1]
    assert {json.loads(params)["net__lr"] for params in table["params"]} == set(LRS)


def test_scores_equal_a_search_made_by_hand(data):
    X, y = data
    table = compare_searches({"grid": grid()}, X, y, cv=3, test_size=0.3, seeds=7)
    holdout = StratifiedShuffleSplit(n_splits=1, test_size=0.3, random_state=7)
    [(train, test)] = holdout.split(X, y)
    folds = StratifiedKFold(3, shuffle=True, random_state=7)
    by_hand = grid(cv=folds).fit(X[train], y[train])
    table = table.sort_values("trial")
    np.testing.assert_allclose(table["score"], by_hand.cv_results_["mean_test_score"])
    np.testing.assert_allclose(table["score_std"], by_hand.cv_results_["std_test_score"])
    run = only_run(table)
    assert run["inner_score"] == by_hand.best_score_
    assert run["test_score"] == by_hand.score(X[test], y[test])


def test_the_winners_curse_is_measured_on_folds_that_no_searcher_saw(data):
    X, y = data
    table = compare_searches({"grid": grid()}, X, y, cv=3, seeds=7)
    run = only_run(table)
    assert run["winners_curse"] == run["inner_score"] - run["fresh_score"]
    assert run["fits"] == 4 * 3 + 1  # the recheck is ours
    [(train, _)] = StratifiedShuffleSplit(n_splits=1, test_size=0.25, random_state=7).split(X, y)
    best = table.loc[table["score"].idxmax(), "params"]
    winner = pipeline(random_state=7).set_params(**json.loads(best))
    folds = StratifiedKFold(3, shuffle=True, random_state=7 + 1_000_003)
    assert run["fresh_score"] == cross_val_score(winner, X[train], y[train], cv=folds).mean()


@pytest.mark.parametrize("options", [{"cv": KFold(3)}, {"recheck_winner": False}])
def test_without_fresh_folds_the_winners_curse_is_missing(data, options):
    run = only_run(compare_searches({"grid": grid()}, *data, **options))
    assert np.isnan(run["winners_curse"])
    assert run["error"] == ""


@pytest.mark.parametrize("backend", ["sequential", "threading", "loky"])
def test_fits_epochs_and_steps_are_counted_under_every_backend(data, backend):
    searcher = GridSearchCV(
        pipeline(max_epochs=3, batch_size=16), {"net__lr": LRS}, n_jobs=2, refit=True
    )
    with parallel_config(backend=backend):
        run = only_run(compare_searches({"grid": searcher}, *data, cv=2, test_size=0.25))
    # 60 training rows: 30 in an inner fold (2 steps an epoch), 60 in the refit (4 steps).
    assert run["counted_by"] == "watching"
    assert (run["trials"], run["fits"], run["epochs"]) == (4, 9, 27)
    assert run["steps"] == 8 * 3 * 2 + 3 * 4


def test_a_trial_carries_what_was_spent_when_it_ended(data):
    searcher = GridSearchCV(pipeline(max_epochs=3, batch_size=16), {"net__lr": LRS})
    table = compare_searches({"grid": searcher}, *data, cv=2)
    assert table["timed_by"].unique().tolist() == ["fits"]
    assert table["epochs"].tolist() == [6, 12, 18, 24]
    assert table["steps"].tolist() == [12, 24, 36, 48]
    assert (table["seconds"] < table["run_seconds"]).all()


def test_an_estimator_given_as_a_choice_is_watched(data):
    choices = [IterativeClassifier(max_epochs=2), IterativeClassifier(max_epochs=5)]
    searcher = GridSearchCV(pipeline(), {"net": choices})
    run = only_run(compare_searches({"grid": searcher}, *data, cv=2))
    winner_epochs = run["epochs"] - 2 * (2 + 5)
    assert winner_epochs in (2, 5)
    assert run["fits"] == 5


# optuna-integration imports a deprecated part of optuna, and calls itself experimental.
@pytest.mark.filterwarnings("ignore:`optuna.terminator` module:FutureWarning")
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_optuna_integration_is_watched_and_timed_by_its_study(data):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    integration = pytest.importorskip("optuna_integration")
    space = {"net__lr": optuna.distributions.FloatDistribution(0.01, 1.0, log=True)}
    searcher = integration.OptunaSearchCV(pipeline(max_epochs=3), space, n_trials=4)
    table = compare_searches({"optuna": searcher}, *data, cv=2)
    run = only_run(table)
    assert (run["error"], run["trials"], run["fits"], run["epochs"]) == ("", 4, 9, 27)
    assert table["timed_by"].unique().tolist() == ["study"]
    assert table["epochs"].tolist() == [6, 12, 18, 24]
    assert json.loads(table["params"][0])["net__lr"] > 0


def test_scikit_optimize_takes_part(data):
    skopt = pytest.importorskip("skopt")
    space = {"net__lr": skopt.space.Real(0.01, 1.0, prior="log-uniform")}
    searcher = skopt.BayesSearchCV(pipeline(max_epochs=2), space, n_iter=3)
    run = only_run(compare_searches({"skopt": searcher}, *data, cv=2))
    assert (run["error"], run["trials"]) == ("", 3)


def test_trials_by_hand_stand_beside_the_rest(data):
    by_hand = [{"net__lr": 0.5}, {"net__lr": 0.01}]
    space = {"net__lr": optuna.distributions.FloatDistribution(0.01, 1.0)}
    searchers = {
        "by hand": OptunaSearchCV(pipeline(), space, n_trials=2, enqueue=by_hand),
        "random": RandomizedSearchCV(pipeline(), {"net__lr": LRS}, n_iter=2),
    }
    table = compare_searches(searchers, *data, cv=2)
    runs = summarize_runs(table)
    assert runs["trials"].tolist() == [2, 2]
    assert runs["fits"].tolist() == [5, 5]
    tried = table.loc[table["strategy"] == "by hand", "params"]
    assert [json.loads(params) for params in tried] == by_hand


def test_what_a_trial_reported_is_kept_with_it(data):
    from sklearn_trainkit.neural_network import MLPNetClassifier

    net = MLPNetClassifier((4,), max_epochs=3, batch_size=8)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=1)
    searchers = {
        "reports": OptunaSearchCV(net, {"lr": [1e-3, 1e-2]}, n_trials=2, pruner=pruner),
        "does not": GridSearchCV(net, {"lr": [1e-3]}),
    }
    table = compare_searches(searchers, *data, cv=2)
    curves = [json.loads(text) for text in table["curve"]]
    assert [len(curve) for curve in curves[:-1]] == [3, 3]
    assert curves[-1] == []
    for curve, score in zip(curves[:-1], table["score"], strict=False):
        assert [step for step, _ in curve] == [1, 2, 3]
        assert curve[-1][1] == pytest.approx(score, abs=1e-6)


def test_without_callback_support_fits_come_from_the_trials_and_epochs_are_missing(data):
    table = compare_searches({"svc": GridSearchCV(SVC(), {"C": [0.1, 1.0]})}, *data, cv=3)
    run = only_run(table)
    assert (run["counted_by"], run["fits"]) == ("cv_results_", 7)
    assert pd.isna(run["epochs"])
    assert pd.isna(run["steps"])
    assert table["timed_by"].unique().tolist() == ["cv_results_"]
    assert table["epochs"].isna().all()
    assert table["seconds"].is_monotonic_increasing


def test_halving_keeps_only_the_largest_resource_as_best_so_far(data):
    searcher = HalvingRandomSearchCV(
        pipeline(), {"net__lr": LRS}, n_candidates=4, factor=2,
        resource="net__max_epochs", min_resources=1, max_resources=4,
    )  # fmt: skip
    table = compare_searches({"halving": searcher}, *data, cv=2)
    run = only_run(table)
    # 4 candidates of 1 epoch, 2 of 2, 1 of 4; two folds each; the refit has 4.
    assert table["resource"].tolist() == [1, 1, 1, 1, 2, 2, 4]
    assert run["epochs"] == 2 * (4 * 1 + 2 * 2 + 1 * 4) + 4
    assert table["epochs"].tolist() == [2, 4, 6, 8, 12, 16, 24]
    assert table["best_so_far"].iloc[-1] == table["score"].iloc[-1] == run["inner_score"]


def test_searchers_get_the_same_rows_splits_and_seed(data):
    MemorizingSearch.seen.clear()
    searchers = {name: MemorizingSearch(pipeline()) for name in ("a", "b")}
    compare_searches(searchers, *data, cv=3, seeds=[1, 2], outer_cv=2)
    assert len(MemorizingSearch.seen) == 2 * 2 * 2
    for (a, X_a, y_a), (b, X_b, y_b) in zip(
        MemorizingSearch.seen[::2], MemorizingSearch.seen[1::2], strict=True
    ):
        np.testing.assert_array_equal(X_a, X_b)
        np.testing.assert_array_equal(y_a, y_b)
        for (train_a, test_a), (train_b, test_b) in zip(a.cv, b.cv, strict=True):
            np.testing.assert_array_equal(train_a, train_b)
            np.testing.assert_array_equal(test_a, test_b)
        seeds = {a.random_state, b.random_state}
        seeds |= {search.estimator.named_steps["net"].random_state for search in (a, b)}
        assert len(seeds) == 1
    assert [a.random_state for a, _, _ in MemorizingSearch.seen[::4]] == [1, 2]


def test_seeds_and_folds_differ_in_their_rows(data):
    MemorizingSearch.seen.clear()
    compare_searches({"a": MemorizingSearch(pipeline())}, *data, cv=3, seeds=[1, 2], outer_cv=2)
    training_rows = {X.tobytes() for _, X, _ in MemorizingSearch.seen}
    assert len(training_rows) == 4


def test_searchers_are_left_as_they_were(data):
    searcher = GridSearchCV(pipeline(), {"scaler": [StandardScaler(), MinMaxScaler()]}, cv=4)
    before = repr(searcher.get_params())
    compare_searches({"grid": searcher}, *data, cv=2)
    assert repr(searcher.get_params()) == before
    assert not hasattr(searcher, "cv_results_")
    for part in (searcher.estimator, *searcher.estimator.named_steps.values()):
        assert not hasattr(part, "_skl_callbacks")


def test_a_repeated_comparison_gives_the_same_scores(data):
    first = compare_searches({"random": randomized()}, *data, cv=2, seeds=3)
    second = compare_searches({"random": randomized()}, *data, cv=2, seeds=3)
    same = ["trial", "params", "score", "best_so_far", "epochs", "run_test_score"]
    pd.testing.assert_frame_equal(first[same], second[same])


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_crashing_strategy_is_recorded_and_the_others_go_on(data, n_jobs):
    bad = GridSearchCV(
        pipeline(max_epochs=3, fail_in_epoch=1), {"net__lr": LRS}, error_score="raise",
        n_jobs=n_jobs,
    )  # fmt: skip
    table = compare_searches({"bad": bad, "good": grid()}, *data, cv=2)
    bad_run, good_run = summarize_runs(table).to_dict("records")
    assert bad_run["error"] == "RuntimeError: made to fail in epoch 1"
    assert bad_run["fits"] >= 1  # what was spent before it crashed
    assert bad_run["trials"] == 0
    assert np.isnan(bad_run["test_score"])
    assert table.loc[table["strategy"] == "bad", "trial"].isna().tolist() == [True]
    assert good_run["error"] == ""
    assert good_run["trials"] == 4


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_a_failed_candidate_has_its_status_and_counts(data):
    searcher = GridSearchCV(pipeline(), {"net__fail_in_epoch": [None, 1]})
    with pytest.warns(FitFailedWarning, match="2 fits failed"):
        table = compare_searches({"grid": searcher}, *data, cv=2)
    assert table["status"].tolist() == ["complete", "failed"]
    assert table["epochs"].tolist() == [6, 8]
    assert only_run(table)["fits"] == 5


def test_a_searcher_without_results_is_recorded(data):
    class Silent(MemorizingSearch):
        def fit(self, X, y):
            self.estimator_ = 1
            return self

    run = only_run(compare_searches({"silent": Silent(pipeline())}, *data))
    assert "has no cv_results_" in run["error"]


def test_several_metrics_use_the_one_that_refit_names(data):
    searcher = grid(scoring=["accuracy", "roc_auc"], refit="accuracy")
    searcher.estimator.steps[-1] = ("net", LogisticRegression())
    searcher.param_grid = {"net__C": [0.1, 1.0]}
    table = compare_searches({"grid": searcher}, *data, cv=2)
    single = grid(scoring="accuracy")
    single.estimator, single.param_grid = searcher.estimator, searcher.param_grid
    expected = compare_searches({"grid": single}, *data, cv=2)
    np.testing.assert_array_equal(table["score"], expected["score"])
    assert only_run(table)["test_score"] == only_run(expected)["test_score"]


def test_several_data_sets_and_a_splitter_and_pandas(data):
    X, y = data
    frames = (pd.DataFrame(X), pd.Series(np.where(y, "yes", "no"), index=range(100, 180)))
    table = compare_searches(
        {"grid": grid()}, datasets={"arrays": (X, y), "frames": frames}, cv=KFold(2)
    )
    runs = summarize_runs(table)
    assert runs["dataset"].tolist() == ["arrays", "frames"]
    assert runs["test_score"].nunique() == 1  # the same rows under other labels


def test_the_library_is_silent_unless_asked(data, capsys):
    compare_searches({"grid": grid()}, *data, cv=2)
    assert capsys.readouterr().out == ""
    compare_searches({"grid": grid()}, *data, cv=2, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "[1/1] data, seed 0, fold 0, grid: begins"
    assert re.match(
        r"\[1/1\] data, seed 0, fold 0, grid: 4 trials, 9 fits, 27 epochs, .* s, ", lines[1]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"searchers": {}}, "searchers must name at least one"),
        ({"searchers": [grid()]}, "searchers must be a dict"),
        ({"searchers": {"a": GridSearchCV}}, r"searchers\['a'\] must be a searcher"),
        ({"searchers": {"a": SVC()}}, r"lacks \['estimator', 'cv', 'refit'\]"),
        ({"searchers": {3: grid()}}, "names that are strings; got 3"),
        ({"searchers": {"a": grid(refit=False)}}, "got refit=False"),
        ({"searchers": {"a": grid(scoring="f1"), "b": grid()}}, "must share one scoring"),
        ({"cv": 1}, "cv must be a number of folds, at least 2.*got 1"),
        ({"cv": "5"}, "cv must be .*got '5'"),
        ({"outer_cv": 0}, "outer_cv must be .*got 0"),
        ({"test_size": 1.5}, "test_size must be a fraction.*got 1.5"),
        ({"seeds": []}, r"seeds must be .*got \[\]"),
        ({"seeds": [1, 1]}, r"seeds must be .*got \[1, 1\]"),
        ({"seeds": -1}, "seeds must be .*got -1"),
        ({"seeds": 0.5}, "seeds must be .*got 0.5"),
        ({"datasets": {"a": ([[1.0]], [0])}}, "either X and y, or datasets.*both"),
        ({"X": None, "y": None}, "either X and y, or datasets.*neither"),
        ({"X": None, "datasets": {}}, "datasets must be a non-empty dict"),
        ({"y": None}, r"datasets\['data'\] needs targets y"),
        ({"y": [0, 1]}, "X and y of data set 'data' must have as many rows; got 80 and 2"),
        ({"groups": [0, 1]}, "X and groups of data set 'data' must have .* 80 and 2"),
        ({"X": None, "y": None, "datasets": {"a": [0]}}, r"\['a'\] must be \(X, y\) or"),
    ],
)
def test_bad_arguments_are_refused_before_anything_runs(data, change, message):
    arguments = {"searchers": {"grid": grid()}, "X": data[0], "y": data[1]} | change
    with pytest.raises((TypeError, ValueError), match=message):
        compare_searches(**arguments)


def test_classifiers_and_regressors_are_not_mixed(data):
    from sklearn.linear_model import Ridge

    searchers = {"a": grid(), "b": GridSearchCV(Ridge(), {"alpha": [1.0]})}
    with pytest.raises(ValueError, match="must all tune classifiers"):
        compare_searches(searchers, *data)


class OneByOneSearch(BaseSearchCV):
    """Asks for one candidate at a time and passes no task on, as scikit-optimize does."""

    def __init__(self, estimator, lrs, cv=None, refit=True, scoring=None, n_jobs=None):
        super().__init__(estimator, cv=cv, refit=refit, scoring=scoring, n_jobs=n_jobs)
        self.lrs = lrs

    def _run_search(self, evaluate_candidates):
        for lr in self.lrs:
            evaluate_candidates([{"net__lr": lr}])


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_searcher_that_hides_its_tasks_is_timed_in_the_order_of_its_fits(data, n_jobs):
    searcher = OneByOneSearch(pipeline(max_epochs=3), LRS, n_jobs=n_jobs)
    with parallel_config(backend="threading"):
        table = compare_searches({"one": searcher}, *data, cv=2)
    assert table["timed_by"].unique().tolist() == ["fits"]
    assert table["trial"].tolist() == [0, 1, 2, 3]
    assert table["epochs"].tolist() == [6, 12, 18, 24]
    assert only_run(table)["fits"] == 9


class NotWatchable(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.repeat(self.classes_[0], len(X))


def test_one_searcher_may_mix_watchable_and_other_estimators(data):
    searcher = GridSearchCV(pipeline(), {"net": [NotWatchable(), IterativeClassifier()]})
    run = only_run(compare_searches({"grid": searcher}, *data, cv=2))
    assert run["fits"] == 5  # the Pipeline sees all of them
    assert run["epochs"] == 9  # two folds and the refit of the network


def test_one_time_costs_are_paid_before_the_first_run_and_not_counted(data):
    fitted = []

    class Noting(IterativeClassifier):
        def fit(self, X, y):
            fitted.append((len(X), self.max_epochs))
            return super().fit(X, y)

    searcher = GridSearchCV(Noting(max_epochs=3), {"lr": [0.1]})
    table = compare_searches({"grid": searcher}, *data, cv=2, recheck_winner=False)
    run = only_run(table)
    assert fitted == [(60, 1), (30, 3), (30, 3), (60, 3)]  # a warm-up of 60 rows first
    assert (run["fits"], run["epochs"]) == (3, 9)


def test_another_number_of_inner_folds_is_recorded_as_a_failure(data):
    class OwnSplits(MemorizingSearch):
        def fit(self, X, y):
            super().fit(X, y)
            self.n_splits_ = 7
            return self

    run = only_run(compare_searches({"own": OwnSplits(pipeline())}, *data, cv=2))
    assert "used 7 inner folds where it was given 2" in run["error"]
