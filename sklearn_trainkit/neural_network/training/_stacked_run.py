"""Several trainings at once, as one network with a leading axis: the folds of a trial, for one.

Exact: each network sees its own batches in its own order, draws its own dropout masks, is clipped
by its own norm and stops when it would have stopped. Only the arithmetic is shared.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from sklearn_trainkit.neural_network.engines._choose_engine import EngineSlot
from sklearn_trainkit.neural_network.engines._obstacles import (
    no_gain_by_stacking_several,
    obstacle_to_a_place,
)
from sklearn_trainkit.neural_network.modules._dropout import SeededDropout
from sklearn_trainkit.neural_network.stacking._stacked_layers import NotStackableError
from sklearn_trainkit.neural_network.training._training_run import TrainingRun
from sklearn_trainkit.utils._threads import torch_threads

__all__ = ["NotStackableError", "StackedRun", "stacks_by_shape"]


class StackedRun:
    """Advance several trainings by an epoch at a time, as one stacked network.

    A training that is done, or fails, leaves the stack; the others go on. Between epochs the nets
    are as ever: they predict and are scored.

    Parameters
    ----------
    runs : sequence of TrainingRun
        Prepared by ``start_fit``. Networks of one architecture; data, seeds, learning rates, weight
        decay, clipping, dropout rates and lengths may differ.
    force : bool, default=True
        Whether to stack networks that are too large to gain by it.

    Attributes
    ----------
    errors : dict of int to Exception
        What ended a training before its time, by its place in ``runs``.

    Raises
    ------
    NotStackableError
        If no engine trains them as one, or none is faster so; the runs are as they were.
    """

    def __init__(self, runs: Sequence[TrainingRun], *, force: bool = True) -> None:
        self.errors: dict[int, Exception] = {}
        self._runs = list(runs)
        self._dropped: set[int] = set()
        # Callbacks may change networks and optimizers: between epochs these are then on their own.
        self._is_listened_to = any(run.listeners.may_change_networks for run in runs)
        self._slot = EngineSlot()
        going = [self._runs[index] for index in self.going()]
        if going:
            self._slot.make_ready(going, force=force)

    @property
    def done(self) -> bool:
        """Whether no training wants another epoch."""
        return not self.going()

    def train(self) -> None:
        """Train to the end and finish."""
        try:
            while self.advance():
                pass
        finally:
            self.finish()

    def advance(self) -> bool:
        """Train every network that wants it by one epoch; return whether any wants another."""
        if self._is_listened_to:
            self.release()
        self._attempt(self.going(), lambda index: self._runs[index].begin_epoch())
        going = self.going()
        if not going:
            return False
        started = time.perf_counter()
        with torch_threads(self._runs[0].settings.n_threads), torch.enable_grad():
            try:
                runs = [self._runs[index] for index in going]
                each = self._slot.make_ready(runs, force=True).train_epoch()
            except NotStackableError:  # a callback has changed the networks too much
                self._attempt(going, lambda index: self._runs[index].advance(begun=True))
            except Exception as error:  # one batch for all: it fails all of them
                self.release()
                self.errors.update(dict.fromkeys(going, error))
            else:
                seconds = (time.perf_counter() - started) / len(going)
                steps = dict(zip(going, each, strict=True))
                if self._is_listened_to:
                    self.release()
                self._attempt(
                    going, lambda index: self._runs[index].take_epoch(steps[index], seconds)
                )
        return not self.done

    def release(self) -> None:
        """Make the networks ordinary ones again; ``advance`` stacks them anew."""
        self._slot.release()

    def finish(self) -> None:
        """Make the networks ordinary ones again and end each training."""
        self.release()
        self._attempt(range(len(self._runs)), lambda index: self._runs[index].finish())

    def going(self) -> list[int]:
        """Return the places of the trainings that want another epoch."""
        out = self._dropped | set(self.errors)
        return [i for i, run in enumerate(self._runs) if not run.done and i not in out]

    def drop(self, places: Sequence[int]) -> None:
        """Leave some trainings to whoever made them; the others go on."""
        self.release()
        self._dropped.update(places)

    def _attempt(self, members: Sequence[int], action: Callable[[int], Any]) -> None:
        """Do ``action`` for each training; one that fails leaves the others alone."""
        for index in members:
            try:
                action(index)
            except Exception as error:
                self.errors.setdefault(index, error)


def stacks_by_shape(
    runs: Sequence[TrainingRun], force: bool = False
) -> tuple[list[tuple[StackedRun, list[TrainingRun]]], list[tuple[TrainingRun, str]]]:
    """Put trainings of the same shape into stacks.

    Parameters
    ----------
    runs : sequence of TrainingRun
    force : bool, default=False
        Stack networks that are too large to gain, too.

    Returns
    -------
    stacks : list of (StackedRun, list of TrainingRun)
    rest : list of (TrainingRun, str)
        Those that are to be trained alone, and why.
    """
    groups: dict[Any, list[TrainingRun]] = {}
    for run in runs:
        groups.setdefault(_common_key(run, force), []).append(run)
    stacks, rest = [], []
    for group in groups.values():
        reason = "no other network has its shape" if len(group) < 2 else None
        if reason is None:
            try:
                stacks.append((StackedRun(group, force=force), group))
            except NotStackableError as error:
                reason = str(error)
        if reason is not None:
            rest += [(run, reason) for run in group]
    return stacks, rest


def _common_key(run: TrainingRun, force: bool) -> tuple:
    """Return what the networks of a stack have in common."""
    module, criterion = run.net.module_, run.net.criterion_
    shapes = tuple((name, p.shape, p.dtype) for name, p in module.named_parameters())
    layers = tuple(
        # A layer of layers shows their settings, and rates of dropout may differ.
        type(layer) if isinstance(layer, SeededDropout) or any(layer.children()) else repr(layer)
        for layer in module.modules()
    )
    loss = type(criterion), getattr(criterion, "loss", None), run.loader.rows.weight is None
    obstacle = obstacle_to_a_place(run)
    if obstacle is None and not force:
        obstacle = no_gain_by_stacking_several(module, run.loader.batch_size)
    return shapes, layers, loss, run.settings.n_threads, run.settings.engine, obstacle
