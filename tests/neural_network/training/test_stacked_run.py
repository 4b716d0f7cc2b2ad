"""Every network of a stack against the same network trained alone."""

import copy
import pickle
import re

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from skorch.callbacks import Callback, EpochScoring, LRScheduler
from torch import nn

from sklearn_trainkit.exceptions import DivergenceError, DivergenceWarning
from sklearn_trainkit.neural_network import (
    MLPNetClassifier,
    MLPNetRegressor,
    NetClassifier,
    NetRegressor,
)
from sklearn_trainkit.neural_network.engines._learning_rates import LR_SCHEDULES
from sklearn_trainkit.neural_network.engines._optimizers import OPTIMIZERS
from sklearn_trainkit.neural_network.engines._stacked import StackedEngine
from sklearn_trainkit.neural_network.modules._activations import ACTIVATIONS
from sklearn_trainkit.neural_network.modules._normalization import NORMS
from sklearn_trainkit.neural_network.modules._skip_connections import SKIPS
from sklearn_trainkit.neural_network.training._stacked_run import (
    NotStackableError,
    StackedRun,
    stacks_by_shape,
)
from tests.neural_network.stacks import with_autograd

RNG = np.random.default_rng(0)
X = RNG.normal(size=(61, 6))
LABELS = RNG.integers(0, 3, 61)
SEVERAL_LABELS = RNG.integers(0, 2, (61, 2))
NUMBERS = X @ RNG.normal(size=(6, 2)) + RNG.normal(size=(61, 2))
WEIGHTS = RNG.uniform(0.5, 2.0, 61)


def folds_of(n_folds, n_rows=61):
    return [np.flatnonzero(np.arange(n_rows) % n_folds != fold) for fold in range(n_folds)]


def train_both_ways(nets, parts, weighted=False):
    """Return the nets trained alone, by autograd, and the same trained as a stack."""
    alone, stacked = [with_autograd(net) for net in nets], [clone(net) for net in nets]
    extra = [{"sample_weight": part[2]} if weighted else {} for part in parts]
    for net, part, kwargs in zip(alone, parts, extra, strict=True):
        net.fit(*part[:2], **kwargs)
    run = StackedRun(
        [
            net.start_fit(*part[:2], **kwargs)
            for net, part, kwargs in zip(stacked, parts, extra, strict=True)
        ]
    )
    run.train()
    assert not run.errors
    return alone, stacked


def assert_same(alone, stacked, atol):
    for one, other in zip(alone, stacked, strict=True):
        for column in ("train_loss", "lr", *(("valid_loss",) if one.early_stopping else ())):
            np.testing.assert_allclose(
                other.history[:, column], one.history[:, column], rtol=0, atol=atol
            )
        assert other.history[:, "train_loss_best"] == one.history[:, "train_loss_best"]
        assert other.n_steps_ == one.n_steps_
        assert getattr(other, "best_epoch_", None) == getattr(one, "best_epoch_", None)
        expected, seen = one.module_.state_dict(), other.module_.state_dict()
        assert list(expected) == list(seen)
        for name, value in expected.items():
            torch.testing.assert_close(seen[name], value, rtol=0, atol=atol, msg=name)
        states = [net.optimizer_.state_dict()["state"] for net in (one, other)]
        torch.testing.assert_close(states[1], states[0], rtol=0, atol=atol)
        np.testing.assert_allclose(other._output(X), one._output(X), rtol=0, atol=atol)
        assert not other.module_.training or one.module_.training


