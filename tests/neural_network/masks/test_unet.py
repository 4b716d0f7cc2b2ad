import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import f1_score, jaccard_score
from sklearn.model_selection import GridSearchCV, KFold
from torch import nn
from torch.nn import functional

from sklearn_trainkit.callbacks import EpochScoring
from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.neural_network import (
    UNetSegmenter,
    dice_score,
    dice_scorer,
    iou_score,
    iou_scorer,
)
from sklearn_trainkit.neural_network.batches._tensor_loader import TensorRows
from sklearn_trainkit.neural_network.masks._mask_losses import MaskLoss, soft_dice_loss
from sklearn_trainkit.neural_network.masks._tiles import tiled
from sklearn_trainkit.neural_network.modules._conv_blocks import ConvStyle
from sklearn_trainkit.neural_network.modules._unet_module import UNetModule
from sklearn_trainkit.neural_network.targets._class_weights import class_factors


def discs(n=24, height=20, width=14, seed=0):
    """Images with a bright disc each, and its mask."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    centres = generator.uniform(4, [height - 4, width - 4], size=(n, 2))
    radii = generator.uniform(2, 4, size=n)
    distance = np.hypot(rows - centres[:, :1, None], columns - centres[:, 1:, None])
    masks = (distance < radii[:, None, None]).astype(np.int64)
    return masks * 2.0 + generator.normal(size=masks.shape), masks


IMAGES, MASKS = discs()


def small(**params):
    return UNetSegmenter((4, 8), **{"n_blocks": 1, "max_epochs": 2, "random_state": 0, **params})


@pytest.fixture(scope="module")
def trained():
    return small(max_epochs=15, lr=0.02).fit(IMAGES, MASKS)


class Reference(nn.Module):
    """Two levels of one layer each, as in the paper, for even sizes."""

    def __init__(self):
        super().__init__()
        self.down1 = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()
        )
        self.down2 = nn.Sequential(
            nn.Conv2d(4, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()
        )
        self.rise = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.up = nn.Sequential(
            nn.Conv2d(8, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()
        )
        self.output = nn.Conv2d(4, 3, 1)

    def forward(self, x):
        above = self.down1(x)
        below = self.down2(functional.max_pool2d(above, 2))
        return self.output(self.up(torch.cat([above, self.rise(below)], dim=1)))


def test_the_module_equals_a_hand_written_reference():
    torch.manual_seed(0)
    reference = Reference().double()
    module = UNetModule(2, 3, channels=(4, 8), n_blocks=(1, 1)).double()
    ours, theirs = module.state_dict(), reference.state_dict()
    module.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))
    x = torch.randn(3, 2, 10, 12, dtype=torch.float64)
    torch.testing.assert_close(module(x), reference(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("skip", ["concat", "add", None])
@pytest.mark.parametrize("upsample", ["transpose", "bilinear", "nearest"])
@pytest.mark.parametrize("size", [(8, 8), (9, 13), (5, 32)])
def test_masks_have_the_size_of_any_image(skip, upsample, size):
    module = UNetModule(1, 2, channels=(2, 4, 4), n_blocks=(1, 1, 1), skip=skip, upsample=upsample)
    assert module(torch.randn(2, 1, *size)).shape == (2, 2, *size)


@pytest.mark.parametrize("channels", [(2,), (2, 2), (2, 2, 2)])
@pytest.mark.parametrize("upsample", ["transpose", "bilinear"])
def test_nothing_beyond_the_reach_changes_a_pixel(channels, upsample):
    torch.manual_seed(0)
    style = ConvStyle(norm=None, activation="identity")
    module = UNetModule(
        1, 1, channels=channels, n_blocks=(2,) * len(channels), style=style, upsample=upsample
    ).double()
    x = torch.zeros(1, 1, 96, 96, dtype=torch.float64, requires_grad=True)
    module(x)[0, 0, 47, 49].backward()
    rows, columns = x.grad[0, 0].nonzero(as_tuple=True)
    assert (rows - 47).abs().max() <= module.reach
    assert (columns - 49).abs().max() <= module.reach


def test_tiles_give_what_the_whole_gives(trained):
    X, _ = discs(n=2, height=70, width=93, seed=1)
    whole = trained.predict_proba(X)
    trained.tile_size = 17
    try:
        assert_allclose(trained.predict_proba(X), whole, rtol=1e-10)
    finally:
        trained.tile_size = None


def test_a_tile_sees_no_more_than_its_margin():
    sizes = []

    def network(x):
        sizes.append(tuple(x.shape[2:]))
        return x

    x = torch.randn(1, 1, 30, 10)
    assert torch.equal(tiled(network, x, tile_size=8, margin=3, multiple=4), x)
    assert sizes[:2] == [(12, 10), (12, 6)]
    assert max(h for h, _ in sizes) == 16


def test_masks_are_learnt(trained):
    X, masks = discs(seed=2)
    assert trained.predict(X).shape == masks.shape
    assert trained.score(X, masks) > 0.8
    assert trained.history_[-1, "train_loss"] < trained.history_[0, "train_loss"]


def test_labels_of_any_kind_come_back():
    names = np.array(["background", "disc"])[MASKS]
    net = small().fit(IMAGES, names)
    assert net.classes_.tolist() == ["background", "disc"]
    assert set(np.unique(net.predict(IMAGES))) <= {"background", "disc"}
    assert small().fit(IMAGES, MASKS == 1).predict(IMAGES).dtype == bool


def test_probabilities_are_per_pixel(trained):
    probabilities = trained.predict_proba(IMAGES)
    assert probabilities.shape == (24, 2, 20, 14)
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert_array_equal(probabilities.argmax(axis=1), trained.predict(IMAGES))


def test_a_third_class_and_flat_rows():
    masks = MASKS + (MASKS * (IMAGES > 2.5))
    net = small(max_epochs=1).fit(IMAGES, masks)
    assert net.predict_proba(IMAGES).shape == (24, 3, 20, 14)
    flat = small(max_epochs=1, image_shape=(20, 14))
    flat.fit(IMAGES.reshape(24, -1), masks.reshape(24, -1))
    assert_array_equal(flat.predict(IMAGES.reshape(24, -1)), net.predict(IMAGES))


def test_augmentation_moves_masks_with_images():
    net = small(max_epochs=30, lr=0.02, flip="both", max_shift=2, crop_size=12).fit(IMAGES, MASKS)
    assert net.score(IMAGES, MASKS) > 0.8


def test_early_stopping_pickles_and_partial_fit():
    net = small(early_stopping=True, patience=1).fit(IMAGES, MASKS)
    assert 0 <= net.history_[-1, "valid_dice"] <= 1
    assert_array_equal(pickle.loads(pickle.dumps(net)).predict(IMAGES), net.predict(IMAGES))
    fresh = small().partial_fit(IMAGES, MASKS, classes=[0, 1, 2])
    assert fresh.predict_proba(IMAGES).shape[1] == 3


def test_searches_take_dice_and_iou():
    grid = GridSearchCV(
        small(max_epochs=1),
        {"skip": ["concat", None]},
        cv=KFold(2),
        scoring={"dice": dice_scorer, "iou": iou_scorer},
        refit="dice",
    ).fit(IMAGES, MASKS)
    assert (grid.cv_results_["mean_test_iou"] <= grid.cv_results_["mean_test_dice"]).all()
    search = OptunaSearchCV(
        small(), {"norm": ["batch", "group"]}, n_trials=2, cv=2, scoring=dice_scorer
    ).fit(IMAGES, MASKS)
    assert search.predict(IMAGES[:2]).shape == (2, 20, 14)


def test_metrics_equal_scikit_learns_on_flat_masks():
    generator = np.random.default_rng(0)
    truth, guess = generator.integers(0, 3, size=(2, 6, 5, 5))
    flat = truth.ravel(), guess.ravel()
    wanted = f1_score(*flat, average="macro", labels=[1, 2])
    assert dice_score(truth, guess) == pytest.approx(wanted)
    wanted = jaccard_score(*flat, average="macro", labels=[1, 2])
    assert iou_score(truth, guess) == pytest.approx(wanted)
    per_image = [
        f1_score(t.ravel(), g.ravel(), average="macro", labels=[1, 2])
        for t, g in zip(truth, guess, strict=True)
    ]
    assert dice_score(truth, guess, per_image=True) == pytest.approx(np.mean(per_image))


def test_empty_masks_score_one():
    nothing = np.zeros((2, 3, 3), dtype=int)
    assert dice_score(nothing, nothing) == 1.0
    assert iou_score(nothing, nothing, labels=[1]) == 1.0


def test_class_weights_are_per_pixel_and_have_mean_one():
    logits = torch.randn(2, 2, 3, 4, dtype=torch.float64)
    target = torch.randint(2, (2, 3, 4))
    net = small(class_weight="balanced", loss="cross_entropy").fit(IMAGES, MASKS)
    factors = net.criterion_.class_weight
    assert_allclose(factors, MASKS.size / (2 * np.bincount(MASKS.ravel())), rtol=1e-6)
    losses = functional.cross_entropy(logits, target, reduction="none")
    wanted = (losses * factors.double()[target]).mean()
    torch.testing.assert_close(net.criterion_(logits, target), wanted)


@pytest.mark.parametrize("loss", ["cross_entropy", "dice", "cross_entropy_and_dice"])
def test_a_weight_of_two_is_the_image_given_twice(loss):
    logits = torch.randn(3, 2, 4, 4, dtype=torch.float64)
    target = torch.randint(2, (3, 4, 4))
    index = torch.tensor([0, 0, 1, 2])
    weight = torch.tensor([2.0, 1.0, 1.0], dtype=torch.float64)
    once = soft_dice_loss if loss == "dice" else MaskLoss("cross_entropy")
    scaled = weight if loss == "dice" else weight / weight.mean()
    torch.testing.assert_close(once(logits, target, scaled), once(logits[index], target[index]))


def test_soft_dice_by_hand():
    logits = torch.tensor([[[[0.0, 0.0]], [[0.0, 100.0]]]])
    target = torch.tensor([[[0, 1]]])
    # Probabilities of the disc 0.5 and 1, truth 0 and 1.
    assert soft_dice_loss(logits, target).item() == pytest.approx(1 - (2 * 1 + 1) / (2.5 + 1))


def test_bad_masks_are_named():
    with pytest.raises(
        ValueError, match=r"y must be masks of shape \(24, 20, 14\).*\(24, 19, 14\)"
    ):
        small().fit(IMAGES, MASKS[:, :19])
    with pytest.raises(ValueError, match="needs at least 2 classes in y"):
        small().fit(IMAGES, np.zeros_like(MASKS))
    with pytest.raises(ValueError, match="requires y"):
        small().fit(IMAGES, None)
    with pytest.raises(ValueError, match=r"channels=\(2, 2, 2, 2, 2, 2\) halves images 5 times"):
        UNetSegmenter((2,) * 6).fit(IMAGES, MASKS)
    net = small().fit(IMAGES, MASKS)
    with pytest.raises(ValueError, match=r"labels that are not among the classes \[0, 1\]: \[2\]"):
        net.partial_fit(IMAGES, MASKS * 2)
    with pytest.raises(ValueError, match="X has 3 features, but UNetSegmenter is expecting 1"):
        net.predict(np.zeros((2, 3, 8, 8)))
    net = small(norm="instance", crop_size=12).fit(IMAGES, MASKS)
    with pytest.raises(ValueError, match=r"brings images of \(2, 1\) pixels down to 1"):
        net.predict(np.zeros((2, 2, 1)))
    with pytest.raises(ValueError, match=r"crop_size=\(12, 12\) does not lie inside .*\(8, 8\)"):
        net.partial_fit(IMAGES[:, :8, :8], MASKS[:, :8, :8])


def test_masks_of_fractions_and_class_weights_below_zero_are_named():
    with pytest.raises(ValueError, match=r"y must be masks of class labels.*0\.5 in it"):
        small().fit(IMAGES, MASKS * 0.5)
    for class_weight in ({0: 1, 1: -1}, {0: 0, 1: 0}, {0: 1, 1: np.nan}):
        with pytest.raises(ValueError, match="class_weight must have finite weights"):
            small(class_weight=class_weight).fit(IMAGES, MASKS)
    assert_array_equal(small().fit(IMAGES, MASKS * 1.0).classes_, [0.0, 1.0])


def test_score_refuses_masks_that_lie_on_their_side(trained):
    with pytest.raises(ValueError, match=r"y must be masks of shape \(24, 20, 14\)"):
        trained.score(IMAGES, MASKS.transpose(0, 2, 1))
    flat = MASKS.reshape(len(MASKS), -1)
    assert trained.score(IMAGES, flat) == trained.score(IMAGES, MASKS)


def test_the_score_of_an_epoch_counts_the_foreground_classes():
    """Also where a class, the background included, is nowhere in truth and prediction."""
    net = small().fit(IMAGES, MASKS + (IMAGES > 3))
    truth = torch.tensor([[[1, 1, 2, 2]]])
    logits = functional.one_hot(torch.tensor([[[1, 2, 2, 2]]])).movedim(3, 1)
    codes = net._targets.kept_for_score(net, logits)
    assert codes.dtype == torch.uint8  # a byte a pixel is kept of the validation part
    score = net._targets.rows_score(net, codes, TensorRows(torch.zeros(1), truth))
    assert score == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_balanced_class_weights_follow_the_masks_of_each_call():
    rare = MASKS * (np.arange(len(MASKS)) < 3)[:, None, None]
    wanted = small(class_weight="balanced").fit(IMAGES, rare).criterion_.class_weight
    chunk = small(class_weight="balanced").partial_fit(IMAGES, rare, classes=[0, 1])
    assert_allclose(chunk.criterion_.class_weight, wanted)
    again = small(warm_start=True).fit(IMAGES, rare)
    again.set_params(class_weight="balanced").fit(IMAGES, rare)
    assert_allclose(again.criterion_.class_weight, wanted)
    with pytest.raises(ValueError, match="not among the classes"):
        small(class_weight="balanced").partial_fit(IMAGES, MASKS + 5, classes=[0, 1])


def test_a_class_without_pixels_weighs_as_much_as_the_rarest():
    counts = np.array([[3, 1, 0]])
    factors = class_factors("balanced", [np.array([0, 1, 2])], counts)
    assert_allclose(factors, [[2 / 3, 2, 2]])


def test_fewer_large_images_than_small_ones_go_through_at_once(trained):
    assert len(list(trained.forward_iter(np.zeros((10, 20, 14))))) == 1
    assert [len(part) for part in trained.forward_iter(np.zeros((3, 512, 700)))] == [1, 1, 1]


def test_few_images_make_one_batch():
    assert small().start_fit(IMAGES[:5], MASKS[:5]).settings.batch_size == 5
    assert small().start_fit(IMAGES, MASKS).settings.batch_size == 8


def test_epoch_scoring_takes_accuracy_and_log_loss_of_pixels():
    names = ("accuracy", "neg_log_loss")
    callbacks = [EpochScoring(name, lower_is_better=False) for name in names]
    net = small(callbacks=callbacks).fit(IMAGES, MASKS, X_val=IMAGES[:9], y_val=MASKS[:9])
    probabilities = net.predict_proba(IMAGES[:9])
    truth = np.take_along_axis(probabilities, MASKS[:9, None], axis=1)
    accuracy = np.mean(net.predict(IMAGES[:9]) == MASKS[:9])
    assert_allclose(net.history_[-1, names], (accuracy, np.log(truth).mean()), rtol=1e-5)


@pytest.mark.parametrize("upsample", ["transpose", "nearest"])
def test_init_fills_all_convolutions(upsample):
    style = ConvStyle(init=lambda weight: nn.init.constant_(weight, 0.25))
    module = UNetModule(1, 2, channels=(4, 8), n_blocks=(1, 1), style=style, upsample=upsample)
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            assert (layer.weight == 0.25).all()
            assert layer.bias is None or not layer.bias.any()


def test_named_inits_see_one_input_pixel_of_a_transposed_convolution():
    torch.manual_seed(0)
    module = UNetModule(
        1, 2, channels=(64, 128), n_blocks=(1, 1), style=ConvStyle(init="lecun_normal")
    )
    assert module.rise[0].weight.std().item() == pytest.approx(128**-0.5, rel=0.02)


def test_scorers_know_the_classes_of_the_estimator(trained):
    everywhere = np.ones_like(MASKS)
    predicted = trained.predict(IMAGES)
    assert dice_scorer(trained, IMAGES, everywhere) == dice_score(everywhere, predicted, labels=[1])
    assert iou_scorer(trained, IMAGES, everywhere) == iou_score(everywhere, predicted, labels=[1])
    assert dice_scorer(trained, IMAGES, MASKS) == trained.score(IMAGES, MASKS)


def test_masks_may_have_an_axis_of_channels_on_either_side(trained):
    masks = MASKS[:4]
    wanted = trained.score(IMAGES[:4], masks)
    for y in (masks[:, None], masks[..., None], list(masks[..., None])):
        assert trained.score(IMAGES[:4], y) == wanted == dice_scorer(trained, IMAGES[:4], y)


def test_pixels_that_numpy_masks_are_told_how_to_be_left_out():
    y = np.ma.masked_array(MASKS, mask=np.arange(MASKS.size).reshape(MASKS.shape) % 7 == 0)
    n_masked = np.ma.count_masked(y)
    with pytest.raises(ValueError, match=rf"{n_masked} of its pixels are masked.*ignore_index"):
        small().fit(IMAGES, y)
    with pytest.raises(ValueError, match="of its pixels are masked"):
        small().fit(IMAGES, list(y))
    small().fit(IMAGES, np.ma.masked_array(MASKS))  # none is


@pytest.mark.parametrize("init", ["default", "kaiming_normal", nn.init.xavier_normal_])
@pytest.mark.parametrize(
    ("params", "shares"),
    [
        ({}, [0.7, 0.25, 0.05]),
        ({"ignore_index": 2}, [0.7 / 0.95, 0.25 / 0.95]),
        ({"class_weight": {0: 1, 1: 2, 2: 4}}, [0.7 / 1.4, 0.5 / 1.4, 0.2 / 1.4]),
        ({"class_weight": "balanced"}, [1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_classes_begin_with_their_shares_of_the_pixels(init, params, shares):
    y = np.zeros((5, 4, 5), int)
    y.reshape(-1)[:30] = 1 + np.arange(30) // 25
    begun = small(init=init, lr=1e-9, max_epochs=1, **params).fit(IMAGES[:5, :4, :5], y)
    assert_allclose(begun.module_.output.bias.detach().softmax(0), shares, rtol=1e-5)


def test_few_images_of_a_rare_class_are_enough_to_expect_it_as_often_as_it_comes():
    images, masks = discs(24, 16, 16)
    masks[::2] = 0
    shares = [
        small(lr=0.003, max_epochs=3, loss=loss).fit(images, masks).predict_proba(images)[:, 1]
        for loss in ("cross_entropy", "cross_entropy_and_dice")
    ]
    for share in shares:  # a half of the pixels where classes begin alike
        assert 0.8 < share.sum() / masks.sum() < 1.25
