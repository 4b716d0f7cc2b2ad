"""One network's training: epochs, and its books (history, schedule, early stopping, callbacks)."""

import math
import time
import weakref
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cached_property
from typing import Any

import numpy as np
import torch

from sklearn_trainkit.exceptions import DivergenceError
from sklearn_trainkit.neural_network.batches._tensor_loader import Rows, TensorLoader, TensorRows
from sklearn_trainkit.neural_network.engines._callback_hooks import (
    CallbackStop,
    Listeners,
    refuse_conflicts,
)
from sklearn_trainkit.neural_network.engines._choose_engine import EngineSlot
from sklearn_trainkit.neural_network.engines._compile_engines import tell_of_compiling
from sklearn_trainkit.neural_network.engines._engine import EpochSteps
from sklearn_trainkit.neural_network.engines._learning_rates import LRSchedule, RunRates
from sklearn_trainkit.neural_network.engines._optimizers import change_options
from sklearn_trainkit.neural_network.engines._precision import MixedPrecision
from sklearn_trainkit.neural_network.engines._settings import LoopSettings
from sklearn_trainkit.neural_network.modules._dropout import set_dropout_generator
from sklearn_trainkit.neural_network.training._checkpoint import (
    CheckpointFile,
    best_losses,
    history_from_text,
    history_to_text,
)
from sklearn_trainkit.neural_network.training._divergence import (
    check_sound,
    divergence_error,
    warn_of_divergence,
)
from sklearn_trainkit.neural_network.training._early_stopping import KeptWeights
from sklearn_trainkit.neural_network.training._validation import validate
from sklearn_trainkit.utils._random_streams import TrainingStreams
from sklearn_trainkit.utils._sklearn_callbacks import FitTasks
from sklearn_trainkit.utils._threads import torch_threads

# Trainings in progress, by network: callbacks set parameters on the network.
_RUNS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


