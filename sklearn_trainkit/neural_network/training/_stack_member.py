"""What a training run offers to a stack of runs, and what it takes back after each epoch."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch

from sklearn_trainkit.exceptions import DivergenceError
from sklearn_trainkit.neural_network.batches._tensor_loader import TensorLoader
from sklearn_trainkit.neural_network.engines._callback_hooks import (
    BATCH_HOOKS,
    is_onlooker,
    want_a_graph,
)
from sklearn_trainkit.neural_network.engines._learning_rates import LRSchedule
from sklearn_trainkit.neural_network.engines._settings import LoopSettings
from sklearn_trainkit.neural_network.modules._module_hooks import has_global_hooks
from sklearn_trainkit.neural_network.stacking._stacked_optimizers import ELEMENTWISE, has_step_hooks
from sklearn_trainkit.neural_network.training._divergence import divergence_error
from sklearn_trainkit.utils._sklearn_callbacks import get_callbacks


class StackMember(ABC):
    """The side of :class:`TrainingRun` that :class:`StackedRun` looks at.

    Attributes
    ----------
    net : estimator
    settings : LoopSettings
    epoch : int
    """

    net: Any
    epoch: int
    settings: LoopSettings
    _augment: Any
    _base_lrs: list[float]
    _first_step: int
    _hooks: dict[str, list[Any]]
    _loader: TensorLoader
    _records_batches: bool
    _schedule: LRSchedule

    @abstractmethod
    def end_epoch(self, loss: float, seconds: float | None = None) -> None:
        """Close an epoch."""

    @abstractmethod
    def abandon_epoch(self, error: DivergenceError) -> None:
        """Stop in the middle of an epoch."""

    @abstractmethod
    def _record_batch(self, prefix: str, loss: float, size: int) -> None: ...

    @abstractmethod
    def _set_lr(self, step: int) -> None: ...

    def obstacle_to_stacking(self) -> str | None:
        """Return what a training pass of several networks as one cannot do; None for nothing."""
        for hook in (*BATCH_HOOKS, "on_grad_computed"):
            if self._hooks[hook]:
                return f"a callback listens to {hook}"
        # An EpochScoring on validation rows is served after the pass, by each network itself.
        if any(callback.on_train for callback in self._hooks["on_batch_output"]):
            return "an EpochScoring collects the outputs of training batches"
        return "batches are augmented" if self._augment is not None else self.need_of_a_graph()

    def need_of_a_graph(self) -> str | None:
        """Return what gradients by hand cannot do, of one network or several; None for nothing."""
        if isinstance(self.net.optimizer_, torch.optim.LBFGS):
            return "optimizer='lbfgs' evaluates the loss several times a step"
        if has_step_hooks(self.net.optimizer_):
            return "the optimizer has hooks"
        if has_global_hooks():
            return "all modules of the process have hooks"
        if self.settings.precision != "full":
            return f"precision={self.settings.precision!r}"
        if self.settings.compile:
            return "compile=True"
        if list(self.net.criterion_.parameters()):
            return "the loss has parameters"
        return None

    @property
    def may_go_without_graph(self) -> bool:
        """Whether this training alone may try to do without a graph; its layers are not looked at.

        Not on a GPU, where nobody has measured it, and not with an optimizer that would gain
        nothing.
        """
        rows = self._loader.rows
        return (
            rows.device.type == "cpu"
            and len(rows.sample_shape) == 1
            and type(self.net.optimizer_) in ELEMENTWISE
            and not want_a_graph(self._hooks)
            and self.need_of_a_graph() is None
        )

    @property
    def is_listened_to(self) -> bool:
        """Whether a callback that may change anything is called around epochs."""
        listeners = self._hooks["on_epoch_begin"] + self._hooks["on_epoch_end"]
        callbacks = [*listeners, *get_callbacks(self.net)]
        return not all(is_onlooker(callback) for callback in callbacks)

    @property
    def loader(self) -> TensorLoader:
        """Batches of the training rows."""
        return self._loader

    @property
    def lr_course(self) -> tuple | None:
        """What decides the learning rates to come; None where the losses do."""
        course = self._schedule.course
        past = self.net.n_steps_ - self._first_step
        return None if course is None else (course, past, *self._base_lrs)

    @property
    def step_settings(self) -> str:
        """What decides the optimizer's steps, as text: equal for networks that step alike."""
        groups = self.net.optimizer_.param_groups
        shown = [{k: v for k, v in group.items() if k != "params"} for group in groups]
        return f"{type(self.net.optimizer_)} {shown} {self.lr_course}"

    def epoch_rates(self) -> list[list[float]] | None:
        """Return the learning rates of each step of the next epoch; None where they stay."""
        if self._schedule.constant:
            return None
        past = self.net.n_steps_ - self._first_step
        factors = [self._schedule.factor(past + step) for step in range(len(self._loader))]
        return [[lr * factor for lr in self._base_lrs] for factor in factors]

    def take_epoch(self, losses: Sequence[float], seconds: float) -> None:
        """End an epoch whose training pass was made for several networks as one.

        Parameters
        ----------
        losses : sequence of float
            Of each step.
        seconds : float
            This network's share of the time.
        """
        sizes = [stop - start for start, stop in self._loader.bounds]
        total = sum(loss * size for loss, size in zip(losses, sizes, strict=True))
        if not math.isfinite(total):
            n_sound = next(i for i, loss in enumerate(losses) if not math.isfinite(loss))
            self.net.n_steps_ += n_sound
            what = f"training loss became {losses[n_sound]}"
            self.abandon_epoch(divergence_error(self.net, self.epoch, what))
            return
        self.net.n_steps_ += len(losses)
        if not self._schedule.constant:
            self._set_lr(self.net.n_steps_ - 1)
        first = 0 if self._records_batches else len(losses) - 1
        for loss, size in list(zip(losses, sizes, strict=True))[first:]:
            self._record_batch("train", loss, size)
        self.end_epoch(total / sum(sizes), seconds)
