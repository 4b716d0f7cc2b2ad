"""Pixels without a label have no part in anything; against plain torch where there is one."""

import re
from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.nn import functional

from sklearn_trainkit.callbacks import EpochScoring
from sklearn_trainkit.neural_network import UNetSegmenter, dice_score, dice_scorer, iou_score
from sklearn_trainkit.neural_network.images._image_input import ImageInput
from sklearn_trainkit.neural_network.masks._mask_coding import are_labelled
from sklearn_trainkit.neural_network.masks._mask_losses import MaskLoss, soft_dice_loss

rng = np.random.default_rng(0)
X = rng.normal(size=(12, 8, 8)).astype(np.float32)
TRUTH = (X > 0.3).astype(int)
KNOWN = rng.random(TRUTH.shape) < 0.6
LOSSES = ["cross_entropy", "dice", "cross_entropy_and_dice"]
# How the unlabelled are marked, and the labels beside them.
MARKS = {
    "255": (255, np.array([0, 1], np.uint8)),
    "-1": (-1, np.array([0, 1])),
    "between": (1, np.array([0, 2])),
    "lowest": (0, np.array([1, 2])),
    "nan": (float("nan"), np.array([0.0, 1.0])),
    "words": ("void", np.array(["back", "disc"])),
    "absent": (99, np.array([0, 1])),
}


def marked(name, known=KNOWN):
    """Return masks with marks, and the parameter that says so."""
    mark, labels = MARKS[name]
    y = labels[TRUTH]
    return (y if name == "absent" else np.where(known, y, mark)), mark


def small(**params):
    settings = {"n_blocks": 1, "max_epochs": 3, "lr": 0.03, "random_state": 0}
    return UNetSegmenter((4, 8), **{**settings, **params})


def codes_of(known=KNOWN):
    return torch.from_numpy(np.where(known, TRUTH, 2))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("class_weight", [None, [0.5, 1.5]])
def test_the_cross_entropy_is_torchs_with_ignore_index(smoothing, class_weight):
    logits = torch.randn(12, 2, 8, 8, dtype=torch.float64)
    factors = None if class_weight is None else torch.tensor(class_weight, dtype=torch.float64)
    got = MaskLoss("cross_entropy", smoothing, factors, ignores=True)(logits, codes_of())
    reference = functional.cross_entropy(
        logits, codes_of(), ignore_index=2, label_smoothing=smoothing,
        reduction="mean" if factors is None else "none",
    )  # fmt: skip
    if factors is not None:
        there = torch.from_numpy(KNOWN)
        reference = (reference[there] * factors[codes_of()[there]]).mean()
    torch.testing.assert_close(got, reference)


@pytest.mark.parametrize("loss", LOSSES)
def test_what_stands_in_unlabelled_pixels_changes_neither_loss_nor_gradient(loss):
    weight = torch.rand(12, dtype=torch.float64)
    logits = torch.randn(12, 2, 8, 8, dtype=torch.float64)
    other = torch.where(torch.from_numpy(KNOWN)[:, None], logits, 50.0)
    values, gradients = [], []
    for each in (logits, other):
        each = each.clone().requires_grad_()
        value = MaskLoss(loss, 0.1, torch.tensor([0.5, 2.0]), ignores=True)(
            each, codes_of(), weight
        )
        value.backward()
        values.append(value.detach())
        gradients.append(each.grad)
    torch.testing.assert_close(*values)
    known = torch.from_numpy(KNOWN)[:, None].expand_as(logits)
    torch.testing.assert_close(gradients[0][known], gradients[1][known])
    assert not gradients[0][~known].any()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_without_labels_has_no_loss_and_no_gradient(loss):
    logits = torch.randn(2, 2, 4, 4, requires_grad=True)
    value = MaskLoss(loss, ignores=True)(logits, torch.full((2, 4, 4), 2))
    value.backward()
    assert value.item() == 0.0
    assert not logits.grad.any()


def test_dice_of_labelled_pixels_is_dice_of_the_rest_alone():
    logits = torch.randn(2, 3, 4, 6)
    target = torch.randint(3, (2, 4, 6))
    there = torch.zeros(2, 4, 6, dtype=torch.bool)
    there[:, :, :4] = True
    got = soft_dice_loss(logits, target, None, there)
    torch.testing.assert_close(got, soft_dice_loss(logits[..., :4], target[..., :4]))


