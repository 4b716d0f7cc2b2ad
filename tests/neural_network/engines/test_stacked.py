"""Steps without a graph against autograd, and who takes them."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, EpochScoring, LRScheduler
from torch import nn

from sklearn_trainkit.callbacks import EpochScoring as OwnEpochScoring
from sklearn_trainkit.callbacks import GradientClipping, GradientFlow
from sklearn_trainkit.neural_network import ConvNetClassifier, MLPNetClassifier, NetClassifier
from tests.neural_network.stacks import WatchesSteps, with_autograd
from tests.neural_network.training.test_stacked_run import (
    LABELS,
    Clamps,
    Renorm,
    Rescale,
    X,
    assert_same,
)


def engine_of(net, X=X, y=LABELS):
    return net.fit(X, y).engine_


def hooked(module):
    module[0].register_forward_hook(lambda layer, inputs, output: output)
    return module


def frozen(module):
    module[0].bias.requires_grad_(False)
    return module


def dense():
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))


class Noisy(GradientFlow):
    """A kind of an onlooker, but who knows."""


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"norm": "batch", "skip": "add", "dropout": 0.1, "clip_norm": 1.0},
        {"lr_schedule": "plateau"},
        {"callbacks": [GradientFlow(), GradientClipping(norm=1.0)]},
        {"callbacks": [OwnEpochScoring("accuracy", on_train=True)]},
        {"callbacks": [EarlyStopping(monitor="train_loss")]},
        {"callbacks": [EarlyStopping(monitor="train_loss", load_best=True)]},
        {"callbacks": [Rescale()]},
        {"verbose": 1},
    ],
)
def test_dense_networks_need_no_graph(params, capsys):
    assert engine_of(MLPNetClassifier((5,), max_epochs=2, **params)) == "stacked"


@pytest.mark.parametrize(
    "params",
    [
        {"optimizer": "lbfgs"},
        {"optimizer": Renorm},
        {"precision": "bf16", "dtype": "float32"},
        {"activation": nn.PReLU},
        {"callbacks": [WatchesSteps()]},
        {"callbacks": [Noisy()]},
        {"callbacks": [LRScheduler()], "lr_schedule": "constant"},
    ],
)
def test_settings_that_need_a_graph_get_one(params):
    assert engine_of(MLPNetClassifier((5,), max_epochs=2, **params)) == "autograd"


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        (dense(), "stacked"),
        (hooked(dense()), "autograd"),
        (frozen(dense()), "autograd"),
        (nn.Sequential(*dense(), nn.Dropout(0.1)), "autograd"),
        (nn.Sequential(nn.Flatten(), *dense()), "autograd"),
    ],
)
def test_modules_of_the_users_need_a_graph_if_a_layer_does(module, kind):
    assert engine_of(NetClassifier(module, max_epochs=2)) == kind


def test_images_need_a_graph():
    images = np.random.default_rng(0).normal(size=(61, 1, 4, 4)).astype(np.float32)
    assert engine_of(ConvNetClassifier((4,), max_epochs=1), images) == "autograd"


def test_between_epochs_networks_and_optimizers_are_as_ever():
    net = MLPNetClassifier((6,), norm="batch", max_epochs=4, random_state=0)
    reference = with_autograd(net)
    runs = [net.start_fit(X, LABELS), reference.start_fit(X, LABELS)]
    for _ in range(3):
        for run in runs:
            run.advance()
        # An epoch by autograd and one without differ by rounding only: the state is the present.
        states = [each.optimizer_.state_dict()["state"] for each in (net, reference)]
        torch.testing.assert_close(states[0], states[1], rtol=0, atol=1e-10)
        np.testing.assert_allclose(net.predict_proba(X), reference.predict_proba(X), atol=1e-10)
        twin = copy.deepcopy(net)
        np.testing.assert_array_equal(twin.predict_proba(X), net.predict_proba(X))
        again = pickle.loads(pickle.dumps(net))
        np.testing.assert_array_equal(again.predict_proba(X), net.predict_proba(X))
    for run in runs:
        run.train()
    assert_same([reference], [net], atol=1e-10)


def test_afterwards_nothing_is_shared():
    net = MLPNetClassifier((6, 5), max_epochs=2, random_state=0).fit(X, LABELS)
    for parameter in net.module_.parameters():
        assert parameter.untyped_storage().nbytes() == parameter.nbytes
        assert parameter.grad.untyped_storage().nbytes() == parameter.nbytes
        for value in net.optimizer_.state[parameter].values():
            assert value.untyped_storage().nbytes() == value.nbytes
    steps = {state["step"].data_ptr() for state in net.optimizer_.state.values()}
    assert len(steps) == len(list(net.module_.parameters()))


@pytest.mark.parametrize("norm", [None, "batch"])
def test_predictions_do_not_depend_on_where_the_weights_lie(norm):
    # Odd widths: parameters one after the other would begin anywhere in a cache line.
    net = MLPNetClassifier((7, 5, 3), norm=norm, dtype="float32", max_epochs=2, random_state=0)
    run = net.start_fit(X, LABELS)
    while not run.done:
        run.advance(release=False)
    before = net.predict_proba(X)
    assert net.engine_ == "stacked"
    run.finish()
    np.testing.assert_array_equal(net.predict_proba(X), before)


def test_a_network_between_epochs_is_as_small_as_ever():
    net = MLPNetClassifier((50, 50, 50), max_epochs=2, random_state=0)
    run = net.start_fit(X, LABELS)
    run.advance()
    n_bytes = sum(p.nbytes for p in net.module_.parameters())
    assert len(pickle.dumps(net)) < 5 * n_bytes  # weights, gradients, two moments and the rest
    assert len(pickle.dumps(run.state_dict())) < 4 * n_bytes
    steps = [state["step"] for state in net.optimizer_.state.values()]
    assert len({id(step) for step in steps}) == len(steps)
    run.finish()


def test_what_a_batch_leaves_behind_is_dropped_with_the_epoch():
    net = MLPNetClassifier(
        (9, 8), activation=nn.Softplus, norm="layer", skip="add", dropout=0.1, max_epochs=1
    )
    run = net.start_fit(X, LABELS)
    run.advance(release=False)

    def tensors_of(layer):
        for value in vars(layer).values():
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, torch.Tensor):
                    yield each
                elif hasattr(each, "forget"):
                    yield from tensors_of(each)

    assert all(
        len(X) not in tensor.shape
        for tensor in tensors_of(run._slot.engine._network(0, 1)._network)
    )
    run.finish()


def epoch_by_epoch(net, change):
    """Train with a change to the net, made by whoever advances it, after the first epoch."""
    run = net.start_fit(X, LABELS)
    run.advance()
    change(net)
    while run.advance():
        pass
    run.finish()
    return net


def decay(net):
    net.optimizer_.param_groups[0]["weight_decay"] = 5.0


def load(net):
    net.optimizer_.load_state_dict(net.optimizer_.state_dict() | {"state": {}})


def freeze(net):
    net.module_.output.bias.requires_grad_(False)


def hook_criterion(net):
    net.criterion_.register_forward_hook(lambda module, inputs, loss: 3 * loss)


def replace_forward(net):
    forward = net.module_.output.forward
    net.module_.output.forward = lambda x: 2 * forward(x)


def wrap_step(net):
    optimizer, step = net.optimizer_, net.optimizer_.step

    def slower(*args, **kwargs):
        optimizer.param_groups[0]["lr"] *= 0.1
        return step(*args, **kwargs)

    optimizer.step = slower


def evaluate_norm(net):
    net.module_.hidden[0][1].eval()


CHANGES = [decay, load, freeze, hook_criterion, replace_forward, wrap_step]


@pytest.mark.parametrize("change", CHANGES)
def test_whoever_advances_a_training_may_change_the_network(change):
    net = MLPNetClassifier((6,), lr_schedule="constant", max_epochs=4, random_state=0)
    reference = epoch_by_epoch(with_autograd(net), change)
    assert_same([reference], [epoch_by_epoch(net, change)], atol=1e-9)


class ChangesOnce(Callback):
    """A skorch callback that does something to the network after, or before, an epoch."""

    def __init__(self, change, hook="on_epoch_end"):
        self.change = change
        self.hook = hook

    def on_epoch_end(self, net, **kwargs):
        if self.hook == "on_epoch_end" and len(net.history) == 2:
            self.change(net)

    def on_epoch_begin(self, net, **kwargs):
        if self.hook == "on_epoch_begin" and len(net.history) == 2:
            self.change(net)


class ChangesOnceToo:
    """scikit-learn's kind of callback."""

    def __init__(self, change):
        self.change = change
        self.n_epochs = 0

    def setup(self, estimator, context):
        self.n_epochs = 0

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, **kwargs):
        pass

    def on_fit_task_end(self, estimator, context, **kwargs):
        self.n_epochs += 1
        if self.n_epochs == 2:
            self.change(estimator)


