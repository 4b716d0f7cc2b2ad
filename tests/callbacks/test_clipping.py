"""Clipping equals torch's own functions and the formulas by hand."""

import pytest
import torch
from skorch import NeuralNetClassifier
from torch import nn

from sklearn_trainkit.callbacks import (
    GradientClipping,
    clip_adaptive_,
    clip_by_norm_,
    clip_by_value_,
)


@pytest.fixture
def parameters():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 2))
    module(torch.randn(8, 6)).square().sum().backward()
    frozen = nn.Parameter(torch.ones(3))
    return [*module.parameters(), frozen]


def copied(parameters):
    copies = [nn.Parameter(p.detach().clone()) for p in parameters]
    for copy, p in zip(copies, parameters, strict=True):
        copy.grad = None if p.grad is None else p.grad.clone()
    return copies


def gradients(parameters):
    return [p.grad.clone() for p in parameters if p.grad is not None]


@pytest.mark.parametrize("max_norm", [0.1, 1.0, 1e6])
def test_clip_by_norm_equals_torch(parameters, max_norm):
    theirs = copied(parameters)
    expected_norm = torch.nn.utils.clip_grad_norm_(theirs, max_norm)
    norm = clip_by_norm_(parameters, max_norm)
    torch.testing.assert_close(norm, expected_norm, rtol=0, atol=0)
    torch.testing.assert_close(gradients(parameters), gradients(theirs), rtol=0, atol=0)


def test_clip_by_norm_leaves_a_total_norm_of_max_norm(parameters):
    clip_by_norm_(parameters, 0.5)
    total = torch.cat([g.flatten() for g in gradients(parameters)]).norm()
    assert total.item() == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize("max_value", [0.01, 0.5, 1e6])
def test_clip_by_value_equals_torch(parameters, max_value):
    theirs = copied(parameters)
    torch.nn.utils.clip_grad_value_(theirs, max_value)
    clip_by_value_(parameters, max_value)
    torch.testing.assert_close(gradients(parameters), gradients(theirs), rtol=0, atol=0)


def test_adaptive_clipping_limits_each_row_to_a_share_of_its_weight_norm():
    weight = nn.Parameter(torch.tensor([[3.0, 4.0], [0.3, 0.4]]))
    weight.grad = torch.tensor([[6.0, 8.0], [0.003, 0.004]])
    clip_adaptive_([weight], ratio=0.1)
    # Row 0: weight norm 5, gradient norm 10, limit 0.5, so a factor of 1/20.
    # Row 1: weight norm 0.5, gradient norm 0.005, limit 0.05: untouched.
    expected = torch.tensor([[0.3, 0.4], [0.003, 0.004]])
    torch.testing.assert_close(weight.grad, expected)


def test_adaptive_clipping_lets_a_zero_bias_move():
    bias = nn.Parameter(torch.zeros(2))
    bias.grad = torch.tensor([3.0, 4.0])
    clip_adaptive_([bias], ratio=0.1, eps=1e-3)
    assert bias.grad.norm().item() == pytest.approx(1e-4)


def test_the_callback_clips_a_plain_skorch_net():
    norms = []

    class Spy(GradientClipping):
        def on_grad_computed(self, net, named_parameters, **kwargs):
            named_parameters = list(named_parameters)
            super().on_grad_computed(net, named_parameters, **kwargs)
            grads = [p.grad.flatten() for _, p in named_parameters]
            norms.append(torch.cat(grads).norm().item())

    net = NeuralNetClassifier(
        nn.Linear,
        module__in_features=3,
        module__out_features=2,
        criterion=nn.CrossEntropyLoss,
        callbacks=[Spy(norm=1e-3)],
        verbose=0,
        max_epochs=1,
    )
    net.fit(torch.randn(40, 3).numpy(), torch.randint(2, (40,)).numpy())
    assert norms
    assert max(norms) <= 1e-3 * 1.001
