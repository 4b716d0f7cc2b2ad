"""scikit-learn's own metadata routing tests of meta-estimators, run against ours."""

import pytest

from tests.installed_suite import installed_tests
from tests.model_selection.search_adapters import GridSearchCVAdapter, RandomizedSearchCVAdapter

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

_OURS = (GridSearchCVAdapter, RandomizedSearchCVAdapter)


def _only_ours(namespace):
    """Drop the cases of other meta-estimators: scikit-learn runs those itself."""
    for test in namespace.values():
        for mark in getattr(test, "pytestmark", []):
            if mark.name == "parametrize" and isinstance(mark.args[1], list):
                cases = mark.args[1]
                cases[:] = [
                    case
                    for case in cases
                    if not isinstance(case, dict) or case["metaestimator"] in _OURS
                ]
                mark.kwargs.pop("ids", None)
    return namespace


globals().update(
    _only_ours(
        installed_tests(
            "sklearn.tests.test_metaestimators_metadata_routing",
            {
                "sklearn.model_selection.GridSearchCV": GridSearchCVAdapter,
                "sklearn.model_selection.RandomizedSearchCV": RandomizedSearchCVAdapter,
            },
        )
    )
)
