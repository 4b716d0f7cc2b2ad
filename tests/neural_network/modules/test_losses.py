"""Softmax with few and with many classes, and losses of smoothed labels, against torch's."""

import pytest
import torch
from torch.nn import functional

from sklearn_trainkit.neural_network.masks._mask_losses import MaskLoss
from sklearn_trainkit.neural_network.modules._losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    class_log_softmax,
    class_softmax,
)

LOGITS = {
    n_classes: torch.randn(
        9, n_classes, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    for n_classes in (2, 15, 16, 40)
}


@pytest.mark.parametrize("scale", [1.0, 500.0])
@pytest.mark.parametrize("n_classes", LOGITS)
def test_probabilities_are_torchs(n_classes, scale):
    logits = scale * LOGITS[n_classes]
    probabilities = class_softmax(logits)
    torch.testing.assert_close(probabilities, torch.softmax(logits, 1), rtol=1e-14, atol=0)
    assert probabilities.is_contiguous()
    logs = class_log_softmax(torch.stack([logits, -logits]))
    expected = torch.log_softmax(torch.stack([logits, -logits]), 2).transpose(1, 2)
    torch.testing.assert_close(logs, expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("n_classes", LOGITS)
def test_infinite_logits_and_ties_are_torchs(n_classes):
    logits = LOGITS[n_classes].clone()
    logits[0, 1], logits[1] = -torch.inf, 0.0
    torch.testing.assert_close(class_softmax(logits), torch.softmax(logits, 1))


def test_masks_have_classes_in_the_same_place():
    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(class_softmax(logits), torch.softmax(logits, 1))


CODES = torch.tensor([0, 1, 1, 0, 1, 1, 1, 1, 1])
WEIGHT = torch.arange(9, dtype=torch.float64) / 4.0
SHARES = torch.tensor([0.03, 0.97], dtype=torch.float64)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
@pytest.mark.parametrize("shares", [None, SHARES], ids=["evenly", "by shares"])
def test_smoothed_labels_are_a_mixture_of_label_and_shares(shares, weight):
    even = torch.full((2,), 0.5, dtype=torch.float64)
    smooth = 0.9 * functional.one_hot(CODES, 2) + 0.1 * (even if shares is None else shares)
    losses = functional.cross_entropy(LOGITS[2], smooth, reduction="none")
    expected = losses.mean() if weight is None else (losses * weight).mean()
    torch.testing.assert_close(CrossEntropy(0.1, shares)(LOGITS[2], CODES, weight), expected)
    images, masks = LOGITS[2].T[None, :, :, None], CODES[None, :, None]
    if weight is None:
        torch.testing.assert_close(
            MaskLoss("cross_entropy", 0.1, shares=shares)(images, masks), expected
        )


def test_evenly_smoothed_labels_are_torchs():
    expected = functional.cross_entropy(LOGITS[16], CODES, label_smoothing=0.2)
    torch.testing.assert_close(CrossEntropy(0.2)(LOGITS[16], CODES), expected)


@pytest.mark.parametrize("shares", [None, SHARES], ids=["evenly", "by shares"])
def test_each_label_is_smoothed_towards_its_own_share(shares):
    indicator = functional.one_hot(CODES, 2).double()
    smooth = 0.9 * indicator + 0.1 * (0.5 if shares is None else shares)
    losses = functional.binary_cross_entropy_with_logits(LOGITS[2], smooth, reduction="none")
    criterion = BinaryCrossEntropy(0.1, shares)
    torch.testing.assert_close(criterion(LOGITS[2], indicator), losses.mean())
    rows = (losses.mean(dim=1) * WEIGHT).mean()
    torch.testing.assert_close(criterion(LOGITS[2], indicator, WEIGHT), rows)
    per_label = torch.stack([WEIGHT, 2 - WEIGHT], dim=1)
    torch.testing.assert_close(
        criterion(LOGITS[2], indicator, per_label), (losses * per_label).mean()
    )
