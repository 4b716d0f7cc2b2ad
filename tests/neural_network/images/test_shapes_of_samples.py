"""Samples in another shape than is wanted: the message says what to do."""

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_trainkit.neural_network import (
    ConvNetClassifier,
    ConvNetRegressor,
    MLPNetClassifier,
    NetClassifier,
    RecurrentNetClassifier,
    UNetSegmenter,
)

rng = np.random.default_rng(0)
y = np.arange(12) % 2


def images(*shape, dtype="float32"):
    return rng.integers(0, 255, size=(12, *shape)).astype(dtype)


def conv(cls=ConvNetClassifier, **params):
    return cls((4,), max_epochs=1, random_state=0, **params)


@pytest.mark.parametrize("n_channels", [1, 3, 4])
@pytest.mark.parametrize("kind", ["array", "uint8", "list", "tensor"])
@pytest.mark.parametrize("cls", [ConvNetClassifier, ConvNetRegressor, UNetSegmenter])
def test_channels_that_come_last_are_refused(cls, kind, n_channels):
    X = images(10, 12, n_channels, dtype="uint8" if kind == "uint8" else "float32")
    X = {"list": list(X), "tensor": torch.from_numpy(X)}.get(kind, X)
    masks = (images(10, 12) > 100).astype(int) if cls is UNetSegmenter else y
    for action in (conv(cls).fit, conv(cls).partial_fit):
        with pytest.raises(
            ValueError, match=rf"channels.*come first.*\(12, {n_channels}, 10, 12\)"
        ):
            action(X, masks)
    right = images(n_channels, 10, 12)
    net = conv(cls).fit(right, masks)
    for action in (
        net.predict,
        net.predict_proba if hasattr(net, "predict_proba") else net.predict,
    ):
        with pytest.raises(ValueError, match="channels"):
            action(X)


@pytest.mark.parametrize(
    "shape", [(3, 10, 12), (1, 12, 4), (3, 12, 3), (8, 3, 3), (10, 12, 5), (4, 4, 4)]
)
def test_channels_that_come_first_are_taken_whatever_the_width(shape):
    conv().fit(images(*shape), y)


def test_narrow_images_of_many_channels_are_taken_if_image_shape_says_so():
    X = images(10, 12, 3)
    net = conv(image_shape=(10, 12, 3)).fit(X, y)
    assert net.input_shape_ == (10, 12, 3)
    assert net.predict(X).shape == (12,)


SINGLES = {
    "grey": (lambda: conv().fit(images(9, 8), y), (9, 8)),
    "grey with an axis": (lambda: conv().fit(images(1, 9, 8), y), (9, 8)),
    "flat rows": (lambda: conv(image_shape=(9, 8)).fit(images(72), y), (9, 8)),
    "colours": (lambda: conv().fit(images(3, 9, 8), y), (3, 9, 8)),
    "masks": (lambda: conv(UNetSegmenter).fit(images(9, 8), (images(9, 8) > 99) * 1), (9, 8)),
    "masks of another size": (
        lambda: conv(UNetSegmenter).fit(images(9, 8), (images(9, 8) > 99) * 1),
        (16, 4),
    ),
    "own module": (
        lambda: NetClassifier(nn.Sequential(nn.Flatten(), nn.Linear(24, 2)), max_epochs=1).fit(
            images(2, 3, 4), y
        ),
        (2, 3, 4),
    ),
}


@pytest.mark.parametrize(("make", "shape"), SINGLES.values(), ids=SINGLES)
def test_a_single_sample_is_told_its_shape(make, shape):
    net = make()
    sizes = ", ".join(map(str, shape))
    for sample in (images(*shape)[0], torch.from_numpy(images(*shape)[0])):
        for method in ("predict", "predict_proba"):
            with pytest.raises(
                ValueError, match=rf"single sample.*\(n_samples, {sizes}\).*X\[None\]"
            ):
                getattr(net, method)(sample)
    if net.image_shape is None if hasattr(net, "image_shape") else True:
        assert len(net.predict(images(*shape)[:1])) == 1


def test_one_image_in_an_array_is_no_single_image():
    net = conv().fit(images(1, 9, 8), y)
    assert net.predict(images(9, 8)[:1]).shape == (1,)
    assert net.predict(images(1, 9, 8)[:1]).shape == (1,)


def test_single_rows_and_sequences_are_told_too():
    dense = MLPNetClassifier((4,), max_epochs=1).fit(images(5), y)
    with pytest.raises(ValueError, match=r"1D array.*reshape\(1, -1\)|single sample"):
        dense.predict(images(5)[0])
    recurrent = RecurrentNetClassifier((4,), max_epochs=1).fit(images(6, 2), y)
    with pytest.raises(ValueError, match=r"\(n_samples, n_steps, n_features\)"):
        recurrent.predict(images(6, 2)[0])
    flat = RecurrentNetClassifier((4,), sequence_shape=(-1, 2), max_epochs=1).fit(images(12), y)
    with pytest.raises(ValueError, match=r"single sample.*\(n_samples, 6, 2\)"):
        flat.predict(images(6, 2)[0])
    one_step = RecurrentNetClassifier((4,), sequence_shape=(1, 2), max_epochs=1).fit(images(2), y)
    assert one_step.predict(images(2)[:1]).shape == (1,)
