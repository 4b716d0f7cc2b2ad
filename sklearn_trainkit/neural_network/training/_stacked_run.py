"""Several trainings at once, as one network with a leading axis: the folds of a trial, for one.

Exact: each network sees its own batches in its own order, draws its own dropout masks, is clipped
by its own norm and stops when it would have stopped. Only the arithmetic is shared.
"""

import time
from collections.abc import Sequence
from typing import Any

import torch

from sklearn_trainkit.neural_network.modules._dropout import SeededDropout
from sklearn_trainkit.neural_network.stacking._module_block import (
    ModuleBlock,
    StackedNetwork,
    check_unshared,
)
from sklearn_trainkit.neural_network.stacking._stack_size import networks_side_by_side, size_reason
from sklearn_trainkit.neural_network.stacking._stacked_batches import StackedLoader
from sklearn_trainkit.neural_network.stacking._stacked_clipping import make_clipping
from sklearn_trainkit.neural_network.stacking._stacked_layers import NotStackableError
from sklearn_trainkit.neural_network.stacking._stacked_optimizers import make_step_groups
from sklearn_trainkit.neural_network.training._training_run import TrainingRun
from sklearn_trainkit.utils._threads import torch_threads

__all__ = [
    "NotStackableError",
    "StackedRun",
    "obstacle_to_stacking",
    "reason_not_to_stack",
    "stacks_by_shape",
]


def obstacle_to_stacking(runs: Sequence[TrainingRun]) -> str | None:
    """Return why these trainings cannot be one, as far as that is seen at once; None if they can.

    Whether the layers can be stacked shows when a :class:`StackedRun` begins.
    """
    for run in runs:
        obstacle = run.obstacle_to_stacking()
        if obstacle is not None:
            return obstacle
    if any(len(run.loader.rows.part(0, 1).X.shape) != 2 for run in runs):
        return "samples have more than one dimension"
    if len({run.loader.rows.part(0, 1).X.shape[1] for run in runs}) > 1:
        return "the data sets differ in their number of features"
    if len({run.loader.rows.weight is None for run in runs}) > 1:
        return "some data sets have sample weights and some have not"
    if len({run.settings.n_threads for run in runs}) > 1:
        return "the networks differ in n_threads"
    return None


def reason_not_to_stack(runs: Sequence[TrainingRun]) -> str | None:
    """Return why these trainings are as fast one after the other; None if they are not."""
    return size_reason(runs[0].net.module_, max(run.loader.batch_size for run in runs))


