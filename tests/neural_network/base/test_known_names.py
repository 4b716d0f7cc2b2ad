"""Names of other libraries are answered with ours."""

import inspect

import pytest
from sklearn.base import clone

from sklearn_trainkit import neural_network
from sklearn_trainkit.neural_network import (
    ConvNetClassifier,
    MLPNetClassifier,
    MLPNetRegressor,
    NetClassifier,
    RecurrentNetRegressor,
    UNetSegmenter,
)
from sklearn_trainkit.neural_network.base._known_names import KNOWN_NAMES

NETS = [
    getattr(neural_network, name)
    for name in neural_network.__all__
    if inspect.isclass(getattr(neural_network, name))
]


def module(n_features, n_outputs):
    raise NotImplementedError


def make(cls, **params):
    return cls(module, **params) if "module" in inspect.signature(cls).parameters else cls(**params)


def told(action, **params):
    with pytest.raises((TypeError, ValueError)) as caught:
        action(**params)
    return str(caught.value)


@pytest.mark.parametrize("cls", NETS)
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("max_iter", "max_epochs"),
        ("n_epochs", "max_epochs"),
        ("alpha", "weight_decay"),
        ("learning_rate", "lr "),
        ("learning_rate_init", "lr"),
        ("solver", "optimizer"),
        ("n_iter_no_change", "patience"),
        ("iterator_train__batch_size", "batch_size"),
        ("optimizer__weight_decay", "weight_decay"),
        ("train_split", "validation_fraction"),
        ("batchsize", "batch_size"),
        ("Optimizer", "optimizer"),
    ],
)
def test_the_name_here_is_told_by_constructor_and_set_params(cls, theirs, ours):
    for action, error in [(lambda **kw: make(cls, **kw), "keyword"), (make(cls).set_params, "Inv")]:
        message = told(action, **{theirs: 1}).partition(" Valid parameters")[0]
        assert ours in message.replace(repr(theirs), "")
        assert error in message or "optimizer__" in theirs


@pytest.mark.parametrize(
    ("cls", "theirs", "ours"),
    [
        (MLPNetClassifier, "hidden_layer_sizes", "hidden_units"),
        (MLPNetClassifier, "hiden_units", "hidden_units"),
        (MLPNetClassifier, "units", "hidden_units"),
        (MLPNetClassifier, "momentum", "optimizer_params={'momentum': momentum}"),
        (MLPNetClassifier, "criterion", "label_smoothing or class_weight"),
        (MLPNetRegressor, "criterion", "loss"),
        (MLPNetClassifier, "module__width", "NetClassifier"),
        (ConvNetClassifier, "hidden_layer_sizes", "channels"),
        (ConvNetClassifier, "filters", "channels"),
        (UNetSegmenter, "depth", "channels"),
        (RecurrentNetRegressor, "rnn_type", "cell"),
        (RecurrentNetRegressor, "num_layers", "hidden_units"),
        (NetClassifier, "width", "module__width"),
        (MLPNetClassifier, "zzz", "'activation', 'batch_size'"),
    ],
)
def test_each_kind_names_what_it_has(cls, theirs, ours):
    assert ours in told(lambda **kw: make(cls, **kw), **{theirs: 1})


@pytest.mark.parametrize("cls", NETS)
def test_no_answer_names_a_parameter_that_is_not_there(cls):
    valid = inspect.signature(cls).parameters
    for theirs, ours in KNOWN_NAMES.items():
        if theirs not in valid and isinstance(ours, tuple):
            answer = told(lambda **kw: make(cls, **kw), **{theirs: 1})
            missing = [name for name in ("hidden_units", "channels", "cell") if name not in valid]
            suggested = answer.partition("Did you mean")[2]
            assert not any(name in suggested for name in missing)


def test_every_answer_is_about_a_parameter_of_some_net():
    everything = {name for cls in NETS for name in inspect.signature(cls).parameters}
    for ours in KNOWN_NAMES.values():
        if isinstance(ours, tuple):
            assert {name.partition("=")[0].partition(" ")[0] for name in ours} <= everything


@pytest.mark.parametrize("cls", NETS)
def test_signatures_and_clones_are_as_ever(cls):
    signature = inspect.signature(cls)
    assert "kwargs" not in {n for n in signature.parameters if n != "module__kwargs"}
    net = clone(make(cls, lr=0.5))
    assert net.lr == 0.5
    assert net.get_params(deep=False).keys() == signature.parameters.keys() - {"module__kwargs"}


def test_positional_arguments_and_sub_classes_work_as_ever():
    class Own(MLPNetClassifier):
        def __init__(self, width=3, **params):
            super().__init__((width,), **params)
            self.width = width

    assert Own(width=5, lr=0.1).hidden_units == (5,)
    assert "max_epochs" in told(Own, max_iter=3)
    with pytest.raises(TypeError, match="positional"):
        MLPNetClassifier((3,), 4)
