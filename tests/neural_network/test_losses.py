"""Softmax with few and with many classes against torch's."""

import pytest
import torch

from sklearn_trainkit.neural_network._losses import class_log_softmax, class_softmax

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
