"""Why an engine is not taken: all reasons that are seen before it is made.

An obstacle means that the engine could not train these networks exactly; no gain means that it
could, and would not be faster. Whether single layers and losses can be stacked is known to the
tables in ``stacking``, and shows when the engine is made.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from sklearn_trainkit.neural_network.batches._tensor_loader import TensorRows
from sklearn_trainkit.neural_network.compiled._optimizer_states import obstacle_to_steps
from sklearn_trainkit.neural_network.engines._callback_hooks import STEP_HOOKS, may_change_a_step
from sklearn_trainkit.neural_network.engines._engine import Trainee
from sklearn_trainkit.neural_network.modules._module_hooks import has_global_hooks
from sklearn_trainkit.neural_network.stacking._stacked_batches import networks_side_by_side
from sklearn_trainkit.neural_network.stacking._stacked_optimizers import (
    ELEMENTWISE,
    common_key,
    has_step_hooks,
)

__all__ = [
    "no_gain_by_stacking",
    "no_gain_by_stacking_several",
    "obstacle_to_a_place",
    "obstacle_to_compiling",
    "obstacle_to_stacking",
]

# From about this many weights on, time is all arithmetic and memory, and nothing is saved.
_MOST_PARAMETERS = 600_000


def obstacle_to_stacking(runs: Sequence[Trainee]) -> str | None:
    """Return why these networks cannot be trained as a stack; None if nothing is seen yet."""
    if len(runs) == 1:
        return _listener_to_steps(runs[0]) or _need_of_a_graph(runs[0])
    for run in runs:
        obstacle = obstacle_to_a_place(run)
        if obstacle is not None:
            return obstacle
    return _difference(runs)


def obstacle_to_a_place(run: Trainee) -> str | None:
    """Return why a network cannot have a place among several in a stack; None for nothing."""
    hooks = run.listeners.hooks
    for hook in STEP_HOOKS:
        if hooks[hook]:
            return f"a callback listens to {hook}"
    # An EpochScoring on validation rows is served after the pass, by each network itself.
    if run.listeners.collect_outputs:
        return "an EpochScoring collects the outputs of training batches"
    return _need_of_a_graph(run)


def no_gain_by_stacking(runs: Sequence[Trainee]) -> str | None:
    """Return why a stack would be no faster than autograd, one network after the other."""
    if len(runs) == 1:
        return _no_gain_alone(runs[0])
    batch_size = max(run.loader.batch_size for run in runs)
    return no_gain_by_stacking_several(runs[0].net.module_, batch_size)


def no_gain_by_stacking_several(module: nn.Module, batch_size: int) -> str | None:
    """Return why several networks of this size are as fast one after the other.

    The limits come from ``examples/benchmarks/bench_fold_stacking.py``, see
    ``docs/fold_stacking.md``.
    """
    if next(module.parameters()).device.type != "cpu":
        return None
    n_parameters = sum(p.numel() for p in module.parameters())
    if n_parameters > _MOST_PARAMETERS:
        return f"{n_parameters} weights are too many to gain by stacking"
    if networks_side_by_side(module, batch_size) < 2:
        return f"batches of {batch_size} rows are too large for this network to gain by stacking"
    return None


def obstacle_to_compiling(run: Trainee) -> str | None:
    """Return why a network's epochs cannot be compiled code's; layers are not looked at."""
    if run.listeners.n_steps_heard is None:
        return "a callback listens to all steps"
    rows = run.loader.rows
    if isinstance(rows, TensorRows) and rows.X.layout != torch.strided:
        return "samples are sparse"
    if rows.device.type != "cpu":
        return f"the network is on {rows.device.type!r}"
    if common_key(run, 0) is None:
        return "parameters have several groups, or differ in what the optimizer knows of them"
    return _need_of_a_graph(run) or obstacle_to_steps(run.net.optimizer_)


def _no_gain_alone(run: Trainee) -> str | None:
    device = run.loader.rows.device.type
    if device != "cpu":
        return f"for one network on {device!r} it has not been measured"
    optimizer = run.net.optimizer_
    if type(optimizer) not in ELEMENTWISE:
        return f"{type(optimizer).__name__} takes its steps tensor by tensor"
    return None


def _listener_to_steps(run: Trainee) -> str | None:
    """Return who hears of single steps and may do whatever autograd allows."""
    for hook in STEP_HOOKS:
        for callback in run.listeners.hooks[hook]:
            if may_change_a_step(callback):
                return f"{type(callback).__name__} listens to {hook}"
    return None


def _need_of_a_graph(run: Trainee) -> str | None:
    """Return what of a network, its data or its settings gradients by hand cannot serve."""
    net: Any = run.net
    if run.augment is not None:
        return "batches are augmented"
    if isinstance(net.optimizer_, torch.optim.LBFGS):
        return "optimizer='lbfgs' evaluates the loss several times a step"
    if has_step_hooks(net.optimizer_):
        return "the optimizer has hooks"
    if has_global_hooks():
        return "all modules of the process have hooks"
    if run.settings.precision != "full":
        return f"precision={run.settings.precision!r}"
    if run.settings.compile:
        return "compile=True"
    if list(net.criterion_.parameters()):
        return "the loss has parameters"
    if len(run.loader.rows.sample_shape) != 1:
        return "samples have more than one dimension"
    return None


def _difference(runs: Sequence[Trainee]) -> str | None:
    """Return in what several networks differ that has to be the same; layers are not looked at."""
    rows = [run.loader.rows for run in runs]
    if len({each.sample_shape for each in rows}) > 1:
        return "the data sets differ in their number of features"
    if len({each.weight is None for each in rows}) > 1:
        return "some data sets have sample weights and some have not"
    if len({run.settings.n_threads for run in runs}) > 1:
        return "the networks differ in n_threads"
    return None
