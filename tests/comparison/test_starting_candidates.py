"""Every strategy can begin with the same candidates."""

import json

import optuna
import pytest
from scipy.stats import uniform
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_trainkit.comparison import compare_searches, summarize_runs, summarize_strategies
from sklearn_trainkit.model_selection import OptunaSearchCV
from tests.callbacks.iterative_classifier import IterativeClassifier

SCALERS = [StandardScaler(), MinMaxScaler(), "passthrough"]
START = [{"scaler": "passthrough", "net__lr": 0.25}, {"scaler": SCALERS[1], "net__lr": 0.75}]
SPACE = {"scaler": SCALERS, "net__lr": uniform(0, 1)}


def pipeline():
    return Pipeline([("scaler", StandardScaler()), ("net", IterativeClassifier())])


def tried(table, strategy="a"):
    rows = table[table["strategy"] == strategy].sort_values("trial")
    return [json.loads(params) for params in rows["params"]]


START_TRIED = [
    {"scaler": "passthrough", "net__lr": 0.25},
    {"scaler": "MinMaxScaler()", "net__lr": 0.75},
]


@pytest.mark.parametrize(
    ("searcher", "n_trials"),
    [
        (GridSearchCV(pipeline(), {"net__lr": [0.1, 0.2]}), 4),
        (GridSearchCV(pipeline(), [{"net__lr": [0.1]}, {"scaler": SCALERS}]), 6),
        (RandomizedSearchCV(pipeline(), SPACE, n_iter=5), 5),
        (RandomizedSearchCV(pipeline(), [SPACE, {"net__lr": [0.5]}], n_iter=5), 5),
        (RandomizedSearchCV(pipeline(), SPACE, n_iter=1), 1),
        (OptunaSearchCV(pipeline(), SPACE, n_trials=5), 5),
        (OptunaSearchCV(pipeline(), SPACE, n_trials=5, enqueue=[{"net__lr": 0.5}]), 5),
        (OptunaSearchCV(pipeline(), SPACE, n_trials=5, enqueue="estimator"), 5),
    ],
)
def test_they_come_first_and_the_number_of_trials_stays(data, searcher, n_trials):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    table = compare_searches({"a": searcher}, *data, cv=2, starting_candidates=START)
    [run] = summarize_runs(table).to_dict("records")
    assert (run["error"], run["note"], run["trials"]) == ("", "", n_trials)
    assert tried(table)[:2] == START_TRIED[:n_trials]
    assert run["epochs"] == 3 * (2 * n_trials + 1)  # also the candidates' networks are watched


def test_what_a_search_would_have_tried_first_comes_next(data):
    searcher = OptunaSearchCV(pipeline(), SPACE, n_trials=4, enqueue="estimator")
    table = compare_searches({"a": searcher}, *data, cv=2, starting_candidates=START)
    own = {"scaler": "StandardScaler()", "net__lr": IterativeClassifier().lr}
    assert tried(table)[:3] == [*START_TRIED, own]


def test_the_other_draws_of_a_randomized_search_are_its_own(data):
    searcher = RandomizedSearchCV(pipeline(), SPACE, n_iter=5)
    plain = compare_searches({"a": searcher}, *data, cv=2, seeds=4)
    started = compare_searches({"a": searcher}, *data, cv=2, seeds=4, starting_candidates=START)
    assert tried(started)[2:] == tried(plain)[:3]


def test_a_searcher_without_a_place_for_them_is_noted(data):
    searchers = {
        "grid": GridSearchCV(pipeline(), {"net__lr": [0.1, 0.2]}),
        "halving": HalvingRandomSearchCV(pipeline(), SPACE, n_candidates=4, factor=2),
    }
    table = compare_searches(searchers, *data, cv=2, starting_candidates=START)
    summary = summarize_strategies(table).set_index("strategy")
    assert "starting candidates were not given" in summary.loc["halving", "note"]
    assert "starting candidates" not in summary.loc["grid", "note"]


@pytest.mark.parametrize(
    ("candidates", "error", "message"),
    [
        ({"net__lr": 1}, TypeError, "must be a list of dicts"),
        ([0.1], TypeError, "must be a list of dicts"),
        ([{"lr": 1}], ValueError, r"names \['lr'\], which the estimator of searchers\['a'\] lacks"),
    ],
)
def test_bad_candidates_are_refused_before_anything_runs(data, candidates, error, message):
    searchers = {"a": GridSearchCV(pipeline(), {"net__lr": [0.1]})}
    with pytest.raises(error, match=message):
        compare_searches(searchers, *data, starting_candidates=candidates)
