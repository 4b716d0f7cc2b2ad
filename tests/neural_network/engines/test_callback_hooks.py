"""skorch's callbacks as they come, against plain skorch as the reference."""

import contextlib
import functools
import io
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from skorch import NeuralNetClassifier
from skorch import callbacks as skorch_callbacks
from skorch.callbacks import Callback
from torch import nn

from sklearn_trainkit.neural_network import (
    MLPNetClassifier,
    MLPNetRegressor,
    NetClassifier,
    NetRegressor,
    UNetSegmenter,
)

X, y = load_iris(return_X_y=True)
X32 = X.astype(np.float32)
NAMES = np.array(["a", "b", "c"])[y]
HOOKS = [name for name in vars(Callback) if name.startswith("on_")]


def make_module():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


def ours(*callbacks, n_epochs=3, cls=NetClassifier, **params):
    settings = {
        "optimizer": "sgd",
        "lr": 0.1,
        "lr_schedule": "constant",
        "label_smoothing": 0.0,
        "batch_size": -1,
        "random_state": 0,
        **params,
    }
    return cls(make_module(), max_epochs=n_epochs, callbacks=list(callbacks), **settings)


def theirs(*callbacks, n_epochs=3, **params):
    return NeuralNetClassifier(
        make_module(),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        lr=0.1,
        batch_size=-1,
        max_epochs=n_epochs,
        train_split=None,
        callbacks=list(callbacks),
        callbacks__print_log=None,
        **params,
    )


def both(make_callback, data=X32, n_epochs=3, **params):
    """Fit our network and skorch's with a callback of their own each; return nets and callbacks."""
    callbacks = [make_callback(), make_callback()]
    nets = [
        ours(callbacks[0], n_epochs=n_epochs, **params),
        theirs(callbacks[1], n_epochs=n_epochs),
    ]
    return [net.fit(data, y) for net in nets], callbacks


def assert_equal_weights(nets):
    for one, other in zip(*(net.module_.parameters() for net in nets), strict=True):
        torch.testing.assert_close(one, other)


class Trace(Callback):
    """Notes every hook, what it is handed and what the history has."""

    def __init__(self):
        self.events_ = []

    def __getattribute__(self, name):
        if name not in HOOKS:
            return super().__getattribute__(name)
        return functools.partial(self.note, name)

    def note(self, hook, net, *args, **kwargs):
        handed = {}
        for name, value in sorted(kwargs.items()):
            if name == "batch":
                value = [tuple(part.shape) for part in value]
            elif name == "named_parameters":
                value = [(key, p.grad is not None) for key, p in value]
            elif name.startswith("dataset"):
                value = value and len(value)
            elif hasattr(value, "shape"):
                value = tuple(value.shape)
            handed[name] = value
        last = net.history[-1] if net.history else {}
        known = sorted(k for k in last if k in ("epoch", "train_loss", "train_batch_count"))
        batches = [sorted(batch) for batch in last.get("batches", [])]
        self.events_.append((hook, args, handed, known, batches))


@pytest.mark.parametrize("batch_size", [-1, 50])
def test_every_hook_is_called_with_skorchs_arguments_in_skorchs_order(batch_size):
    traces = Trace(), Trace()
    ours(traces[0], batch_size=batch_size).fit(X32, y)
    theirs(traces[1]).set_params(batch_size=batch_size).fit(X32, y)
    assert traces[0].events_ == traces[1].events_


