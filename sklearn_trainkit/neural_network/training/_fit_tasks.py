"""A fit as a task of scikit-learn's callbacks, with a subtask an epoch."""

from contextlib import ExitStack
from typing import Any

from sklearn_trainkit.neural_network.engines._callback_hooks import has_sklearn_callbacks
from sklearn_trainkit.utils._sklearn_private import callback_management_context

__all__ = ["FitTasks"]


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
        if has_sklearn_callbacks(net):
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
        """Close the fit's task."""
        if self._fit is not None:
            self._fit.call_on_fit_task_end(estimator=self._net, X=self._X, y=self._y)
        self._managed.close()
