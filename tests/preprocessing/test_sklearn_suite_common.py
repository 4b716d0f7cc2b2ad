"""scikit-learn's NaN tests of the scalers, run with ours in their place."""

from functools import wraps
from inspect import signature

import sklearn.preprocessing

from sklearn_trainkit.preprocessing import MinMaxScaler, StandardScaler
from tests.installed_suite import installed_tests


def accepting_our_options(function):
    """Let a function of scikit-learn take, and leave aside, the parameters that we add.

    The tests pass every parameter of the scaler to the function that goes with it.
    """
    known = signature(function).parameters

    @wraps(function)
    def call(X, **options):
        return function(X, **{name: v for name, v in options.items() if name in known})

    return call


globals().update(
    installed_tests(
        "sklearn.preprocessing.tests.test_common",
        {
            "sklearn.preprocessing.MinMaxScaler": MinMaxScaler,
            "sklearn.preprocessing.StandardScaler": StandardScaler,
            "sklearn.preprocessing.minmax_scale": accepting_our_options(
                sklearn.preprocessing.minmax_scale
            ),
            "sklearn.preprocessing.scale": accepting_our_options(sklearn.preprocessing.scale),
        },
    )
)
