"""Warnings that point at the user's line, however deep below it they are given."""

import sys
import warnings

__all__ = ["warn_user"]

# contextlib stands between where a context manager decorates a function.
_NOT_THE_USERS = {"sklearn_trainkit", "sklearn", "joblib", "contextlib"}


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line that called this package, itself or by way of scikit-learn."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _package_of(frame.f_globals) in _NOT_THE_USERS:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _package_of(names: dict[str, object]) -> str:
    return str(names.get("__name__")).partition(".")[0]
