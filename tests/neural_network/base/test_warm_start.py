"""A fit that goes on from earlier weights takes up each changed parameter, or refuses it."""

import copy
import inspect
import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from sklearn_trainkit.neural_network import MLPNetClassifier, NetClassifier
from sklearn_trainkit.utils._random_streams import stream_seeds
from tests.neural_network.every_net import KINDS, LABELS, ROWS, Tiny, answers, make_net

# What a network was made with.
REFUSED = {
    "hidden_units": (7,),
    "channels": (3, 4),
    "kernel_size": 5,
    "n_blocks": 3,
    "growth_rate": 5,
    "downsample": "stride",
    "upsample": "nearest",
    "cell": "lstm",
    "bidirectional": None,
    "pooling": "max",
    "activation": "tanh",
    "norm": "layer",
    "norm_groups": 2,
    "skip": "add",
    "dropout": 0.5,
    "init": "orthogonal",
    "standardize_X": False,
    "standardize_y": False,
    "return_sequences": True,
    "dtype": "float64",
    "module": nn.Linear(4, 3),
    "module_params": {"width": 9},
    "module__width": 9,
    "image_shape": (1, 8, 8),
    "checkpoint_dir": "anywhere",
}
TAKEN_UP = {
    "lr": 0.1,
    "weight_decay": 50.0,
    "optimizer": "sgd",
    "optimizer_params": {"amsgrad": True, "betas": (0.1, 0.2)},
    "lr_schedule": "linear",
    "lr_schedule_params": {"pct_start": 0.9},
    "batch_size": 8,
    "max_epochs": 5,
    "clip_norm": 1e-3,
    "clip_value": 1e-3,
    "clip_adaptive": 1e-3,
    "early_stopping": True,
    "precision": "bf16",
    "random_state": 7,
    "warm_start": False,
    "label_smoothing": 0.7,
    "class_weight": {"cat": 1, "dog": 9, "eel": 1, False: 1, True: 9},
    "loss": None,
    "flip": "both",
    "max_shift": 2,
    "crop_size": 4,
    "ignore_index": 1,
    "ignore_label": 1,
}
# Taken up, and looked at in tests of their own: they leave the weights of a sound fit as they are.
WITHOUT_EFFECT_ON_WEIGHTS = {
    *("callbacks", "compile", "device", "engine", "n_threads", "on_divergence", "patience"),
    *("sequence_shape", "tile_size", "validation_fraction", "verbose"),
}
# What partial_fit does not look at.
NOT_OF_ONE_EPOCH = {
    *("early_stopping", "warm_start", "max_epochs", "lr_schedule", "lr_schedule_params")
}
LOSSES = {"squared_error": "huber", "cross_entropy_and_dice": "dice"}


def names_of(kind):
    net, _, _ = make_net(kind)
    names = [name for name in inspect.signature(type(net).__init__).parameters if name != "self"]
    return [name.replace("module__kwargs", "module__width") for name in names]


def changed_value(net, name):
    value = {**REFUSED, **TAKEN_UP}[name]
    if name == "loss":
        return LOSSES[net.loss]
    return not net.bidirectional if name == "bidirectional" else value


def lists_of(kind):
    refused = REFUSED.keys() - ({"image_shape"} if kind == "UNetSegmenter" else set())
    silent = WITHOUT_EFFECT_ON_WEIGHTS | ({"image_shape"} - refused)
    # A whole sequence without a label is left out of X and y.
    never = {"ignore_index"} if kind == "RecurrentNetClassifier" else set()
    return refused | never, TAKEN_UP.keys() - never, silent


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_is_in_one_of_the_lists(kind):
    lists = lists_of(kind)
    for name in names_of(kind):
        assert sum(name in names for names in lists) == 1, name


