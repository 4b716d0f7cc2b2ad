"""Dice and IoU of masks against scikit-learn on flat pixels, in every form that fit takes."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from numpy.testing import assert_allclose
from sklearn.metrics import f1_score, jaccard_score
from sklearn.model_selection import KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_trainkit.callbacks import EpochScoring
from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.model_selection import cross_validate as own_cross_validate
from sklearn_trainkit.neural_network import (
    UNetSegmenter,
    dice_score,
    dice_scorer,
    iou_score,
    iou_scorer,
)

rng = np.random.default_rng(0)
X = rng.normal(size=(12, 8, 8)).astype(np.float32)
MASKS = (X > 0.3).astype(int)
THREE = MASKS + (X > 1.0)
WEIGHT = rng.uniform(0.5, 2, size=12)
REFERENCES = {dice_score: f1_score, iou_score: jaccard_score}
SCORERS = {dice_scorer: f1_score, iou_scorer: jaccard_score}


def small(**params):
    settings = {"n_blocks": 1, "max_epochs": 3, "lr": 0.03, "random_state": 0}
    return UNetSegmenter((4, 8), **{**settings, **params})


def by_hand(reference, truth, guess, labels, weight=None, there=None):
    """Return scikit-learn's score over pixels, each with the weight of its image."""
    pixels = np.broadcast_to(np.ones(len(truth)) if weight is None else weight, truth.shape[::-1])
    there = np.ones(truth.shape, bool) if there is None else there
    return reference(
        truth[there], guess[there], labels=labels, average="macro", zero_division=1.0,
        sample_weight=pixels.T[there],
    )  # fmt: skip


@pytest.mark.parametrize("metric", REFERENCES)
@pytest.mark.parametrize("weight", [None, WEIGHT, np.repeat([0.0, 3.0], 6)])
@pytest.mark.parametrize("ignored", [None, 0, 2, 255])
def test_weighted_scores_of_labelled_pixels(metric, weight, ignored):
    guess = np.roll(THREE, 1, axis=1)
    labels = [label for label in (1, 2) if label != ignored]
    there = np.ones(THREE.shape, bool) if ignored is None else np.not_equal(THREE, ignored)
    wanted = by_hand(REFERENCES[metric], THREE, guess, labels, weight, there)
    got = metric(THREE, guess, labels=labels, sample_weight=weight, ignore_index=ignored)
    assert got == pytest.approx(wanted)


def test_images_are_averaged_by_their_weights_without_those_that_nobody_labelled():
    guess = np.roll(MASKS, 1, axis=1)
    truth = MASKS.copy()
    truth[0] = 255
    each = [f1_score(t.ravel(), g.ravel()) for t, g in zip(MASKS[1:], guess[1:], strict=True)]
    got = dice_score(truth, guess, per_image=True, sample_weight=WEIGHT, ignore_index=255)
    assert got == pytest.approx(np.average(each, weights=WEIGHT[1:]))


def test_nan_marks_pixels_without_a_label():
    truth = np.where(X > 1, np.nan, MASKS)
    guess = np.roll(MASKS, 1, axis=1)
    there = ~np.isnan(truth)
    got = iou_score(truth, guess, ignore_index=float("nan"))
    assert got == pytest.approx(jaccard_score(truth[there], guess[there]))


def test_nothing_to_score_is_an_error():
    with pytest.raises(ValueError, match="at least one non-zero"):
        dice_score(MASKS, MASKS, sample_weight=np.zeros(12))
    half = np.where(np.arange(12)[:, None, None] < 6, 255, MASKS)
    with pytest.raises(ValueError, match="no pixel to score"):
        dice_score(half, MASKS, sample_weight=np.repeat([1, 0], 6), ignore_index=255)
    with pytest.raises(ValueError, match="no pixel to score"):
        dice_score(np.full_like(MASKS, 255), MASKS, ignore_index=255)


def test_false_is_the_background_of_masks_that_lack_it():
    everywhere = np.ones((1, 2, 2), dtype=bool)
    assert dice_score(everywhere, [[[True, True], [True, False]]]) == pytest.approx(6 / 7)
    assert dice_score(everywhere, everywhere) == 1.0


@pytest.fixture(scope="module")
def nets():
    """Networks that were shown classes 0 and 1, 1 and 2, and all three."""
    parts = {"no 2": THREE != 2, "no 0": THREE != 0, "all": THREE >= 0}
    default = {"no 2": 0, "no 0": 1, "all": 0}
    return {
        name: small(max_epochs=8, lr=0.02).fit(X, np.where(part, THREE, default[name]))
        for name, part in parts.items()
    }


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("name", ["no 2", "no 0", "all"])
@pytest.mark.parametrize("test_classes", [[0, 1, 2], [1, 2], [0], [2]])
def test_all_classes_of_estimator_and_test_rows_count(nets, scorer, name, test_classes):
    net = nets[name]
    truth = np.where(np.isin(THREE, test_classes), THREE, test_classes[0])
    labels = np.union1d(net.classes_, test_classes)[1:]
    wanted = by_hand(SCORERS[scorer], truth, net.predict(X), labels, WEIGHT)
    assert scorer(net, X, truth, sample_weight=WEIGHT) == pytest.approx(wanted)
    if scorer is dice_scorer:
        assert net.score(X, truth, sample_weight=WEIGHT) == pytest.approx(wanted)


