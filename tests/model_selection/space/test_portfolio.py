"""``choose_portfolio``, by hand and between searches."""

import numpy as np
import pytest
from sklearn.datasets import load_iris, load_wine
from sklearn.linear_model import LogisticRegression

from sklearn_trainkit.model_selection import OptunaSearchCV, choose_portfolio

CANDIDATES = [{"C": value} for value in (1, 2, 3, 4)]


def results(*scores, metric="score"):
    return {"params": CANDIDATES, f"mean_test_{metric}": np.array(scores, dtype=float)}


def test_order_is_that_of_the_mean_regret():
    first = results(0.9, 0.5, 0.88, 0.6)
    second = results(0.5, 0.9, 0.87, 0.7)
    # By hand: medians 0.74 and 0.785; regrets 0, 1, 0.125, 1 and 1, 0, 0.261, 1.
    # Means 0.5, 0.5, 0.193, 1; of equals the earlier one goes first.
    assert choose_portfolio([first, second], 3) == [{"C": 3}, {"C": 1}, {"C": 2}]


def test_a_scale_of_scores_has_no_weight():
    small, large = results(0.1, 0.2, 0.3, 0.4), results(400, 300, 200, 100)
    assert choose_portfolio([small, small, large], 1) == [{"C": 4}]


def test_candidates_can_have_to_differ():
    tried = [{"C": 1, "tol": 1}, {"C": 2, "tol": 1}, {"C": 1}, {"C": 2, "tol": 2}]
    search = {"params": tried, "mean_test_score": [0.9, 0.8, 0.7, 0.6]}
    assert choose_portfolio([search]) == tried
    assert choose_portfolio([search], min_differences=2) == [tried[0], tried[3]]


def test_a_candidate_that_failed_has_full_regret():
    assert choose_portfolio([results(np.nan, 0.8, 0.7, 0.6)] * 2, 1) == [{"C": 2}]
    assert choose_portfolio([results(0.5, 0.5, np.nan, 0.5)])[-1] == {"C": 3}


def test_what_was_stopped_early_or_has_no_number_counts_as_failed():
    stopped = {**results(0.99, 0.8, 0.7, -np.inf), "state": ["pruned", *["complete"] * 3]}
    assert choose_portfolio([stopped] * 2) == [CANDIDATES[index] for index in (1, 0, 2, 3)]
    nothing = results(*[np.nan] * 4)
    assert choose_portfolio([nothing, results(1, 2, 3, 4)], 1) == [{"C": 4}]


def test_objects_and_arrays_are_compared_by_what_they_hold():
    first, second = (
        [{"est": LogisticRegression(C=c), "w": np.arange(2000.0) * w} for c, w in ((1, 1), (1, 2))]
        for _ in range(2)
    )
    searches = [{"params": each, "mean_test_score": [0.5, 0.9]} for each in (first, second)]
    assert choose_portfolio(searches)[0] is not first[1]
    assert [params["w"][1] for params in choose_portfolio(searches)] == [2.0, 1.0]
    second[1]["w"] = np.arange(2000.0) * 2 + (np.arange(2000) == 1000)
    with pytest.raises(ValueError, match="other candidates"):
        choose_portfolio(searches)


def test_scores_that_all_tie_say_nothing():
    tied, telling = results(0.5, 0.5, 0.5, 0.5), results(0.1, 0.2, 0.3, 0.4)
    assert choose_portfolio([tied, telling], 1) == [{"C": 4}]


def test_another_metric():
    assert choose_portfolio([results(4, 3, 2, 1, metric="auc")], 1, metric="auc") == [{"C": 1}]


@pytest.mark.parametrize(
    ("searches", "settings", "message"),
    [
        ([], {}, "results is empty"),
        ([results(1, 2, 3, 4)], {"metric": "auc"}, "no 'mean_test_auc'; they"),
        (
            [results(1, 2, 3, 4), {"params": CANDIDATES[::-1]}],
            {},
            r"results\[1\] tried other candidates",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(searches, settings, message):
    with pytest.raises(ValueError, match=message):
        choose_portfolio(searches, **settings)


def test_something_else_than_results_is_refused():
    search = OptunaSearchCV(LogisticRegression(), {"C": [1]})
    with pytest.raises(
        TypeError, match=r"results\[0\] needs to be the cv_results_.*OptunaSearchCV"
    ):
        choose_portfolio([search])


def test_searches_on_other_data_lead_a_new_one():
    candidates = [{"C": value, "tol": 0.01} for value in (1e-6, 1e-3, 1.0)]
    space = {"C": [1e-6, 1e-3, 1.0, 1e3], "tol": [0.01, 0.1]}
    known = [
        OptunaSearchCV(LogisticRegression(), space, enqueue=candidates, n_trials=3, cv=3)
        .fit(*load(return_X_y=True))
        .cv_results_
        for load in (load_iris, load_wine)
    ]
    portfolio = choose_portfolio(known, 2)
    assert portfolio[0] == candidates[2]
    new = OptunaSearchCV(LogisticRegression(), space, enqueue=portfolio, n_trials=2, cv=3)
    assert new.fit(*load_iris(return_X_y=True)).cv_results_["params"] == portfolio