@pytest.mark.parametrize("way", ["fit", "partial_fit"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_the_architecture_is_refused_by_name(kind, way):
    net, X, y = make_net(kind, warm_start=True)
    net.fit(X, y)
    before = answers(net, X)
    for name in names_of(kind):
        if name not in lists_of(kind)[0] or (name, way) == ("checkpoint_dir", "partial_fit"):
            continue
        other = copy.deepcopy(net).set_params(**{name: changed_value(net, name)})
        with pytest.raises(ValueError, match=rf"\b{name}="):
            getattr(other, way)(X, y)
        np.testing.assert_array_equal(
            answers(other, X) if name != "return_sequences" else before, before
        )


@pytest.mark.parametrize("kind", KINDS)
def test_other_changes_are_taken_up_by_a_warm_start(kind):
    net, X, y = make_net(kind, warm_start=True)
    net.fit(X, y)
    same = answers(copy.deepcopy(net).fit(X, y), X)
    np.testing.assert_array_equal(answers(pickle.loads(pickle.dumps(net)).fit(X, y), X), same)
    for name in names_of(kind):
        if name in lists_of(kind)[1]:
            other = copy.deepcopy(net).set_params(**{name: changed_value(net, name)}).fit(X, y)
            assert not np.array_equal(answers(other, X), same), name


@pytest.mark.parametrize("kind", KINDS)
def test_changes_are_taken_up_by_partial_fit(kind):
    net, X, y = make_net(kind)
    net.partial_fit(X, y)
    same = answers(copy.deepcopy(net).partial_fit(X, y), X)
    for name in names_of(kind):
        if name not in lists_of(kind)[1] - NOT_OF_ONE_EPOCH:
            continue
        other = copy.deepcopy(net).set_params(**{name: changed_value(net, name)}).partial_fit(X, y)
        assert not np.array_equal(answers(other, X), same), name


def test_optimizer_momenta_stay_where_the_rate_changes():
    net, X, y = make_net("MLPNetClassifier")
    net.partial_fit(X, y)
    steps = net.optimizer_.state_dict()["state"][0]["step"].item()
    net.set_params(lr=0.5).partial_fit(X, y)
    assert net.optimizer_.param_groups[0]["lr"] == 0.5
    assert net.optimizer_.state_dict()["state"][0]["step"].item() == 2 * steps


class Counter(Callback):
    n_begun = 0

    def on_train_begin(self, net, **kwargs):
        self.n_begun += 1


def test_callbacks_and_limits_are_taken_up():
    net, X, y = make_net("MLPNetClassifier", warm_start=True)
    counter = Counter()
    net.fit(X, y).set_params(callbacks=[counter]).fit(X, y).partial_fit(X, y)
    assert counter.n_begun == 2
    net.set_params(early_stopping=True, patience=1, lr=1e-9, optimizer="sgd", max_epochs=50).fit(
        X, y
    )
    assert len(net.history) < 40


def test_another_engine_is_taken_up():
    net, X, y = make_net("MLPNetClassifier", warm_start=True)
    assert net.fit(X, y).engine_ == "stacked"
    assert net.set_params(engine="autograd").fit(X, y).engine_ == "autograd"
    assert net.set_params(engine="auto").partial_fit(X, y).engine_ == "stacked"


def test_verbose_is_taken_up(capsys):
    net, X, y = make_net("MLPNetClassifier")
    net.partial_fit(X, y)
    assert capsys.readouterr().out == ""
    net.set_params(verbose=1).partial_fit(X, y)
    assert "train_loss" in capsys.readouterr().out


def test_rows_that_were_trained_on_are_never_set_aside_by_another_share():
    net, X, y = make_net(
        "MLPNetClassifier", warm_start=True, early_stopping=True, validation_fraction=0.2
    )
    net.fit(X, y).fit(X, y).set_params(validation_fraction=0.5)
    with pytest.raises(ValueError, match=r"validation_fraction=0.2, now validation_fraction=0.5"):
        net.fit(X, y)
    net.fit(X, y, X_val=X, y_val=y)


@pytest.mark.parametrize(
    ("was", "is_now"),
    [
        ({"hidden_units": (6,)}, {"hidden_units": [np.int64(6)]}),
        ({"hidden_units": (6,)}, {"hidden_units": 6}),
        ({"dtype": "auto"}, {"dtype": "float32"}),
        ({"activation": nn.Tanh}, {"activation": nn.Tanh}),
    ],
)
def test_the_same_value_written_otherwise_is_no_change(was, is_now):
    net, X, y = make_net("MLPNetClassifier", warm_start=True, **was)
    net.fit(X, y).set_params(**is_now).fit(X, y).partial_fit(X, y)


def test_a_list_that_was_changed_in_place_is_a_change():
    units = [6]
    net = MLPNetClassifier(units, warm_start=True, max_epochs=1).fit(ROWS, LABELS)
    units.append(6)
    with pytest.raises(ValueError, match="hidden_units"):
        net.fit(ROWS, LABELS)


def test_arguments_of_an_own_module_are_compared_one_by_one():
    net = NetClassifier(Tiny, module__width=5, warm_start=True, max_epochs=1).fit(ROWS, LABELS)
    with pytest.raises(ValueError, match="module__width=5, now module__width=8"):
        net.set_params(module__width=8).fit(ROWS, LABELS)
    copied = pickle.loads(pickle.dumps(NetClassifier(Tiny(4, 3), max_epochs=1).fit(ROWS, LABELS)))
    copied.partial_fit(ROWS, LABELS)
    with pytest.raises(ValueError, match="module="):
        copied.set_params(module=Tiny(4, 3)).partial_fit(ROWS, LABELS)
    copied.fit(ROWS, LABELS)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (ROWS[:, :3], LABELS, "X has 3 features"),
        (ROWS, np.where(LABELS == "eel", "fox", LABELS), "fox"),
        (ROWS, np.eye(3, dtype=int)[np.arange(24) % 3], "one label for each row"),
    ],
)
@pytest.mark.parametrize("way", ["fit", "partial_fit"])
def test_other_data_say_what_does_not_fit(way, X, y, message):
    net = MLPNetClassifier((6,), warm_start=True, max_epochs=1).fit(ROWS, LABELS)
    with pytest.raises(ValueError, match=message):
        getattr(net, way)(X, y)


