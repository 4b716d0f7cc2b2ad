"""scikit-learn's own tests of the scalers, run with ours in their place."""

from sklearn_trainkit.preprocessing import MinMaxScaler, StandardScaler
from tests.installed_suite import installed_tests

globals().update(
    installed_tests(
        "sklearn.preprocessing.tests.test_data",
        {
            "sklearn.preprocessing.MinMaxScaler": MinMaxScaler,
            "sklearn.preprocessing.StandardScaler": StandardScaler,
        },
    )
)