FORMS = {
    "channel axis": lambda y: y[:, None],
    "flat": lambda y: y.reshape(len(y), -1),
    "table": lambda y: pd.DataFrame(y.reshape(len(y), -1)),
    "list": list,
    "nested lists": lambda y: y.tolist(),
    "tensor": torch.from_numpy,
    "list of tensors": lambda y: list(torch.from_numpy(y)),
    "uint8": lambda y: y.astype(np.uint8),
    "float": lambda y: y.astype(float),
    "big-endian": lambda y: y.astype(">i4"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_door_takes_every_form(form):
    y = FORMS[form](MASKS)
    plain, net = small().fit(X, MASKS), small().fit(X, y)
    predicted = plain.predict(X)
    assert (net.predict(X) == predicted).all()
    assert (small().partial_fit(X, y).partial_fit(X, y).predict(X) < 2).all()
    assert net.score(X, y) == plain.score(X, MASKS)
    assert dice_scorer(net, X, y) == plain.score(X, MASKS)
    assert iou_scorer(net, X, y) == iou_score(MASKS, predicted)
    stopped = small(early_stopping=True).fit(X, y, X_val=X[:4], y_val=y[:4])
    same = small(early_stopping=True).fit(X, MASKS, X_val=X[:4], y_val=MASKS[:4])
    assert stopped.history_[:, "valid_dice"] == same.history_[:, "valid_dice"]


@pytest.mark.parametrize("form", ["channel axis", "flat", "table", "list"])
def test_searches_and_cross_validation_take_every_form(form):
    y, cv = FORMS[form](MASKS), KFold(2)
    wanted = cross_validate(small(), X, MASKS, cv=cv)["test_score"]
    scoring = {"dice": dice_scorer, "iou": iou_scorer}
    got = cross_validate(small(), X, y, cv=cv, scoring=scoring, error_score="raise")
    assert_allclose(got["test_dice"], wanted)
    assert (got["test_iou"] < got["test_dice"]).all()
    assert_allclose(own_cross_validate(small(), X, y, cv=cv)["test_score"], wanted)
    search = OptunaSearchCV(small(), {"lr": [0.03]}, n_trials=1, cv=cv, scoring=dice_scorer)
    assert search.fit(X, y).best_score_ == pytest.approx(wanted.mean())


@pytest.mark.parametrize("labels", [["back", "disc"], [False, True], [3, 200]])
def test_scorers_see_labels_as_they_are(labels):
    y = np.array(labels)[MASKS]
    net = small().fit(X, y)
    assert dice_scorer(net, X, y) == pytest.approx(
        dice_score(MASKS, small().fit(X, MASKS).predict(X))
    )


def test_epoch_scoring_with_our_scorers_sees_codes():
    y = np.array([0, 255])[MASKS]
    scoring = EpochScoring(dice_scorer, lower_is_better=False, name="own")
    net = small(callbacks=[scoring], early_stopping=True).fit(X, y)
    assert_allclose(net.history_[:, "own"], net.history_[:, "valid_dice"])


def test_scorers_look_through_pipelines_and_searches():
    y = np.where(X > 1, 255, MASKS)
    net = small(ignore_index=255)
    wanted = net.fit(X, y).score(X, y)
    pipe = make_pipeline(FunctionTransformer(), net).fit(X, y)
    assert dice_scorer(pipe, X, y) == pytest.approx(wanted)
    search = OptunaSearchCV(net, {"lr": [0.003]}, n_trials=1, cv=2, scoring=dice_scorer)
    assert dice_scorer(search.fit(X, y), X, y) == pytest.approx(wanted)


def test_scorers_pickle_and_show_their_names():
    assert repr(pickle.loads(pickle.dumps(iou_scorer))) == "iou_scorer"
    assert copy.deepcopy(dice_scorer)._score_func is dice_score


def test_weights_reach_scores_by_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        net = small().set_score_request(sample_weight=True).set_fit_request(sample_weight=False)
        asking = dice_scorer.set_score_request(sample_weight=True)
        params = {"sample_weight": WEIGHT}
        plain = cross_validate(net, X, MASKS, cv=KFold(2), params=params, return_estimator=True)
        scored = cross_validate(
            net, X, MASKS, cv=KFold(2), params=params, scoring=asking, error_score="raise"
        )
        own = own_cross_validate(net, X, MASKS, cv=KFold(2), params=params, scoring=asking)
    parts = [slice(0, 6), slice(6, 12)]
    wanted = [
        by_hand(f1_score, MASKS[part], fold.predict(X[part]), [1], WEIGHT[part])
        for part, fold in zip(parts, plain["estimator"], strict=True)
    ]
    for results in (plain, scored, own):
        assert_allclose(results["test_score"], wanted)
    assert not hasattr(dice_scorer, "_metadata_request")


def test_the_score_of_an_epoch_has_the_weights_of_its_images():
    net = small(early_stopping=True, validation_fraction=0.5, batch_size=3)
    run = net.start_fit(X, MASKS, WEIGHT)
    run.train()
    rows = run._valid.rows
    guess = net.predict(rows.X.numpy())
    wanted = by_hand(f1_score, rows.y.numpy(), guess, [1], rows.weight.numpy())
    assert net.history_[net.best_epoch_ - 1, "valid_dice"] == pytest.approx(wanted)
