import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import r2_score

from sklearn_trainkit.neural_network.batches._tensor_loader import TensorRows
from sklearn_trainkit.neural_network.sequences._step_targets import (
    StepLoss,
    check_some_targets,
    r2_of_steps,
    step_targets,
)

N_STEPS = np.array([3, 1])


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_the_loss_is_the_mean_over_true_steps(loss):
    generator = torch.Generator().manual_seed(0)
    output, target = (torch.randn(4, 5, 2, generator=generator) for _ in range(2))
    there = torch.arange(5) < torch.tensor([5, 2, 1, 3])[:, None]
    target[~there] = torch.nan
    function = {
        "squared_error": torch.nn.functional.mse_loss,
        "absolute_error": torch.nn.functional.l1_loss,
        "huber": torch.nn.functional.huber_loss,
    }[loss]
    wanted = function(output[there], target[there])
    assert_allclose(StepLoss(loss, 11 / 4)(output, target), wanted, rtol=1e-5)
    weight = torch.tensor([2.0, 0.0, 1.0, 1.0])
    repeated = [0, 0, 2, 3]
    mean_steps = (2 * 5 + 1 + 3) / 4
    seen = StepLoss(loss, mean_steps)(output, target, weight)
    twice = function(output[repeated][there[repeated]], target[repeated][there[repeated]])
    assert_allclose(seen, twice, rtol=1e-5)


def test_padded_steps_have_no_gradient():
    output = torch.zeros(1, 3, 1, requires_grad=True)
    target = torch.tensor([[[1.0], [2.0], [torch.nan]]])
    StepLoss(mean_steps=2.0)(output, target).backward()
    assert output.grad.flatten().tolist() == [-1.0, -2.0, 0.0]


@pytest.mark.parametrize("y", [[[1, 2, 3], [4]], [np.arange(3.0), np.arange(3.0)]])
def test_targets_come_as_lists(y):
    targets = step_targets(y, N_STEPS, 3)
    assert targets.dtype == np.float64
    assert np.isnan(targets).tolist() == [[False] * 3, [False, True, True]]


def test_targets_after_the_end_are_ignored():
    y = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    targets = step_targets(y, N_STEPS, 3)
    assert targets.dtype == np.float32
    assert_array_equal(targets[0], y[0])
    assert np.isnan(targets[1, 1:]).all()
    assert_array_equal(step_targets([y[0], y[1, :1]], N_STEPS, 3), targets)


def test_lists_may_be_shorter_than_a_padded_x():
    assert step_targets([[1, 2], [3]], np.array([2, 1]), 5).shape == (2, 5)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros((2, 4)), r"steps of X. Got y of shape \(2, 4\) for 2 sequences of up to 3 steps"),
        (np.zeros(2), r"a target for each step. Got shape \(2,\)"),
        (np.zeros((3, 3)), r"Got y of shape \(3, 3\) for 2 sequences"),
        ([[1, 2, 3], [4, 5]], r"y\[1\] has shape \(2,\), but sequence 1 of X has 1 steps"),
        ([[1, 2, 3]], "y has 1 sequences, but X has 2"),
        ([1.0, 2.0], r"y\[0\] has shape \(\)"),
        (np.array([[1, -np.inf, 2], [1, 1, 1]]), "infinity at step 1 of sample 0"),
        (np.array([[1, 2, np.inf], [1, 1, 1]]), "infinity at step 2 of sample 0"),
    ],
)
def test_targets_that_do_not_fit_are_named(y, message):
    with pytest.raises(ValueError, match=message):
        step_targets(y, N_STEPS, 3)


def test_the_score_is_over_true_steps():
    rng = np.random.default_rng(0)
    y, output = rng.normal(size=(2, 4, 5, 1))
    y[1, 3:] = np.nan
    there = ~np.isnan(y)
    seen = r2_of_steps(torch.from_numpy(output), torch.from_numpy(y))
    assert_allclose(seen, r2_score(y[there], output[there]))


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ((False, True), "None of the 2 training sequences"),
        ((True, False), "2 validation sequences"),
    ],
)
def test_a_part_of_a_split_without_targets_is_said(known, message):
    rows = [TensorRows(torch.zeros(2, 3, 1), torch.full((2, 3), float(each))) for each in known]
    check_some_targets(*rows[:1], None, lambda y: y >= 0)
    with pytest.raises(ValueError, match=message):
        check_some_targets(*rows, lambda y: y > 0)
