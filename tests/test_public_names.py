"""The public face stays flat: each package offers these names, wherever they are kept inside."""

import importlib

import pytest

PUBLIC = {
    "callbacks": [
        "EVALUATION_TASK",
        "REFIT_TASK",
        "EpochScoring",
        "FitTrace",
        "GradientClipping",
        "GradientFlow",
        "LayerFlow",
        "TrainingLimit",
        "TrainingLimitReached",
        "TrainingMeter",
        "TrainingSpent",
        "clip_adaptive_",
        "clip_by_norm_",
        "clip_by_value_",
        "diagnose_flow",
        "gradient_flow",
        "sum_traces",
    ],
    "comparison": [
        "compare_searches",
        "rank_strategies",
        "read_comparison",
        "summarize_runs",
        "summarize_strategies",
        "write_comparison",
    ],
    "inspection": [
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
    ],
    "model_selection": [
        "FoldEnsembleClassifier",
        "FoldEnsembleRegressor",
        "ForestSampler",
        "OneStandardErrorRule",
        "OptunaSearchCV",
        "PauseAndResumePruner",
        "RacingPruner",
        "choose_portfolio",
        "cross_validate",
    ],
    "neural_network": [
        "ConvNetClassifier",
        "ConvNetRegressor",
        "MLPNetClassifier",
        "MLPNetRegressor",
        "NetClassifier",
        "NetRegressor",
        "RecurrentNetClassifier",
        "RecurrentNetRegressor",
        "UNetSegmenter",
        "compile_engines",
        "dice_score",
        "dice_scorer",
        "fit_stacked",
        "iou_score",
        "iou_scorer",
    ],
    "preprocessing": [
        "MinMaxScaler",
        "SplitBeforeScaling",
        "StandardScaler",
        "find_leakage",
        "find_unscaled_validation",
        "scaling_of_all_rows",
        "smooth_clip",
        "to_sklearn",
        "warn_of_leakage",
    ],
}


@pytest.mark.parametrize("package", PUBLIC)
def test_public_names_are_imported_from_the_package_itself(package):
    module = importlib.import_module(f"sklearn_trainkit.{package}")
    assert sorted(module.__all__) == sorted(PUBLIC[package])
    for name in PUBLIC[package]:
        assert getattr(module, name) is not None
