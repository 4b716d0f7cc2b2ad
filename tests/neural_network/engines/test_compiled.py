"""Compiled epochs against autograd and plain torch, and what they leave to other engines."""

import threading

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from sklearn_trainkit.callbacks import EpochScoring, GradientClipping, GradientFlow
from sklearn_trainkit.exceptions import DivergenceError
from sklearn_trainkit.neural_network import (
    MLPNetClassifier,
    MLPNetRegressor,
    NetClassifier,
    fit_stacked,
)
from sklearn_trainkit.neural_network.compiled._network import CompiledNetwork
from sklearn_trainkit.neural_network.modules._dropout import SeededDropout
from sklearn_trainkit.utils._random_streams import stream_seeds

# The same facts hold with compiled code.
from tests.neural_network.engines.test_stacked import (  # noqa: F401
    test_a_layer_that_a_callback_keeps_in_evaluation_mode_stays_there,
    test_a_network_between_epochs_is_as_small_as_ever,
    test_a_saved_checkpoint_of_skorch_holds_weights_and_state,
    test_a_schedule_may_turn_negative,
    test_a_warm_start_goes_on_with_what_the_optimizer_learnt,
    test_afterwards_nothing_is_shared,
    test_aliases_of_the_weights_stay_true,
    test_between_epochs_networks_and_optimizers_are_as_ever,
    test_callbacks_may_change_the_network,
    test_gradient_flow_sees_the_same,
    test_hooks_of_the_optimizer_are_called,
    test_hooks_that_a_callback_registers_between_epochs_are_called,
    test_scikit_learns_callbacks_see_the_same_scores,
    test_scores_of_training_batches_are_the_same,
    test_whoever_advances_a_training_may_change_the_network,
)
from tests.neural_network.stacks import WatchesSteps, with_autograd
from tests.neural_network.training.test_stacked_run import (  # noqa: F401
    LABELS,
    NUMBERS,
    X,
    assert_same,
    test_a_network_that_diverges_may_keep_its_last_sound_weights,
    test_a_stack_draws_nothing_from_torchs_global_generator,
    test_each_network_is_as_if_trained_alone,
    test_networks_predict_between_epochs_and_are_ordinary_afterwards,
)

pytestmark = pytest.mark.usefixtures("compiled_engines")


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"norm": "batch", "skip": "add", "dropout": 0.1, "clip_norm": 1.0},
        {"lr_schedule": "plateau", "early_stopping": True},
        {"callbacks": [GradientFlow()]},
        {"callbacks": [EpochScoring("accuracy")]},
        {"callbacks": [EpochScoring("accuracy", on_train=True), GradientFlow()]},
        {"optimizer": torch.optim.Adadelta},
        {"optimizer": "adam", "optimizer_params": {"amsgrad": True, "maximize": False}},
        {"optimizer": "sgd", "optimizer_params": {"momentum": 0.9, "nesterov": True}},
        {"optimizer": "rmsprop", "optimizer_params": {"centered": True, "momentum": 0.5}},
        {"optimizer": "nadam", "optimizer_params": {"decoupled_weight_decay": True}},
    ],
)
def test_dense_networks_train_in_compiled_code_as_by_autograd(params):
    net = MLPNetClassifier((6, 5), max_epochs=3, random_state=0, **params)
    reference = with_autograd(net).fit(X, LABELS)
    net.fit(X, LABELS)
    assert net.engine_ == "compiled"
    assert net.engine_.passed_over == {}
    assert_same([reference], [net], atol=1e-10)


@pytest.mark.parametrize(
    ("params", "engine", "reason"),
    [
        ({"callbacks": [WatchesSteps()]}, "autograd", "a callback listens to all steps"),
        ({"callbacks": [GradientClipping(norm=1.0)]}, "stacked", "listens to all steps"),
        ({"activation": nn.Softplus}, "stacked", "layers of type Softplus are not compiled"),
        ({"optimizer": torch.optim.Rprop}, "stacked", "the steps of Rprop are not compiled"),
        ({"precision": "bf16", "dtype": "float32"}, "autograd", "precision='bf16'"),
        ({"engine": "stacked"}, "stacked", "engine='stacked' is asked for"),
    ],
)
def test_what_it_cannot_do_goes_to_the_next_engine(params, engine, reason):
    net = MLPNetClassifier((5,), max_epochs=1, random_state=0, **params).fit(X, LABELS)
    assert net.engine_ == engine
    assert reason in net.engine_.passed_over["compiled"]


