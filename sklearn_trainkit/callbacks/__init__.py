"""Callbacks for the training loop."""

from sklearn_trainkit.callbacks._training_meter import (
    FitTrace,
    TrainingMeter,
    TrainingSpent,
    sum_traces,
)

__all__ = ["FitTrace", "TrainingMeter", "TrainingSpent", "sum_traces"]
