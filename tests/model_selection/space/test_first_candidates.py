"""``enqueue="portfolio"``: candidates of an estimator, moved into the space at hand."""

import numpy as np
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.model_selection.space._first_candidates import list_first_candidates
from sklearn_trainkit.model_selection.space._search_space import make_search_space
from sklearn_trainkit.neural_network import MLPNetClassifier, MLPNetRegressor

X, y = load_iris(return_X_y=True)
ENTRIES = [
    {"optimizer": "adam", "lr": 0.03, "width": (64, 64), "norm": "batch"},
    {"optimizer": "sgd", "lr": 0.5, "width": (64,), "norm": "layer"},
    {"optimizer": "adam", "lr": 0.001, "width": (16,), "norm": None},
]


class Expert(ClassifierMixin, BaseEstimator):
    """Predicts the commonest class, and has a portfolio."""

    def __init__(self, optimizer="adam", lr=0.1, width=(8,), norm=None, size=1):
        self.optimizer = optimizer
        self.lr = lr
        self.width = width
        self.norm = norm
        self.size = size

    def get_portfolio(self):
        return ENTRIES

    def fit(self, X, y):
        self.classes_, counts = np.unique(y, return_counts=True)
        self.commonest_ = self.classes_[counts.argmax()]
        return self

    def predict(self, X):
        return np.full(len(X), self.commonest_)


def first(space, estimator, n_trials=100):
    found = list_first_candidates(make_search_space(space), "portfolio", estimator, n_trials)
    return [candidate.params for candidate in found]


def test_what_the_space_holds_is_taken_as_it_is_and_in_order():
    space = {name: sorted({e[name] for e in ENTRIES}, key=str) for name in ENTRIES[0]}
    assert first(space, Expert()) == ENTRIES


def test_numbers_become_the_nearest_ones():
    space = {
        "optimizer": ["adam", "sgd"],
        "lr": stats.loguniform(0.01, 0.1),
        "width": [(32,), (100,), (10, 10)],
    }
    assert first(space, Expert(norm="batch")) == [
        {"optimizer": "adam", "lr": 0.03, "width": (10, 10)},
        {"optimizer": "sgd", "lr": 0.1, "width": (100,)},
        {"optimizer": "adam", "lr": 0.01, "width": (32,)},
    ]
    # 0.03 is three times 0.01 and a third of 0.09; 0.5 is above and 0.001 below everything.
    choices = {"optimizer": ["adam", "sgd"], "lr": [0.012, 0.09]}
    assert [params["lr"] for params in first(choices, Expert(norm="batch"))] == [0.012, 0.09]


def test_a_rate_is_for_its_optimizer():
    rates = {"lr": stats.loguniform(1e-4, 1)}
    assert [params["lr"] for params in first(rates, Expert(norm="batch"))] == [0.03, 0.001]
    assert [params["lr"] for params in first(rates, Expert("sgd", norm="batch"))] == [0.5]
    # Where it is drawn, what the estimator has does not count.
    without_sgd = {"optimizer": ["adam", "rmsprop"], **rates}
    for optimizer in ("adam", "sgd"):
        assert [params["lr"] for params in first(without_sgd, Expert(optimizer, norm="batch"))] == [
            0.03,
            0.001,
        ]


def test_those_that_keep_their_named_choices_come_first():
    space = {"lr": stats.loguniform(1e-4, 1), "optimizer": ["adam", "sgd"]}
    rates = {
        norm: [params["lr"] for params in first(space, Expert(norm=norm))]
        for norm in (None, "batch", "layer")
    }
    assert rates == {
        None: [0.001, 0.03, 0.5],
        "batch": [0.03, 0.5, 0.001],
        "layer": [0.5, 0.03, 0.001],
    }


def test_what_the_portfolio_leaves_open_is_the_estimators_own():
    space = {"lr": [0.03, 0.5], "size": [1, 2, 3], "optimizer": ["adam", "sgd"]}
    assert first(space, Expert(size=2))[0] == {"lr": 0.03, "size": 2, "optimizer": "adam"}
    assert first(space, Expert(size=9))[0] == {"lr": 0.03, "optimizer": "adam"}


