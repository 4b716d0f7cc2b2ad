"""Exceptions and warnings that callers may want to catch by class."""

__all__ = ["DivergenceError", "DivergenceWarning"]


class DivergenceError(ArithmeticError):
    """Training was stopped because the loss became NaN or infinite."""


class DivergenceWarning(UserWarning):
    """Training was stopped early because the loss became NaN or infinite."""
