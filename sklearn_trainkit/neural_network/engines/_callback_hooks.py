"""Which callbacks want to hear of what, and how they are told."""

import re
from collections.abc import Iterable
from typing import Any

import torch
from sklearn.callback import ProgressBar, ScoringMonitor
from skorch import callbacks as skorch_callbacks
from skorch.callbacks import Callback, EpochScoring, LRScheduler
from skorch.callbacks.scoring import ScoringBase
from skorch.exceptions import SkorchException

from sklearn_trainkit.callbacks import EpochScoring as OwnEpochScoring
from sklearn_trainkit.callbacks import (
    GradientClipping,
    GradientFlow,
    TrainingLimit,
    TrainingMeter,
)
from sklearn_trainkit.neural_network.batches._tensor_loader import (
    Rows,
    RowsDataset,
    TensorRows,
    TrainingSamples,
)
from sklearn_trainkit.utils._sklearn_callbacks import get_callbacks

BATCH_HOOKS = ("on_batch_begin", "on_batch_end")
# What is called between the steps of training.
STEP_HOOKS = (*BATCH_HOOKS, "on_grad_computed")
# These look on: they change neither weights nor optimizer while a network trains.
_ONLOOKERS = {
    GradientFlow,
    OwnEpochScoring,
    ProgressBar,
    ScoringMonitor,
    TrainingLimit,
    TrainingMeter,
    skorch_callbacks.BatchScoring,
    skorch_callbacks.EarlyStopping,
    skorch_callbacks.EpochScoring,
    skorch_callbacks.EpochTimer,
    skorch_callbacks.PassthroughScoring,
    skorch_callbacks.PrintLog,
    skorch_callbacks.ProgressBar,
}
# These look at epochs only; others may read what single batches left in the history.
_READ_EPOCHS_ONLY = {
    GradientClipping,
    GradientFlow,
    OwnEpochScoring,
    skorch_callbacks.EarlyStopping,
    skorch_callbacks.EpochScoring,
    skorch_callbacks.EpochTimer,
    skorch_callbacks.Freezer,
    skorch_callbacks.GradientNormClipping,
    skorch_callbacks.InputShapeSetter,
    skorch_callbacks.PrintLog,
    skorch_callbacks.Unfreezer,
}

# What these know of the epochs before stands in the history.
_GO_BY_HISTORY = {
    GradientClipping,
    GradientFlow,
    OwnEpochScoring,
    TrainingMeter,
    skorch_callbacks.BatchScoring,
    skorch_callbacks.EpochScoring,
    skorch_callbacks.EpochTimer,
    skorch_callbacks.Freezer,
    skorch_callbacks.GradientNormClipping,
    skorch_callbacks.PassthroughScoring,
    skorch_callbacks.PrintLog,
}


def quiet_hook(self: Any, net: Any, *args: Any, **kwargs: Any) -> None:
    """Do nothing: what a network does in skorch's hooks, unless a sub-class overrides them.

    The history, which skorch keeps there, is the training loop's business.
    """


def is_onlooker(callback: Any) -> bool:
    """Tell whether a callback, skorch's or scikit-learn's, leaves a network in training alone."""
    # Whoever loads the best weights keeps copies of them, which must not be views of a block.
    return type(callback) in _ONLOOKERS and not getattr(callback, "load_best", False)


def may_change_a_step(callback: Any) -> bool:
    """Tell whether a callback that hears of single steps may do whatever autograd allows.

    Our clipping changes gradients where they are, which needs no graph.
    """
    return not is_onlooker(callback) and type(callback) is not GradientClipping


def name_with_memory(callbacks: Iterable[Any]) -> str | None:
    """Return the name of a callback that may know what is not in the history; None if all do not.

    Parameters
    ----------
    callbacks : iterable
        As a network is given them: instances, or classes, also in pairs with their names.
    """
    for given in callbacks:
        callback = given[-1] if isinstance(given, tuple) else given
        kind = callback if isinstance(callback, type) else type(callback)
        if kind not in _GO_BY_HISTORY:
            return kind.__name__
    return None