@pytest.mark.parametrize("change", CHANGES)
def test_callbacks_may_change_the_network(change):
    base = MLPNetClassifier((6,), lr_schedule="constant", max_epochs=4, random_state=0)
    for callback in (ChangesOnce(change), ChangesOnce(change, "on_epoch_begin")):
        net = clone(base).set_params(callbacks=[callback])
        assert_same([with_autograd(net).fit(X, LABELS)], [net.fit(X, LABELS)], atol=1e-9)
    net, reference = clone(base), with_autograd(base)
    for each in (net, reference):
        each.set_callbacks(ChangesOnceToo(change)).fit(X, LABELS)
    assert_same([reference], [net], atol=1e-9)


def test_a_layer_that_a_callback_keeps_in_evaluation_mode_stays_there():
    net = MLPNetClassifier(
        (6,),
        norm="batch",
        callbacks=[ChangesOnce(evaluate_norm, "on_epoch_begin")],
        max_epochs=4,
        random_state=0,
    )
    reference = with_autograd(net).fit(X, LABELS)
    assert_same([reference], [net.fit(X, LABELS)], atol=1e-9)


def test_aliases_of_the_weights_stay_true():
    net = MLPNetClassifier((6,), callbacks=[Clamps()], max_epochs=3, random_state=0)
    net.fit(X, LABELS)
    assert max(p.abs().max() for p in net.module_.parameters()) <= 0.1


