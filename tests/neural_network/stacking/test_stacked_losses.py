"""Losses and gradients of several networks against the criteria and autograd."""

import pytest
import torch
from torch import nn

from sklearn_trainkit.neural_network.modules._losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    RegressionLoss,
)
from sklearn_trainkit.neural_network.stacking._stacked_layers import NotStackableError
from sklearn_trainkit.neural_network.stacking._stacked_losses import stacked_loss

GENERATOR = torch.Generator().manual_seed(0)
OUTPUT = torch.randn(3, 5, 4, dtype=torch.float64, generator=GENERATOR)
CODES = torch.randint(0, 4, (3, 5), generator=GENERATOR)
INDICATORS = torch.randint(0, 2, (3, 5, 4), generator=GENERATOR).float()
NUMBERS = torch.randn(3, 5, 4, dtype=torch.float64, generator=GENERATOR)
WEIGHT = torch.rand(3, 5, dtype=torch.float64, generator=GENERATOR)
PER_LABEL = torch.rand(3, 5, 4, dtype=torch.float64, generator=GENERATOR)
SHARES = torch.softmax(torch.randn(2, 4, dtype=torch.float64, generator=GENERATOR), 1)
MANY = torch.randn(3, 5, 20, dtype=torch.float64, generator=GENERATOR)
CASES = {
    "classes": ([CrossEntropy()] * 3, CODES),
    "smoothed classes": ([CrossEntropy(0.1)] * 3, CODES),
    "several smoothings": ([CrossEntropy(0.1), CrossEntropy(), CrossEntropy(0.3)], CODES),
    "towards shares": ([CrossEntropy(0.1, SHARES[0])] * 3, CODES),
    "towards several shares": (
        [CrossEntropy(0.1, SHARES[0]), CrossEntropy(0.3), CrossEntropy(0.2, SHARES[1])],
        CODES,
    ),
    "labels": ([BinaryCrossEntropy()] * 3, INDICATORS),
    "labels towards shares": (
        [BinaryCrossEntropy(s, SHARES[0]) for s in (0.1, 0.0, 0.3)],
        INDICATORS,
    ),
    "smoothed labels": ([BinaryCrossEntropy(s) for s in (0.1, 0.0, 0.3)], INDICATORS),
    "squared": ([RegressionLoss()] * 3, NUMBERS),
    "absolute": ([RegressionLoss("absolute_error")] * 3, NUMBERS),
    "huber": ([RegressionLoss("huber")] * 3, NUMBERS),
}


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
@pytest.mark.parametrize("name", CASES)
def test_losses_and_gradients_are_those_of_each_criterion(name, weight):
    check_against_criteria(*CASES[name], OUTPUT, weight)


@pytest.mark.parametrize("name", ["labels", "smoothed labels", "labels towards shares"])
def test_labels_may_have_a_weight_each(name):
    check_against_criteria(*CASES[name], OUTPUT, PER_LABEL)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
def test_many_classes_are_no_different(weight):
    criteria = [CrossEntropy(0.1), CrossEntropy(), CrossEntropy(0.3)]
    check_against_criteria(criteria, 4 * CODES + CODES, MANY, weight)


def check_against_criteria(criteria, target, outputs, weight):
    losses, gradient = stacked_loss(criteria, outputs)(outputs, target, weight)
    for row, criterion in enumerate(criteria):
        own = outputs[row].clone().requires_grad_()
        loss = criterion(own, target[row], None if weight is None else weight[row])
        loss.backward()
        torch.testing.assert_close(losses[row], loss.detach(), rtol=0, atol=1e-14)
        torch.testing.assert_close(gradient[row], own.grad, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("criteria", "reason"),
    [
        ([CrossEntropy(), BinaryCrossEntropy()], "BinaryCrossEntropy, CrossEntropy"),
        ([RegressionLoss(), RegressionLoss("huber")], "huber, squared_error"),
        ([nn.MSELoss(), nn.MSELoss()], "MSELoss cannot be stacked"),
    ],
)
def test_different_or_foreign_losses_are_refused(criteria, reason):
    with pytest.raises(NotStackableError, match=reason):
        stacked_loss(criteria, OUTPUT)