RATES = stats.loguniform(1e-4, 1)
SGD_OR_ADAM = [
    {"optimizer": ["sgd"], "lr": RATES},
    {"optimizer": ["adam"], "lr": RATES, "width": [(64,), (64, 64)]},
]


def test_of_several_dicts_it_is_the_one_that_can_give_the_optimizer():
    found = first(SGD_OR_ADAM, Expert())
    assert [(each["optimizer"], each["lr"]) for each in found] == [
        ("adam", 0.001),
        ("adam", 0.03),
        ("sgd", 0.5),
    ]


def test_of_several_dicts_it_is_the_one_that_holds_most_of_the_candidate():
    space = [{"size": [1, 2], "width": [(1,)]}, {"lr": RATES, "norm": [None, "batch", "layer"]}]
    assert [params["lr"] for params in first(space, Expert())] == [0.03, 0.001]


def test_a_step_that_is_searched_too_keeps_the_rates_to_itself():
    pipe = Pipeline([("net", Expert())])
    assert first({"net": [Expert(), Expert("sgd")], "net__lr": RATES}, pipe)[0]["net__lr"] == 0.001
    with pytest.raises(ValueError, match="none of the 3 candidates"):
        first({"net": [Expert("sgd")], "net__lr": RATES}, pipe)


def test_candidates_that_come_out_the_same_are_tried_once():
    assert first({"width": [(64,)]}, Expert()) == [{"width": (64,)}]


def test_without_the_rate_an_optimizer_has_to_be_the_estimators_own():
    space = {"optimizer": ["adam", "sgd"], "width": [(16,), (64,), (64, 64)]}
    assert {params["optimizer"] for params in first(space, Expert())} == {"adam"}
    assert {params["optimizer"] for params in first(space, Expert("sgd"))} == {"sgd"}


def test_dicts_and_names_can_be_mixed():
    space = make_search_space({"lr": stats.loguniform(1e-3, 1), "norm": [None, "batch"]})
    listed = list_first_candidates(space, [{"lr": 0.7}, "estimator", "portfolio"], Expert(), 10)
    assert [candidate.params.get("lr") for candidate in listed] == [0.7, 0.1, 0.03, 0.001]
    with pytest.raises(TypeError, match=r"enqueue\[1\] needs to be a dict.*but got 'own'"):
        list_first_candidates(space, [{"lr": 0.7}, "own"], Expert(), 10)
    with pytest.raises(TypeError, match=r"enqueue\[0\] needs names of parameters as keys"):
        list_first_candidates(space, [{1: 0.7, "lr": 0.1}], Expert(), 10)


def test_a_portfolio_takes_half_of_the_trials():
    space = {"lr": [0.03, 0.5, 0.001], "optimizer": ["adam", "sgd"], "norm": [None, "batch"]}
    assert [len(first(space, Expert(), n)) for n in (None, 6, 5, 1)] == [3, 3, 2, 1]


def test_names_take_the_room_that_dicts_leave():
    space = make_search_space({"lr": RATES, "norm": [None, "batch"]})
    dicts = [{"lr": 0.7}, {"lr": 0.8}]

    def rates(enqueue, n_trials):
        listed = list_first_candidates(space, enqueue, Expert(), n_trials)
        return [candidate.params.get("lr") for candidate in listed]

    assert rates(["portfolio", *dicts], 4) == [0.03, 0.001, 0.7, 0.8]
    assert rates(["portfolio", *dicts], 3) == [0.03, 0.7, 0.8]
    assert rates([*dicts, "estimator"], 2) == [0.7, 0.8]
    assert rates(["estimator", "portfolio", "estimator"], None) == [0.1, 0.03, 0.001]
    assert rates(["portfolio", {"lr": 0.001, "norm": None}], None) == [0.03, 0.001]
    # Too many dicts are the caller's mistake, and no more than these are counted.
    assert rates([{"lr": rate} for rate in (0.1, 0.2, 0.3)] + ["portfolio"], 2) == [0.1, 0.2, 0.3]


