"""Optimizers by name, class and callable."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_trainkit.neural_network import MLPNetRegressor, NetClassifier
from sklearn_trainkit.neural_network.engines._optimizers import OPTIMIZERS, make_optimizer


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


class Words(nn.Module):
    def __init__(self, sparse=True):
        super().__init__()
        self.words = nn.Embedding(20, 4, sparse=sparse)
        self.output = nn.Linear(4, 2)

    def forward(self, samples):
        return self.output(self.words(samples).mean(1))


CODES = np.random.default_rng(0).integers(0, 20, size=(40, 3))
PARITY = CODES[:, 0] % 2


def embedded(sparse=True, **params):
    net = NetClassifier(
        Words(sparse), max_epochs=4, lr_schedule="constant", random_state=0, **params
    )
    return net.fit(CODES, PARITY)


@pytest.mark.parametrize("kind", ["sgd", torch.optim.SGD, "adagrad", torch.optim.Adagrad])
def test_sparse_gradients_are_taken_where_torchs_optimizer_takes_them(kind):
    torch.manual_seed(0)
    start = Words(sparse=True)
    dense = Words(sparse=False)
    dense.load_state_dict(start.state_dict())
    params = {"optimizer": kind, "lr": 0.1, "max_epochs": 4, "random_state": 0}
    nets = [NetClassifier(module, **params).fit(CODES, PARITY) for module in (start, dense)]
    one, other = (net.module_.words.weight for net in nets)
    torch.testing.assert_close(one, other)
    assert not torch.equal(one, start.words.weight)
    nets[0].set_params(warm_start=True).fit(CODES, PARITY)
    nets[0].partial_fit(CODES, PARITY)


@pytest.mark.parametrize("kind", ["adamw", "adam", "rmsprop", "nadam", "radam", "adamax"])
def test_other_optimizers_say_which_ones_take_sparse_gradients(kind):
    with pytest.raises(ValueError, match=r"sparse gradients.*words\.weight.*'sgd'.*SparseAdam"):
        embedded(optimizer=kind)


@pytest.mark.parametrize(
    "params", [{"weight_decay": 0.1}, {"clip_norm": 1.0}, {"clip_value": 1.0}, {"clip_adaptive": 1}]
)
def test_what_cannot_be_done_with_sparse_gradients_is_named(params):
    with pytest.raises(ValueError, match=rf"{next(iter(params))}.*sparse gradients.*words\.weight"):
        embedded(optimizer="sgd", **params)
    embedded(sparse=False, optimizer="sgd", **params)


def test_sparse_adam_of_torch_trains_a_module_whose_gradients_are_all_sparse():
    module = nn.Sequential(nn.Embedding(20, 2, sparse=True), nn.Flatten())
    net = NetClassifier(module, optimizer=torch.optim.SparseAdam, lr=0.5, max_epochs=40)
    assert net.fit(CODES[:, :1], PARITY).score(CODES[:, :1], PARITY) == 1.0


def linear(n_epochs=5, **params):
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    net = NetClassifier(
        module,
        optimizer="sgd",
        lr=0.1,
        lr_schedule="constant",
        max_epochs=n_epochs,
        batch_size=-1,
        label_smoothing=0.0,
        **params,
    )
    return module, net.fit(CODES.astype("float32") / 20, PARITY)


def test_groups_have_their_own_options_as_in_plain_torch():
    groups = [("0.*", {"lr": 0.0}), ("*.bias", {"lr": 0.01, "momentum": 0.5})]
    start, net = linear(optimizer_params={"param_groups": groups, "momentum": 0.9})
    module = copy.deepcopy(start)
    optimizer = torch.optim.SGD(
        [
            {"params": [module[2].weight]},
            {"params": list(module[0].parameters()), "lr": 0.0},
            {"params": [module[2].bias], "lr": 0.01, "momentum": 0.5},
        ],
        lr=0.1,
        momentum=0.9,
    )
    samples = torch.from_numpy(CODES.astype("float32") / 20)
    for _ in range(5):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(samples), torch.from_numpy(PARITY)).backward()
        optimizer.step()
    for own, theirs in zip(net.module_.parameters(), module.parameters(), strict=True):
        torch.testing.assert_close(own, theirs)
    assert torch.equal(net.module_[0].weight, start[0].weight)
    assert net.history_[-1, "lr"] == 0.1


def test_groups_may_change_between_warm_starts():
    _, net = linear(warm_start=True, optimizer_params={"momentum": 0.9})
    before = copy.deepcopy(net.module_)
    groups = [("2.weight", {"lr": 0.0})]
    net.set_params(optimizer_params={"param_groups": groups}, max_epochs=1)
    net.fit(CODES.astype("float32") / 20, PARITY)
    assert torch.equal(net.module_[2].weight, before[2].weight)
    assert not torch.equal(net.module_[0].weight, before[0].weight)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([("9.*", {"lr": 0.1})], r"pattern '9\.\*'.*'0\.weight'"),
        ([("0.*", {"lr": 0.1}), ("0.bias", {"lr": 0.1})], r"pattern '0\.bias'.*that is left"),
        ([("0.*", {"learning_rate": 0.1})], r"does not take \['learning_rate'\]"),
        (["0.*"], r"Got the entry '0\.\*'"),
    ],
)
def test_groups_that_would_do_nothing_are_refused(groups, message):
    with pytest.raises(ValueError, match=message):
        linear(optimizer_params={"param_groups": groups})
