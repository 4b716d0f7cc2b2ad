"""scikit-learn's callbacks of an estimator: read, extended, and told of a training by epochs.

Their private attributes are named here alone.
"""

from contextlib import ExitStack
from typing import Any

from sklearn.callback import AutoPropagatedCallback
from sklearn.pipeline import Pipeline

from sklearn_trainkit.utils._sklearn_private import callback_management_context

__all__ = [
    "FitTasks",
    "add_callback",
    "drop_propagated",
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


def drop_propagated(estimator: Any) -> None:
    """Take off an estimator what a task elsewhere has passed down to it, callbacks and itself."""
    vars(estimator).pop(_PARENT_ATTRIBUTE, None)
    callbacks = get_callbacks(estimator)
    if callbacks:
        own = [each for each in callbacks if not isinstance(each, AutoPropagatedCallback)]
        estimator.set_callbacks(*own)


class FitTasks:
    """Tells scikit-learn's callbacks of a fit and its epochs, if there are any callbacks.

    Parameters
    ----------
    net : estimator
    data : tuple of (X, y)
        What callbacks are shown as the training data.
    n_epochs : int
        Epochs at most.
    """

    def __init__(self, net: Any, data: tuple[Any, Any], n_epochs: int) -> None:
        self._net = net
        self._X, self._y = data
        self._managed = ExitStack()
        self._fit: Any = None
        self._epoch: Any = None
        if get_callbacks(net) or is_part_of_task(net):
            self._managed.enter_context(callback_management_context(net))
            self._fit = net._init_callback_context(task_name="fit", max_subtasks=n_epochs)
            self._fit.call_on_fit_task_begin(estimator=net, X=self._X, y=self._y)

    def begin_epoch(self) -> None:
        """Open an epoch's task."""
        if self._fit is not None:
            self._epoch = self._fit.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(estimator=self._net)

    def end_epoch(self) -> bool:
        """Close the epoch's task; return whether a callback asks to stop."""
        if self._epoch is None:
            return False
        return self._epoch.call_on_fit_task_end(
            estimator=self._net,
            X=self._X,
            y=self._y,
            reconstruction_attributes=self._net._snapshot_attributes,
        )

    def end(self) -> None:
        """Close the fit's task, if it is open."""
        if self._fit is not None:
            self._fit.call_on_fit_task_end(estimator=self._net, X=self._X, y=self._y)
        self._fit = self._epoch = None
        self._managed.close()