def find_listeners(net: Any) -> dict[str, list[Any]]:
    """Return, for each skorch hook, who does something in it: the network itself, callbacks.

    A hook may be a method, a static one, or any callable set as an attribute. The entry
    "on_batch_output" has the callbacks that only collect what the network gave for each batch.
    """
    names = [name for name in vars(Callback) if name.startswith("on_")]
    hooks: dict[str, list[Any]] = {name: [] for name in names}
    hooks["on_batch_output"] = []
    for name in names:
        if _does_something(net, name, quiet_hook):
            hooks[name].append(net)
    for _, callback in net.callbacks_:
        for name in names:
            if name == "on_batch_end" and _collects(callback):
                hooks["on_batch_output"].append(callback)
            elif _does_something(callback, name, getattr(Callback, name)):
                hooks[name].append(callback)
    return hooks


def _does_something(listener: Any, name: str, nothing: Any) -> bool:
    hook = getattr(listener, name, None)
    return callable(hook) and getattr(hook, "__func__", hook) is not nothing


def _collects(callback: Any) -> bool:
    hook = getattr(callback, "on_batch_end", None)
    return getattr(hook, "__func__", None) is EpochScoring.on_batch_end


def _read_batches(hooks: dict[str, list[Any]]) -> bool:
    """Tell whether anybody may look into the history for what single batches left there."""
    listeners = {id(each): each for some in hooks.values() for each in some}.values()
    return not all(
        type(each) in _READ_EPOCHS_ONLY and not callable(getattr(each, "scoring", None))
        for each in listeners
    )


class CallbackStop(BaseException):
    """A callback has asked to stop, as skorch's own do: by a KeyboardInterrupt.

    No Exception: whoever catches these must not take it for a failure.
    """


def call_hook(listener: Any, hook: str, net: Any, has_valid: bool, kwargs: dict[str, Any]) -> None:
    """Call a hook of a callback, as skorch does.

    Raises
    ------
    CallbackStop
        If it asks to stop.
    ValueError
        If it looks for a validation loss or score, and there are no validation rows.
    """
    try:
        getattr(listener, hook)(net, **kwargs)
    except KeyboardInterrupt:
        if hook in ("on_train_begin", "on_train_end"):
            raise
        raise CallbackStop from None
    except (KeyError, ValueError, SkorchException) as error:
        wanted = re.search(r"'(valid_\w+)'", str(error))
        if has_valid or wanted is None:
            raise
        raise ValueError(
            f"{type(listener).__name__} looks for {wanted[1]!r}, which is recorded only where rows "
            "are set aside: use early_stopping=True, pass X_val and y_val to fit, or let it "
            "watch 'train_loss'."
        ) from error