@pytest.mark.parametrize("name", MARKS)
@pytest.mark.parametrize("loss", LOSSES)
def test_marks_of_any_kind_train_the_same_network(name, loss):
    y, mark = marked(name)
    net = small(ignore_index=mark, loss=loss, class_weight="balanced").fit(X, y)
    assert_array_equal(net.classes_, MARKS[name][1])
    labelled = y[are_labelled(y, mark)]
    assert set(np.unique(net.predict(X))) <= set(labelled.ravel().tolist())
    if name != "absent":
        wanted = small(ignore_index=-7, loss=loss, class_weight="balanced").fit(
            X, np.where(KNOWN, TRUTH, -7)
        )
        assert_allclose(net.predict_proba(X), wanted.predict_proba(X), rtol=1e-5)


def test_a_mark_that_no_pixel_has_changes_nothing():
    plain = small(batch_size=-1).fit(X, TRUTH)
    marked_net = small(batch_size=-1, ignore_index=255).fit(X, TRUTH)
    assert_allclose(marked_net.predict_proba(X), plain.predict_proba(X), rtol=1e-4, atol=1e-6)


def test_one_step_is_that_of_plain_torch():
    y = np.where(KNOWN, TRUTH, 255)
    net = small(
        loss="cross_entropy", batch_size=-1, max_epochs=1, ignore_index=255, optimizer="sgd",
        lr=0.1, lr_schedule="constant", norm=None, dtype="float64",
    )  # fmt: skip
    run = net.start_fit(X, y)
    module = net._architecture.make(net).double()
    module.load_state_dict(net.module_.state_dict())
    target = torch.from_numpy(np.where(KNOWN, TRUTH, 255))
    loss = torch.nn.CrossEntropyLoss(ignore_index=255)(
        module(torch.from_numpy(X)[:, None].double()), target
    )
    loss.backward()
    run.train()
    assert net.history_[-1, "train_loss"] == pytest.approx(loss.item())
    for (name, ours), theirs in zip(
        net.module_.named_parameters(), module.parameters(), strict=True
    ):
        torch.testing.assert_close(ours, theirs - 0.1 * theirs.grad, msg=name)


def test_a_weight_of_two_is_the_image_given_twice():
    y = np.where(KNOWN, TRUTH, 255)
    y[3] = 255
    params = {
        "ignore_index": 255, "batch_size": -1, "max_epochs": 1, "norm": None, "dtype": "float64",
        "loss": "cross_entropy", "standardize_X": False,
    }  # fmt: skip
    index = [0, 0, *range(1, 12)]
    weight = np.r_[2.0, np.ones(11)]
    twice = small(**params).fit(X[index], y[index])
    once = small(**params).fit(X, y, weight)
    assert once.history_[-1, "train_loss"] == pytest.approx(twice.history_[-1, "train_loss"])


def test_class_weights_count_labelled_pixels():
    y = np.where(KNOWN, TRUTH, 255)
    net = small(class_weight="balanced", ignore_index=255).fit(X, y)
    counts = np.bincount(TRUTH[KNOWN])
    assert_allclose(net.criterion_.class_weight, KNOWN.sum() / (2 * counts), rtol=1e-6)


@pytest.mark.parametrize("name", ["255", "nan", "words"])
def test_score_and_early_stopping_leave_them_out(name):
    y, mark = marked(name)
    net = small(ignore_index=mark, early_stopping=True, max_epochs=6, lr=0.02)
    net.fit(X[4:], y[4:], X_val=X[:4], y_val=y[:4])
    labels = MARKS[name][1]
    wanted = dice_score(TRUTH[:4][KNOWN[:4]], (net.predict(X[:4]) == labels[1])[KNOWN[:4]] * 1)
    assert net.score(X[:4], y[:4]) == pytest.approx(wanted)
    assert net.history_[net.best_epoch_ - 1, "valid_dice"] == pytest.approx(wanted)


def test_the_validation_loss_is_the_mean_over_labelled_pixels_of_all_batches(monkeypatch):
    known = KNOWN.copy()
    known[0, 1:] = False  # images with few labels weigh little
    known[1] = False
    y = np.where(known, TRUTH, 255)
    net = small(
        ignore_index=255, early_stopping=True, loss="cross_entropy", max_epochs=1, batch_size=1,
        norm="instance",
    )  # fmt: skip
    monkeypatch.setattr(ImageInput, "rows_per_pass", lambda *args: 1)
    net.fit(X[4:], y[4:], X_val=X[:4], y_val=y[:4])
    logs = np.log(np.take_along_axis(net.predict_proba(X[:4]), TRUTH[:4, None], axis=1))[:, 0]
    wanted = -logs[known[:4]].mean()
    assert net.history_[-1, "valid_loss"] == pytest.approx(wanted, rel=1e-4)


