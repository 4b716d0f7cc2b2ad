"""Rows for early stopping are set aside before any step sees them."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline

from sklearn_trainkit.preprocessing import SplitBeforeScaling, StandardScaler


class Net(LogisticRegression):
    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None):
        self.rows_, self.X_val_, self.y_val_ = X, X_val, y_val
        return super().fit(X, y, sample_weight)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(10, 3, size=(60, 2))
    return X, np.where(X[:, 0] > 10, "high", "low")


def test_the_scaler_has_never_seen_the_rows_set_aside(data):
    X, y = data
    model = SplitBeforeScaling(make_pipeline(StandardScaler(), Net()), random_state=0).fit(X, y)
    scaler, net = model.estimator_[0], model.estimator_[1]
    assert scaler.n_samples_seen_ == 54
    assert model.n_validation_samples_ == 6
    aside = scaler.inverse_transform(net.X_val_)
    others = scaler.inverse_transform(net.rows_)
    np.testing.assert_allclose(scaler.mean_, others.mean(axis=0), rtol=1e-12)
    both = np.vstack([aside, others])
    np.testing.assert_allclose(both[np.argsort(both[:, 0])], X[np.argsort(X[:, 0])])


def test_it_searches_and_predicts_like_the_pipeline_inside(data):
    X, y = data
    model = SplitBeforeScaling(make_pipeline(StandardScaler(), Net()), random_state=0)
    search = GridSearchCV(model, {"estimator__net__C": [0.1, 1.0]}, cv=3).fit(X, y)
    assert search.best_score_ > 0.9
    assert set(search.predict(X)) == {"high", "low"}
    assert search.predict_proba(X).shape == (60, 2)
    assert search.best_estimator_.n_features_in_ == 2
    assert list(search.classes_) == ["high", "low"]


def test_each_fold_sets_its_own_rows_aside(data):
    X, y = data
    model = SplitBeforeScaling(make_pipeline(StandardScaler(), Net()), random_state=0)
    results = cross_validate(model, X, y, cv=3, return_estimator=True)
    for fitted in results["estimator"]:
        assert fitted.estimator_[0].n_samples_seen_ + fitted.n_validation_samples_ == 40


def test_the_same_seed_sets_the_same_rows_aside(data):
    X, y = data
    first, second = (
        SplitBeforeScaling(make_pipeline(StandardScaler(), Net()), random_state=3).fit(X, y)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.estimator_[1].X_val_, second.estimator_[1].X_val_)


def test_weights_go_to_the_last_step(data):
    X, y = data
    weight = np.where(y == "high", 100.0, 1.0)
    model = SplitBeforeScaling(make_pipeline(StandardScaler(), Net()), random_state=0)
    plain = model.fit(X, y).predict_proba(X)
    weighted = model.fit(X, y, sample_weight=weight).predict_proba(X)
    assert weighted[:, 0].mean() > plain[:, 0].mean()  # column 0 is "high"


def test_a_last_step_without_validation_rows_is_refused(data):
    with pytest.raises(ValueError, match=r"LogisticRegression, whose fit has no X_val"):
        SplitBeforeScaling(make_pipeline(StandardScaler(), LogisticRegression())).fit(*data)


def test_a_lone_estimator_works_without_steps(data):
    model = SplitBeforeScaling(Net(), validation_fraction=0.5, random_state=0).fit(*data)
    assert len(model.estimator_.X_val_) == 30


def group_of(rows, X, groups):
    """Return the groups of rows, found again by their values."""
    order = np.argsort(X[:, 0])
    return set(groups[order[np.searchsorted(X[order, 0], rows[:, 0])]])


class Recorder(Net):
    seen = []

    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None):
        Recorder.seen.append((X, X_val))
        return super().fit(X, y, sample_weight, X_val, y_val)


def test_no_group_is_on_both_sides(data):
    X, y = data
    groups = np.arange(60) // 6
    for seed in range(5):
        model = SplitBeforeScaling(Net(), validation_fraction=0.2, random_state=seed)
        model.fit(X, y, groups=groups)
        aside = group_of(model.estimator_.X_val_, X, groups)
        assert len(aside) == 2
        assert not aside & group_of(model.estimator_.rows_, X, groups)
        assert model.n_validation_samples_ == 12


def test_weights_follow_their_rows_with_groups(data):
    X, y = data
    model = SplitBeforeScaling(Net(), random_state=0)
    weight = np.where(y == "high", 100.0, 1.0)
    plain, weighted = (
        model.fit(X, y, groups=np.arange(60) % 10, sample_weight=given).predict_proba(X)
        for given in (None, weight)
    )
    assert weighted[:, 0].mean() > plain[:, 0].mean()


def test_a_search_with_routing_hands_each_fold_its_groups(data):
    X, y = data
    groups = np.arange(60) // 6
    Recorder.seen.clear()
    with config_context(enable_metadata_routing=True):
        model = SplitBeforeScaling(Recorder(), random_state=0, validation_fraction=0.3)
        GridSearchCV(model, {"estimator__C": [1.0]}, cv=GroupKFold(3), refit=False).fit(
            X, y, groups=groups
        )
    assert len(Recorder.seen) == 3
    for rows, aside in Recorder.seen:
        assert not group_of(rows, X, groups) & group_of(aside, X, groups)
        assert len(group_of(rows, X, groups) | group_of(aside, X, groups)) < 10


@pytest.mark.parametrize(
    ("groups", "options", "message"),
    [
        (np.zeros(60), {}, "groups has 1 group"),
        (np.arange(60), {"stratify": True}, "stratify=True cannot"),
        (np.arange(59), {}, "inconsistent numbers of samples"),
    ],
)
def test_groups_that_cannot_be_kept_apart_are_refused(data, groups, options, message):
    with pytest.raises(ValueError, match=message):
        SplitBeforeScaling(Net(), **options).fit(*data, groups=groups)


@pytest.mark.parametrize("n_classes", [2, 9])
@pytest.mark.parametrize("as_target", [np.asarray, lambda y: y[:, None], pd.Series, pd.Categorical])
def test_every_class_is_trained_on_for_every_seed(n_classes, as_target):
    X = np.arange(40.0).reshape(-1, 1)
    labels = np.array(["common"] * (41 - n_classes) + [f"rare {i}" for i in range(n_classes - 1)])
    for seed in range(30):
        model = SplitBeforeScaling(Taker(), validation_fraction=0.1, random_state=seed)
        model.fit(X, as_target(labels))
        assert set(np.ravel(model.estimator_.y_)) == set(labels)
        assert model.n_validation_samples_ == 4


class Taker(ClassifierMixin, BaseEstimator):
    """Keeps what it is given."""

    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None):
        self.X_, self.y_, self.weight_, self.X_val_ = X, y, sample_weight, X_val
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def test_groups_that_hold_a_class_of_their_own_are_trained_on():
    X, groups = np.arange(60.0).reshape(-1, 1), np.arange(60) // 10
    y = np.where(groups < 2, groups, 7)
    for seed in range(20):
        model = SplitBeforeScaling(Taker(), validation_fraction=0.4, random_state=seed)
        model.fit(X, y, groups=groups)
        assert set(model.estimator_.y_) == {0, 1, 7}
        assert model.n_validation_samples_ in (20, 30)
    with pytest.raises(ValueError, match=r"6 groups holds all rows of some class.*groups=None"):
        model.fit(X, groups, groups=groups)


@pytest.mark.parametrize(
    "y", [np.arange(40.0), np.random.default_rng(0).random((40, 2)), np.eye(40, dtype=int)[:, :3]]
)
def test_targets_that_are_no_classes_are_split_at_random(y):
    estimator = LinearTaker() if y.dtype == float else Taker()
    model = SplitBeforeScaling(estimator, random_state=0).fit(np.arange(40.0).reshape(-1, 1), y)
    assert model.n_validation_samples_ == 4
    with pytest.raises(ValueError, match="stratify=True keeps the shares of classes, but y is con"):
        SplitBeforeScaling(LinearTaker(), stratify=True).fit(np.zeros((40, 1)), np.arange(40) / 7)


class LinearTaker(RegressorMixin, Taker):
    pass


def test_score_is_weighted(data):
    X, y = data
    weight = np.arange(60.0)
    for estimator in (make_pipeline(StandardScaler(), Net(C=0.001)), Net(C=0.001)):
        model = SplitBeforeScaling(estimator, random_state=0).fit(X, y)
        expected = np.average(model.predict(X) == y, weights=weight)
        assert model.score(X, y, sample_weight=weight) == pytest.approx(expected)
        assert model.score(X, y) == np.mean(model.predict(X) == y)


def test_names_of_features_are_those_of_the_first_step(data):
    X, y = data
    model = SplitBeforeScaling(make_pipeline(StandardScaler(), Net()), random_state=0)
    assert not hasattr(model, "feature_names_in_")
    assert list(model.fit(pd.DataFrame(X, columns=["a", "b"]), y).feature_names_in_) == ["a", "b"]
    assert not hasattr(model.fit(X, y), "feature_names_in_")


class Stopping(Taker):
    def __init__(self, early_stopping=False, callbacks=None, lr_schedule="constant"):
        self.early_stopping = early_stopping
        self.callbacks = callbacks
        self.lr_schedule = lr_schedule


@pytest.mark.parametrize(
    ("params", "warned"),
    [
        ({}, True),
        ({"early_stopping": True}, False),
        ({"callbacks": ["one"]}, False),
        ({"lr_schedule": "plateau"}, False),
    ],
)
def test_rows_that_stop_nothing_are_warned_about(data, params, warned):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        SplitBeforeScaling(make_pipeline(StandardScaler(), Stopping(**params))).fit(*data)
    assert [
        ("6 of 60 rows" in str(w.message), "early_stopping=True" in str(w.message)) for w in caught
    ] == [(True, True)] * warned


@pytest.mark.parametrize("where", ["inside", "outside"])
def test_weights_are_routed_if_requested(data, where):
    X, y = data
    weight = np.arange(1.0, 61)
    with config_context(enable_metadata_routing=True):
        last, scaler = Taker(), StandardScaler().set_fit_request(sample_weight=True)
        if where == "inside":
            last.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        model = SplitBeforeScaling(make_pipeline(scaler, last), random_state=0)
        if where == "outside":
            model.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        fitted = cross_validate(
            model,
            X,
            y,
            cv=3,
            params={"sample_weight": weight, "groups": np.arange(60) // 2},
            return_estimator=True,
            error_score="raise",
        )["estimator"]
    for one in fitted:
        assert len(one.estimator_[1].weight_) == len(one.estimator_[1].X_)
        assert one.estimator_[0].n_samples_seen_ == one.estimator_[1].weight_.sum()


def test_weights_that_the_last_step_declines_stay_away(data):
    with config_context(enable_metadata_routing=True):
        last = Taker().set_fit_request(sample_weight=False)
        model = SplitBeforeScaling(last).fit(*data, sample_weight=np.ones(60))
    assert model.estimator_.weight_ is None


def test_weights_that_nobody_takes_are_refused(data):
    class Weightless(Taker):
        def fit(self, X, y, X_val=None, y_val=None):
            return self

    with pytest.raises(ValueError, match="Weightless, whose fit has no sample_weight"):
        SplitBeforeScaling(Weightless()).fit(*data, sample_weight=np.ones(60))
