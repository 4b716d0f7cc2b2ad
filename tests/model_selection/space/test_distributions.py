"""One dimension of a space: what optuna draws, and what the estimator gets for it."""

import math

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy import stats
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_trainkit.model_selection.space._distributions import make_dimension, suggest
from sklearn_trainkit.model_selection.space._labels import label_choices


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (stats.uniform(1, 3), FloatDistribution(1.0, 4.0)),
        (stats.loguniform(1e-4, 1e-1), FloatDistribution(1e-4, 1e-1, log=True)),
        (stats.randint(2, 9), IntDistribution(2, 8)),
        (stats.norm(), FloatDistribution(0.0, 1.0)),
        (stats.loguniform(1, 10, loc=5), FloatDistribution(0.0, 1.0)),
        (IntDistribution(2, 8, step=2), IntDistribution(2, 8, step=2)),
        (FloatDistribution(0.1, 1.0, log=True), FloatDistribution(0.1, 1.0, log=True)),
        ([1, 2.5, "auto", None], CategoricalDistribution([1, 2.5, "auto", None])),
        (range(3), CategoricalDistribution([0, 1, 2])),
        (np.array([0.1, 0.2]), CategoricalDistribution([0.1, 0.2])),
        (
            [StandardScaler(), "off"],
            CategoricalDistribution(["StandardScaler()", "off"]),
        ),
    ],
)
def test_what_optuna_draws_from(values, expected):
    assert make_dimension("a", values).distribution == expected


@pytest.mark.parametrize(
    ("labels", "objects"),
    [
        ((1, 2), [1, 2]),
        (("1", "True"), [1, True]),  # equal for Python, so they need labels
        (("nan", "1.0"), [float("nan"), 1.0]),
        (("(1, 1)", "(1, 2)"), [(1, 1), (1, 2)]),
        (("StandardScaler", "MinMaxScaler"), [StandardScaler, MinMaxScaler]),
        (("0.1", "0.1 #2"), [0.1, 0.1]),
        (("object", "object #2"), [object(), object()]),
    ],
)
def test_labels_are_distinct_storable_and_readable(labels, objects):
    assert label_choices(objects) == labels


def test_a_choice_is_the_very_object_of_the_list():
    scalers = [StandardScaler(), MinMaxScaler()]
    dimension = make_dimension("scale", scalers)
    trial = optuna.create_study().ask()
    assert dimension.decode(suggest(trial, "scale", dimension.distribution)) in scalers
    assert dimension.decode(dimension.encode(MinMaxScaler())) is scalers[1]


@pytest.mark.parametrize("frozen", [stats.norm(2, 3), stats.expon(scale=10), stats.poisson(4)])
def test_quantiles_follow_the_frozen_distribution(frozen):
    dimension = make_dimension("a", frozen)
    levels = np.linspace(0.01, 0.99, 25)
    np.testing.assert_allclose([dimension.decode(level) for level in levels], frozen.ppf(levels))
    assert np.isfinite([dimension.decode(0.0), dimension.decode(1.0)]).all()


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (1, TypeError, r"param_distributions\['a'\].*got 1 \(of type int\).*wrapped in a list"),
        ("1,2", TypeError, r"got '1,2' \(of type str\)"),
        ({1, 2}, TypeError, "of type set"),
        ([], ValueError, r"param_distributions\['a'\] is empty"),
        (np.ones((3, 2)), ValueError, r"shape \(3, 2\)"),
        (stats.norm(0, -1), ValueError, "not finite"),
        (stats.multivariate_normal(), TypeError, "no quantile function"),
    ],
)
def test_bad_values_name_the_parameter(values, error, message):
    with pytest.raises(error, match=message):
        make_dimension("a", values)


@pytest.mark.parametrize(
    ("values", "value", "message"),
    [
        ([1, 2], 3, r"not one of the choices \[1, 2\]"),
        ([1, 2], True, "not one of the choices"),
        (stats.uniform(0, 1), 2.0, "is outside"),
        (IntDistribution(2, 8, step=2), 3, "is outside"),
        (stats.expon(), -1.0, "outside the support"),
    ],
)
def test_a_value_outside_is_refused(values, value, message):
    with pytest.raises(ValueError, match=message):
        make_dimension("a", values).encode(value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3, 1], [3, 1]),
        (IntDistribution(2, 8, step=2), [2, 4, 6, 8]),
        (FloatDistribution(0, 1, step=0.25), [0, 0.25, 0.5, 0.75, 1]),
        (stats.uniform(0, 1), None),
        (IntDistribution(1, 64, log=True), None),
    ],
)
def test_finite_dimensions_list_their_values(values, expected):
    assert make_dimension("a", values).list_values() == expected


@pytest.mark.parametrize(
    ("values", "wanted", "nearest"),
    [
        ([0.0, 0.2, 0.5], 0.3, 0.2),  # with a zero, differences count
        ([1e-5, 1e-2, 1.0], 0.15, 1.0),  # without, ratios
        ([(64, 128), (128, 64)], (128, 64), (128, 64)),  # what is there stays
        ([(64, 128), (128, 64)], (120, 60), (128, 64)),
        ([(16,), (64,), (8, 8)], (32, 32), (8, 8)),  # lengths first
        ([64, 128, 256], (100,), 128),  # one number is a sequence of one
        ([None, 1.0, 5.0], 0.4, 1.0),
        ([None, 1.0], None, None),
        (["adam", "sgd"], "sgd", "sgd"),
        ([math.nan, math.inf, 1.0], 1.0, 1.0),
        (stats.uniform(0, 0.5), 0.7, 0.5),
        (stats.loguniform(1e-3, 1), 1e-5, 1e-3),
        (stats.randint(3, 9), 12, 8),
        (optuna.distributions.IntDistribution(4, 64, log=True), 100, 64),
        (optuna.distributions.IntDistribution(4, 16, step=4), 9, 8),
        (optuna.distributions.FloatDistribution(0, 1, step=0.25), 0.4, 0.5),
        (stats.norm(0, 1), 0.3, 0.3),
        (stats.binom(8, 0.5), 11, 8),
        (stats.poisson(5), 2.9, 3),
        (stats.poisson(20), 55, 55),
        (stats.rv_discrete(values=([16, 48, 256], [0.3, 0.3, 0.4])), 64, 48),
    ],
)
def test_the_nearest_value(values, wanted, nearest):
    dimension = make_dimension("a", values)
    found = dimension.nearest(wanted)
    assert found == nearest
    assert type(found) is type(nearest)
    dimension.encode(found)  # it can be drawn


@pytest.mark.parametrize(
    ("values", "wanted"),
    [(["adam", "sgd"], "lion"), ([None, "batch"], 1.0), ([1.0, 2.0], None), (stats.norm(), "a")],
)
def test_nothing_is_near(values, wanted):
    with pytest.raises(ValueError, match=r"."):
        make_dimension("a", values).nearest(wanted)
