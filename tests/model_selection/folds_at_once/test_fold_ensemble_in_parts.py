"""Fold ensembles of networks that label pixels or steps are means of their members."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_trainkit.model_selection import FoldEnsembleClassifier, FoldEnsembleRegressor
from sklearn_trainkit.neural_network import (
    RecurrentNetClassifier,
    RecurrentNetRegressor,
    UNetSegmenter,
    dice_score,
)

rng = np.random.default_rng(0)
X = rng.normal(size=(12, 8, 8)).astype(np.float32)
MASKS = (X > 0.3).astype(int)
UNET = UNetSegmenter((2, 4), max_epochs=2, random_state=0, ignore_index=255)
LENGTHS = np.r_[np.full(6, 3), rng.integers(2, 6, 6)]
PARTS = [rng.normal(size=(n, 2)) for n in LENGTHS]
STEPS = RecurrentNetClassifier((4,), return_sequences=True, max_epochs=2, random_state=0)


@pytest.mark.parametrize("form", [lambda y: y, lambda y: y[:, None], list])
def test_masks_are_averaged_pixel_by_pixel(form):
    y = MASKS.copy()
    y[:4][X[:4] > 1] = 2  # a class that two of three training parts have
    y[:, 0] = 255
    ensemble = FoldEnsembleClassifier(make_pipeline(FunctionTransformer(), UNET), cv=KFold(3)).fit(
        X, form(y)
    )
    assert ensemble.classes_.tolist() == [0, 1, 2]
    members = np.zeros((12, 3, 8, 8))
    for model in ensemble.estimators_:
        members[:, model.classes_] += model.predict_proba(X) / 3
    assert_allclose(ensemble.predict_proba(X), members, rtol=1e-6)
    assert_array_equal(ensemble.predict(X), members.argmax(axis=1))
    wanted = dice_score(y, members.argmax(axis=1), labels=[1, 2], ignore_index=255)
    assert ensemble.score(X, form(y)) == pytest.approx(wanted)
    own = ensemble.estimators_[0]
    assert_allclose(ensemble.oof_proba_[:4][:, own.classes_], own.predict_proba(X[:4]), rtol=1e-6)


def test_steps_are_averaged_step_by_step():
    y = [np.where(part[:, 0] > 0, "walk", "rest") for part in PARTS]
    ensemble = FoldEnsembleClassifier(STEPS, cv=KFold(2)).fit(PARTS, y)
    wanted = np.mean([model.predict_proba(PARTS) for model in ensemble.estimators_], axis=0)
    assert_allclose(ensemble.predict_proba(PARTS), wanted)
    predicted = ensemble.predict(PARTS)
    hits = [(p[: len(t)] == t) for p, t in zip(predicted, y, strict=True)]
    assert ensemble.score(PARTS, y) == np.concatenate(hits).mean()
    assert (predicted[np.isnan(wanted[..., 0])] == "").all()
    # The first part has the shorter sequences only.
    assert ensemble.oof_proba_.shape == wanted.shape
    assert np.isnan(ensemble.oof_proba_[:6, 3:]).all()
    assert_allclose(ensemble.oof_proba_[:6, :3], ensemble.estimators_[0].predict_proba(PARTS[:6]))


@pytest.mark.parametrize("n_targets", [1, 2])
def test_targets_of_steps_are_averaged_where_there_are_steps(n_targets):
    y = [part.copy() if n_targets == 2 else part[:, 0].copy() for part in PARTS]
    y[0][0] = np.nan  # not measured
    net = RecurrentNetRegressor((4,), return_sequences=True, max_epochs=2, random_state=0)
    ensemble = FoldEnsembleRegressor(net, cv=KFold(2)).fit(PARTS, y)
    wanted = np.mean([model.predict(PARTS) for model in ensemble.estimators_], axis=0)
    assert_allclose(ensemble.predict(PARTS), wanted)
    predicted = np.concatenate([w[: len(t)] for w, t in zip(wanted, y, strict=True)])[1:]
    assert ensemble.score(PARTS, y) == pytest.approx(r2_score(np.concatenate(y)[1:], predicted))
    assert ensemble.oof_prediction_.shape == wanted.shape


def test_steps_without_a_label_are_left_out_of_ensembles():
    y = np.where(MASKS[:, 0] == 1, np.nan, X[:, 1] > 0)
    ensemble = FoldEnsembleClassifier(STEPS, cv=2).fit(X.transpose(0, 2, 1), y)
    hits = ensemble.predict(X.transpose(0, 2, 1)) == y
    assert ensemble.score(X.transpose(0, 2, 1), y) == pytest.approx(hits[~np.isnan(y)].mean())
