"""Under a budget every strategy is judged by what it had found when the budget was spent."""

import json

import numpy as np
import optuna
import pytest
from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_trainkit.comparison import compare_searches, summarize_runs
from sklearn_trainkit.comparison._budget import Budget, BudgetError, make_budget
from sklearn_trainkit.comparison._incumbent import follow_incumbent
from sklearn_trainkit.comparison._trial_costs import TrialCosts
from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.model_selection.results._trials_table import TrialRow
from tests.callbacks.iterative_classifier import IterativeClassifier

NAN = float("nan")
LRS = [0.001, 0.1, 0.9, 0.5, 0.3, 0.2]


def trial(number, score, *, state=None, resource=NAN):
    state = state or ("failed" if np.isnan(score) else "complete")
    return TrialRow(number, {}, state, score, resource=resource)


def pipeline(**params):
    net = IterativeClassifier(max_epochs=3, batch_size=64, **params)
    return Pipeline([("scaler", StandardScaler()), ("net", net)])


def grid(**options):
    return GridSearchCV(pipeline(), {"net__lr": LRS}, **options)


def only_run(table):
    [run] = summarize_runs(table).to_dict("records")
    return run


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.1, 0.3, 0.2], [0, 1, 1]),
        ([0.3, 0.3], [0, 0]),
        ([NAN, 0.1, NAN], [None, 1, 1]),
        ([], []),
    ],
)
def test_the_incumbent_is_the_best_complete_trial_so_far(scores, expected):
    trials = [trial(number, score) for number, score in enumerate(scores)]
    assert follow_incumbent(trials, range(len(trials))) == expected


def test_a_pruned_trial_is_never_the_incumbent():
    trials = [trial(0, 0.1), trial(1, 0.9, state="pruned")]
    assert follow_incumbent(trials, [1, 0]) == [None, 0]


def test_a_larger_resource_starts_the_incumbent_anew():
    trials = [trial(0, 0.9, resource=1), trial(1, 0.5, resource=3), trial(2, 0.95, resource=1)]
    assert follow_incumbent(trials, [0, 1, 2]) == [0, 1, 1]


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (Budget("trials", 2), [0, 2]),  # the two that ended first
        (Budget("epochs", 6), [0, 2]),
        (Budget("seconds", 4.5), [0, 1, 2]),
        (Budget("seconds", 100), [0, 1, 2, 3]),
    ],
)
def test_trials_are_within_a_budget_by_when_they_ended(budget, expected):
    trials = [trial(number, 0.5) for number in range(4)]
    costs = TrialCosts((1.0, 4.0, 2.0, 5.0), (3, 9, 6, 12), (None,) * 4, "fits")
    assert budget.select(trials, costs) == expected


def test_a_trial_that_fails_when_all_is_spent_was_cut_off():
    trials = [trial(0, 0.5), trial(1, NAN), trial(2, NAN)]
    costs = TrialCosts((1.0, 2.0, 3.0), (3, 4, 6), (None,) * 3, "fits")
    assert Budget("epochs", 6).select(trials, costs) == [0, 1]


def test_an_impossible_budget_says_why():
    costs = TrialCosts((1.0,), (None,), (None,), "cv_results_")
    with pytest.raises(BudgetError, match="epochs of this strategy are not known"):
        Budget("epochs", 6).select([trial(0, 0.5)], costs)
    with pytest.raises(BudgetError, match=r"no trial was complete within 0.5 seconds"):
        Budget("seconds", 0.5).select([trial(0, 0.5)], costs)


@pytest.mark.parametrize(
    "budget",
    [
        {},
        {"epochs": 1, "trials": 2},
        {"euros": 5},
        {"epochs": 0},
        {"epochs": "9"},
        5,
        {"trials": True},
    ],
)
def test_other_budgets_are_refused(budget):
    with pytest.raises(ValueError, match="budget must be None or one positive amount"):
        make_budget(budget)


@pytest.mark.parametrize("error_score", [np.nan, "raise"])
def test_a_search_stops_when_its_epochs_are_spent(data, error_score):
    X, y = data
    searcher = grid(error_score=error_score)
    table = compare_searches({"grid": searcher}, X, y, cv=2, budget={"epochs": 14}, seeds=3)
    run = only_run(table)
    # A trial has 6 epochs: two end within the budget, the third is cut off.
    assert table["trial"].tolist() == [0, 1]
    assert run["trials"] == 2
    assert run["epochs"] == 14 + 3  # and the refit's
    assert run["inner_score"] == table["score"].max()
    [(train, test)] = StratifiedShuffleSplit(1, test_size=0.25, random_state=3).split(X, y)
    best = table.loc[table["score"].idxmax(), "params"]
    by_hand = pipeline(random_state=3).set_params(**json.loads(best)).fit(X[train], y[train])
    assert run["test_score"] == by_hand.score(X[test], y[test])


def test_an_early_incumbent_is_refitted_when_the_search_has_found_better_since(data):
    X, y = data
    table = compare_searches({"grid": grid()}, X, y, cv=2, budget={"trials": 1}, seeds=3)
    run = only_run(table)
    assert table["trial"].tolist() == [0]
    assert run["epochs"] == 6 * 6 + 3  # the search itself was not stopped
    [(train, test)] = StratifiedShuffleSplit(1, test_size=0.25, random_state=3).split(X, y)
    by_hand = pipeline(random_state=3).set_params(net__lr=LRS[0]).fit(X[train], y[train])
    assert run["test_score"] == by_hand.score(X[test], y[test])
    assert run["inner_score"] == table["score"].iloc[0]
    assert run["error"] == ""


def test_a_budget_of_seconds_ends_a_search_that_would_go_on(data):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {"net__lr": optuna.distributions.FloatDistribution(0.01, 1.0)}
    searcher = OptunaSearchCV(pipeline(), space, n_trials=2000, sampler="random")
    table = compare_searches({"optuna": searcher}, *data, cv=2, budget={"seconds": 1.0})
    assert table["status"].isin(["complete"]).all()
    run = only_run(table)
    assert run["error"] == ""
    assert 1 <= run["trials"] < 2000
    assert (table["seconds"] <= 1.0).all()


def test_what_cannot_be_watched_fails_under_a_budget_of_epochs(data):
    searchers = {"svc": GridSearchCV(SVC(), {"C": [0.1, 1.0]}), "grid": grid()}
    table = compare_searches(searchers, *data, cv=2, budget={"epochs": 14})
    svc, net = summarize_runs(table).to_dict("records")
    assert "epochs of this strategy are not known" in svc["error"]
    assert svc["fits"] == 5
    assert net["error"] == ""


# optuna-integration imports a deprecated part of optuna, and calls itself experimental.
@pytest.mark.filterwarnings("ignore:`optuna.terminator` module:FutureWarning")
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("kind", ["ours", "optuna_integration"])
def test_an_optuna_search_stops_at_the_trial_that_spends_the_last_epoch(data, kind):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    integration = pytest.importorskip("optuna_integration")
    space = {"net__lr": optuna.distributions.FloatDistribution(0.01, 1.0)}
    kinds = {"ours": OptunaSearchCV, "optuna_integration": integration.OptunaSearchCV}
    searcher = kinds[kind](pipeline(), space, n_trials=20)
    table = compare_searches({"optuna": searcher}, *data, cv=2, budget={"epochs": 12})
    run = only_run(table)
    assert (run["error"], run["trials"]) == ("", 2)
    assert run["epochs"] == 12 + 3
