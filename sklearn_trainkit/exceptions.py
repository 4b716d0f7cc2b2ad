"""Exceptions and warnings that callers may want to catch by class."""

__all__ = ["DivergenceError", "DivergenceWarning", "DriftWarning", "LeakageWarning"]


class DivergenceError(ArithmeticError):
    """Training was stopped because the loss became NaN or infinite."""


class DivergenceWarning(UserWarning):
    """Training was stopped early because the loss became NaN or infinite."""


class DriftWarning(UserWarning):
    """More values than allowed lie outside the range that a scaler was fitted on."""


class LeakageWarning(UserWarning):
    """Rows that should be unseen seem to have taken part in fitting."""
