"""A figure that is given a search, its results or another table says what it is drawn from."""

import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

from sklearn_trainkit.inspection import (
    AnytimeCurvesDisplay,
    GradientFlowDisplay,
    ScalingEffectDisplay,
    StrategyRanksDisplay,
)

FIGURES = [
    (AnytimeCurvesDisplay, "compare_searches"),
    (GradientFlowDisplay, "gradient_flow_history"),
    (ScalingEffectDisplay, "scaling_effect"),
    (StrategyRanksDisplay, "compare_searches"),
]


@pytest.fixture(scope="module")
def search():
    tree = DecisionTreeClassifier(random_state=0)
    return GridSearchCV(tree, {"max_depth": [1, 2]}, cv=2).fit(*load_iris(return_X_y=True))


@pytest.mark.parametrize(("display", "source"), FIGURES)
@pytest.mark.parametrize("given", ["search", "results"])
def test_a_search_is_refused_with_what_to_pass(display, source, given, search):
    with pytest.raises(TypeError, match=source) as info:
        display.from_results(search if given == "search" else search.cv_results_)
    assert "SearchHistoryDisplay" in str(info.value)


@pytest.mark.parametrize(("display", "source"), FIGURES)
def test_another_table_is_refused_with_what_it_lacks(display, source, search):
    with pytest.raises(ValueError, match=r"columns|comparison"):
        display.from_results(pd.DataFrame(search.cv_results_))


def test_gradient_flow_of_a_search_is_that_of_its_winner(search):
    with pytest.raises(TypeError, match="best_estimator_"):
        GradientFlowDisplay.from_estimator(search)
