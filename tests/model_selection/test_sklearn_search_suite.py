"""scikit-learn's own search tests, run against ours."""

import pytest

from tests.installed_suite import installed_tests
from tests.model_selection.search_adapters import GridSearchCVAdapter, RandomizedSearchCVAdapter

# Provoking warnings is what many of these tests are about; their own library's deprecations
# are not ours to fix.
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

globals().update(
    installed_tests(
        "sklearn.model_selection.tests.test_search",
        {
            "sklearn.model_selection.GridSearchCV": GridSearchCVAdapter,
            "sklearn.model_selection.RandomizedSearchCV": RandomizedSearchCVAdapter,
        },
        exclude=[
            # The words of ParameterGrid; ours are tested in test_distributions.py.
            "test_grid_search_bad_param_grid",
            # About BaseSearchCV._run_search, and demands that a search has no attribute beyond
            # GridSearchCV's; we have optuna's too (study_, trials_, best_trial_, n_trials_).
            "test_custom_run_search",
            # These count the tasks of "GridSearchCV, RandomizedSearchCV" (and Halving*) by
            # name; our tree has one level more, the trial above its folds. Same counts, plus
            # that level, in test_search_callbacks.py.
            "test_search_callbacks_no_propagation",
            "test_search_callbacks_propagation",
            "test_search_callbacks_with_partial_fit_failures",
        ],
    )
)