def test_images_without_any_label_are_allowed_beside_others():
    y = np.where(KNOWN, TRUTH, 255)
    y[:9] = 255
    net = small(ignore_index=255, batch_size=2, flip="both", max_shift=2).fit(X, y)
    assert np.isfinite(net.predict_proba(X)).all()
    assert net.score(X, y) == pytest.approx(net.score(X[9:], y[9:]))


def test_epoch_scoring_leaves_them_out():
    y = np.where(KNOWN, TRUTH, 255)
    names = ("accuracy", "neg_log_loss")
    callbacks = [EpochScoring(name, lower_is_better=False) for name in names]
    net = small(ignore_index=255, callbacks=callbacks).fit(X, y, X_val=X[:9], y_val=y[:9])
    truth = np.take_along_axis(net.predict_proba(X[:9]), TRUTH[:9, None], axis=1)[:, 0]
    accuracy = np.mean((net.predict(X[:9]) == TRUTH[:9])[KNOWN[:9]])
    wanted = accuracy, np.log(truth[KNOWN[:9]]).mean()
    assert_allclose(net.history_[-1, names], wanted, rtol=1e-5)


def test_partial_fit_knows_them_too():
    y = np.where(KNOWN, TRUTH, 255)
    net = small(ignore_index=255).partial_fit(X, y, classes=[0, 1, 2, 255])
    assert net.classes_.tolist() == [0, 1, 2]
    net.partial_fit(X[:4], np.full_like(y[:4], 255), classes=[0, 1, 2])
    assert np.isfinite(net.predict_proba(X)).all()


@pytest.mark.parametrize(
    ("params", "y", "message"),
    [
        ({"ignore_index": 1}, TRUTH, r"needs at least 2 classes in y beside ignore_index=1. Got 1"),
        ({"ignore_index": 255}, np.full_like(TRUTH, 255), "Got 0 class"),
        ({"ignore_index": 255, "ignore_label": 0}, TRUTH, "ignore_label is another name"),
        ({"ignore_index": [0]}, TRUTH, "The 'ignore_index' parameter"),
        ({}, np.where(KNOWN, TRUTH, np.nan), "contains NaN"),
        ({"ignore_index": 255}, np.where(KNOWN, TRUTH, np.nan), "contains NaN"),
    ],
)
def test_what_cannot_be_trained_on_is_said(params, y, message):
    with pytest.raises(ValueError, match=message):
        small(**params).fit(X, y)


def test_a_part_without_any_label_is_said():
    y = np.where(KNOWN, TRUTH, 255)
    with pytest.raises(ValueError, match="None of the 4 validation images has a labelled pixel"):
        small(ignore_index=255).fit(X, y, X_val=X[:4], y_val=np.full_like(y[:4], 255))
    weight = np.r_[1.0, np.zeros(11)]
    y[0] = 255
    with pytest.raises(ValueError, match="zero for every image with labelled pixels"):
        small(ignore_index=255).fit(X, y, weight)


def test_the_other_name_is_the_same():
    y = np.where(KNOWN, TRUTH, 255)
    nets = [small(**{name: 255}).fit(X, y) for name in ("ignore_index", "ignore_label")]
    assert_array_equal(nets[0].predict_proba(X), nets[1].predict_proba(X))


@pytest.mark.parametrize(
    ("labels", "params", "message"),
    [
        (np.array(["back", "disc"]), {"ignore_index": 255}, "ignore_index=255 is a number, but y"),
        (np.array(["back", "255"]), {"ignore_index": 255}, "Write ignore_index='255' as it"),
        (np.array(["back", "nan"]), {"ignore_index": np.nan}, "ignore_index=nan is a number"),
        (np.array([0, 255]), {"ignore_label": "255"}, "ignore_index='255' is text, but y has num"),
        (np.array(["0", "255"], object), {"ignore_index": 255}, "such as '255', which it never"),
    ],
)
def test_a_mark_that_no_label_can_equal_is_said(labels, params, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        small(**params).fit(X, labels[TRUTH])


def test_metrics_compare_labels_of_one_kind():
    words, numbers = np.array(["back", "disc"])[TRUTH], TRUTH
    with pytest.raises(ValueError, match="ignore_index=0 is a number, but y_true has text"):
        dice_score(words, words, ignore_index=0)
    with pytest.raises(ValueError, match="labels=1 is a number, but y_true has text"):
        dice_score(words, words, labels=[1])
    with pytest.raises(ValueError, match="Got 'back' in y_true and 0 in y_pred"):
        iou_score(words, numbers)
    fitted = small(max_epochs=1).fit(X, words)
    for score in (fitted.score, partial(dice_scorer, fitted)):
        with pytest.raises(ValueError, match="Got 0 in y and 'back' in classes_"):
            score(X, numbers)
