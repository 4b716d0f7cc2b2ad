"""Ensembles of fold models against the models fitted one by one."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.model_selection import KFold, RepeatedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

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
