"""Callbacks for the training loop."""

from sklearn_trainkit.callbacks._clipping import (
    GradientClipping,
    clip_adaptive_,
    clip_by_norm_,
    clip_by_value_,
)

__all__ = [
    "GradientClipping",
    "clip_adaptive_",
    "clip_by_norm_",
    "clip_by_value_",
]
