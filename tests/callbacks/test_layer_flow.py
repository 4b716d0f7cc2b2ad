"""Gradients of tables, sparse ones, dead units and the order of layers, each by hand."""

import math
import warnings

import numpy as np
import pytest
import torch
from skorch import NeuralNetClassifier
from torch import nn

from sklearn_trainkit.callbacks import GradientFlow, gradient_flow
from sklearn_trainkit.callbacks._gradient_flow import has_dead_units

rng = np.random.default_rng(0)
WORDS = rng.integers(0, 500, size=(64, 5))
POINTS = rng.normal(size=(64, 20)).astype(np.float32)


class Words(nn.Module):
    def __init__(self, sparse=False, kind=nn.Embedding):
        super().__init__()
        self.words = kind(500, 8, sparse=sparse)
        self.output = nn.Linear(8, 2)

    def forward(self, X):
        found = self.words(X)
        return self.output(found if found.ndim == 2 else found.mean(1))


class Table(nn.Module):
    """An embedding by hand."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(500, 8))
        self.output = nn.Linear(8, 2)

    def forward(self, X):
        return self.output(self.table[X].mean(1))


class OwnLayer(nn.Module):
    """A dense layer whose weight has its units on either axis."""

    def __init__(self, n_in, n_out, units_first):
        super().__init__()
        shape = (n_out, n_in) if units_first else (n_in, n_out)
        self.weight = nn.Parameter(torch.randn(*shape) * 0.1)
        self.bias = nn.Parameter(torch.full((n_out,), -50.0))
        self.units_first = units_first

    def forward(self, X):
        return X @ (self.weight.T if self.units_first else self.weight) + self.bias


def watched(module, X=POINTS, n_epochs=2, optimizer=torch.optim.SGD, **params):
    """Train with plain skorch and return the callback."""
    flow = GradientFlow(warn=False)
    net = NeuralNetClassifier(
        module, criterion=nn.CrossEntropyLoss, max_epochs=n_epochs, verbose=0, train_split=None,
        optimizer=optimizer, callbacks=[flow], lr=0.01, batch_size=64, **params,
    )  # fmt: skip
    net.fit(X, (X[:, 0] > np.median(X[:, 0])).astype(np.int64))
    [flow] = [callback for _, callback in net.callbacks_ if isinstance(callback, GradientFlow)]
    return flow


def layers(flow):
    return [layer.layer for layer in flow.epochs_[-1]]


@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
def test_sparse_and_dense_gradients_of_a_table_are_measured_alike(kind):
    torch.manual_seed(0)
    dense, sparse = Words(kind=kind), Words(sparse=True, kind=kind)
    sparse.load_state_dict(dense.state_dict())
    flows = []
    for module in (dense, sparse):
        module(torch.from_numpy(WORDS)).square().sum().backward()
        flows.append(gradient_flow(module.named_parameters(), module))
    gradient = dense.words.weight.grad
    used = np.unique(WORDS)
    assert flows[0][0].grad_norm == pytest.approx(gradient[used].square().mean().sqrt().item())
    assert flows[0][0].zero_share == pytest.approx(1 - len(used) / 500)
    for one, other in zip(*flows, strict=True):
        assert one.layer == other.layer
        np.testing.assert_allclose(one[1:], other[1:], rtol=1e-6)
    assert sparse.words.weight.grad.is_sparse


@pytest.mark.parametrize(
    ("module", "X"),
    [
        (Words(), WORDS),
        (Words(sparse=True), WORDS),
        (Words(kind=nn.EmbeddingBag), WORDS),
        (Table(), WORDS),
        # One-hot and black borders: most columns of the first weight see zeros only.
        (
            nn.Sequential(nn.Linear(500, 8, bias=False), nn.ReLU(), nn.Linear(8, 2)),
            np.eye(500, dtype=np.float32)[WORDS[:, 0]],
        ),
        (
            nn.Sequential(nn.Linear(400, 8), nn.ReLU(), nn.Linear(8, 2)),
            np.hstack([POINTS, np.zeros((64, 380), np.float32)]),
        ),
    ],
)
def test_inputs_that_a_batch_does_not_have_are_no_dead_units(module, X):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flow = watched(module, X)
    assert flow.diagnosis_ is None
    assert flow.epochs_[-1][0].zero_share > 0.5


def dead_linear():
    module = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 2))
    nn.init.constant_(module[0].bias, -50.0)
    return module


def dead_transposed():
    hidden = nn.ConvTranspose2d(1, 30, 2)
    nn.init.constant_(hidden.bias, -50.0)
    shape = nn.Unflatten(1, (1, 4, 5))
    return nn.Sequential(shape, hidden, nn.ReLU(), nn.Flatten(), nn.Linear(900, 2))


@pytest.mark.parametrize(
    "module",
    [
        dead_linear(),
        dead_transposed(),
        nn.Sequential(OwnLayer(20, 30, True), nn.ReLU(), nn.Linear(30, 2)),
        nn.Sequential(OwnLayer(20, 30, False), nn.ReLU(), nn.Linear(30, 2)),
    ],
)
def test_units_that_never_fire_are_dead(module):
    assert "units of" in watched(module).diagnosis_


def test_the_share_of_dead_units_by_hand():
    weight, bias = nn.Parameter(torch.ones(4, 3)), nn.Parameter(torch.ones(4))
    weight.grad = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0] * 3])
    [layer] = gradient_flow([("a.weight", weight), ("a.bias", bias)])
    assert layer.dead_share == 0.5
    [alone] = gradient_flow([("a.weight", weight)])
    assert math.isnan(alone.dead_share)  # four units of three inputs, or a table of four rows
    assert not has_dead_units(alone)


class AnyOrder(nn.Module):
    """Registers its layers in another order than it uses them, one not at all, one twice."""

    def __init__(self):
        super().__init__()
        self.output = nn.Linear(20, 2)
        self.unused = nn.Linear(20, 20)
        self.second = nn.Linear(20, 20)
        self.first = nn.Linear(20, 20)
        self.frozen = nn.Linear(20, 20).requires_grad_(False)
        self.own = nn.Parameter(torch.eye(20))

    def forward(self, X):
        hidden = torch.tanh(self.first(X))
        hidden = torch.tanh(self.frozen(self.second(hidden)))
        return self.output(self.second(hidden @ self.own))


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_layers_come_in_the_order_in_which_they_are_first_used(optimizer):
    flow = watched(AnyOrder(), optimizer=optimizer)
    assert layers(flow) == ["first.weight", "second.weight", "own", "output.weight"]
    assert all(layer.update_ratio > 0 for layer in flow.epochs_[-1])


def test_weights_of_a_recurrence_keep_their_own_order():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.output = nn.Linear(6, 2)
            self.cells = nn.LSTM(4, 6, num_layers=2, batch_first=True)

        def forward(self, X):
            return self.output(self.cells(X.unflatten(1, (5, 4)))[0][:, -1])

    names = [f"cells.weight_{kind}_l{layer}" for layer in (0, 1) for kind in ("ih", "hh")]
    assert layers(watched(Recurrent())) == [*names, "output.weight"]


def test_nothing_listens_after_training():
    module = AnyOrder()
    flow = watched(module)
    assert flow.order_ is None
    assert not any(p._post_accumulate_grad_hooks for p in module.parameters())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_the_state_before_the_first_step_has_no_gradient_and_that_is_no_fault(kind, bias):
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.recurrent = kind(20, 6, batch_first=True, bias=bias)
            self.output = nn.Linear(6, 2)

        def forward(self, X):
            return self.output(self.recurrent(X[:, None])[0][:, -1])

    flow = watched(Recurrent)
    [state] = [layer for layer in flow.epochs_[-1] if layer.layer.endswith("weight_hh_l0")]
    assert state.zero_share == 1.0
    # Gates that only change that state: an LSTM's forget gate, of four, and a GRU's reset gate.
    assert state.dead_share <= 1 / 3
    assert flow.diagnosis_ is None


def test_units_whose_inputs_are_all_zero_are_not_dead_if_their_bias_learns():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(20, 4), nn.Tanh(), nn.Linear(4, 2))
    module(torch.zeros(8, 20)).square().sum().backward()
    first = gradient_flow(module.named_parameters(), module)[0]
    assert (first.zero_share, first.dead_share) == (1.0, 0.0)