class TrainingRun:
    """Train a network's module on its tensors, one epoch at a time.

    Made by the estimators: ``fit`` runs it to the end, a search may advance it in step with
    others, score in between and leave off.

    Parameters
    ----------
    net : estimator
        With ``module_``, ``criterion_``, ``optimizer_``, ``callbacks_`` and ``history_`` set.
    train : TensorRows or SourceRows
    valid : TensorRows, SourceRows or None
    streams : TrainingStreams
    settings : LoopSettings
    schedule : LRSchedule
    callback_data : tuple of (X, y)
        What scikit-learn callbacks are shown as the training data.

    Attributes
    ----------
    epoch : int
        Epochs trained in this run.
    done : bool
        Whether no further epoch is wanted.
    tasks : FitTasks
        Of scikit-learn's callbacks.
    """

    def __init__(
        self,
        net: Any,
        *,
        train: Rows,
        valid: Rows | None,
        streams: TrainingStreams,
        settings: LoopSettings,
        schedule: LRSchedule,
        callback_data: tuple[Any, Any],
    ) -> None:
        self.net = net
        self.settings = settings
        self.streams = streams
        self.loader = TensorLoader(train, settings.batch_size, streams.order)
        self.epoch = 0
        self.done = False
        self._spoilt = False
        self._seconds = 0.0
        self._data = callback_data
        self._valid = None
        if valid is not None:
            rows_per_pass = min(1024, net._input_form.rows_per_pass(net, valid.sample_shape))
            self._valid = TensorLoader(valid, max(settings.batch_size, rows_per_pass))
        self._best_losses = best_losses(net.history_)
        self._slot = EngineSlot()
        net.__dict__.pop("best_epoch_", None)
        refuse_conflicts(net, settings.precision, schedule.constant)
        self._begin_callbacks(schedule)
        net._architecture.check_module(net, train)
        self._kept = None
        if settings.early_stopping:
            self._kept = KeptWeights(net.module_, settings.patience)
        elif settings.on_divergence == "warn":
            self._kept = KeptWeights(net.module_, None)
        self.augment = net._input_form.augmentation(net)
        # All of them: a callback may thaw what is frozen now.
        self.named: list[tuple[str, torch.nn.Parameter]] = list(net.get_all_learnable_params())
        # Compiled for training only: module_ itself stays plain, to be pickled and inspected.
        self.forward = torch.compile(net.module_) if settings.compile else net.module_
        set_dropout_generator(net.module_, streams.dropout)
        if settings.engine != "auto":  # what cannot be is refused before the first epoch
            self._slot.make_ready([self])
            self.release()
        self.tasks = FitTasks(net, callback_data, settings.n_epochs)

    def _begin_callbacks(self, schedule: LRSchedule) -> None:
        """Tell the callbacks that training begins, which they may prepare the network for."""
        net = self.net
        optimizer = net.optimizer_
        # From before: a scheduler of skorch's has set those of its first step by the end.
        rates = [group["lr"] for group in optimizer.param_groups]
        self.rates = RunRates(schedule, rates, net.n_steps_)
        self._is_beginning = True
        self._module, self._units = net.module_, net._targets.units(net)
        _RUNS[net] = weakref.ref(self)
        self.listeners = Listeners(net, self._valid is not None)
        self.listeners.notify("on_train_begin", X=self._data[0], y=self._data[1])
        self._follow_loaded()
        self.listeners.refresh()
        self._is_beginning = False
        if net.optimizer_ is not optimizer:
            self.rates.base = [group["lr"] for group in net.optimizer_.param_groups]

    @cached_property
    def precision(self) -> MixedPrecision:
        """What the forward pass of an engine that uses autograd computes in."""
        return MixedPrecision(self.settings.precision, self.loader.rows.device.type)

    def take_changed(self, params: Mapping[str, Any]) -> None:
        """Let parameters that a callback has set on the network count from now on.

        Parameters
        ----------
        params : mapping
            "lr", "weight_decay" and options of the optimizer by their names there apply to all
            groups; arguments of a module of the user's make a new one before the first epoch.
        """
        net = self.net
        if "lr" in params:
            self.rates.base = [params["lr"]] * len(net.optimizer_.param_groups)
        change_options(net.optimizer_, net.optimizer, params)
        if self._is_beginning and any(name.startswith("module__") for name in params):
            net._remake_module(self.loader.rows)
            self._module = net.module_

    @property
    def batch_sizes(self) -> dict[str, int]:
        """Rows of a training and of a validation batch, by skorch's names."""
        sizes = {"iterator_train__batch_size": self.loader.batch_size}
        if self._valid is not None:
            sizes["iterator_valid__batch_size"] = self._valid.batch_size
        return sizes

    def train(self, checkpoint: CheckpointFile | None = None) -> None:
        """Train to the end and finish, going on from ``checkpoint`` if it has been written."""
        if checkpoint is not None:
            state = checkpoint.read(self.loader.rows.device)
            if state is not None:
                self.load_state_dict(state)
        try:
            while not self.done:
                wanted = self.advance(release=False)
                if checkpoint is not None and (checkpoint.due() or not wanted):
                    checkpoint.write(self.state_dict())
        finally:
            self.finish()
        if checkpoint is not None:
            checkpoint.check_written()

    def advance(self, *, begun: bool = False, release: bool = True) -> bool:
        """Train one epoch; return whether another one is wanted.

        Parameters
        ----------
        begun : bool, default=False
            Whether the epoch is open already.
        release : bool, default=True
            Whether network and optimizer are ordinary ones afterwards. Without that, which saves
            a little time, nothing may be done with them but to predict.
        """
        private = self.streams.global_torch
        try:
            with (
                torch_threads(self.settings.n_threads),
                torch.enable_grad(),
                nullcontext() if private is None else private.entered(),
            ):
                if not begun:
                    self.begin_epoch()
                if not self.done:
                    self.take_epoch(self._slot.make_ready([self]).train_epoch()[0])
        except CallbackStop:
            self._stop()
        finally:
            if release:
                self.release()
        return not self.done

    def finish(self) -> None:
        """Restore the best weights if asked for, and say goodbye to the callbacks."""
        self.done = True
        self.release()
        if self._kept is not None:
            self._kept.restore(self.net.module_)
            if self.settings.early_stopping:
                self.net.best_epoch_ = self._kept.epoch
        tell_of_compiling(getattr(self.net, "engine_", ""), self._seconds)
        set_dropout_generator(self.net.module_, None)
        self.rates.restore(self.net.optimizer_)
        self.listeners.notify("on_train_end", X=self._data[0], y=self._data[1])
        _RUNS.pop(self.net, None)
        self.tasks.end()
        if self._spoilt:  # a network that predicts NaN must not pass for a fitted one
            del self.net.module_

    def state_dict(self) -> dict[str, Any]:
        """Return all that training goes on from: tensors, numbers and text."""
        net = self.net
        self.release()
        return {
            "epoch": self.epoch,
            "done": self.done,
            "n_steps": net.n_steps_,
            "module": net.module_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "streams": self.streams.state_dict(),
            "schedule": self.rates.schedule.state_dict(),
            "rates": self.rates.base,
            "precision": self.precision.state_dict(),
            "kept": None if self._kept is None else vars(self._kept),
            "history": history_to_text(net.history_.to_list()),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned, in another process if need be."""
        net = self.net
        self.release()
        self.epoch, self.done = state["epoch"], state["done"]
        net.n_steps_ = state["n_steps"]
        net.module_.load_state_dict(state["module"])
        net.optimizer_.load_state_dict(state["optimizer"])
        self.streams.load_state_dict(state["streams"])
        self.rates.schedule.load_state_dict(state["schedule"])
        self.rates.base = state.get("rates", self.rates.base)
        self.precision.load_state_dict(state["precision"])
        if self._kept is not None:
            vars(self._kept).update(state["kept"])
        net.history_[:] = history_from_text(state["history"])
        self._best_losses = best_losses(net.history_)
        self.listeners.find_best_scores(*self._data)

    def release(self) -> None:
        """Give network and optimizer storage of their own."""
        self._slot.release()

    def begin_epoch(self) -> None:
        """Open the next epoch in the history and tell the callbacks; one may stop all."""
        self.listeners.refresh()
        if self.listeners.may_change_networks:
            self.release()
        self._n_steps_before = self.net.n_steps_
        self._epoch_started = time.perf_counter()
        self.tasks.begin_epoch()
        self.net.history_.new_epoch()
        self.net.history_.record("epoch", len(self.net.history_))
        try:
            self._tell_of_epoch("on_epoch_begin")
        except CallbackStop:
            self._stop()
        self._follow_loaded()

    def _stop(self) -> None:
        """Stop in the middle of an epoch, because a callback wants it."""
        self.done = True
        self.tasks.end_epoch()

    def take_epoch(self, steps: EpochSteps, seconds: float | None = None) -> None:
        """Take in what came of an epoch's steps, and close the epoch.

        Parameters
        ----------
        steps : EpochSteps
        seconds : float or None, default=None
            What they took; None measures it from the epoch's beginning.
        """
        losses, sizes, recorded = steps
        n_sound = next((i for i, x in enumerate(losses) if not math.isfinite(x)), len(losses))
        self.net.n_steps_ = self._n_steps_before + n_sound
        if n_sound < len(losses):
            what = f"training loss became {losses[n_sound]}"
            self._abandon_epoch(divergence_error(self.net, self.epoch, what))
            return
        if not recorded:
            first = 0 if self.listeners.records_batches else len(losses) - 1
            for loss, size in zip(losses[first:], sizes[first:], strict=True):
                self.listeners.record_batch("train", loss, size)
        if seconds is not None:
            self._epoch_started = time.perf_counter() - seconds
        total = sum(loss * size for loss, size in zip(losses, sizes, strict=True))
        self._end_epoch(total / max(sum(sizes), 1))

    def _end_epoch(self, loss: float) -> None:
        """Close an epoch: validation, history, schedule, early stopping, callbacks."""
        if self.listeners.may_change_networks:
            self.release()
        history = self.net.history_
        try:
            check_sound(self.net, self.epoch, [p for _, p in self.named], self._rows_to_check())
            self._record_loss("train_loss", loss)
            history.record("train_batch_count", len(self.loader))
            history.record("lr", self.net.optimizer_.param_groups[0]["lr"])
            if self._valid is not None:
                loss, score = validate(self.net, self._valid, self.listeners, self.epoch)
                self._record_loss("valid_loss", loss)
                history.record("valid_batch_count", len(self._valid))
                history.record(self.net._targets.score_name, score)
        except DivergenceError as error:
            self._abandon_epoch(error)
            return
        self.epoch += 1
        self.rates.schedule.end_epoch(loss)
        if self._kept is not None:
            self.done |= self._kept.tell(self.net.module_, self.epoch, loss)
        seconds = time.perf_counter() - self._epoch_started
        self._seconds += seconds
        history.record("dur", seconds)
        try:
            self._tell_of_epoch("on_epoch_end")
        except CallbackStop:
            self.done = True
        self.done |= self.tasks.end_epoch()
        self.done |= self.epoch >= self.settings.n_epochs

    def _rows_to_check(self) -> TensorRows | None:
        """Return rows whose output has to be finite, where nobody would see it later."""
        if self.settings.on_divergence != "warn" and self.epoch + 1 < self.settings.n_epochs:
            return None
        # The last step of an epoch may have spoilt what the loss before it had not shown.
        return self.loader.rows.part(0, min(64, self.settings.batch_size))

    def _abandon_epoch(self, error: DivergenceError) -> None:
        """Stop in the middle of an epoch: raise, or warn and keep the last sound weights."""
        self.done = True
        if self.settings.on_divergence == "raise" or self._kept is None:
            self._spoilt = True
            raise error
        warn_of_divergence(error, self._kept)
        self.tasks.end_epoch()

    def _record_loss(self, name: str, loss: float) -> None:
        """Record a loss and whether it is the best yet, as skorch's Checkpoint expects."""
        best = loss < self._best_losses.get(name, math.inf)
        if best:
            self._best_losses[name] = loss
        self.net.history_.record(name, loss)
        self.net.history_.record(f"{name}_best", best)

    def _follow_loaded(self) -> None:
        """Train on in the units of weights that a callback may have loaded."""
        net = self.net
        if net.module_ is not self._module:
            raise ValueError(
                "load_params has replaced the network in the middle of a training: the weights of "
                "the file are for other data, of other features, classes or targets."
            )
        units = net._targets.units(net)
        if not all(map(np.array_equal, units, self._units)):
            for loader in (self.loader, self._valid):
                if loader is not None:
                    loader.rows = net._targets.in_present_units(net, loader.rows, self._units)
        self._units = units

    def _tell_of_epoch(self, hook: str) -> None:
        valid = None if self._valid is None else self._valid.rows
        self.listeners.tell_of_epoch(hook, self.loader.rows, valid)


def running(net: Any) -> TrainingRun | None:
    """Return the training of ``net`` that has begun and not finished, if there is one."""
    reference = _RUNS.get(net)
    return None if reference is None else reference()
