"""A fit that fails leaves no network behind that answers in units which are not its own."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from tests.neural_network.every_net import KINDS, answers, make_net


@pytest.mark.parametrize(
    ("params", "wrong"),
    [
        ({"early_stopping": True}, {"y_val": "of another shape"}),
        ({"optimizer_params": {"unknown": 1}}, {}),
    ],
    ids=["y_val", "optimizer_params"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_that_failed_once_its_targets_were_learnt_is_none(kind, params, wrong):
    net, X, y = make_net(kind)
    net.fit(X, y)
    other = np.where(y == y[0], y[-1], y) if y.dtype.kind in "Ub" else 1e6 * y
    wrong = {"X_val": X, "y_val": np.stack([y, y], axis=-1)} if wrong else {}
    with pytest.raises(ValueError, match=r"y_val|does not take \['unknown'\]|shape"):
        net.set_params(**params).fit(X, other, **wrong)
    with pytest.raises(NotFittedError):
        net.predict(X)
    assert np.isfinite(answers(make_net(kind)[0].fit(X, y), X)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_first_chunk_that_failed_is_none(kind):
    net, X, y = make_net(kind, optimizer_params={"unknown": 1})
    with pytest.raises(ValueError, match="unknown"):
        net.partial_fit(X, y)
    with pytest.raises(NotFittedError):
        net.predict(X)
    begun = make_net(kind)[0].partial_fit(X, y)
    again = net.set_params(optimizer_params=None).partial_fit(X, y)
    np.testing.assert_array_equal(answers(again, X), answers(begun, X))


@pytest.mark.parametrize("kind", KINDS)
def test_data_that_are_refused_leave_a_network_as_it_was(kind):
    net, X, y = make_net(kind)
    before = answers(net.fit(X, y), X)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        net.fit(X, y[:-1])
    np.testing.assert_array_equal(answers(net, X), before)