class StackedRun:
    """Advance several trainings by an epoch at a time, as one stacked network.

    A training that is done, or fails, leaves the stack; the others go on. Between epochs the nets
    are as ever: they predict and are scored.

    Parameters
    ----------
    runs : sequence of TrainingRun
        Prepared by ``start_fit``. Networks of one architecture; data, seeds, learning rates, weight
        decay, clipping, dropout rates and lengths may differ.

    Attributes
    ----------
    errors : dict of int to Exception
        What ended a training before its time, by its place in ``runs``.

    Raises
    ------
    NotStackableError
        If they cannot be stacked; the runs are as they were.
    """

    def __init__(self, runs: Sequence[TrainingRun]) -> None:
        obstacle = obstacle_to_stacking(runs)
        if obstacle is not None:
            raise NotStackableError(obstacle)
        self.errors: dict[int, Exception] = {}
        self._runs = list(runs)
        self._dropped: set[int] = set()
        self._stack: _Stack | None = None
        # Callbacks may change networks and optimizers: between epochs these are then on their own.
        self._is_listened_to = any(run.is_listened_to for run in runs)
        self._build()

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
        going = self.going()
        self._attempt(going, lambda index: self._runs[index].begin_epoch())
        try:
            if self._stack is None or self._stack.members != self._in_order():
                self._build()
        except NotStackableError:  # a callback has changed the networks too much
            self._attempt(self.going(), lambda index: self._runs[index].advance(begun=True))
        if self._stack is not None:
            members = self._stack.members
            try:
                self._train_stack(self._stack)
            except Exception as error:  # one batch for all: it fails all of them
                self.release()
                for index in members:
                    self.errors.setdefault(index, error)
        return not self.done

    def _train_stack(self, stack: "_Stack") -> None:
        with torch_threads(self._runs[0].settings.n_threads), torch.enable_grad():
            started = time.perf_counter()
            losses = dict(zip(stack.members, stack.train_epoch(), strict=True))
            seconds = (time.perf_counter() - started) / len(losses)
            if self._is_listened_to:
                self.release()
            self._attempt(
                sorted(losses), lambda index: self._runs[index].take_epoch(losses[index], seconds)
            )

    def release(self) -> None:
        """Make the networks ordinary ones again; ``advance`` stacks them anew."""
        if self._stack is not None:
            self._stack.release()
            self._stack = None

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

    def _in_order(self) -> list[int]:
        """Return who is going, equal sizes of batches and equal optimizers side by side."""
        alike: dict[str, int] = {}

        def kinship(index: int) -> tuple[int, int, int]:
            run = self._runs[index]
            settings = alike.setdefault(run.step_settings, len(alike))
            return run.loader.batch_size, run.loader.rows.n_rows, settings

        return sorted(self.going(), key=kinship)

    def _build(self) -> None:
        self.release()
        members = self._in_order()
        for index in members:
            self._runs[index].release()
        if members:
            self._stack = _Stack(members, [self._runs[i] for i in members])

    def _attempt(self, members: Sequence[int], action: Any) -> None:
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
        reason = reason or obstacle_to_stacking(group)
        if reason is None and not force:
            reason = reason_not_to_stack(group)
        if reason is None:
            try:
                stacks.append((StackedRun(group), group))
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
    obstacle = run.obstacle_to_stacking() or (None if force else reason_not_to_stack([run]))
    return shapes, layers, loss, run.settings.n_threads, obstacle


class _Stack:
    """Networks that are stacked at present."""

    def __init__(self, members: list[int], runs: list[TrainingRun]) -> None:
        self.members = members
        modules = [run.net.module_ for run in runs]
        for module in modules:
            check_unshared(module)
        self._criteria = [run.net.criterion_ for run in runs]
        batch_size = max(run.loader.batch_size for run in runs)
        most = networks_side_by_side(modules[0], batch_size)
        self._loader = StackedLoader([run.loader for run in runs], most)
        self._block = ModuleBlock(modules)
        self._networks: dict[tuple[int, int], StackedNetwork] = {}
        try:
            self._network(0, len(runs))
            self._block.check_all_used()
        except NotStackableError:
            self._block.detach()
            raise
        self._groups = make_step_groups(self._block, runs, self._loader.n_steps)
        settings = [run.settings for run in runs]
        self._clippings = make_clipping(
            self._block,
            [each.clip_norm for each in settings],
            [each.clip_value for each in settings],
            [each.clip_adaptive for each in settings],
        )

    @torch.no_grad()
    def train_epoch(self) -> list[list[float]]:
        """Train one epoch; return the losses of each network, step by step."""
        losses = self._block.values.new_zeros((max(self._loader.n_steps), len(self.members)))
        for group in self._groups:
            group.begin_epoch()
        for step, batches in enumerate(self._loader):
            for first, last, X, y, weight in batches:
                network = self._network(first, last)
                losses[step, first:last], _ = network.leave_gradients(X, y, weight)
            for clip in self._clippings:
                clip()
            for group in self._groups:
                group.step(step)
        for network in self._networks.values():
            network.forget()
        columns = losses.T.tolist()
        return [column[:n] for column, n in zip(columns, self._loader.n_steps, strict=True)]

    def release(self) -> None:
        for group in self._groups:
            group.release()
        self._block.detach()

    def _network(self, first: int, last: int) -> StackedNetwork:
        if (first, last) not in self._networks:
            self._networks[first, last] = StackedNetwork(self._block, self._criteria, first, last)
        return self._networks[first, last]
