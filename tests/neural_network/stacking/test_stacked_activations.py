"""Derivatives of activations against autograd."""

import pytest
from torch import nn

from sklearn_trainkit.neural_network.modules._activations import ACTIVATIONS
from sklearn_trainkit.neural_network.stacking._stacked_layers import STACKERS
from tests.neural_network.stacks import assert_gradients_are_autograds

OTHERS = {
    "ELU(2)": lambda: nn.ELU(2.0),
    "GELU(tanh)": lambda: nn.GELU(approximate="tanh"),
    "Hardtanh": nn.Hardtanh,
    "LeakyReLU(0.3)": lambda: nn.LeakyReLU(0.3),
    "ReLU(inplace)": lambda: nn.ReLU(inplace=True),
    "ReLU6(inplace)": lambda: nn.ReLU6(inplace=True),
    "Softplus": nn.Softplus,
}


@pytest.mark.parametrize("name", sorted({**ACTIVATIONS, **OTHERS}))
def test_the_derivative_is_autograds(name):
    activation = {**ACTIVATIONS, **OTHERS}[name]
    assert_gradients_are_autograds(lambda: nn.Sequential(nn.Linear(6, 4), activation()))


def test_every_activation_by_name_can_be_stacked():
    assert {type(make()) for make in ACTIVATIONS.values()} <= set(STACKERS)