@pytest.mark.parametrize(
    "make_callback",
    [
        lambda: skorch_callbacks.Freezer("0.*"),
        lambda: skorch_callbacks.Freezer("0.weight", at=2),
        lambda: skorch_callbacks.Initializer("2.weight", fn=nn.init.ones_),
        lambda: skorch_callbacks.ParamMapper("*.bias", fn=nn.init.zeros_, at=3),
        lambda: skorch_callbacks.GradientNormClipping(0.01),
        lambda: skorch_callbacks.LRScheduler("StepLR", step_size=2, gamma=0.1),
        lambda: skorch_callbacks.LRScheduler("ExponentialLR", gamma=0.5, step_every="batch"),
        lambda: skorch_callbacks.LRScheduler("CosineAnnealingLR", T_max=3),
        lambda: skorch_callbacks.LRScheduler("CyclicLR", base_lr=0.01, max_lr=0.2),
        lambda: skorch_callbacks.LRScheduler("LambdaLR", lr_lambda=lambda epoch: 0.5**epoch),
        lambda: skorch_callbacks.LRScheduler("MultiStepLR", milestones=[1, 3]),
        lambda: skorch_callbacks.LRScheduler("ReduceLROnPlateau", patience=0, threshold=0.9),
        lambda: skorch_callbacks.LRScheduler("WarmRestartLR", min_lr=0.01, max_lr=0.2),
        lambda: skorch_callbacks.EarlyStopping("train_loss", patience=2, threshold=0.9),
        lambda: skorch_callbacks.EarlyStopping(
            "train_loss", patience=2, threshold=0.9, load_best=True
        ),
    ],
)
def test_callbacks_do_to_the_weights_what_they_do_in_skorch(make_callback):
    nets, _ = both(make_callback, n_epochs=5)
    assert_equal_weights(nets)
    assert len(nets[0].history) == len(nets[1].history)
    for key in ("event_lr", "train_loss"):
        if key in nets[1].history[-1]:
            np.testing.assert_allclose(nets[0].history[:, key], nets[1].history[:, key], rtol=1e-5)


def test_a_layer_that_is_thawed_later_trains_by_its_own_gradients():
    def callbacks():
        return [
            skorch_callbacks.Freezer("0.*"),
            skorch_callbacks.Unfreezer("0.*", at=2),
        ]

    nets = [
        ours(*callbacks(), n_epochs=4).fit(X32, y),
        theirs(*callbacks(), n_epochs=4).fit(X32, y),
    ]
    assert_equal_weights(nets)


def test_a_module_that_is_frozen_at_first_trains_when_thawed():
    module = make_module()
    module[0].requires_grad_(False)
    thaw = skorch_callbacks.Unfreezer("0.*", at=2)
    net = NetClassifier(module, max_epochs=3, callbacks=[thaw], lr_schedule="constant").fit(X, y)
    assert not torch.equal(net.module_[0].weight.float(), module[0].weight)


SCORINGS = {
    "epoch, cached": lambda: skorch_callbacks.EpochScoring(
        "accuracy", name="score", on_train=True, lower_is_better=False
    ),
    "epoch, anew": lambda: skorch_callbacks.EpochScoring(
        "accuracy", name="score", on_train=True, lower_is_better=False, use_caching=False
    ),
    "epoch, the net's own": lambda: skorch_callbacks.EpochScoring(
        None, name="score", on_train=True, use_caching=False
    ),
    "batch": lambda: skorch_callbacks.BatchScoring(
        "accuracy", name="score", on_train=True, lower_is_better=False
    ),
    "batch, anew": lambda: skorch_callbacks.BatchScoring(
        "neg_log_loss", name="score", on_train=True, use_caching=False
    ),
    "passed through": lambda: skorch_callbacks.PassthroughScoring("train_loss", on_train=True),
    "a function of batches": lambda: skorch_callbacks.EpochScoring(
        lambda net, X, y: np.mean(net.history[-1, "batches", :, "train_loss"]),
        name="score",
        on_train=True,
    ),
}


@pytest.mark.parametrize("make_scoring", SCORINGS.values(), ids=SCORINGS)
def test_scores_are_those_of_skorch(make_scoring):
    nets, callbacks = both(make_scoring)
    name = "train_loss" if callbacks[0].name == "train_loss" else "score"
    for key in (name, f"{name}_best"):
        np.testing.assert_allclose(nets[0].history[:, key], nets[1].history[:, key], rtol=1e-5)


