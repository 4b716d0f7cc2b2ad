"""Which engine trains a network, what it says of the others, and how a new one is plugged in."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.neural_network import MLPNetClassifier, NetClassifier, fit_stacked
from sklearn_trainkit.neural_network.engines import _choose_engine
from sklearn_trainkit.neural_network.engines._autograd import AutogradEngine
from tests.neural_network.stacks import WatchesSteps

X = np.random.default_rng(0).normal(size=(40, 4))
Y = (X[:, 0] > 0).astype(int)


def small(engine="auto", **params):
    return MLPNetClassifier((5,), max_epochs=2, random_state=0, engine=engine, **params)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"callbacks": [WatchesSteps()]}, "WatchesSteps listens to on_grad_computed"),
        ({"precision": "bf16", "dtype": "float32"}, "precision='bf16'"),
        ({"activation": nn.PReLU}, "layers of type PReLU cannot be stacked"),
        ({"optimizer": type("Mine", (torch.optim.SGD,), {})}, "Mine takes its steps tensor by"),
    ],
)
def test_a_net_says_why_no_faster_engine_trained_it(params, reason):
    engine = small(**params).fit(X, Y).engine_
    assert engine == "autograd"
    assert list(engine.passed_over) == ["compiled", "stacked"]
    assert reason in engine.passed_over["stacked"]


def test_what_is_said_of_other_engines_survives_a_pickle():
    net = small("stacked").fit(X, Y)
    assert net.engine_ == "stacked"
    assert net.engine_.passed_over == {"compiled": "engine='stacked' is asked for"}
    slow = small(callbacks=[WatchesSteps()]).fit(X, Y).engine_
    for again in (pickle.loads(pickle.dumps(slow)), copy.deepcopy(slow)):
        assert (again, again.passed_over) == (slow, slow.passed_over)
    assert repr(_choose_engine.EngineName("fast", {})) == "EngineName('fast', {})"


def test_an_engine_asked_for_by_name_trains():
    nets = [small(engine).fit(X, Y) for engine in ("autograd", "stacked")]
    assert [net.engine_ for net in nets] == ["autograd", "stacked"]
    reason = "engine='autograd' is asked for"
    assert nets[0].engine_.passed_over == dict.fromkeys(["compiled", "stacked"], reason)
    np.testing.assert_allclose(*[net.predict_proba(X) for net in nets], rtol=0, atol=1e-10)


def test_an_engine_asked_for_is_taken_even_where_it_gains_nothing():
    mine = type("Mine", (torch.optim.SGD,), {})
    assert small("stacked", optimizer=mine).fit(X, Y).engine_ == "stacked"


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (small("stacked", callbacks=[WatchesSteps()]), "WatchesSteps listens"),
        (small("stacked", activation=nn.PReLU), "PReLU"),
        (small("stacked", optimizer="lbfgs"), "lbfgs"),
        (NetClassifier(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), engine="stacked"), "Flatten"),
    ],
)
def test_an_engine_that_cannot_is_refused_with_the_obstacle(net, reason):
    message = f"engine='stacked' cannot train this {type(net).__name__}: .*{reason}.*'auto'"
    with pytest.raises(ValueError, match=message):
        net.start_fit(X, Y)


def test_networks_that_want_autograd_have_no_place_in_a_stack():
    nets = fit_stacked([small(), small(), small("autograd"), small("autograd")], X, Y)
    assert [net.engine_ for net in nets] == ["stacked"] * 2 + ["autograd"] * 2


def test_a_search_says_that_autograd_was_asked_for():
    search = OptunaSearchCV(small("autograd"), {"lr": [0.01]}, n_trials=1, cv=2, random_state=0)
    assert search.fit(X, Y).evaluations_ == ["per-epoch: engine='autograd' is asked for"]
    assert search.best_estimator_.engine_ == "autograd"


def test_a_new_engine_is_a_class_and_a_line_in_the_registry(monkeypatch):
    class Fast(AutogradEngine):
        name = "fast"

        @staticmethod
        def obstacle(runs):
            return "too deep" if len(runs[0].named) > 4 else None

    monkeypatch.setattr(_choose_engine, "ENGINES", (Fast, *_choose_engine.ENGINES))
    assert small().fit(X, Y).engine_ == "fast"
    deep = MLPNetClassifier((5, 5), max_epochs=1).fit(X, Y)
    assert deep.engine_ == "stacked"
    assert deep.engine_.passed_over["fast"] == "too deep"
