"""The engine for any module, loss, optimizer and precision: gradients by torch's autograd."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch

from sklearn_trainkit.callbacks._clipping import clip_gradients_
from sklearn_trainkit.neural_network.batches._tensor_loader import TensorRows
from sklearn_trainkit.neural_network.engines._batch_loop import Again, SteppedEngine
from sklearn_trainkit.neural_network.engines._engine import EpochSteps, Trainee
from sklearn_trainkit.neural_network.engines._optimizers import (
    refuse_sparse_clipping,
    take_sparse_gradients,
)

__all__ = ["AutogradEngine"]


class AutogradEngine(SteppedEngine):
    """Trains one network, whatever it is made of.

    Parameters
    ----------
    runs : sequence of one Trainee
    """

    name: ClassVar[str] = "autograd"
    takes_several: ClassVar[bool] = False

    def __init__(self, runs: Sequence[Trainee]) -> None:
        super().__init__(runs)
        self._run = runs[0]
        self._net = self._run.net
        self._parameters = [parameter for _, parameter in self._run.named]
        self._limits = self._run.settings.clippings
        self._clips = any(limit is not None for limit in self._limits)
        self._has_stepped = False

    @staticmethod
    def obstacle(runs: Sequence[Trainee]) -> str | None:
        """Return None: it trains everything."""
        return None

    @staticmethod
    def no_gain(runs: Sequence[Trainee]) -> str | None:
        """Return None: there is no other to take in its place."""
        return None

    def train_epoch(self) -> list[EpochSteps]:
        """Train an epoch; return what came of it."""
        return [self._take_steps()]

    def release(self) -> None:
        """Do nothing: network and optimizer are as ever."""

    def _batches(self) -> Iterator[TensorRows]:
        self._n_steps_before = self._net.n_steps_
        augment, generator = self._run.augment, self._run.streams.augmentation
        for batch in self._run.loader:
            yield batch if augment is None else augment(batch, generator)

    def _rows_of(self, batch: TensorRows) -> TensorRows:
        return batch

    def _size_of(self, batch: TensorRows) -> int:
        return self._net._targets.n_counted(self._net, batch)

    def _leave_gradients(self, step: int, batch: TensorRows) -> tuple[torch.Tensor, torch.Tensor]:
        net, precision = self._net, self._run.precision
        # Each time anew: whoever listens to steps may have set another rate.
        self._run.rates.set(net.optimizer_, self._n_steps_before + step)
        for parameter in self._parameters:
            parameter.grad = None
        output = self._output(batch.X)
        loss = precision.run(net.criterion_, output, batch.y, batch.weight)
        precision.backward(loss, net.optimizer_)
        return loss, output

    def _output(self, X: torch.Tensor) -> torch.Tensor:
        try:
            return self._run.precision.run(self._run.forward, X)
        except IndexError as error:
            self._net._architecture.refuse(self._net, X, error)
            raise

    def _clip(self) -> None:
        if not self._clips:
            return
        if not self._has_stepped:
            refuse_sparse_clipping(self._net.module_.named_parameters())
        clip_gradients_(self._parameters, *self._limits)

    def _update(self, step: int, again: Again) -> None:
        if not self._has_stepped:
            self._has_stepped = True
            take_sparse_gradients(self._net.optimizer_, self._net.module_.named_parameters())
        if isinstance(self._net.optimizer_, torch.optim.LBFGS):
            # It evaluates the loss several times a step.
            self._net.optimizer_.step(lambda: again()[0])
        else:
            self._run.precision.step(self._net.optimizer_)