@pytest.mark.parametrize("make_scoring", SCORINGS.values(), ids=SCORINGS)
@pytest.mark.parametrize("kind", ["labels", "numbers"])
def test_scores_of_labels_and_of_standardized_targets(make_scoring, kind):
    scoring = make_scoring()
    if kind == "labels":
        net = MLPNetClassifier((8,), max_epochs=30, callbacks=[scoring], batch_size=-1)
        net.fit(X, NAMES)
        expected = net.score(X, NAMES)
    else:
        if isinstance(getattr(scoring, "scoring", None), str):
            scoring.set_params(scoring="r2")
        net = MLPNetRegressor((8,), max_epochs=30, callbacks=[scoring], batch_size=-1)
        target = 1000 + 50 * X[:, 3]
        net.fit(X[:, :3], target)
        expected = net.score(X[:, :3], target)
    score = net.history[-1].get("score")
    if getattr(scoring, "scoring", None) in ("accuracy", "r2", None) and score is not None:
        # A cached score is that of the outputs before the last step.
        assert score == pytest.approx(expected, abs=0.1 if scoring.use_caching else 1e-9)
    assert np.isfinite(net.history[-1].get("score", 0.0))


def test_validation_scores_of_batches_and_epochs_agree():
    names = ("epoch", "anew", "batch")
    callbacks = [
        skorch_callbacks.EpochScoring("accuracy", False, name="epoch"),
        skorch_callbacks.EpochScoring("accuracy", False, name="anew", use_caching=False),
        skorch_callbacks.BatchScoring("accuracy", False, name="batch"),
        skorch_callbacks.PassthroughScoring("valid_loss"),
    ]
    net = MLPNetClassifier(
        (8,), max_epochs=4, early_stopping=True, batch_size=4, callbacks=callbacks, random_state=0
    ).fit(X, NAMES)
    for row in net.history:
        assert [row[name] for name in names] == pytest.approx([row["valid_acc"]] * 3)


@pytest.mark.parametrize("batch_size", ["auto", -1, 40, 50])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_progress_bar_knows_the_number_of_batches(batch_size, early_stopping):
    totals = []

    class Bar(skorch_callbacks.ProgressBar):
        def on_epoch_end(self, net, **kwargs):
            totals.append((self.pbar_.total, self.pbar_.n))
            super().on_epoch_end(net, **kwargs)

    params = {"batch_size": batch_size, "early_stopping": early_stopping, "max_epochs": 2}
    with contextlib.redirect_stderr(io.StringIO()):
        net = MLPNetClassifier((4,), callbacks=[Bar()], **params).fit(X, y)
        MLPNetClassifier((4,), callbacks=[skorch_callbacks.ProgressBar("count")], **params).fit(
            X, y
        )
    assert all(total == n for total, n in totals)
    assert "iterator_train__batch_size" not in net.get_params()


@pytest.mark.parametrize(
    "callback",
    [
        skorch_callbacks.EarlyStopping(),
        skorch_callbacks.Checkpoint(f_params=None),
        skorch_callbacks.LRScheduler("ReduceLROnPlateau", monitor="valid_loss"),
        skorch_callbacks.EarlyStopping("valid_acc", lower_is_better=False),
    ],
)
def test_who_watches_validation_rows_that_are_not_there_is_told_what_to_do(callback, tmp_path):
    if hasattr(callback, "dirname"):
        callback.set_params(dirname=str(tmp_path))
    net = ours(callback)
    with pytest.raises(ValueError, match=r"looks for 'valid_\w+'.*early_stopping=True.*X_val"):
        net.fit(X32, y)
    net.set_params(early_stopping=True, max_epochs=2).fit(X32, y)


