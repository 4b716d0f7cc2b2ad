"""Rows for early stopping are set aside before any step sees them."""

import numpy as np
import pytest
from sklearn import config_context
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
