"""A fit that fails before its training begins leaves the network as it was."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from tests.neural_network.every_net import KINDS, answers, make_net

FAILURES = {
    "y": ({}, lambda X, y: {"y": y[:-1]}),
    "y_val": ({"early_stopping": True}, lambda X, y: {"X_val": X, "y_val": np.stack([y, y], -1)}),
    "optimizer_params": ({"optimizer_params": {"unknown": 1}}, lambda X, y: {}),
}


def others(y):
    """Targets of which other things are learnt."""
    return np.where(y == y[0], y[-1], y) if y.dtype.kind in "Ub" else 1e6 * y


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_fitted_network_answers_as_before(kind, warm_start, failure):
    net, X, y = make_net(kind, warm_start=warm_start)
    net.fit(X, y)
    before = answers(net, X), net.predict(X)
    params, arguments = FAILURES[failure]
    with pytest.raises(ValueError, match=r"inconsistent|y_val|shape|unknown"):
        net.set_params(**params).fit(**{"X": 2 * X, "y": others(y), **arguments(X, others(y))})
    for now, then in zip((answers(net, X), net.predict(X)), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("way", ["fit", "partial_fit"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_network_that_was_not_fitted_is_none(kind, way):
    net, X, y = make_net(kind, optimizer_params={"unknown": 1})
    with pytest.raises(ValueError, match="unknown"):
        getattr(net, way)(X, y)
    with pytest.raises(NotFittedError):
        net.predict(X)
    assert not hasattr(net, "n_features_in_")
    begun = getattr(make_net(kind)[0], way)(X, y)
    again = getattr(net.set_params(optimizer_params=None), way)(X, y)
    np.testing.assert_array_equal(answers(again, X), answers(begun, X))


@pytest.mark.parametrize("kind", KINDS)
def test_a_chunk_that_failed_was_not_seen(kind):
    balanced = {} if kind.endswith("Regressor") else {"class_weight": "balanced"}
    net, X, y = make_net(kind, **balanced)
    wanted = make_net(kind, **balanced)[0].partial_fit(X, y).partial_fit(X[::2], y[::2])
    net.partial_fit(X, y)
    with pytest.raises(ValueError, match="unknown"):
        net.set_params(optimizer_params={"unknown": 1}).partial_fit(X[:5], y[:5])
    net.set_params(optimizer_params=None).partial_fit(X[::2], y[::2])
    np.testing.assert_array_equal(answers(net, X), answers(wanted, X))