def test_a_schedule_may_turn_negative():
    params = {"lr_schedule": lambda progress: 0.5 - progress, "max_epochs": 3, "random_state": 0}
    net = MLPNetClassifier((6,), callbacks=[Rescale()], **params)
    assert_same([with_autograd(net).fit(X, LABELS)], [net.fit(X, LABELS)], atol=1e-9)


class Lookahead(torch.optim.Optimizer):
    """Wraps another optimizer without what the base class sets up."""

    def __init__(self, params, lr, weight_decay=0.0):
        self.inner = torch.optim.SGD(params, lr=lr, weight_decay=weight_decay)
        self.param_groups, self.state = self.inner.param_groups, self.inner.state
        self.defaults = self.inner.defaults

    def step(self, closure=None):
        return self.inner.step(closure)


def test_optimizers_that_wrap_others_train():
    net = MLPNetClassifier((6,), optimizer=Lookahead, max_epochs=2, random_state=0)
    expected = clone(net).set_params(optimizer="sgd").fit(X, LABELS)
    np.testing.assert_allclose(net.fit(X, LABELS).predict_proba(X), expected.predict_proba(X))


def test_hooks_of_all_modules_are_called():
    heard = []
    handle = nn.modules.module.register_module_forward_hook(lambda *_: heard.append(1))
    try:
        net = MLPNetClassifier((6,), batch_size=-1, max_epochs=1, random_state=0)
        assert engine_of(net) == "autograd"
    finally:
        handle.remove()
    assert heard


def test_gradient_flow_sees_the_same():
    net = MLPNetClassifier((6, 5), max_epochs=3, callbacks=[GradientFlow()], random_state=0)
    reference = with_autograd(net).fit(X, LABELS)
    net.fit(X, LABELS)
    for ours, theirs in zip(
        net.history[:, "gradient_flow"], reference.history[:, "gradient_flow"], strict=True
    ):
        for one, other in zip(ours, theirs, strict=True):
            assert one[0] == other[0]
            np.testing.assert_allclose(one[1:], other[1:], rtol=1e-7)