NET_PARAMS = {
    "hidden_units": st.sampled_from([(), (8,), (4, 6), (6, 4, 6), (4, 4, 4)]),
    "activation": st.sampled_from(sorted(ACTIVATIONS)),
    "norm": st.sampled_from([None, *NORMS]),
    "norm_groups": st.sampled_from([1, 2]),
    "skip": st.sampled_from([None, *SKIPS]),
    "dropout": st.sampled_from([0.0, 0.3]),
    "clip_norm": st.sampled_from([None, 0.1]),
    "clip_value": st.sampled_from([None, 0.02]),
    "clip_adaptive": st.sampled_from([None, 0.05]),
    "optimizer": st.sampled_from([name for name in sorted(OPTIMIZERS) if name != "lbfgs"]),
    "lr": st.sampled_from([0.003, 0.03]),
    "weight_decay": st.sampled_from([0.0, 0.01]),
    "lr_schedule": st.sampled_from(sorted(LR_SCHEDULES)),
    "lr_schedule_params": st.sampled_from([None, {"warmup": 0.3}]),
    "batch_size": st.sampled_from([-1, 7, 8, 13]),
    "early_stopping": st.booleans(),
    "patience": st.sampled_from([1, 2]),
    "max_epochs": st.sampled_from([1, 3, 5]),
    "random_state": st.integers(0, 5),
}
TASKS = {
    "classes": (MLPNetClassifier, LABELS, {"label_smoothing": 0.1}),
    "balanced": (MLPNetClassifier, LABELS, {"label_smoothing": 0.0, "class_weight": "balanced"}),
    "weighted classes": (MLPNetClassifier, LABELS, {"class_weight": {0: 1, 1: 3, 2: 0.5}}),
    "labels": (MLPNetClassifier, SEVERAL_LABELS, {"label_smoothing": 0.1}),
    "balanced labels": (MLPNetClassifier, SEVERAL_LABELS, {"class_weight": "balanced"}),
    "squared": (MLPNetRegressor, NUMBERS, {"loss": "squared_error"}),
    "huber": (MLPNetRegressor, NUMBERS[:, 0], {"loss": "huber", "standardize_y": False}),
    "absolute": (MLPNetRegressor, NUMBERS, {"loss": "absolute_error"}),
}


@settings(max_examples=60, deadline=None, derandomize=True, phases=[Phase.generate])
@given(
    task=st.sampled_from(sorted(TASKS)),
    params=st.fixed_dictionaries(NET_PARAMS),
    n_folds=st.integers(2, 5),
    weighted=st.booleans(),
)
def test_each_network_is_as_if_trained_alone(task, params, n_folds, weighted):
    kind, y, task_params = TASKS[task]
    if params["skip"] == "long":
        params = params | {"hidden_units": (6, 4, 6)}
    # Some gradients are zero but for rounding: those of a shift that the next batch norm takes
    # away, say. Divided by their own size they would be steps of their own.
    adaptive = {} if params["optimizer"] == "sgd" else {"optimizer_params": {"eps": 1e-5}}
    net = kind(**params, **task_params, **adaptive)
    parts = [(X[fold], y[fold], WEIGHTS[fold]) for fold in folds_of(n_folds, 41)]
    alone, stacked = train_both_ways([net] * n_folds, parts, weighted)
    assert_same(alone, stacked, atol=1e-10)


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
def test_in_float32_they_agree_to_rounding(norm, optimizer):
    net = MLPNetClassifier(
        (16, 16), norm=norm, optimizer=optimizer, batch_size=8, max_epochs=5, random_state=0
    )
    parts = [(X[fold].astype(np.float32), LABELS[fold]) for fold in folds_of(5)]
    alone, stacked = train_both_ways([net] * 5, parts)
    for one, other in zip(alone, stacked, strict=True):
        np.testing.assert_allclose(
            other.history[:, "train_loss"], one.history[:, "train_loss"], rtol=2e-4
        )
        np.testing.assert_allclose(other.predict_proba(X), one.predict_proba(X), atol=2e-3)


def test_networks_of_a_stack_may_differ_in_all_but_their_shape():
    base = MLPNetClassifier((6,), norm="batch", max_epochs=3, batch_size=8, dropout=0.2)
    nets = [
        clone(base).set_params(**params)
        for params in (
            {"lr": 0.1, "random_state": 1},
            {"weight_decay": 0.3, "clip_norm": 0.5, "random_state": 2},
            {"dropout": 0.7, "max_epochs": 5, "label_smoothing": 0.3, "random_state": 3},
            {"optimizer": "sgd", "batch_size": 16, "lr_schedule": "cosine", "random_state": 4},
            {"early_stopping": True, "patience": 1, "on_divergence": "warn", "random_state": 5},
        )
    ]
    parts = [(X[: 61 - 3 * i], LABELS[: 61 - 3 * i]) for i in range(5)]
    assert_same(*train_both_ways(nets, parts), atol=1e-10)


