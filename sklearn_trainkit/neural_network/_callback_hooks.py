"""Which callbacks want to hear of what."""

from collections.abc import Callable
from typing import Any

import torch
from sklearn.callback import ProgressBar, ScoringMonitor
from skorch import callbacks as skorch_callbacks
from skorch.callbacks import Callback, EpochScoring, LRScheduler

from sklearn_trainkit.callbacks import EpochScoring as OwnEpochScoring
from sklearn_trainkit.callbacks import (
    GradientClipping,
    GradientFlow,
    TrainingLimit,
    TrainingMeter,
)
from sklearn_trainkit.utils._sklearn_callbacks import get_callbacks, is_part_of_task

BATCH_HOOKS = ("on_batch_begin", "on_batch_end")
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
    skorch_callbacks.PassthroughScoring,
    skorch_callbacks.PrintLog,
    skorch_callbacks.ProgressBar,
}


def is_onlooker(callback: Any) -> bool:
    """Tell whether a callback, skorch's or scikit-learn's, leaves a network in training alone."""
    # Whoever loads the best weights keeps copies of them, which must not be views of a block.
    return type(callback) in _ONLOOKERS and not getattr(callback, "load_best", False)


def want_a_graph(hooks: dict[str, Any]) -> bool:
    """Tell whether a callback hears of single steps that may do whatever autograd allows.

    Our clipping changes gradients where they are, which needs none. ``hooks`` is what
    :func:`overridden_hooks` returns.
    """
    methods = [m for name in (*BATCH_HOOKS, "on_grad_computed") for m in hooks[name]]
    callbacks = {id(m.__self__): m.__self__ for m in methods}.values()
    return not all(is_onlooker(c) or type(c) is GradientClipping for c in callbacks)


def has_sklearn_callbacks(net: Any) -> bool:
    """Tell whether scikit-learn callbacks are set on ``net`` or handed down to it."""
    return bool(get_callbacks(net)) or is_part_of_task(net)


def overridden_hooks(net: Any) -> dict[str, Any]:
    """Return, for each skorch hook, the callbacks' methods that do something.

    The entry "needs_data_sets" tells whether anybody reads data sets at the ends of an epoch;
    "on_batch_output" has those that only collect what the network gave for each batch.
    """
    names = [name for name in vars(Callback) if name.startswith("on_")]
    hooks: dict[str, Any] = {name: [] for name in names}
    hooks["on_batch_output"] = []
    for _, callback in net.callbacks_:
        collects = isinstance(callback, EpochScoring)
        for name in names:
            method: Callable = getattr(callback, name)
            if name == "on_batch_end" and collects:
                hooks["on_batch_output"].append(method)
            elif getattr(method, "__func__", method) is not getattr(Callback, name):
                hooks[name].append(method)
    hooks["needs_data_sets"] = bool(hooks["on_epoch_begin"] or hooks["on_epoch_end"])
    return hooks


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
