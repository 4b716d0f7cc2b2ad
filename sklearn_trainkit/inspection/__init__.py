"""Figures of searches, trainings and comparisons: a data function and a Display for each."""

from sklearn_trainkit.inspection._anytime_curves import AnytimeCurvesDisplay, anytime_curves
from sklearn_trainkit.inspection._contour import ContourDisplay, ScoreSurface, score_surface
from sklearn_trainkit.inspection._gradient_flow import GradientFlowDisplay, gradient_flow_history
from sklearn_trainkit.inspection._parallel_coordinates import (
    Coordinates,
    ParallelCoordinatesDisplay,
    parallel_coordinates,
)
from sklearn_trainkit.inspection._parameter_importances import (
    ParameterImportancesDisplay,
    parameter_importances,
)
from sklearn_trainkit.inspection._report import write_report
from sklearn_trainkit.inspection._scaling_effect import ScalingEffectDisplay, scaling_effect
from sklearn_trainkit.inspection._search_coverage import (
    SearchCoverage,
    SearchCoverageDisplay,
    search_coverage,
)
from sklearn_trainkit.inspection._search_history import SearchHistoryDisplay, search_history
from sklearn_trainkit.inspection._slice import SliceDisplay, score_slices
from sklearn_trainkit.inspection._strategy_ranks import (
    RankComparison,
    StrategyRanksDisplay,
    strategy_ranks,
)
from sklearn_trainkit.inspection._training_curves import TrainingCurvesDisplay, training_curves

__all__ = [
    "AnytimeCurvesDisplay",
    "ContourDisplay",
    "Coordinates",
    "GradientFlowDisplay",
    "ParallelCoordinatesDisplay",
    "ParameterImportancesDisplay",
    "RankComparison",
    "ScalingEffectDisplay",
    "ScoreSurface",
    "SearchCoverage",
    "SearchCoverageDisplay",
    "SearchHistoryDisplay",
    "SliceDisplay",
    "StrategyRanksDisplay",
    "TrainingCurvesDisplay",
    "anytime_curves",
    "gradient_flow_history",
    "parallel_coordinates",
    "parameter_importances",
    "scaling_effect",
    "score_slices",
    "score_surface",
    "search_coverage",
    "search_history",
    "strategy_ranks",
    "training_curves",
    "write_report",
]
