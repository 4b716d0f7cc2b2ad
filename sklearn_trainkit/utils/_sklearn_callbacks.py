"""Read and extend the callbacks of an estimator; the private attributes are named here alone."""

from typing import Any

from sklearn.pipeline import Pipeline

__all__ = [
    "add_callback",
    "get_callbacks",
    "has_callbacks",
    "is_part_of_task",
    "supports_callbacks",
]

# Where scikit-learn 1.9 keeps what `set_callbacks` was given. There is no public getter.
_ATTRIBUTE = "_skl_callbacks"
# What a Pipeline or a search sets on the estimator that it is fitting.
_PARENT_ATTRIBUTE = "_parent_callback_ctx"


def supports_callbacks(estimator: object) -> bool:
    """Return whether ``estimator`` is an instance that takes scikit-learn callbacks."""
    return not isinstance(estimator, type) and callable(getattr(estimator, "set_callbacks", None))


def get_callbacks(estimator: object) -> tuple[Any, ...]:
    """Return the callbacks set on ``estimator``, an empty tuple when there are none."""
    return tuple(getattr(estimator, _ATTRIBUTE, ()))


def has_callbacks(estimator: object) -> bool:
    """Return whether callbacks are set on ``estimator`` or, in a Pipeline, on a step of it."""
    if get_callbacks(estimator):
        return True
    if not isinstance(estimator, Pipeline):
        return False
    return any(has_callbacks(step) for _, step in estimator.steps)


def is_part_of_task(estimator: object) -> bool:
    """Return whether ``estimator`` is being fitted inside the task of another one."""
    return hasattr(estimator, _PARENT_ATTRIBUTE)


def add_callback(estimator: Any, callback: object) -> None:
    """Set ``callback`` on ``estimator`` after the callbacks that it already has."""
    estimator.set_callbacks(*get_callbacks(estimator), callback)