def test_other_errors_of_a_callback_pass_unchanged():
    class Fails(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise KeyError("no such thing")

    with pytest.raises(KeyError, match="no such thing"):
        ours(Fails()).fit(X32, y)


def heard():
    """Return a list of epochs, and what appends to it."""
    epochs = []
    return epochs, lambda net, **kwargs: epochs.append(len(net.history))


class Dynamic(Callback):
    """Has its hooks from __getattr__ alone."""

    on_epoch_end = None

    def __init__(self, listen):
        self.listen = listen

    def __getattribute__(self, name):
        if name == "on_epoch_end":
            return self.listen
        return super().__getattribute__(name)


def listeners():
    for kind in (
        "static",
        "class",
        "attribute",
        "function of its own",
        "object",
        "dynamic",
        "mock",
    ):
        epochs, listen = heard()
        callback = Callback()
        if kind == "static":
            callback = type("Static", (Callback,), {"on_epoch_end": staticmethod(listen)})()
        elif kind == "class":
            hook = classmethod(lambda cls, net, listen=listen, **kwargs: listen(net))
            callback = type("OfClass", (Callback,), {"on_epoch_end": hook})
        elif kind == "attribute":
            callback.on_epoch_end = listen
        elif kind == "function of its own":
            callback.on_epoch_end = lambda net, listen=listen, **kwargs: listen(net)
        elif kind == "object":
            callback.on_epoch_end = Mock(side_effect=listen)
        elif kind == "dynamic":
            callback = Dynamic(listen)
        elif kind == "mock":
            callback = Mock()
            callback.on_epoch_end.side_effect = listen
        yield pytest.param(callback, epochs, id=kind)


@pytest.mark.parametrize(("callback", "epochs"), list(listeners()))
def test_hooks_of_any_kind_are_called(callback, epochs):
    MLPNetClassifier((4,), max_epochs=3, callbacks=[callback]).fit(X, y)
    assert epochs == [1, 2, 3]


def test_hooks_that_come_and_go_while_training():
    epochs, listen = heard()
    late = Callback()

    class Adds(Callback):
        def on_train_begin(self, net, **kwargs):
            late.on_epoch_end = listen

        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 2:
                late.on_epoch_end = lambda net, **kwargs: None

    MLPNetClassifier((4,), max_epochs=3, callbacks=[Adds(), late]).fit(X, y)
    assert epochs == [1]


def test_hooks_of_the_network_itself_come_first():
    events = []

    class Net(MLPNetClassifier):
        def on_epoch_end(self, net, **kwargs):
            super().on_epoch_end(net, **kwargs)
            events.append(("net", len(net.history)))

        def on_batch_begin(self, net, **kwargs):
            super().on_batch_begin(net, **kwargs)
            events.append("batch")

    other = Callback()
    other.on_epoch_end = lambda net, **kwargs: events.append(("callback", len(net.history)))
    net = Net((4,), max_epochs=2, batch_size=-1, callbacks=[other]).fit(X, y)
    one = ["batch", ("net", 1), ("callback", 1)]
    assert events == [*one, "batch", ("net", 2), ("callback", 2)]
    assert len(net.history[-1, "batches"]) == 1


@pytest.mark.parametrize(
    "hook", ["on_epoch_begin", "on_batch_begin", "on_grad_computed", "on_batch_end", "on_epoch_end"]
)
def test_a_keyboard_interrupt_of_a_callback_stops_the_training_as_in_skorch(hook):
    def make():
        class Stops(Callback):
            def on_train_end(self, net, **kwargs):
                self.ended_ = True

        def stop(net, *args, **kwargs):
            if len(net.history) == 2:
                raise KeyboardInterrupt

        callback = Stops()
        setattr(callback, hook, stop)
        return callback

    nets, callbacks = both(make)
    assert_equal_weights(nets)
    assert [len(net.history) for net in nets] == [2, 2]
    assert all(callback.ended_ for callback in callbacks)
    runs = [MLPNetClassifier((4,), max_epochs=4, callbacks=[make()]).start_fit(X, y)]
    while not runs[0].done:
        runs[0].advance()
    runs[0].finish()


def test_a_rate_that_a_callback_sets_counts_from_then_on():
    class Halves(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.set_params(lr=net.lr / 2)

    nets, _ = both(Halves, n_epochs=4)
    assert_equal_weights(nets)

    class Sets(Callback):
        def on_train_begin(self, net, **kwargs):
            net.set_params(lr=0.05)

    params = {"max_epochs": 3, "lr_schedule": "one_cycle", "random_state": 0}
    net = MLPNetClassifier((4,), lr=0.001, callbacks=[Sets()], **params).fit(X, y)
    expected = MLPNetClassifier((4,), lr=0.05, **params).fit(X, y)
    np.testing.assert_array_equal(net.predict_proba(X), expected.predict_proba(X))

    class Momentum(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.set_params(optimizer__momentum=0.5)

    nets, _ = both(Momentum, n_epochs=4)
    assert_equal_weights(nets)


class Wide(nn.Module):
    def __init__(self, input_dim=1, n_outputs=3):
        super().__init__()
        self.layer = nn.Linear(input_dim, n_outputs)

    def forward(self, samples):
        return self.layer(samples)


@pytest.mark.parametrize("input_dim", [4, 1, 7])
def test_the_input_shape_setter_gives_the_module_its_width(input_dim):
    setter = skorch_callbacks.InputShapeSetter()
    net = NetClassifier(
        Wide, module__input_dim=input_dim, max_epochs=3, callbacks=[setter], random_state=0
    )
    expected = NetClassifier(Wide, module__input_dim=4, max_epochs=3, random_state=0).fit(X, y)
    np.testing.assert_array_equal(net.fit(X, y).predict_proba(X), expected.predict_proba(X))
    assert net.fit(X[:, :2], y).module_.layer.in_features == 2
    regressor = NetRegressor(Wide, callbacks=[skorch_callbacks.InputShapeSetter()], max_epochs=1)
    assert regressor.fit(X, X[:, 0]).module_.layer.in_features == 4


def test_a_module_that_does_not_fit_is_refused_with_callbacks_too():
    net = NetClassifier(Wide, module__input_dim=3, callbacks=[Callback()])
    with pytest.raises(ValueError, match=r"module=Wide cannot take samples of shape \(4,\)"):
        net.fit(X, y)
    assert not hasattr(net, "module_")


def test_what_is_no_skorch_callback_is_refused():
    with pytest.raises(TypeError, match=r"no skorch callback.*set_callbacks"):
        MLPNetClassifier(callbacks=[object()]).fit(X, y)


def test_nobody_listens_to_a_network_without_callbacks():
    net = MLPNetClassifier((4,), max_epochs=2, batch_size=50, random_state=0)
    run = net.start_fit(X, y)
    assert not any(run.listeners.hooks.values())
    assert not run.listeners.records_batches
    run.train()
    assert net.engine_ == "stacked"
    assert len(net.history[-1, "batches"]) == 1


@pytest.mark.parametrize("labels", [["void", "b", "c"], [0, 1, 2]])
@pytest.mark.parametrize("ignored", [False, True])
def test_scores_of_masks_are_those_of_the_validation_rows(labels, ignored):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(10, 8, 8))
    masks = np.array(labels)[(images > 0) + (images > 1) * 1]
    scoring = skorch_callbacks.EpochScoring(None, name="score", use_caching=False)
    net = UNetSegmenter(
        (4,),
        max_epochs=4,
        lr=0.03,
        early_stopping=True,
        callbacks=[scoring],
        ignore_index=labels[0] if ignored else None,
        random_state=0,
    ).fit(images, masks)
    for row in net.history:
        assert row["score"] == pytest.approx(row["valid_dice"], abs=1e-9)