def test_no_point_of_a_grid_is_tried_twice():
    space = {"lr": [0.03, 0.001, 0.5], "norm": [None, "batch"]}
    search = OptunaSearchCV(Expert(), space, sampler="grid", n_trials=None, enqueue="portfolio")
    tried = search.fit(X, y).cv_results_["params"]
    assert tried[:2] == [{"lr": 0.03, "norm": "batch"}, {"lr": 0.001, "norm": None}]
    assert len(tried) == len({repr(sorted(params.items())) for params in tried}) == 6


@pytest.mark.parametrize("n_trials", [(3, 8), (8, 9)])
def test_a_study_that_goes_on_knows_its_candidates_whatever_else_is_enqueued(tmp_path, n_trials):
    class Honest(Expert):
        def score(self, X, y):
            return self.lr

    def search(n_trials):
        return OptunaSearchCV(
            Honest(norm="batch"), {"lr": RATES, "optimizer": ["adam", "sgd"]}, n_trials=n_trials,
            enqueue=["portfolio", {"lr": 0.99}], storage=tmp_path / "journal", resume=True,
            random_state=0,
        ).fit(X, y)  # fmt: skip

    for n in n_trials:
        found = search(n)
        assert found.best_params_["lr"] == 0.99
        scores = found.cv_results_["mean_test_score"]
        assert [params["lr"] for params in found.cv_results_["params"]] == pytest.approx(scores)
    assert len(found.trials_) == n_trials[-1]


def test_a_part_of_the_estimator_is_found_and_the_dict_that_holds_most():
    pipe = Pipeline([("scale", StandardScaler()), ("net", Expert())])
    scalers = [MinMaxScaler(), StandardScaler()]
    space = [
        {"scale": scalers, "net__size": [1, 2]},
        {"scale": scalers, "net__lr": [0.03, 0.5], "net__optimizer": ["adam"]},
    ]
    candidate = first(space, pipe)[0]
    assert candidate["net__lr"] == 0.03
    assert isinstance(candidate["scale"], StandardScaler)
    wrapped = TransformedTargetRegressor(MLPNetRegressor())
    assert first({"regressor__lr": stats.loguniform(1e-5, 1)}, wrapped)


@pytest.mark.parametrize(
    ("estimator", "space", "message"),
    [
        (LogisticRegression(), {"C": [1.0]}, "neither LogisticRegression nor a part of it has a"),
        (
            Expert(),
            {"size": [1, 2]},
            r"none of the 3 candidates of the portfolio can be had.*'lr', 'norm'",
        ),
        (
            Expert(),
            lambda trial: {"lr": trial.suggest_float("lr", 0, 1)},
            "is a function of a trial",
        ),
    ],
)
def test_without_a_portfolio_or_a_place_for_it(estimator, space, message):
    with pytest.raises(ValueError, match=f"enqueue='portfolio'.*{message}"):
        OptunaSearchCV(estimator, space, enqueue="portfolio", n_trials=4).fit(X, y)


@pytest.mark.parametrize(
    ("portfolio", "error", "message"),
    [
        (None, TypeError, "needs to return a list of dicts.*but returned None"),
        ([("lr", 0.1)], TypeError, "needs to return a list of dicts"),
        ([{1: 0.1}], TypeError, "needs to return a list of dicts"),
        ([{"lr": 0.1, "knid": "rbf"}], ValueError, "sets 'knid', which is no parameter of it"),
    ],
)
def test_a_portfolio_that_cannot_be_used(monkeypatch, portfolio, error, message):
    monkeypatch.setattr(Expert, "get_portfolio", lambda self: portfolio)
    with pytest.raises(error, match=rf"Expert.get_portfolio\(\) {message}"):
        first({"lr": RATES}, Expert())


def test_a_search_begins_with_the_portfolio():
    pipe = Pipeline([("scale", StandardScaler()), ("net", MLPNetClassifier(max_epochs=3))])
    space = {
        "net__lr": stats.loguniform(1e-5, 1),
        "net__optimizer": ["adam", "sgd", "rmsprop"],
        "net__hidden_units": [(8,), (8, 8)],
    }
    search = OptunaSearchCV(
        pipe, space, enqueue="portfolio", n_trials=12, cv=2, random_state=0, pruner="racing"
    ).fit(X, y)
    expected = first(space, pipe, 12)
    assert len(expected) == 6
    assert search.cv_results_["params"][:6] == expected
    assert len(search.cv_results_["params"]) == 12