class Renorm(torch.optim.SGD):
    """Not elementwise: each tensor's step has length lr."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p -= group["lr"] * p.grad / p.grad.norm()


class Replacing(torch.optim.Optimizer):
    """Puts new tensors in the place of weights and gradients."""

    def __init__(self, params, lr, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = p.grad - p.grad.mean()
                p.data = p.data - group["lr"] * p.grad
        self.zero_grad()


@pytest.mark.parametrize("optimizer", [Renorm, Replacing])
def test_an_optimizer_that_looks_at_whole_tensors_steps_network_by_network(optimizer):
    net = MLPNetClassifier((6,), optimizer=optimizer, max_epochs=3, batch_size=8, random_state=0)
    parts = [(X[fold], LABELS[fold]) for fold in folds_of(3)]
    assert_same(*train_both_ways([net] * 3, parts), atol=1e-10)


def test_modules_of_the_users_are_stacked_where_their_layers_can_be():
    module = nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Softplus(), nn.ReLU(inplace=True), nn.Linear(8, 3)
    )
    net = NetClassifier(module, max_epochs=3, batch_size=8, random_state=0)
    parts = [(X[fold], LABELS[fold]) for fold in folds_of(3)]
    assert_same(*train_both_ways([net] * 3, parts), atol=1e-10)


class Rescale(Callback):
    """Changes weights and learning rate between epochs."""

    def on_epoch_end(self, net, **kwargs):
        with torch.no_grad():
            next(net.module_.parameters()).mul_(0.9)
        net.optimizer_.param_groups[0]["lr"] *= 0.5


def test_a_callback_may_change_networks_between_epochs():
    net = MLPNetClassifier(
        (6,), lr_schedule="constant", callbacks=[Rescale()], max_epochs=4, random_state=0
    )
    parts = [(X[fold], LABELS[fold]) for fold in folds_of(3)]
    assert_same(*train_both_ways([net] * 3, parts), atol=1e-10)


def test_epoch_scores_on_validation_rows_are_the_same():
    scoring = EpochScoring("neg_log_loss", name="log_loss", lower_is_better=False)
    params = {"callbacks": [scoring], "early_stopping": True, "max_epochs": 3, "random_state": 0}
    parts = [(X[fold], LABELS[fold]) for fold in folds_of(3)]
    alone, stacked = train_both_ways([MLPNetClassifier((6,), **params)] * 3, parts)
    assert_same(alone, stacked, atol=1e-10)
    for one, other in zip(alone, stacked, strict=True):
        np.testing.assert_allclose(other.history[:, "log_loss"], one.history[:, "log_loss"])


class Clamps(Callback):
    """Holds aliases of the weights, from before they are trained."""

    def on_train_begin(self, net, **kwargs):
        self.weights_ = [parameter.data for parameter in net.module_.parameters()]

    def on_epoch_end(self, net, **kwargs):
        for weight in self.weights_:
            weight.clamp_(-0.1, 0.1)


def test_aliases_of_the_weights_stay_true_in_a_stack():
    net = MLPNetClassifier((6,), callbacks=[Clamps()], max_epochs=3, random_state=0)
    parts = [(X[fold], LABELS[fold]) for fold in folds_of(2)]
    alone, stacked = train_both_ways([net] * 2, parts)
    assert_same(alone, stacked, atol=1e-10)
    assert max(p.abs().max() for p in stacked[0].module_.parameters()) <= 0.1


class FreezeOutput(Callback):
    def on_epoch_end(self, net, **kwargs):
        net.module_.output.bias.requires_grad_(False)


def test_a_callback_that_freezes_a_layer_ends_stacking_not_training():
    net = MLPNetClassifier((6,), callbacks=[FreezeOutput()], max_epochs=3, random_state=0)
    parts = [(X[fold], LABELS[fold]) for fold in folds_of(3)]
    assert_same(*train_both_ways([net] * 3, parts), atol=1e-10)


def start(nets, y=LABELS):
    folds = folds_of(len(nets))
    return [net.start_fit(X[fold], y[fold]) for net, fold in zip(nets, folds, strict=True)]


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"optimizer": "lbfgs"}, "lbfgs"),
        ({"precision": "bf16"}, "precision='bf16'"),
        ({"callbacks": [EpochScoring("accuracy", on_train=True)]}, "EpochScoring"),
        ({"callbacks": [LRScheduler()], "lr_schedule": "constant"}, "on_batch_end"),
        ({"activation": nn.PReLU}, "PReLU"),
    ],
)
def test_what_cannot_be_stacked_is_refused_with_the_reason(params, reason):
    nets = [MLPNetClassifier((6,), max_epochs=2, random_state=0, **params) for _ in range(2)]
    if params.get("precision"):
        nets = [net.set_params(dtype="float32") for net in nets]
    runs = start(nets)
    with pytest.raises(NotStackableError, match=reason):
        StackedRun(runs)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (nn.Sequential(nn.Linear(6, 3), nn.Dropout(0.1)), "Dropout"),
        (nn.Sequential(nn.Flatten(), nn.Linear(6, 3)), "Flatten"),
    ],
)
def test_modules_with_foreign_layers_are_refused_and_train_alone(module, reason):
    nets = [NetClassifier(module, max_epochs=2, random_state=0) for _ in range(2)]
    runs = start(nets)
    with pytest.raises(NotStackableError, match=reason):
        StackedRun(runs)
    runs[0].train()
    expected = clone(nets[0]).fit(X[folds_of(2)[0]], LABELS[folds_of(2)[0]])
    np.testing.assert_array_equal(nets[0].predict_proba(X), expected.predict_proba(X))


def test_a_shared_layer_and_different_shapes_are_refused():
    layer = nn.Linear(6, 6)
    shared = nn.Sequential(layer, nn.ReLU(), layer)
    with pytest.raises(NotStackableError, match="two places"):
        StackedRun(start([NetRegressor(shared, max_epochs=1) for _ in range(2)], X))
    with pytest.raises(NotStackableError, match="shapes"):
        StackedRun(start([MLPNetClassifier((4,)), MLPNetClassifier((5,))]))


def test_networks_predict_between_epochs_and_are_ordinary_afterwards():
    nets = [MLPNetClassifier((6,), norm="batch", max_epochs=3, random_state=0) for _ in range(3)]
    run = StackedRun(start(nets))
    run.advance()
    between = nets[1].predict_proba(X)
    once = clone(nets[1]).set_params(max_epochs=3)
    other = once.start_fit(X[folds_of(3)[1]], LABELS[folds_of(3)[1]])
    other.advance()
    np.testing.assert_allclose(between, once.predict_proba(X), atol=1e-12)
    np.testing.assert_array_equal(copy.deepcopy(nets[1]).predict_proba(X), between)
    run.train()
    weight = next(nets[0].module_.parameters())
    assert weight.untyped_storage().nbytes() == weight.nbytes
    again = pickle.loads(pickle.dumps(nets[0]))
    np.testing.assert_array_equal(again.predict_proba(X), nets[0].predict_proba(X))


def test_training_goes_on_after_the_stack_with_what_the_optimizer_learnt():
    folds = folds_of(3)
    parts = [(X[fold], LABELS[fold]) for fold in folds]
    net = MLPNetClassifier((6,), max_epochs=2, random_state=0)
    alone, stacked = train_both_ways([net] * 3, parts)
    for one, other, part in zip(alone, stacked, parts, strict=True):
        np.testing.assert_allclose(
            other.partial_fit(*part).predict_proba(X), one.partial_fit(*part).predict_proba(X)
        )
    # A warm start is stacked as well: the state goes in as it comes out.
    for nets in (alone, stacked):
        for each in nets:
            each.set_params(warm_start=True)
    for one, part in zip(alone, parts, strict=True):
        one.fit(*part)
    run = StackedRun([net.start_fit(*part) for net, part in zip(stacked, parts, strict=True)])
    run.train()
    assert_same(alone, stacked, atol=1e-10)


def test_released_networks_can_be_saved_and_stacked_again():
    nets = [MLPNetClassifier((6,), dropout=0.2, max_epochs=4, random_state=0) for _ in range(2)]
    runs = start(nets)
    stack = StackedRun(runs)
    stack.advance()
    stack.release()
    states = [copy.deepcopy(run.state_dict()) for run in runs]
    fresh = [clone(net) for net in nets]
    again = start(fresh)
    for run, state in zip(again, states, strict=True):
        run.load_state_dict(state)
    for each in (stack, StackedRun(again)):
        each.train()
    for one, other in zip(nets, fresh, strict=True):
        np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


def test_a_network_that_diverges_leaves_the_others_alone():
    nets = [
        MLPNetRegressor((6,), optimizer="sgd", lr=lr, max_epochs=4, batch_size=8, random_state=0)
        for lr in (0.01, 1e200, 0.02)
    ]
    run = StackedRun(start(nets, NUMBERS))
    run.train()
    assert list(run.errors) == [1]
    alone = [clone(net) for net in nets]
    folds = folds_of(3)
    with pytest.raises(DivergenceError) as expected:
        alone[1].fit(X[folds[1]], NUMBERS[folds[1]])
    told, wanted = (re.sub("inf|nan", "", str(e)) for e in (run.errors[1], expected.value))
    assert told == wanted
    assert not hasattr(nets[1], "module_")
    for i in (0, 2):
        alone[i].fit(X[folds[i]], NUMBERS[folds[i]])
    assert_same([alone[0], alone[2]], [nets[0], nets[2]], atol=1e-10)


def test_what_fails_for_all_is_each_networks_error(monkeypatch):
    run = StackedRun(start([MLPNetClassifier((6,), random_state=0) for _ in range(2)]))

    def fail(self):
        raise MemoryError("no room")

    monkeypatch.setattr(StackedEngine, "train_epoch", fail)
    assert not run.advance()
    run.finish()
    assert [str(run.errors[index]) for index in (0, 1)] == ["no room"] * 2


def test_a_network_that_diverges_may_keep_its_last_sound_weights():
    nets = [
        MLPNetRegressor((6,), optimizer="sgd", lr=lr, on_divergence="warn", random_state=0)
        for lr in (0.01, 1e200)
    ]
    run = StackedRun(start(nets, NUMBERS))
    with pytest.warns(DivergenceWarning, match="weights of epoch 0"):
        run.train()
    assert not run.errors
    with pytest.warns(DivergenceWarning):
        alone = clone(nets[1]).fit(X[folds_of(2)[1]], NUMBERS[folds_of(2)[1]])
    np.testing.assert_allclose(nets[1].predict(X), alone.predict(X))


def test_a_stack_draws_nothing_from_torchs_global_generator():
    before = torch.get_rng_state()
    nets = [MLPNetClassifier((4,), dropout=0.5, max_epochs=2, random_state=0) for _ in range(2)]
    StackedRun(start(nets)).train()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("changes", "params"),
    [
        ([{"loss": "huber"}, {"loss": "absolute_error"}], {}),
        ([{"norm_groups": 2}, {"norm_groups": 3}], {"norm": "group"}),
        ([{"dtype": "float32"}, {"dtype": "float64"}], {}),
        ([{"n_threads": 1}, {"n_threads": None}], {}),
    ],
)
def test_networks_of_one_shape_that_differ_otherwise_go_to_stacks_of_their_own(changes, params):
    nets = [
        MLPNetRegressor((6,), max_epochs=2, random_state=seed, **params, **change)
        for change in changes
        for seed in range(2)
    ]
    stacks, rest = stacks_by_shape(start(nets, NUMBERS))
    assert [len(runs) for _, runs in stacks] == [2, 2]
    assert not rest


def test_a_network_with_too_large_batches_leaves_the_others_their_stack():
    nets = [MLPNetClassifier((4000,), max_epochs=1, batch_size=size) for size in (4, 4, 100)]
    data = np.tile(X, (4, 1)), np.tile(LABELS, 4)
    stacks, rest = stacks_by_shape([net.start_fit(*data) for net in nets])
    assert [len(runs) for _, runs in stacks] == [2]
    assert [run.net for run, _ in rest] == nets[2:]
