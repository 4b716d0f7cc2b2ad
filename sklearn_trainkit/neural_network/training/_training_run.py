"""One training in progress: epochs, schedule, clipping, early stopping, callbacks.

What plain skorch spends most of its time on is kept out of the inner loop: rows are sliced in
whole batches, hooks are called only where a callback overrides them, the train and eval modes
are switched only when they change, and history has one record an epoch unless a callback reads
batches.
"""

import math
import time
import weakref
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import numpy as np
import torch

from sklearn_trainkit.exceptions import DivergenceError
from sklearn_trainkit.neural_network.batches._tensor_loader import (
    Rows,
    RowsDataset,
    TensorLoader,
    TensorRows,
    TrainingSamples,
)
from sklearn_trainkit.neural_network.batches._training_streams import TrainingStreams
from sklearn_trainkit.neural_network.engines._callback_hooks import (
    BATCH_HOOKS,
    CallbackStop,
    call_hook,
    find_listeners,
    read_batches,
    refuse_conflicts,
)
from sklearn_trainkit.neural_network.engines._engine import (
    GraphlessStep,
    GraphStep,
    TrainingStep,
)
from sklearn_trainkit.neural_network.engines._learning_rates import LRSchedule
from sklearn_trainkit.neural_network.engines._optimizers import resolved_weight_decay
from sklearn_trainkit.neural_network.engines._precision import MixedPrecision
from sklearn_trainkit.neural_network.engines._settings import LoopSettings
from sklearn_trainkit.neural_network.modules._dropout import set_dropout_generator
from sklearn_trainkit.neural_network.stacking._stacked_layers import NotStackableError
from sklearn_trainkit.neural_network.training._checkpoint import (
    CheckpointFile,
    history_from_text,
    history_to_text,
)
from sklearn_trainkit.neural_network.training._divergence import (
    check_finite_loss,
    check_finite_weights,
    divergence_error,
    warn_of_divergence,
)
from sklearn_trainkit.neural_network.training._early_stopping import KeptWeights
from sklearn_trainkit.neural_network.training._fit_tasks import FitTasks
from sklearn_trainkit.neural_network.training._stack_member import StackMember
from sklearn_trainkit.utils._threads import torch_threads

# Trainings in progress, by network: callbacks set parameters on the network.
_RUNS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


