"""One optimizer step for several networks whose parameters lie in one block.

Optimizers that treat every number by itself (all of torch's but LBFGS, Adafactor and Muon) act on
rows of the block as they act on the tensors of each network. Networks that share settings, schedule
and step count are neighbours in a group and take one step together. Any other optimizer steps
network by network, on its own view of the gradients: as exact, only slower.
"""

import inspect
import itertools
from collections.abc import Sequence
from typing import Any

import torch

from sklearn_trainkit.neural_network.stacking._module_block import ModuleBlock

ELEMENTWISE = (
    torch.optim.ASGD,
    torch.optim.Adadelta,
    torch.optim.Adagrad,
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.Adamax,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.RMSprop,
    torch.optim.Rprop,
    torch.optim.SGD,
)


def make_step_groups(
    block: ModuleBlock, runs: Sequence[Any], n_steps: Sequence[int]
) -> "list[StepGroup]":
    """Return the groups of networks that take their steps together.

    Parameters
    ----------
    block : ModuleBlock
    runs : sequence of TrainingRun
        In the order of the block's rows.
    n_steps : sequence of int
        Steps of an epoch of each.
    """
    keys = [
        (common_key(run, row), steps)
        for row, (run, steps) in enumerate(zip(runs, n_steps, strict=True))
    ]
    groups: list[StepGroup] = []
    first = 0
    for (common, steps), members in itertools.groupby(keys):
        last = first + len(list(members))
        if common is None:
            groups += [OwnSteps(block, runs[row], row, steps) for row in range(first, last)]
        else:
            groups.append(SharedSteps(block, runs[first:last], first, last, steps))
        first = last
    return groups


class StepGroup:
    """Networks that take their optimizer steps together.

    Parameters
    ----------
    run : TrainingRun
        Gives learning rates and schedule.
    optimizer : Optimizer
    n_steps : int
        Of an epoch.
    """

    def __init__(self, run: Any, optimizer: torch.optim.Optimizer, n_steps: int) -> None:
        self.n_steps = n_steps
        self._run = run
        self._optimizer = optimizer

    def begin_epoch(self) -> None:
        """Look up the learning rates of the epoch."""
        self._rates = self._run.rates.of_epoch(self._run.net.n_steps_, self.n_steps)

    def step(self, index: int) -> None:
        """Take step ``index`` of the epoch, unless the epoch is shorter."""
        if index >= self.n_steps:
            return
        if self._rates is not None:
            for group, lr in zip(self._optimizer.param_groups, self._rates[index], strict=True):
                group["lr"] = lr
        self.take_step()

    def take_step(self) -> None:
        """Take a step at the present rates."""
        self._optimizer.step()

    def release(self) -> None:
        """Hand over to the networks' own optimizers what was learnt on the way."""


class OwnSteps(StepGroup):
    """One network with an optimizer that looks at whole tensors: its own, on views."""

    def __init__(self, block: ModuleBlock, run: Any, row: int, n_steps: int) -> None:
        super().__init__(run, run.net.optimizer_, n_steps)
        self._places = []
        for name, parameter in run.net.module_.named_parameters():
            start, stop, shape = block.columns[name]
            places = (rows[row, start:stop].view(shape) for rows in (block.values, block.gradients))
            self._places.append((parameter, *places))

    def take_step(self) -> None:
        """Take a step, after which weights and gradients are where they were."""
        for parameter, _, gradient in self._places:
            parameter.grad = gradient
        self._optimizer.step()
        # An optimizer may put other tensors in their place.
        for parameter, value, _ in self._places:
            if parameter.data_ptr() != value.data_ptr():
                value.copy_(parameter.data)
                parameter.data = value


class SharedSteps(StepGroup):
    """Neighbours in the block, one optimizer over all their numbers."""

    def __init__(
        self, block: ModuleBlock, runs: Sequence[Any], first: int, last: int, n_steps: int
    ) -> None:
        self._block = block
        self._runs = runs
        self._rows = torch.nn.Parameter(block.values[first:last])
        self._rows.grad = block.gradients[first:last]
        own = runs[0].net.optimizer_
        accepted = inspect.signature(type(own)).parameters
        options = {k: v for k, v in own.param_groups[0].items() if k != "params"}
        # A schedule may have come to a rate that the constructor refuses.
        given = {k: v for k, v in options.items() if k in accepted and k != "lr"}
        optimizer = type(own)([self._rows], **given)
        optimizer.param_groups[0].update(options)
        super().__init__(runs[0], optimizer, n_steps)
        self._take_state()

    @property
    def state(self) -> dict[str, Any]:
        """What the optimizer has learnt: numbers, and tensors of shape (m, n)."""
        return self._optimizer.state[self._rows]

    def _take_state(self) -> None:
        """Go on from the state of the networks' own optimizers."""
        own = [run.net.optimizer_.state for run in self._runs]
        first = next(self._runs[0].net.module_.parameters())
        self._optimizer.state.pop(self._rows, None)
        for name, value in own[0].get(first, {}).items():
            if _is_scalar(value):
                value = value.clone() if isinstance(value, torch.Tensor) else value
            elif value is not None:
                value = self._block.laid_out(
                    [
                        {path: state[p][name] for path, p in run.net.module_.named_parameters()}
                        for state, run in zip(own, self._runs, strict=True)
                    ]
                )
            self._optimizer.state[self._rows][name] = value

    def release(self) -> None:
        """Cut the state up for the networks' own optimizers."""
        shared = self._optimizer.state.get(self._rows, {})
        for row, run in enumerate(self._runs):
            for name, parameter in run.net.module_.named_parameters():
                start, stop, shape = self._block.columns[name]
                for key, value in shared.items():
                    if isinstance(value, torch.Tensor):
                        part = value if value.ndim == 0 else value[row, start:stop].view(shape)
                        value = part.clone()
                    run.net.optimizer_.state[parameter][key] = value


def has_step_hooks(optimizer: torch.optim.Optimizer) -> bool:
    """Tell whether somebody wants to hear of the steps of this very optimizer.

    torch's schedulers, and others, put a ``step`` of their own in its place.
    """
    names = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
    return "step" in vars(optimizer) or any(getattr(optimizer, name, None) for name in names)


def common_key(run: Any, row: int) -> Any:
    """Return what neighbours need in common to step together; None for those that cannot."""
    optimizer = run.net.optimizer_
    if type(optimizer) not in ELEMENTWISE or len(optimizer.param_groups) != 1:
        return None
    group = optimizer.param_groups[0]
    parameters = list(run.net.module_.parameters())
    if {id(p) for p in group["params"]} != {id(p) for p in parameters}:
        return None
    scalars = []
    for parameter in parameters:
        state = optimizer.state.get(parameter, {})
        # A tensor such as a momentum, None or not there yet: all of a group have it or none has.
        scalars.append(tuple((k, _entry(v)) for k, v in state.items()))
    if len(set(scalars)) != 1:
        return None
    course = run.rates.course(run.net.n_steps_)
    if course is None or isinstance(group["lr"], torch.Tensor):
        return row  # no neighbour has it
    options = tuple(sorted((k, v) for k, v in group.items() if k != "params"))
    return type(optimizer), options, course, scalars[0]


def _is_scalar(value: Any) -> bool:
    return value is not None and (not isinstance(value, torch.Tensor) or value.ndim == 0)


def _entry(value: Any) -> Any:
    """Return a number of the state, or which kind of entry it is."""
    if not isinstance(value, torch.Tensor):
        return value
    return value.item() if value.ndim == 0 else torch.Tensor