def test_the_callback_that_clips_works_on_the_gradients_that_are_stepped_with():
    clipping = GradientClipping(norm=1e-3, value=1e-4)
    base = MLPNetClassifier((6,), optimizer="sgd", max_epochs=3, random_state=0)
    net = clone(base).set_params(callbacks=[clipping]).fit(X, LABELS)
    expected = clone(base).set_params(clip_norm=1e-3, clip_value=1e-4).fit(X, LABELS)
    free = clone(base).fit(X, LABELS)
    np.testing.assert_allclose(net.predict_proba(X), expected.predict_proba(X), atol=1e-12)
    assert np.abs(net.predict_proba(X) - free.predict_proba(X)).max() > 1e-4


def test_scores_of_training_batches_are_the_same():
    scorings = [
        scoring(metric, lower_is_better=False, on_train=True, name=f"{scoring.__module__}_{metric}")
        for scoring in (EpochScoring, OwnEpochScoring)
        for metric in ("accuracy", "neg_log_loss")
    ]
    net = MLPNetClassifier((6,), max_epochs=3, callbacks=scorings, random_state=0)
    reference = with_autograd(net).fit(X, LABELS)
    net.fit(X, LABELS)
    for scoring in scorings:
        np.testing.assert_allclose(
            net.history[:, scoring.name], reference.history[:, scoring.name], rtol=1e-10
        )


class HooksALayer(Callback):
    """Hears of the layer's outputs from the second epoch on."""

    def on_epoch_end(self, net, **kwargs):
        if not hasattr(self, "outputs_"):
            self.outputs_ = []
            net.module_.output.register_forward_hook(self.hear)

    def hear(self, layer, inputs, output):
        if layer.training:
            self.outputs_.append(output)


def test_hooks_that_a_callback_registers_between_epochs_are_called():
    hook = HooksALayer()
    net = MLPNetClassifier((6,), batch_size=-1, max_epochs=4, callbacks=[hook], random_state=0)
    reference = with_autograd(net).fit(X, LABELS)
    net.fit(X, LABELS)
    assert len(net.callbacks_[-1][1].outputs_) == 3
    assert_same([reference], [net], atol=1e-10)


def test_hooks_of_the_optimizer_are_called():
    net = MLPNetClassifier((6,), batch_size=-1, max_epochs=3, random_state=0)
    run = net.start_fit(X, LABELS)
    counted = []

    class Counting(MLPNetClassifier):
        def initialize_optimizer(self, *args, **kwargs):
            super().initialize_optimizer(*args, **kwargs)
            self.optimizer_.register_step_post_hook(lambda *_: counted.append(1))
            return self

    run.train()
    counting = Counting(**net.get_params()).fit(X, LABELS)
    assert len(counted) == 3
    assert_same([counting], [net], atol=1e-10)


def test_a_saved_checkpoint_of_skorch_holds_weights_and_state(tmp_path):
    saving = Checkpoint(monitor=None, dirname=tmp_path)
    net = MLPNetClassifier((6,), max_epochs=3, callbacks=[saving], random_state=0).fit(X, LABELS)
    fresh = clone(net).set_params(callbacks=None, max_epochs=1).fit(X, LABELS)
    fresh.load_params(checkpoint=saving)
    np.testing.assert_array_equal(fresh.predict_proba(X), net.predict_proba(X))
    torch.testing.assert_close(
        fresh.optimizer_.state_dict()["state"], net.optimizer_.state_dict()["state"]
    )


def test_scikit_learns_callbacks_see_the_same_scores():
    scores = []
    base = MLPNetClassifier((6,), max_epochs=3, random_state=0)
    for net in (base, with_autograd(base)):
        monitor = ScoringMonitor(scoring="accuracy")
        net.set_callbacks(monitor).fit(X, LABELS)
        scores.append([row["accuracy"] for row in monitor.get_logs().data])
    assert len(scores[0]) == 3
    assert scores[0] == scores[1]


def test_a_warm_start_goes_on_with_what_the_optimizer_learnt():
    net = MLPNetClassifier((6,), max_epochs=2, warm_start=True, random_state=0)
    reference = with_autograd(net)
    for each in (net, reference):
        each.fit(X, LABELS).fit(X, LABELS).partial_fit(X[:20], LABELS[:20])
    assert_same([reference], [net], atol=1e-10)
