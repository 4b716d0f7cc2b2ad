"""Exceptions and warnings that callers may want to catch by class."""

__all__ = ["DivergenceError", "DivergenceWarning", "GradientFlowWarning"]


class DivergenceError(ArithmeticError):
    """Training was stopped because the loss became NaN or infinite."""


class DivergenceWarning(UserWarning):
    """Training was stopped early because the loss became NaN or infinite."""


class GradientFlowWarning(UserWarning):
    """Gradients vanish, explode or are mostly zero; the message says where and what helps."""
