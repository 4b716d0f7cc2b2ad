"""Mean and scale of targets are those of the rows that are trained on, and of no others."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose
from torch import nn

from sklearn_trainkit.neural_network import MLPNetRegressor, NetRegressor, RecurrentNetRegressor
from tests.neural_network.every_net import ROWS, SEQUENCES

rng = np.random.default_rng(0)
Y = rng.normal(size=24) + np.where(np.arange(24) % 5 == 0, 1e4, 0.0)
STEPS = Y[:, None] + rng.normal(size=(24, 5))
FAST = {"max_epochs": 1, "random_state": 0}


def linear(**params):
    """A network that has weights before it has data."""
    return NetRegressor(nn.Linear(4, 1), **FAST, warm_start=True, **params).initialize()


def steps(**params):
    return RecurrentNetRegressor((3,), return_sequences=True, **FAST, **params)


@pytest.mark.parametrize(
    ("net", "X", "y"),
    [
        (MLPNetRegressor((3,), **FAST), ROWS, Y),
        (MLPNetRegressor((3,), warm_start=True, **FAST), ROWS, Y),
        (linear(), ROWS, Y),
        (steps(), SEQUENCES, STEPS),
        (steps(warm_start=True), SEQUENCES, STEPS),
    ],
    ids=["fit", "warm_start", "initialize", "steps", "steps, warm_start"],
)
@pytest.mark.parametrize("groups", [None, np.arange(24) // 2])
def test_rows_that_stop_a_first_training_are_not_in_mean_and_scale(net, X, y, groups):
    net = copy.deepcopy(net).set_params(early_stopping=True, validation_fraction=0.3)
    run = net.start_fit(X, y, groups=groups)
    trained = run.loader.rows.y.double().numpy()
    assert 0 < len(trained) < 20
    assert_allclose(trained.mean(), 0, atol=1e-6)
    assert_allclose(trained.std(), 1, atol=1e-6)


def test_a_warm_start_stays_in_the_units_of_its_weights():
    net = linear(early_stopping=True).fit(ROWS, Y)
    mean, scale = net.y_mean_, net.y_scale_
    net.fit(ROWS, 3 * Y + 7)
    assert_allclose([net.y_mean_, net.y_scale_], [mean, scale])


@pytest.mark.parametrize(
    "y",
    [Y.astype(str), Y.astype("M8[s]"), Y.astype("m8[s]")],
    ids=["text", "dates", "durations"],
)
@pytest.mark.parametrize("n_steps", [None, 5])
def test_what_is_no_number_is_refused(y, n_steps):
    net, X = MLPNetRegressor((3,), **FAST), ROWS
    if n_steps is not None:
        net, X, y = steps(), SEQUENCES, np.tile(y[:, None], n_steps)
    with pytest.raises(ValueError, match=r"y must be numbers. Got an array of (<U|datetime|timed)"):
        net.fit(X, y)


@pytest.mark.parametrize(
    ("net", "X", "y"), [(MLPNetRegressor((3,), **FAST), ROWS, Y), (steps(), SEQUENCES, STEPS)]
)
def test_predictions_have_the_form_of_the_last_fits_targets(net, X, y):
    net.set_params(warm_start=True).fit(X, y[..., None].astype(np.float32))
    assert net.predict(X).shape == (*y.shape, 1)
    assert net.predict(X).dtype == np.float32
    net.fit(X, y)
    assert net.predict(X).shape == y.shape
    assert net.predict(X).dtype == np.float64