SEQUENCES = {
    "linear": lambda: nn.Sequential(nn.Linear(6, 3)),
    "norm first": lambda: nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 5), nn.Linear(5, 3)),
    "norm of rectified": lambda: nn.Sequential(
        nn.Linear(6, 5), nn.ReLU(), nn.LayerNorm(5), nn.Tanh(), nn.Linear(5, 3)
    ),
    "norm of dropped": lambda: nn.Sequential(
        nn.Linear(6, 5), nn.ReLU(), SeededDropout(0.3), nn.BatchNorm1d(5), nn.Linear(5, 3)
    ),
    "two functions": lambda: nn.Sequential(
        nn.Linear(6, 5), nn.ReLU(), nn.SiLU(), nn.GELU("tanh"), nn.LeakyReLU(0.2), nn.Linear(5, 3)
    ),
    "function first": lambda: nn.Sequential(nn.Tanh(), SeededDropout(0.2), nn.Linear(6, 3)),
    "without learnt numbers": lambda: nn.Sequential(
        nn.Linear(6, 8, bias=False),
        nn.GroupNorm(2, 8, affine=False),
        nn.ELU(0.7),
        nn.BatchNorm1d(8, affine=False),
        nn.Identity(),
        nn.Sequential(nn.SELU(), nn.RMSNorm(8, elementwise_affine=False)),
        nn.Linear(8, 3),
    ),
    "norm last": lambda: nn.Sequential(nn.Linear(6, 3), nn.LayerNorm(3, bias=False)),
    "function last": lambda: nn.Sequential(nn.Linear(6, 3), nn.Mish()),
}


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_modules_of_the_users_train_as_by_autograd(sequence):
    torch.manual_seed(0)
    net = NetClassifier(
        SEQUENCES[sequence](), optimizer="adam", max_epochs=4, batch_size=9, random_state=0
    )
    reference = with_autograd(net).fit(X, LABELS)
    net.fit(X, LABELS)
    assert net.engine_ == "compiled"
    assert_same([reference], [net], atol=1e-10)


def test_epochs_in_float32_are_those_of_a_loop_by_hand():
    rows, codes = torch.from_numpy(X.astype(np.float32)), torch.from_numpy(LABELS)
    net = MLPNetClassifier(
        (8,),
        activation="tanh",
        optimizer="adam",
        lr=0.01,
        lr_schedule="constant",
        label_smoothing=0.0,
        batch_size=16,
        max_epochs=5,
        random_state=0,
    ).fit(rows.numpy(), LABELS)
    assert net.engine_ == "compiled"
    assert net.module_.output.weight.dtype == torch.float32
    seeds = stream_seeds(0)
    torch.manual_seed(seeds.weights)
    module = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    order = torch.Generator().manual_seed(seeds.order)
    losses = []
    for _ in range(5):
        total = 0.0
        for index in torch.randperm(61, generator=order).split(16):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(module(rows[index]), codes[index])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        losses.append(total / 61)
    np.testing.assert_allclose(net.history[:, "train_loss"], losses, rtol=1e-5)


@pytest.mark.parametrize("activation", ["gelu", "mish", "silu", "elu", "selu", "sigmoid", "tanh"])
@pytest.mark.parametrize("norm", ["batch", "layer", "group", "rms"])
def test_float32_is_as_close_to_autograd_as_rounding_allows(activation, norm):
    net = MLPNetClassifier(
        (16, 8), activation=activation, norm=norm, dropout=0.2, max_epochs=3, random_state=0
    )
    rows = X.astype(np.float32)
    reference = with_autograd(net).fit(rows, LABELS)
    net.fit(rows, LABELS)
    assert net.engine_ == "compiled"
    np.testing.assert_allclose(net._output(rows), reference._output(rows), atol=2e-4)


