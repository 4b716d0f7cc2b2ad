"""Shared parameters stand in one table: signatures, constraints and docstrings follow it."""

import inspect
import pickle
from typing import Annotated, ClassVar, Unpack

import pytest
from sklearn.base import clone

from sklearn_trainkit.neural_network import (
    ConvNetClassifier,
    ConvNetRegressor,
    MLPNetClassifier,
    MLPNetRegressor,
    NetClassifier,
    NetRegressor,
    RecurrentNetClassifier,
    RecurrentNetRegressor,
    UNetSegmenter,
)
from sklearn_trainkit.neural_network.base._shared_parameters import (
    ClassifierParameters,
    RegressorParameters,
    Shared,
    SharedParameters,
    entries_of,
)
from sklearn_trainkit.neural_network.base._signatures import store_arguments
from tests.neural_network.every_net import LABELS, ROWS

TABLES = {
    ConvNetClassifier: ClassifierParameters,
    ConvNetRegressor: RegressorParameters,
    MLPNetClassifier: ClassifierParameters,
    MLPNetRegressor: RegressorParameters,
    NetClassifier: ClassifierParameters,
    NetRegressor: RegressorParameters,
    RecurrentNetClassifier: ClassifierParameters,
    RecurrentNetRegressor: RegressorParameters,
    UNetSegmenter: SharedParameters,
}
DIFFERENCES = {
    ConvNetClassifier: {"max_epochs": 20},
    ConvNetRegressor: {"max_epochs": 20},
    MLPNetClassifier: {"weight_decay": "auto"},
    MLPNetRegressor: {"weight_decay": "auto"},
    RecurrentNetClassifier: {"clip_norm": 1.0, "lr": 0.01},
    RecurrentNetRegressor: {"clip_norm": 1.0, "lr": 0.01},
    UNetSegmenter: {"max_epochs": 20},
}
each_net = pytest.mark.parametrize("net", TABLES, ids=lambda net: net.__name__)


def defaults_of(net):
    parameters = inspect.signature(net).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


@each_net
def test_defaults_are_those_of_the_table_but_for_the_stated_differences(net):
    usual = {entry.name: entry.shared.default for entry in entries_of(TABLES[net])}
    defaults = defaults_of(net)
    assert {name: defaults[name] for name in usual} == {**usual, **DIFFERENCES.get(net, {})}


@each_net
def test_constraints_are_those_of_the_table(net):
    for entry in entries_of(TABLES[net]):
        assert net._parameter_constraints[entry.name] is entry.shared.constraint


@each_net
def test_each_parameter_is_documented_with_its_default(net):
    documented = net.__doc__.partition("Attributes\n")[0]
    for name, default in defaults_of(net).items():
        shown = f'"{default}"' if isinstance(default, str) else repr(default)
        assert f"\n    {name} : " in documented
        assert (
            f"default={shown}\n"
            in documented.partition(f"\n    {name} : ")[2].split("\n")[0] + "\n"
        )
    assert "<<" not in net.__doc__


@pytest.mark.parametrize("table", [ClassifierParameters, RegressorParameters])
def test_types_are_known_to_checkers_and_to_the_signature(table):
    net = MLPNetClassifier if table is ClassifierParameters else MLPNetRegressor
    parameters = inspect.signature(net).parameters
    for entry in entries_of(table):
        assert parameters[entry.name].annotation == entry.type


def test_words_and_defaults_of_a_kind_are_in_the_text():
    assert "lr : float, default=0.003" in MLPNetClassifier.__doc__
    assert "lr : float, default=0.01" in RecurrentNetRegressor.__doc__
    assert "Sequences of a batch" in RecurrentNetRegressor.__doc__
    assert "pooling : {" in RecurrentNetRegressor.__doc__
    assert 'pooling : {"last", "max", "mean"}, default="last"' in RecurrentNetRegressor.__doc__
    assert 'pooling : {"last", "max", "mean"}, default="mean"' in RecurrentNetClassifier.__doc__


class WiderParameters(ClassifierParameters, total=False):
    """A table with one entry more."""

    warmth: Annotated[float, Shared(0.5, "float", ["boolean"]), "How warm {samples} are."]


class WiderNet(MLPNetClassifier):
    """A network with one parameter more.

    Parameters
    ----------
    <<training>>
    """

    _own_defaults = {"lr": 0.25}

    def __init__(self, hidden_units=(4,), **shared: Unpack[WiderParameters]) -> None:
        store_arguments(self, locals())


def test_one_entry_of_a_table_is_all_that_a_parameter_needs():
    net = WiderNet(warmth=0.75)
    assert inspect.signature(WiderNet).parameters["warmth"].default == 0.5
    assert net.get_params()["warmth"] == clone(net).warmth == 0.75
    assert pickle.loads(pickle.dumps(net)).lr == 0.25
    assert WiderNet().set_params(warmth=1).warmth == 1
    assert not hasattr(net, "shared")
    with pytest.raises(TypeError, match=r"'warmht'. Did you mean warmth"):
        WiderNet(warmht=1)


def test_a_word_or_a_default_of_nothing_is_refused():
    with pytest.raises(TypeError, match=r"Typo: smaples='rows' is in none"):
        type(
            "Typo", (MLPNetClassifier,), {"_doc_words": {"smaples": "rows"}, "__doc__": "<<init>>"}
        )

    def __init__(self, **shared: Unpack[SharedParameters]) -> None:  # noqa: N807
        store_arguments(self, locals())

    with pytest.raises(TypeError, match=r"Typo: rl=0.1 is in none"):
        type("Typo", (MLPNetClassifier,), {"_own_defaults": {"rl": 0.1}, "__init__": __init__})


def test_engine_is_a_parameter_of_all_networks_and_takes_effect():
    X, y = ROWS, LABELS
    for engine, taken in (("auto", "stacked"), ("autograd", "autograd"), ("stacked", "stacked")):
        net = MLPNetClassifier((4,), engine=engine, max_epochs=1, random_state=0).fit(X, y)
        assert net.engine_ == taken
    assert net.set_params(engine="autograd").fit(X, y).engine_ == "autograd"
    with pytest.raises(ValueError, match="'engine' parameter of MLPNetClassifier"):
        net.set_params(engine="steam").fit(X, y)
    assert {inspect.signature(net).parameters["engine"].default for net in TABLES} == {"auto"}


def test_signatures_show_no_table():
    for net in TABLES:
        assert "_shared_parameters" not in str(inspect.signature(net))
    for net in (NetClassifier, NetRegressor):
        assert str(inspect.signature(net)).endswith("**module__kwargs: Any) -> None")


def test_a_subclass_has_the_constraints_of_its_bases_and_its_own():
    class Wider(MLPNetClassifier):
        _parameter_constraints: ClassVar[dict] = {"lr": [None], "norm": [str]}

    class Widest(Wider):
        _parameter_constraints: ClassVar[dict] = {"norm": [None]}

    earlier = MLPNetClassifier._parameter_constraints
    assert {**earlier, "lr": [None], "norm": [str]} == Wider._parameter_constraints
    assert {**earlier, "lr": [None], "norm": [None]} == Widest._parameter_constraints
    with pytest.raises(ValueError, match="'norm' parameter of Widest must be None"):
        Widest(norm="layer", lr=None).fit(ROWS, LABELS)
