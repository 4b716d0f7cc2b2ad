"""Callbacks for the training loop, and a meter that counts what training spends."""

from sklearn_trainkit.callbacks._clipping import (
    GradientClipping,
    clip_adaptive_,
    clip_by_norm_,
    clip_by_value_,
)
from sklearn_trainkit.callbacks._epoch_scoring import EpochScoring
from sklearn_trainkit.callbacks._gradient_flow import GradientFlow, diagnose_flow
from sklearn_trainkit.callbacks._layer_flow import LayerFlow, gradient_flow
from sklearn_trainkit.callbacks._training_meter import (
    EVALUATION_TASK,
    REFIT_TASK,
    TrainingLimit,
    TrainingLimitReached,
    TrainingMeter,
)
from sklearn_trainkit.callbacks._training_traces import FitTrace, TrainingSpent, sum_traces

__all__ = [
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
]
