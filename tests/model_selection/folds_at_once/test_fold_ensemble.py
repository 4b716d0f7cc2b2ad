"""Ensembles of fold models against the models fitted one by one."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import (
    make_classification,
    make_multilabel_classification,
    make_regression,
)
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier, SGDClassifier
from sklearn.metrics import get_scorer, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    RepeatedKFold,
    cross_val_predict,
    cross_validate,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC, LinearSVC

from sklearn_trainkit.model_selection import FoldEnsembleClassifier, FoldEnsembleRegressor
from sklearn_trainkit.neural_network import MLPNetClassifier, MLPNetRegressor
from sklearn_trainkit.preprocessing import StandardScaler

X, y = make_classification(
    101, 6, n_informative=4, n_classes=3, n_clusters_per_class=1, random_state=0
)
LABELS = np.array(["a", "b", "c"])[y]
NET = MLPNetClassifier((8,), batch_size=16, max_epochs=4, random_state=0)
PIPE = make_pipeline(StandardScaler(), NET)
CV = KFold(4)


@pytest.mark.parametrize("stack", ["auto", True, False])
def test_probabilities_are_the_mean_over_the_folds_models(stack):
    ensemble = FoldEnsembleClassifier(PIPE, cv=CV, stack=stack).fit(X, LABELS)
    models = [clone(PIPE).fit(X[train], LABELS[train]) for train, _ in CV.split(X)]
    expected = np.mean([model.predict_proba(X) for model in models], axis=0)
    np.testing.assert_allclose(ensemble.predict_proba(X), expected, rtol=0, atol=1e-10)
    assert list(ensemble.predict(X)) == list(ensemble.classes_[expected.argmax(axis=1)])
    unseen = cross_val_predict(PIPE, X, LABELS, cv=CV, method="predict_proba")
    np.testing.assert_allclose(ensemble.oof_proba_, unseen, rtol=0, atol=1e-10)
    assert ensemble.fold_scores_.shape == (4,)


def test_a_fold_may_miss_a_class():
    order = np.argsort(y, kind="stable")
    ensemble = FoldEnsembleClassifier(NET, cv=KFold(3)).fit(X[order], y[order])
    assert {len(model.classes_) for model in ensemble.estimators_} != {3}
    probabilities = ensemble.predict_proba(X)
    assert probabilities.shape == (len(X), 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)


def test_several_targets_and_repeated_folds():
    rows, targets = make_regression(80, 5, n_targets=2, random_state=0)
    net = MLPNetRegressor((8,), max_epochs=3, random_state=0)
    ensemble = FoldEnsembleRegressor(net, cv=RepeatedKFold(n_splits=4, n_repeats=2, random_state=0))
    ensemble.fit(rows, targets)
    assert len(ensemble.estimators_) == 8
    expected = np.mean([model.predict(rows) for model in ensemble.estimators_], axis=0)
    np.testing.assert_allclose(ensemble.predict(rows), expected)
    assert ensemble.oof_prediction_.shape == targets.shape
    assert np.isfinite(ensemble.oof_prediction_).all()


def test_rows_that_no_fold_leaves_out_have_no_out_of_fold_prediction():
    split = [(np.arange(10, len(X)), np.arange(10))]
    ensemble = FoldEnsembleClassifier(NET, cv=split).fit(X, y)
    assert np.isfinite(ensemble.oof_proba_[:10]).all()
    assert np.isnan(ensemble.oof_proba_[10:]).all()


def test_names_of_features_and_weights_reach_the_models():
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(6)])
    weight = np.random.default_rng(0).uniform(0.1, 2.0, len(X))
    ensemble = FoldEnsembleClassifier(NET, cv=CV).fit(frame, y, sample_weight=weight)
    assert list(ensemble.feature_names_in_) == list(frame.columns)
    train = next(iter(CV.split(X)))[0]
    alone = clone(NET).fit(frame.iloc[train], y[train], sample_weight=weight[train])
    np.testing.assert_allclose(
        ensemble.estimators_[0].predict_proba(frame), alone.predict_proba(frame), atol=1e-10
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize(
    "as_column",
    [
        lambda y: y.reshape(-1, 1),
        lambda y: pd.DataFrame({"target": y}),
        lambda y: y.reshape(-1, 1).tolist(),
        lambda y: pd.Series(y, index=np.arange(len(y)) + 7),
    ],
)
@pytest.mark.parametrize(
    "regressor",
    [Ridge(), RandomForestRegressor(3, random_state=0), MLPNetRegressor((4,), max_epochs=2)],
)
def test_a_target_of_one_column_is_one_target(as_column, regressor):
    rows, numbers = make_regression(60, 4, random_state=0)
    column = as_column(numbers)
    if hasattr(regressor, "max_epochs"):
        regressor = clone(regressor).set_params(random_state=0)
    ensemble = FoldEnsembleRegressor(regressor, cv=3).fit(rows, column)
    plain = FoldEnsembleRegressor(regressor, cv=3).fit(rows, numbers)
    np.testing.assert_array_equal(ensemble.predict(rows), plain.predict(rows))
    np.testing.assert_array_equal(ensemble.oof_prediction_, plain.oof_prediction_)
    assert ensemble.predict(rows).shape == (60,)
    labels = np.where(numbers > 0, "high", "low")
    model = LogisticRegression()
    ensemble = FoldEnsembleClassifier(model, cv=3).fit(rows, as_column(labels))
    plain = FoldEnsembleClassifier(model, cv=3).fit(rows, labels)
    np.testing.assert_array_equal(ensemble.oof_proba_, plain.oof_proba_)


def test_one_of_several_targets_is_told_apart_from_one():
    rows, numbers = make_regression(60, 4, n_targets=2, random_state=0)
    frame = pd.DataFrame(numbers, columns=["a", "b"])
    ensemble = FoldEnsembleRegressor(Ridge(), cv=3).fit(rows, frame)
    assert ensemble.predict(rows).shape == ensemble.oof_prediction_.shape == (60, 2)
    with pytest.raises(ValueError, match="1d array"):
        FoldEnsembleClassifier(LogisticRegression(), cv=3).fit(rows, (frame > 0).astype(int))


@pytest.mark.parametrize("labels", [y, LABELS, y > 0, np.where(y == 2, -7, y)])
@pytest.mark.parametrize(
    "model", [LinearSVC(), make_pipeline(StandardScaler(), RidgeClassifier()), SVC()]
)
def test_classifiers_without_probabilities_vote(model, labels):
    ensemble = FoldEnsembleClassifier(model, cv=CV)
    assert not hasattr(ensemble, "predict_proba")
    ensemble.fit(X, labels)
    models = [clone(model).fit(X[train], labels[train]) for train, _ in CV.split(X)]
    votes = np.array([each.predict(X) for each in models])
    counts = np.array([(votes == label).sum(axis=0) for label in np.unique(labels)])
    np.testing.assert_array_equal(ensemble.predict(X), np.unique(labels)[counts.argmax(axis=0)])
    unseen = cross_val_predict(model, X, labels, cv=CV)
    np.testing.assert_array_equal(np.unique(labels)[ensemble.oof_votes_.argmax(axis=1)], unseen)
    assert not hasattr(ensemble, "predict_proba")
    assert not hasattr(ensemble, "oof_proba_")
    assert ensemble.score(X, labels) > 0.5


def test_votes_of_a_fold_that_misses_a_class():
    order = np.argsort(y, kind="stable")
    ensemble = FoldEnsembleClassifier(LinearSVC(), cv=KFold(3)).fit(X[order], y[order])
    assert {len(model.classes_) for model in ensemble.estimators_} != {3}
    np.testing.assert_allclose(ensemble.oof_votes_.sum(axis=1), 1.0)


def test_probabilities_are_there_when_the_models_have_them():
    assert hasattr(FoldEnsembleClassifier(SGDClassifier(loss="log_loss")), "predict_proba")
    assert not hasattr(FoldEnsembleClassifier(SGDClassifier()), "predict_proba")
    ensemble = FoldEnsembleClassifier(SGDClassifier(loss="log_loss"), cv=3).fit(X, y)
    assert ensemble.set_params(estimator=SGDClassifier()).fit(X, y).oof_votes_.shape == (101, 3)
    assert not hasattr(ensemble, "oof_proba_")


@pytest.mark.parametrize(
    ("kind", "estimator", "message"),
    [
        (FoldEnsembleClassifier, Ridge(), "is a regressor; use FoldEnsembleRegressor"),
        (FoldEnsembleRegressor, LinearSVC(), "is a classifier; use FoldEnsembleClassifier"),
    ],
)
def test_the_other_kind_of_estimator_is_refused_before_a_fit(kind, estimator, message):
    with pytest.raises(ValueError, match=message):
        kind(estimator).fit(X, y)


GROUPS = np.arange(101) // 4
WEIGHT = np.linspace(0.1, 2.0, 101)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_groups_reach_the_splitter_with_routing_and_without():
    plain = FoldEnsembleClassifier(NET, cv=GroupKFold(3)).fit(X, y, groups=GROUPS)
    with sklearn.config_context(enable_metadata_routing=True):
        # The net could use them too, to set rows aside, and is told not to.
        net = clone(NET).set_fit_request(groups=False)
        routed = FoldEnsembleClassifier(net, cv=GroupKFold(3)).fit(X, y, groups=GROUPS)
    np.testing.assert_allclose(routed.oof_proba_, plain.oof_proba_, atol=1e-10)
    expected = cross_val_predict(NET, X, y, cv=GroupKFold(3), groups=GROUPS, method="predict_proba")
    np.testing.assert_allclose(plain.oof_proba_, expected, atol=1e-10)


@pytest.mark.usefixtures("routing")
def test_weights_go_to_whoever_requests_them():
    model = LogisticRegression().set_fit_request(sample_weight=True)
    model.set_score_request(sample_weight="weight")
    ensemble = FoldEnsembleClassifier(model, cv=CV).fit(X, y, sample_weight=WEIGHT, weight=WEIGHT)
    for index, (train, test) in enumerate(CV.split(X)):
        alone = LogisticRegression().fit(X[train], y[train], sample_weight=WEIGHT[train])
        np.testing.assert_allclose(ensemble.estimators_[index].coef_, alone.coef_)
        score = alone.score(X[test], y[test], sample_weight=WEIGHT[test])
        assert ensemble.fold_scores_[index] == pytest.approx(score)


@pytest.mark.usefixtures("routing")
def test_what_nobody_requests_is_refused():
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        FoldEnsembleClassifier(LogisticRegression(), cv=CV).fit(X, y, sample_weight=WEIGHT)
    with pytest.raises(TypeError, match="colour"):
        FoldEnsembleClassifier(LogisticRegression(), cv=CV).fit(X, y, colour=WEIGHT)
    with pytest.raises(TypeError, match="groups"):
        FoldEnsembleClassifier(LogisticRegression(), cv=CV).fit(X, y, groups=GROUPS)


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("inside", ["search", "pipeline", "cross-validation"])
def test_groups_pass_through_whatever_is_around_an_ensemble(inside):
    seen = []

    class Watching(GroupKFold):
        def split(self, X, y=None, groups=None):
            seen.append(len(groups))
            return super().split(X, y, groups)

    ensemble = FoldEnsembleRegressor(Ridge(), cv=Watching(2))
    numbers = X[:, 0]
    if inside == "search":
        search = GridSearchCV(ensemble, {"estimator__alpha": [1.0]}, cv=GroupKFold(2))
        search.fit(X, numbers, groups=GROUPS)
        assert len(seen) == 3
        assert seen[-1] == 101
    elif inside == "pipeline":
        make_pipeline(StandardScaler(), ensemble).fit(X, numbers, groups=GROUPS)
        assert seen == [101]
    else:
        cross_validate(ensemble, X, numbers, cv=GroupKFold(2), params={"groups": GROUPS})
        assert len(seen) == 2


@pytest.mark.parametrize("model", [LinearSVC(), LogisticRegression()])
def test_an_ensemble_says_that_it_is_not_fitted(model):
    with pytest.raises(NotFittedError):
        FoldEnsembleClassifier(model).predict(X)


@pytest.mark.parametrize("n_labels", [2, 3])
@pytest.mark.parametrize(
    "model",
    [
        MLPNetClassifier((4,), max_epochs=2, random_state=0),
        MLPClassifier((4,), max_iter=2, random_state=0),
        RandomForestClassifier(5, random_state=0),
        RidgeClassifier(),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_several_labels_are_averaged_one_by_one(model, n_labels):
    X, y = make_multilabel_classification(60, 4, n_classes=n_labels, random_state=0)
    y[20:, -1] = 0  # some folds have no row with the last label
    cv = KFold(3)
    ensemble = FoldEnsembleClassifier(model, cv=cv).fit(X, y)
    folds = [clone(model).fit(X[train], y[train]) for train, _ in cv.split(X)]

    def chances(fitted, X):
        if not hasattr(fitted, "predict_proba"):
            return fitted.predict(X)
        given = fitted.predict_proba(X)
        if not isinstance(given, list):
            return given
        return np.transpose([p[:, 1] if p.shape[1] == 2 else np.zeros(len(X)) for p in given])

    mean = np.mean([chances(fitted, X) for fitted in folds], axis=0)
    np.testing.assert_array_equal(ensemble.predict(X), mean > 0.5)
    assert ensemble.score(X, y) == (((mean > 0.5) == y).all(axis=1)).mean()
    tests = [test for _, test in cv.split(X)]
    out_of_fold = np.concatenate([chances(f, X[t]) for f, t in zip(folds, tests, strict=True)])
    if not hasattr(model, "predict_proba"):
        np.testing.assert_allclose(ensemble.oof_votes_, out_of_fold)
        return
    np.testing.assert_allclose(ensemble.predict_proba(X), mean, rtol=1e-6)
    np.testing.assert_allclose(ensemble.oof_proba_, out_of_fold, rtol=1e-6)
    assert get_scorer("roc_auc")(ensemble, X, y) == pytest.approx(roc_auc_score(y, mean))
    sparse = FoldEnsembleClassifier(model, cv=cv).fit(X, csr_matrix(y))
    np.testing.assert_array_equal(sparse.predict_proba(X), ensemble.predict_proba(X))
