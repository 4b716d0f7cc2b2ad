"""The steps of a training pass: gradients of a batch, clipping, the optimizer's update.

Two ways, the same numbers but for the order of summation. Autograd serves any module. Dense
networks on a CPU do without its graph, which is a third of a small network's step: gradients by
hand, one kernel that updates all weights, in a stack of networks (``_stack_module.py``) that is one
network high.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch

from sklearn_trainkit.callbacks._clipping import clip_gradients_
from sklearn_trainkit.neural_network._callback_hooks import want_a_graph
from sklearn_trainkit.neural_network._loop_settings import LoopSettings
from sklearn_trainkit.neural_network._precision import MixedPrecision
from sklearn_trainkit.neural_network._stack_module import (
    ModuleBlock,
    StackedNetwork,
    check_unshared,
)
from sklearn_trainkit.neural_network._stacked_clipping import make_clipping
from sklearn_trainkit.neural_network._stacked_layers import NotStackableError
from sklearn_trainkit.neural_network._stacked_optimizers import has_step_hooks, make_step_groups
from sklearn_trainkit.neural_network._tensor_loader import TensorRows

__all__ = ["GraphStep", "GraphlessStep", "TrainingStep", "goes_without_graph"]

# Leaves the clipped gradients of the batch; returns loss and output.
Again = Callable[[], tuple[torch.Tensor, torch.Tensor]]


class TrainingStep(Protocol):
    """What the training loop does with each batch, in this order."""

    def leave_gradients(self, batch: TensorRows) -> tuple[torch.Tensor, torch.Tensor]:
        """Leave the gradients of a batch in the parameters; return loss and output."""

    def clip(self) -> None:
        """Clip these gradients."""

    def update(self, again: Again) -> None:
        """Take the optimizer's step; ``again`` leaves the clipped gradients once more."""

    def end_pass(self) -> None:
        """Show the optimizer's state, at the end of an epoch."""

    def release(self) -> None:
        """Make network and optimizer ordinary ones again."""


class GraphStep:
    """Steps by autograd, for any module, optimizer and precision.

    Parameters
    ----------
    net : estimator
        With ``module_``, ``criterion_`` and ``optimizer_``.
    parameters : sequence of Parameter
        Those that are trained.
    settings : LoopSettings
    precision : MixedPrecision
    """

    def __init__(
        self,
        net: Any,
        parameters: Sequence[torch.nn.Parameter],
        settings: LoopSettings,
        precision: MixedPrecision,
    ) -> None:
        self._net = net
        self._parameters = parameters
        self._clippings = settings.clip_norm, settings.clip_value, settings.clip_adaptive
        self._precision = precision
        # Compiled for training only: module_ itself stays plain, to be pickled and inspected.
        self._forward = torch.compile(net.module_) if settings.compile else net.module_
        self._needs_closure = isinstance(net.optimizer_, torch.optim.LBFGS)

    def leave_gradients(self, batch: TensorRows) -> tuple[torch.Tensor, torch.Tensor]:
        """Leave the gradients of a batch in the parameters; return loss and output."""
        for parameter in self._parameters:
            parameter.grad = None
        output = self._precision.run(self._forward, batch.X)
        loss = self._precision.run(self._net.criterion_, output, batch.y, batch.weight)
        self._precision.backward(loss, self._net.optimizer_)
        return loss, output

    def clip(self) -> None:
        """Clip these gradients."""
        clip_gradients_(self._parameters, *self._clippings)

    def update(self, again: Again) -> None:
        """Take the optimizer's step, for which some evaluate the loss several times."""
        if self._needs_closure:
            self._net.optimizer_.step(lambda: again()[0])
        else:
            self._precision.step(self._net.optimizer_)

    def end_pass(self) -> None:
        """Do nothing: the optimizer is the network's own."""

    def release(self) -> None:
        """Do nothing: network and optimizer are as ever."""


class GraphlessStep:
    """Steps of one dense network without a graph.

    Until ``release`` the parameters, their ``grad`` and the optimizer's state are views of a block;
    reading them, or writing into them, is as ever.

    Parameters
    ----------
    run : TrainingRun

    Raises
    ------
    NotStackableError
        If some of the network's layers, or its loss, need a graph; the network is as it was.
    """

    def __init__(self, run: Any) -> None:
        net, settings = run.net, run.settings
        check_unshared(net.module_)
        self._block = ModuleBlock([net.module_])
        try:
            self._network = StackedNetwork(self._block, [net.criterion_], 0, 1)
            self._block.check_all_used()
        except NotStackableError:
            self._block.detach()
            raise
        self._block.show_gradients()
        self._group = make_step_groups(self._block, [run], [len(run.loader)])[0]
        self._clippings = make_clipping(
            self._block, [settings.clip_norm], [settings.clip_value], [settings.clip_adaptive]
        )

    @torch.no_grad()
    def leave_gradients(self, batch: TensorRows) -> tuple[torch.Tensor, torch.Tensor]:
        """Leave the gradients of a batch in the parameters; return loss and output."""
        X, y, weight = (None if rows is None else rows.unsqueeze(0) for rows in batch)
        assert X is not None
        assert y is not None
        losses, outputs = self._network.leave_gradients(X, y, weight)
        return losses[0], outputs[0]

    @torch.no_grad()
    def clip(self) -> None:
        """Clip these gradients."""
        for clip in self._clippings:
            clip()

    def update(self, again: Again) -> None:
        """Take the optimizer's step."""
        self._group.step_at_own_rates()

    def end_pass(self) -> None:
        """Show the optimizer's state to the network's own optimizer."""
        self._group.lend()

    def release(self) -> None:
        """Give network and optimizer storage of their own again."""
        self._group.release()
        self._block.detach()


def goes_without_graph(run: Any) -> bool:
    """Tell whether a training may try :class:`GraphlessStep`: its layers are not looked at.

    Not on a GPU, where nobody has measured it.
    """
    net, settings, rows = run.net, run.settings, run.loader.rows
    return (
        rows.device.type == "cpu"
        and len(rows.sample_shape) == 1
        and settings.precision == "full"
        and not settings.compile
        and not isinstance(net.optimizer_, torch.optim.LBFGS)
        and not has_step_hooks(net.optimizer_)
        and not any(True for _ in net.criterion_.parameters())
        and not want_a_graph(net)
    )