class Listeners:
    """Who wants to hear of what while one network trains, and what is recorded for them.

    Parameters
    ----------
    net : estimator
        With ``callbacks_`` and ``history_``.
    has_valid : bool
        Whether there are validation rows.

    Attributes
    ----------
    hooks : dict of str to list
        For each skorch hook, who does something in it: see :func:`find_listeners`.
    watch_batches : bool
        Whether somebody is called before or after each batch.
    records_batches : bool
        Whether each batch goes into the history; one an epoch is enough where nobody reads them.
    """

    def __init__(self, net: Any, has_valid: bool) -> None:
        self._net = net
        self._has_valid = has_valid
        self.refresh()

    def refresh(self) -> None:
        """Look again: callbacks, and what they do, may have changed."""
        self.hooks = find_listeners(self._net)
        self.watch_batches = any(self.hooks[name] for name in BATCH_HOOKS)
        self.records_batches = self.watch_batches or _read_batches(self.hooks)

    @property
    def hear_steps(self) -> bool:
        """Whether somebody hears of single steps."""
        return (
            self.watch_batches
            or bool(self.hooks["on_grad_computed"])
            or bool(self.hooks["on_batch_output"])
        )

    @property
    def collect_outputs(self) -> bool:
        """Whether somebody collects what the network gives for training batches."""
        return any(callback.on_train for callback in self.hooks["on_batch_output"])

    @property
    def n_steps_heard(self) -> int | None:
        """How many steps of an epoch, from the first on, somebody waits for; None for all."""
        if self.watch_batches:
            return None
        listeners = self.hooks["on_grad_computed"]
        if not all(type(each) is GradientFlow for each in listeners):
            return None
        return GradientFlow.n_steps_heard if listeners else 0

    @property
    def may_change_networks(self) -> bool:
        """Whether a callback that may change anything is called around epochs."""
        listeners = self.hooks["on_epoch_begin"] + self.hooks["on_epoch_end"]
        return not all(is_onlooker(each) for each in [*listeners, *get_callbacks(self._net)])

    def find_best_scores(self, X: Any, y: Any) -> None:
        """Have skorch's scoring callbacks go by a history that was loaded."""
        for _, callback in self._net.callbacks_:
            if isinstance(callback, ScoringBase):
                ScoringBase.on_train_begin(callback, self._net, X, y)

    def notify(self, hook: str, **kwargs: Any) -> None:
        """Call a hook of those who do something in it."""
        for listener in self.hooks[hook]:
            call_hook(listener, hook, self._net, self._has_valid, kwargs)

    def tell_of_epoch(self, hook: str, train: Rows, valid: Rows | None) -> None:
        """Call a hook of an epoch with the data sets that skorch hands to it."""
        if self.hooks[hook]:
            sets = (None if rows is None else RowsDataset(rows) for rows in (train, valid))
            self.notify(hook, **dict(zip(("dataset_train", "dataset_valid"), sets, strict=True)))

    def begin_batch(self, batch: TensorRows, training: bool) -> None:
        """Tell of a batch that is about to be computed."""
        if self.watch_batches:
            self._net.history_.new_batch()
            self.notify("on_batch_begin", batch=_shown(batch), training=training)

    def hear_gradients(self, named: list[tuple[str, Any]], batch: TensorRows) -> None:
        """Tell of the gradients of a batch, before they are clipped."""
        if self.hooks["on_grad_computed"]:
            self.notify(
                "on_grad_computed", named_parameters=named, batch=_shown(batch), training=True
            )

    def end_batch(
        self,
        batch: TensorRows,
        training: bool,
        loss: torch.Tensor,
        output: torch.Tensor,
        value: float,
        size: int,
    ) -> None:
        """Record a batch and tell of it; ``value`` is the loss as a number."""
        if self.records_batches:
            prefix = "train" if training else "valid"
            self.record_batch(prefix, value, size, is_open=self.watch_batches)
        if self.watch_batches:
            shown = _shown(batch)
            self.notify("on_batch_end", batch=shown, training=training, loss=loss, y_pred=output)
        self.hear_outputs(batch, training, output)

    def hear_outputs(self, batch: TensorRows, training: bool, output: torch.Tensor) -> None:
        """Give those who collect them what the network gave for a batch."""
        for callback in self.hooks["on_batch_output"]:
            kept = output.detach()
            callback.on_batch_end(self._net, batch=batch[:2], training=training, y_pred=kept)

    def record_batch(self, prefix: str, loss: float, size: int, is_open: bool = False) -> None:
        """Record a batch in the history."""
        history = self._net.history_
        if not is_open:
            history.new_batch()
        history.record_batch(f"{prefix}_loss", loss)
        history.record_batch(f"{prefix}_batch_size", size)


def _shown(batch: TensorRows) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a batch as callbacks see it."""
    return batch.X.as_subclass(TrainingSamples), batch.y


def refuse_conflicts(net: Any, precision: str, constant_lr: bool) -> None:
    """Raise where two settings would work against each other in silence.

    Raises
    ------
    ValueError
        For a skorch LRScheduler beside a schedule of our own, and for fp16 with an optimizer
        that evaluates the loss more than once a step.
    """
    if not constant_lr and any(isinstance(callback, LRScheduler) for _, callback in net.callbacks_):
        raise ValueError(
            f"lr_schedule={net.lr_schedule!r} and skorch's LRScheduler would overwrite each "
            "other's learning rates; use lr_schedule='constant' beside the callback."
        )
    if precision == "fp16" and isinstance(net.optimizer_, torch.optim.LBFGS):
        raise ValueError(
            "precision='fp16' does not go with optimizer='lbfgs', which evaluates the loss "
            "several times a step; use precision='full' or 'bf16'."
        )
