"""Exceptions and warnings that callers may want to catch by class."""

__all__ = [
    "DivergenceError",
    "DivergenceWarning",
    "DriftWarning",
    "GradientFlowWarning",
    "LeakageWarning",
]


class DivergenceError(ArithmeticError):
    """Training was stopped because the loss became NaN or infinite."""


class DivergenceWarning(UserWarning):
    """Training was stopped early because the loss became NaN or infinite."""


class DriftWarning(UserWarning):
    """More values than allowed lie outside the range that a scaler was fitted on."""


class LeakageWarning(UserWarning):
    """Rows that should be unseen seem to have taken part in fitting."""


class GradientFlowWarning(UserWarning):
    """Gradients vanish, explode or are mostly zero; the message says where and what helps."""