def test_threads_and_neighbours_change_no_bit():
    nets = [
        MLPNetRegressor((7, 5), dropout=0.2, norm="layer", max_epochs=4, random_state=seed)
        for seed in range(4)
    ]
    alone = [clone(net).fit(X, NUMBERS) for net in nets]
    for n_threads in (1, 2):
        together = [clone(net).set_params(n_threads=n_threads) for net in nets]
        for one, other in zip(alone, fit_stacked(together, X, NUMBERS), strict=True):
            assert other.engine_ == "compiled"
            np.testing.assert_array_equal(one.predict(X), other.predict(X))
    fitted = [clone(net) for net in nets]
    threads = [threading.Thread(target=net.fit, args=(X, NUMBERS)) for net in fitted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, fitted, strict=True):
        np.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_many_steps_at_a_time_and_few_are_the_same(monkeypatch):
    net = MLPNetClassifier((6,), dropout=0.3, batch_size=7, max_epochs=3, random_state=0)
    whole = clone(net).fit(X, LABELS)
    module = "sklearn_trainkit.neural_network.compiled._network"
    monkeypatch.setattr(f"{module}._WORDS_AT_A_TIME", 40)
    np.testing.assert_array_equal(net.fit(X, LABELS).predict_proba(X), whole.predict_proba(X))


@pytest.mark.parametrize("params", [{"lr": 1e300}, {"loss": "huber", "lr": 1e308}])
def test_losses_that_diverge_are_seen(params):
    net = MLPNetRegressor((6,), activation="relu", optimizer="sgd", random_state=0, **params)
    with pytest.raises(DivergenceError):
        net.fit(X, NUMBERS)
    assert net.engine_ == "compiled"


def test_nan_in_a_weight_is_seen_through_every_activation():
    for activation in ("relu", "leaky_relu", "gelu", "mish", "elu", "tanh", "sigmoid"):
        net = MLPNetClassifier((4,), activation=activation, max_epochs=3, random_state=0)
        run = net.start_fit(X, LABELS)
        run.advance()
        assert net.engine_ == "compiled"
        with torch.no_grad():
            net.module_.hidden[0][0].weight[0, 0] = torch.nan
        with pytest.raises(DivergenceError):
            run.advance()
        run.finish()


def test_samples_that_are_read_batch_by_batch_train_the_same_network(monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 255, (61, 6), dtype=np.uint8)
    scores = [EpochScoring("accuracy", on_train=True), GradientFlow(warn=False)]
    net = MLPNetClassifier(
        (5,), dropout=0.2, batch_size=8, max_epochs=3, callbacks=scores, random_state=0
    )
    expected = clone(net).fit(pixels.astype(np.float32), LABELS)
    monkeypatch.setattr(
        "sklearn_trainkit.neural_network.compiled._network._BYTES_AT_A_TIME", 2 * 8 * 6 * 4
    )
    net.fit(pixels, LABELS)
    assert expected.engine_ == net.engine_ == "compiled"
    for name in ("train_loss", "accuracy"):
        np.testing.assert_array_equal(net.history[:, name], expected.history[:, name])
    floats = pixels.astype(np.float32)
    np.testing.assert_array_equal(net.predict_proba(floats), expected.predict_proba(floats))


def test_an_interrupted_epoch_leaves_a_sound_network(monkeypatch):
    module = "sklearn_trainkit.neural_network.compiled._network"
    monkeypatch.setattr(f"{module}._WORK_AT_A_TIME", 1)
    net = MLPNetClassifier((5,), norm="batch", batch_size=10, max_epochs=2, random_state=0)
    run = net.start_fit(X, LABELS)
    original, n_calls = CompiledNetwork._call, []

    def interrupt(self, *args):
        n_calls.append(1)
        if len(n_calls) == 4:
            raise KeyboardInterrupt
        return original(self, *args)

    monkeypatch.setattr(CompiledNetwork, "_call", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run.advance()
    state = net.optimizer_.state[net.module_.output.weight]
    assert float(state["step"]) == 3
    assert int(net.module_.hidden[0][1].num_batches_tracked) == 3


def test_networks_of_different_shapes_train_side_by_side():
    nets = [MLPNetClassifier((width,), max_epochs=2, random_state=0) for width in (4, 5, 6)]
    for net, alone in zip(fit_stacked(nets, X, LABELS), nets, strict=True):
        expected = clone(alone).fit(X, LABELS)
        np.testing.assert_array_equal(net.predict_proba(X), expected.predict_proba(X))
