"""Optimizers by name, class and callable."""

import pytest
import torch

from sklearn_trainkit.neural_network import MLPNetRegressor
from sklearn_trainkit.neural_network._optimizers import OPTIMIZERS, make_optimizer


def parameters():
    return [torch.nn.Parameter(torch.tensor([1.0, -2.0]))]


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - {"lbfgs"}))
def test_a_named_optimizer_steps_as_torchs_default_does(name):
    ours, theirs = parameters(), parameters()
    decay = {} if name == "radam" else {"weight_decay": 0.1}
    our_optimizer = make_optimizer(name, ours, lr=0.1, **decay)
    their_optimizer = OPTIMIZERS[name](theirs, lr=0.1, **decay)
    for _ in range(3):
        for p, optimizer in [(ours[0], our_optimizer), (theirs[0], their_optimizer)]:
            optimizer.zero_grad()
            (p**3).sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours[0], theirs[0])


def test_class_and_callable():
    by_class = make_optimizer(torch.optim.SGD, parameters(), lr=0.1, params={"momentum": 0.9})
    assert by_class.param_groups[0]["momentum"] == 0.9

    def factory(params, lr, **kwargs):
        return torch.optim.Adam(params, lr=lr / 2, **kwargs)

    assert make_optimizer(factory, parameters(), lr=0.1).param_groups[0]["lr"] == 0.05


def test_unknown_arguments_are_named():
    with pytest.raises(ValueError, match=r"optimizer='adam' does not take \['momentum'\]"):
        make_optimizer("adam", parameters(), lr=0.1, params={"momentum": 0.9})


@pytest.mark.parametrize("name", ["lr", "weight_decay"])
def test_what_the_network_has_a_parameter_for_is_not_given_twice(name):
    with pytest.raises(ValueError, match=rf"optimizer_params=.*names \['{name}'\].*set {name}"):
        make_optimizer("adam", parameters(), lr=0.1, params={name: 0.2})


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, 0.3),
        ({"optimizer": torch.optim.AdamW}, 0.3),
        ({"optimizer": "adam"}, 0.0),
        ({"optimizer": "sgd"}, 0.0),
        ({"optimizer": "lbfgs"}, None),
        ({"weight_decay": 0.02}, 0.02),
        ({"weight_decay": 0.0}, 0.0),
        ({"optimizer": "sgd", "weight_decay": 0.02}, 0.02),
    ],
)
def test_automatic_weight_decay_is_for_the_optimizer_that_decouples_it(params, expected):
    net = MLPNetRegressor((3,), max_epochs=1, **params).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    assert net.optimizer_.param_groups[0].get("weight_decay") == expected


def test_no_weight_decay_means_none_for_every_optimizer():
    for name in sorted(set(OPTIMIZERS) - {"lbfgs"}):
        group = make_optimizer(name, parameters(), lr=0.1).param_groups[0]
        assert group["weight_decay"] == 0.0, name


def test_an_optimizer_without_weight_decay_says_so():
    with pytest.raises(ValueError, match=r"'lbfgs' has no weight decay.*weight_decay=0\.1"):
        make_optimizer("lbfgs", [torch.zeros(1, requires_grad=True)], lr=0.1, weight_decay=0.1)