def test_a_precision_that_the_weights_do_not_have_is_refused():
    net = MLPNetClassifier((6,), warm_start=True, max_epochs=1).fit(ROWS.astype(float), LABELS)
    with pytest.raises(ValueError, match="precision='bf16', which works on float32"):
        net.set_params(precision="bf16").fit(ROWS, LABELS)


def test_initialize_begins_anew_with_the_present_parameters():
    net = MLPNetClassifier((6,), max_epochs=1, random_state=0).fit(ROWS, LABELS)
    net.set_params(hidden_units=(8,)).initialize().partial_fit(ROWS, LABELS)
    assert net.module_.output.in_features == 8
    assert isinstance(net.optimizer_, torch.optim.AdamW)


KNOWN_WIDTHS = {"module__n_features": 4, "module__n_outputs": 3}


@pytest.mark.parametrize("way", ["fit", "partial_fit"])
def test_a_network_that_waits_for_data_refuses_what_its_weights_cannot_follow(way):
    net = NetClassifier(Tiny, **KNOWN_WIDTHS, module__width=5, warm_start=True).initialize()
    with pytest.raises(ValueError, match="module__width=5, now module__width=8"):
        getattr(net.set_params(module__width=8), way)(ROWS, LABELS)


def test_a_network_that_waits_for_data_takes_up_other_parameters():
    net = NetClassifier(Tiny, **KNOWN_WIDTHS, warm_start=True, max_epochs=1, random_state=0)
    seeded = copy.deepcopy(net).initialize().set_params(random_state=5, dtype="float64", lr=0.5)
    assert seeded.start_fit(ROWS, LABELS).streams.order.initial_seed() == stream_seeds(5).order
    assert seeded.optimizer_.param_groups[0]["lr"] == 0.5
    assert seeded.predict_proba(ROWS).dtype == np.float64
    net.initialize().set_params(early_stopping=True, validation_fraction=0.2).fit(ROWS, LABELS)
    with pytest.raises(ValueError, match=r"validation_fraction=0.2, now validation_fraction=0.5"):
        net.set_params(validation_fraction=0.5).fit(ROWS, LABELS)
