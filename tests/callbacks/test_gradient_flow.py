"""The flow of gradients: figures by hand, and diagnoses in plain words."""

import math
import warnings

import numpy as np
import pytest
import torch
from skorch import NeuralNetClassifier
from torch import nn

from sklearn_trainkit.callbacks import GradientFlow, LayerFlow, diagnose_flow, gradient_flow
from sklearn_trainkit.exceptions import GradientFlowWarning
from sklearn_trainkit.neural_network import MLPNetClassifier

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 10)).astype(np.float32)
y = (X[:, 0] > 0).astype(np.int64)


def test_figures_by_hand():
    weight = nn.Parameter(torch.ones(2, 2))
    weight.grad = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    broken = nn.Parameter(torch.ones(1, 4))
    broken.grad = torch.tensor([[math.nan, 1.0, math.inf, 0.0]])
    bias = nn.Parameter(torch.ones(3))
    bias.grad = torch.ones(3)
    first, second = gradient_flow([("w", weight), ("b", bias), ("broken", broken)])
    assert first[:4] == ("w", pytest.approx(5 / 2), 0.5, 0.0)
    assert (second.layer, second.zero_share, second.nonfinite_share) == ("broken", 0.25, 0.5)


def test_update_ratio_is_that_of_the_first_step_of_the_epoch():
    flow = GradientFlow()
    net = MLPNetClassifier((), optimizer="sgd", lr=0.5, max_epochs=1, batch_size=100)
    net.set_params(lr_schedule="constant")
    net.set_params(callbacks=[flow], random_state=0)
    run = net.start_fit(X, y)
    before = net.module_.output.weight.detach().clone()
    run.train()
    record = net.history[-1]["gradient_flow"][0]
    step = 0.5 * record.grad_norm * math.sqrt(before.numel())
    assert record.update_ratio == pytest.approx(step / before.norm().item(), rel=1e-4)


def test_a_healthy_network_is_not_accused():
    flow = GradientFlow()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net = MLPNetClassifier((32, 16), max_epochs=5, callbacks=[flow], random_state=0).fit(X, y)
    assert flow.diagnosis_ is None
    assert len(net.history[:, "gradient_flow"]) == 5


CASES = {
    "vanishes": ({"hidden_units": (16,) * 20, "activation": "sigmoid"}, "vanishes on its way back"),
    "explodes": (
        {
            "hidden_units": (16,) * 12,
            "activation": "identity",
            "init": lambda w: nn.init.normal_(w, std=3.0),
            "lr": 1e-9,
        },
        "gradient explodes",
    ),
    "dead": (
        {"hidden_units": (16,), "init": lambda w: nn.init.constant_(w, -100.0), "lr": 1e-9},
        "is exactly zero",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_named_in_plain_words(case):
    params, message = CASES[case]
    data = np.abs(X) if case == "dead" else X
    net = MLPNetClassifier(max_epochs=2, callbacks=[GradientFlow()], random_state=0, **params)
    with pytest.warns(GradientFlowWarning, match=message):
        net.fit(data, y)


def test_residual_addition_cures_the_vanishing_gradient():
    flow = GradientFlow(warn=False)
    params = {**CASES["vanishes"][0], "skip": "add"}
    MLPNetClassifier(max_epochs=2, callbacks=[flow], random_state=0, **params).fit(X, y)
    assert flow.diagnosis_ is None


def test_non_finite_gradients_are_named_first():
    flow = [LayerFlow("a", math.inf, 0.0, 0.1), LayerFlow("b", 1.0, 0.0, 0.0)]
    assert "gradient of a has NaN or infinite" in diagnose_flow([flow])
    assert diagnose_flow([]) is None


def test_it_works_in_a_plain_skorch_net():
    net = NeuralNetClassifier(
        nn.Linear,
        module__in_features=10,
        module__out_features=2,
        criterion=nn.CrossEntropyLoss,
        callbacks=[GradientFlow()],
        max_epochs=2,
        verbose=0,
    ).fit(X, y)
    assert net.history[-1]["gradient_flow"][0].update_ratio > 0