class TrainingRun(StackMember):
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
        self.epoch = 0
        self.done = False
        self._spoilt = False
        self._data = callback_data
        self._streams = streams
        self._loader = TensorLoader(train, settings.batch_size, streams.order)
        self._valid = None
        if valid is not None:
            rows_per_pass = min(1024, net._rows_per_pass(valid.sample_shape))
            self._valid = TensorLoader(valid, max(settings.batch_size, rows_per_pass))
        self._schedule = schedule
        self._best_losses: dict[str, float] = {}
        self._first_step = net.n_steps_
        net.__dict__.pop("best_epoch_", None)
        refuse_conflicts(net, settings.precision, schedule.constant)
        self._begin_callbacks()
        net._check_module(train)
        self._kept = None
        if settings.early_stopping:
            self._kept = KeptWeights(net.module_, settings.patience)
        elif settings.on_divergence == "warn":
            self._kept = KeptWeights(net.module_, None)
        self._augment = net._augmentation()
        self._precision = MixedPrecision(settings.precision, train.device.type)
        self._named = list(net.get_all_learnable_params())
        # All of them: a callback may thaw what is frozen now.
        self._parameters = [parameter for _, parameter in self._named]
        self._graph_step = GraphStep(net, self._parameters, settings, self._precision)
        self._step: TrainingStep | None = None
        set_dropout_generator(net.module_, streams.dropout)
        self._tasks = FitTasks(net, callback_data, settings.n_epochs)

    def _begin_callbacks(self) -> None:
        """Tell the callbacks that training begins, which they may prepare the network for."""
        net = self.net
        rates = [group["lr"] for group in net.optimizer_.param_groups]
        optimizer = net.optimizer_
        self._is_beginning = True
        self._module, self._units = net.module_, net._target_units()
        _RUNS[net] = weakref.ref(self)
        self._find_listeners()
        self._notify("on_train_begin", X=self._data[0], y=self._data[1])
        self._follow_loaded()
        self._find_listeners()
        self._is_beginning = False
        if net.optimizer_ is not optimizer:
            rates = [group["lr"] for group in net.optimizer_.param_groups]
        self._base_lrs = rates

    def _find_listeners(self) -> None:
        self._hooks = find_listeners(self.net)
        self._watches_batches = any(self._hooks[name] for name in BATCH_HOOKS)
        self._records_batches = read_batches(self._hooks)

    def take_changed(self, params: Mapping[str, Any]) -> None:
        """Let parameters that a callback has set on the network count from now on.

        Parameters
        ----------
        params : mapping
            "lr", "weight_decay" and options of the optimizer by their names there apply to all
            groups; arguments of a module of the user's make a new one before the first epoch.
        """
        net = self.net
        groups = net.optimizer_.param_groups
        if "lr" in params:
            self._base_lrs = [params["lr"]] * len(groups)
        for name, value in params.items():
            if name == "weight_decay":
                value = resolved_weight_decay(value, net.optimizer)
            if name in ("lr", "weight_decay") or name.startswith("optimizer__"):
                option = name.removeprefix("optimizer__")
                for group in groups:
                    group.update({option: value} if option in group else {})
        if self._is_beginning and any(name.startswith("module__") for name in params):
            net._remake_module(self._loader.rows)
            self._module = net.module_

    @property
    def batch_sizes(self) -> dict[str, int]:
        """Rows of a training and of a validation batch, by skorch's names."""
        sizes = {"iterator_train__batch_size": self._loader.batch_size}
        if self._valid is not None:
            sizes["iterator_valid__batch_size"] = self._valid.batch_size
        return sizes

    def train(self, checkpoint: CheckpointFile | None = None) -> None:
        """Train to the end and finish, going on from ``checkpoint`` if it has been written."""
        if checkpoint is not None:
            state = checkpoint.read(self._loader.rows.device)
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
        try:
            return self._train_epoch(begun)
        except CallbackStop:
            self._stop()
            return False
        finally:
            if release:
                self.release()

    def _train_epoch(self, begun: bool) -> bool:
        with ExitStack() as stack:
            stack.enter_context(torch_threads(self.settings.n_threads))
            stack.enter_context(torch.enable_grad())
            if self._streams.global_torch is not None:
                stack.enter_context(self._streams.global_torch.entered())
            if not begun:
                self.begin_epoch()
            if self.done:
                return False
            try:
                loss = self._train_pass()
            except DivergenceError as error:
                self.abandon_epoch(error)
            except IndexError as error:
                if not self.net._foreign_module:
                    raise
                raise ValueError(
                    f"module={type(self.net.module_).__name__} does not take all samples of X: "
                    f"{error}. Has an embedding fewer entries than there are codes, from 0 on?"
                ) from error
            else:
                self.end_epoch(loss)
        return not self.done

    def finish(self) -> None:
        """Restore the best weights if asked for, and say goodbye to the callbacks."""
        self.done = True
        self.release()
        if self._kept is not None:
            self._kept.restore(self.net.module_)
            if self.settings.early_stopping:
                self.net.best_epoch_ = self._kept.epoch
        set_dropout_generator(self.net.module_, None)
        for group, lr in zip(self.net.optimizer_.param_groups, self._base_lrs, strict=True):
            group["lr"] = lr
        self._notify("on_train_end", X=self._data[0], y=self._data[1])
        _RUNS.pop(self.net, None)
        self._tasks.end()
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
            "streams": self._streams.state_dict(),
            "schedule": self._schedule.state_dict(),
            "precision": self._precision.state_dict(),
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
        self._streams.load_state_dict(state["streams"])
        self._schedule.load_state_dict(state["schedule"])
        self._precision.load_state_dict(state["precision"])
        if self._kept is not None:
            vars(self._kept).update(state["kept"])
        net.history_[:] = history_from_text(state["history"])

    def release(self) -> None:
        """Give network and optimizer storage of their own, as they have between fits."""
        if self._step is not None:
            self._step.release()
            self._step = None

    def begin_epoch(self) -> None:
        """Open the next epoch in the history and tell the callbacks; one may stop all."""
        self._find_listeners()
        if self.is_listened_to:
            self.release()
        self._epoch_started = time.perf_counter()
        self._tasks.begin_epoch()
        self.net.history_.new_epoch()
        self.net.history_.record("epoch", len(self.net.history_))
        try:
            self._notify("on_epoch_begin", **self._listeners_data())
        except CallbackStop:
            self._stop()
        self._follow_loaded()

    def _stop(self) -> None:
        """Stop in the middle of an epoch, because a callback wants it."""
        self.done = True
        self._tasks.end_epoch()

    def end_epoch(self, loss: float, seconds: float | None = None) -> None:
        """Close an epoch: validation, history, schedule, early stopping, callbacks.

        Parameters
        ----------
        loss : float
            Mean loss over the training rows.
        seconds : float or None, default=None
            What the training pass took; None measures it from the epoch's beginning.
        """
        if self.is_listened_to:
            self.release()
        history = self.net.history_
        if seconds is not None:
            self._epoch_started = time.perf_counter() - seconds
        try:
            self._check_sound()
            self._record_loss("train_loss", loss)
            history.record("train_batch_count", len(self._loader))
            history.record("lr", self.net.optimizer_.param_groups[0]["lr"])
            if self._valid is not None:
                loss = self._valid_pass()
        except DivergenceError as error:
            self.abandon_epoch(error)
            return
        self.epoch += 1
        self._schedule.end_epoch(loss)
        if self._kept is not None:
            self.done |= self._kept.tell(self.net.module_, self.epoch, loss)
        history.record("dur", time.perf_counter() - self._epoch_started)
        try:
            self._notify("on_epoch_end", **self._listeners_data())
        except CallbackStop:
            self.done = True
        self.done |= self._tasks.end_epoch()
        self.done |= self.epoch >= self.settings.n_epochs

    def abandon_epoch(self, error: DivergenceError) -> None:
        """Stop in the middle of an epoch: raise, or warn and keep the last sound weights."""
        self._diverged(error)
        self._tasks.end_epoch()

    def _train_pass(self) -> float:
        net = self.net
        watched, scheduled = self._watches_batches, not self._schedule.constant
        recorded = watched or self._records_batches
        collected = bool(self._hooks["on_batch_output"])
        switch_mode(net.module_, True)
        step = self._ready_step()
        total, n_rows = 0.0, 0
        for batch in self._loader:
            if self._augment is not None:
                batch = self._augment(batch, self._streams.augmentation)
            if watched:
                self._begin_batch(batch, training=True)
            if scheduled:
                self._set_lr(net.n_steps_)
            loss, output = self._leave_gradients(step, batch)
            value = loss.item()
            check_finite_loss(net, self.epoch, "training", value)
            step.update(partial(self._leave_gradients, step, batch))
            net.n_steps_ += 1
            size = net._n_counted(batch)
            total += value * size
            n_rows += size
            if recorded:
                self._record_batch("train", value, size, is_open=watched)
            if watched:
                self._end_batch(batch, True, loss, output)
            if collected:
                self._collect(batch, True, output.detach())
        step.end_pass()
        if not recorded:
            self._record_batch("train", value, size)
        return total / max(n_rows, 1)

    def _ready_step(self) -> TrainingStep:
        """Return what takes the steps of an epoch: without a graph, if the network can."""
        if self._step is None:
            self._step = self._graph_step
            if self.may_go_without_graph:
                with suppress(NotStackableError):
                    self._step = GraphlessStep(self)
        return self._step

    def _leave_gradients(
        self, step: TrainingStep, batch: TensorRows
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Leave the clipped gradients of a batch in the parameters; return loss and output."""
        loss, output = step.leave_gradients(batch)
        if self._hooks["on_grad_computed"]:
            self._notify(
                "on_grad_computed", named_parameters=self._named, batch=_shown(batch), training=True
            )
        if self.settings.clips:
            step.clip()
        return loss, output

    def _valid_pass(self) -> float:
        assert self._valid is not None
        net = self.net
        switch_mode(net.module_, False)
        total, n_rows = 0.0, 0
        outputs = []
        collected = bool(self._hooks["on_batch_output"])
        with torch.no_grad():
            for batch in self._valid:
                if self._watches_batches:
                    self._begin_batch(batch, training=False)
                # A foreign module may write into its input.
                output = net.module_(batch.X.clone() if net._foreign_module else batch.X)
                batch_loss = net.criterion_(output, batch.y, batch.weight)
                size, value = net._n_counted(batch), batch_loss.item()
                total += value * size
                n_rows += size
                outputs.append(net._kept_for_score(output))
                if self._watches_batches or self._records_batches:
                    self._record_batch("valid", value, size, is_open=self._watches_batches)
                if self._watches_batches:
                    self._end_batch(batch, False, batch_loss, output)
                if collected:
                    self._collect(batch, False, output)
        loss = total / n_rows
        check_finite_loss(net, self.epoch, "validation", loss)
        self._record_loss("valid_loss", loss)
        net.history_.record("valid_batch_count", len(self._valid))
        score = net._rows_score(torch.cat(outputs), self._valid.rows)
        net.history_.record(net._score_name, score)
        return loss

    def _record_loss(self, name: str, loss: float) -> None:
        """Record a loss and whether it is the best yet, as skorch's Checkpoint expects."""
        best = loss < self._best_losses.get(name, math.inf)
        if best:
            self._best_losses[name] = loss
        self.net.history_.record(name, loss)
        self.net.history_.record(f"{name}_best", best)

    def _begin_batch(self, batch: TensorRows, training: bool) -> None:
        self.net.history_.new_batch()
        self._notify("on_batch_begin", batch=_shown(batch), training=training)

    def _record_batch(self, prefix: str, loss: float, size: int, is_open: bool = False) -> None:
        """Record a batch in the history; a part of them is enough where nobody reads them."""
        history = self.net.history_
        if not is_open:
            history.new_batch()
        history.record_batch(f"{prefix}_loss", loss)
        history.record_batch(f"{prefix}_batch_size", size)

    def _end_batch(
        self, batch: TensorRows, training: bool, loss: torch.Tensor, output: torch.Tensor
    ) -> None:
        shown = _shown(batch)
        self._notify("on_batch_end", batch=shown, training=training, loss=loss, y_pred=output)

    def _collect(self, batch: TensorRows, training: bool, output: torch.Tensor) -> None:
        for callback in self._hooks["on_batch_output"]:
            callback.on_batch_end(self.net, batch=batch[:2], training=training, y_pred=output)

    def _set_lr(self, step: int) -> None:
        factor = self._schedule.factor(step - self._first_step)
        for group, lr in zip(self.net.optimizer_.param_groups, self._base_lrs, strict=True):
            group["lr"] = lr * factor

    def _notify(self, hook: str, **kwargs: Any) -> None:
        for listener in self._hooks[hook]:
            call_hook(listener, hook, self.net, self._valid is not None, kwargs)

    def _follow_loaded(self) -> None:
        """Train on in the units of weights that a callback may have loaded."""
        net = self.net
        if net.module_ is not self._module:
            raise ValueError(
                "load_params has replaced the network in the middle of a training: the weights of "
                "the file are for other data, of other features, classes or targets."
            )
        units = net._target_units()
        if not all(map(np.array_equal, units, self._units)):
            for loader in (self._loader, self._valid):
                if loader is not None:
                    loader.rows = net._in_present_units(loader.rows, self._units)
        self._units = units

    def _listeners_data(self) -> dict[str, RowsDataset | None]:
        """Return what skorch hands to the hooks of an epoch, if anybody listens."""
        if not (self._hooks["on_epoch_begin"] or self._hooks["on_epoch_end"]):
            return {}
        valid = None if self._valid is None else RowsDataset(self._valid.rows)
        return {"dataset_train": RowsDataset(self._loader.rows), "dataset_valid": valid}

    @torch.no_grad()
    def _check_sound(self) -> None:
        """Raise if the weights, or what the network makes of some rows, are not finite."""
        check_finite_weights(self.net, self.epoch, self._parameters)
        last = self.epoch + 1 >= self.settings.n_epochs
        if self.settings.on_divergence == "warn" or last:
            # The last step of an epoch may have spoilt what the loss before it had not shown.
            switch_mode(self.net.module_, False)
            n_rows = min(64, self.settings.batch_size)
            output = self.net.module_(self._loader.rows.part(0, n_rows).X.clone())
            if not bool(torch.isfinite(output).all()):
                raise divergence_error(self.net, self.epoch, "outputs became NaN or infinite")

    def _diverged(self, error: DivergenceError) -> None:
        self.done = True
        if self.settings.on_divergence == "raise" or self._kept is None:
            self._spoilt = True
            raise error
        warn_of_divergence(error, self._kept)


def running(net: Any) -> TrainingRun | None:
    """Return the training of ``net`` that has begun and not finished, if there is one."""
    reference = _RUNS.get(net)
    return None if reference is None else reference()


def _shown(batch: TensorRows) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a batch as callbacks see it."""
    return batch.X.as_subclass(TrainingSamples), batch.y


def switch_mode(module: torch.nn.Module, training: bool) -> None:
    """Set train or eval mode; a no-op where it is set already."""
    if module.training != training:
        module.train(training)
