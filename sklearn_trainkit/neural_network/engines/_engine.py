"""The steps of a training pass: gradients of a batch, clipping, the optimizer's update.

Two ways, the same numbers but for the order of summation. Autograd serves any module. Dense
networks on a CPU do without its graph, which is a third of a small network's step: gradients by
hand, one kernel that updates all weights, in a stack of networks (``stacking/_module_block.py``)
that is one network high.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch

from sklearn_trainkit.callbacks._clipping import clip_gradients_
from sklearn_trainkit.neural_network.batches._tensor_loader import TensorRows
from sklearn_trainkit.neural_network.engines._optimizers import (
    refuse_sparse_clipping,
    take_sparse_gradients,
)
from sklearn_trainkit.neural_network.engines._precision import MixedPrecision
from sklearn_trainkit.neural_network.engines._settings import LoopSettings
from sklearn_trainkit.neural_network.stacking._module_block import (
    ModuleBlock,
    StackedNetwork,
    check_unshared,
)
from sklearn_trainkit.neural_network.stacking._stacked_clipping import make_clipping
from sklearn_trainkit.neural_network.stacking._stacked_optimizers import make_step_groups

__all__ = ["GraphStep", "GraphlessStep", "TrainingStep"]

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
        """Drop what the last batch has left behind."""

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
        self._has_stepped = False
        # Compiled for training only: module_ itself stays plain, to be pickled and inspected.
        self._forward = torch.compile(net.module_) if settings.compile else net.module_

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
        if not self._has_stepped:
            refuse_sparse_clipping(self._net.module_.named_parameters())
        clip_gradients_(self._parameters, *self._clippings)

    def update(self, again: Again) -> None:
        """Take the optimizer's step, for which some evaluate the loss several times."""
        if not self._has_stepped:
            self._has_stepped = True
            take_sparse_gradients(self._net.optimizer_, self._net.module_.named_parameters())
        if isinstance(self._net.optimizer_, torch.optim.LBFGS):
            self._net.optimizer_.step(lambda: again()[0])
        else:
            self._precision.step(self._net.optimizer_)

    def end_pass(self) -> None:
        """Do nothing: the graph is gone already."""

    def release(self) -> None:
        """Do nothing: network and optimizer are as ever."""


class GraphlessStep:
    """Steps of one dense network without a graph.

    Until ``release`` the parameters and their ``grad`` are views of a block, which may be read and
    written into, but not replaced; and the network's own optimizer knows of learning rates only. So
    that is for the time in which nobody looks, or only those of whom it is known what they do.

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
        self._parameters = list(net.module_.parameters())
        self._block = ModuleBlock([net.module_], keep_storage=True)
        try:
            self._network = StackedNetwork(self._block, [net.criterion_], 0, 1)
            self._block.check_all_used()
            self._block.show_gradients()
            self._group = make_step_groups(self._block, [run], [len(run.loader)])[0]
            self._clippings = make_clipping(
                self._block, [settings.clip_norm], [settings.clip_value], [settings.clip_adaptive]
            )
        except BaseException:
            self._block.detach()
            raise

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
        """Drop what the last batch has left behind."""
        self._network.forget()

    def release(self) -> None:
        """Give network and optimizer storage of their own again, the last gradients too."""
        self._group.release()
        gradients = [None if p.grad is None else p.grad.clone() for p in self._parameters]
        self._block.detach()
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
