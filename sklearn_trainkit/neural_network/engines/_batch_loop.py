"""The loop over training batches, for engines that take one step after the other.

What plain skorch spends most of its time on is kept out of it: rows are sliced in whole batches,
and hooks are called, and batches recorded, only where somebody listens or reads them.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch

from sklearn_trainkit.neural_network.batches._tensor_loader import TensorRows
from sklearn_trainkit.neural_network.engines._callback_hooks import Listeners
from sklearn_trainkit.neural_network.engines._engine import EpochSteps, Trainee

__all__ = ["Again", "SteppedEngine"]

# Leaves the clipped gradients of the step's batch; returns loss and output.
Again = Callable[[], tuple[torch.Tensor, torch.Tensor]]


class SteppedEngine(ABC):
    """An engine that leaves gradients, clips them and updates the weights, batch by batch.

    Only a lone network has listeners to its steps, and stops at a loss that is not finite: what a
    loss is costs a GPU a wait, so those of several networks are read at the end of the epoch.

    Parameters
    ----------
    runs : sequence of Trainee
    """

    def __init__(self, runs: Sequence[Trainee]) -> None:
        self._runs = list(runs)
        self._is_alone = len(runs) == 1

    def _take_steps(self) -> EpochSteps:
        """Take the steps of an epoch; return what came of them, of a lone network."""
        listeners = self._runs[0].listeners
        heard = listeners if self._is_alone and listeners.hear_steps else None
        losses: list[float] = []
        sizes: list[int] = []
        for step, batch in enumerate(self._batches()):
            rows = None
            if heard is not None:
                rows = self._rows_of(batch)
                heard.begin_batch(rows, training=True)
            again = partial(self._leave_clipped, step, batch, heard, rows)
            loss, output = again()
            if self._is_alone:
                losses.append(loss.item())
                sizes.append(self._size_of(batch))
                if not math.isfinite(losses[-1]):
                    break
            self._update(step, again)
            if heard is not None:
                assert rows is not None
                self._runs[0].net.n_steps_ += 1  # listeners may look at it
                heard.end_batch(rows, True, loss, output, losses[-1], sizes[-1])
        return EpochSteps(losses, sizes, heard is not None and heard.records_batches)

    def _leave_clipped(
        self, step: int, batch: Any, heard: Listeners | None, rows: TensorRows | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Leave the clipped gradients of a batch in the parameters; return loss and output."""
        loss, output = self._leave_gradients(step, batch)
        if heard is not None and rows is not None:
            heard.hear_gradients(self._runs[0].named, rows)
        self._clip()
        return loss, output

    @abstractmethod
    def _batches(self) -> Iterable[Any]:
        """Return the batches of an epoch, one a step."""

    @abstractmethod
    def _rows_of(self, batch: Any) -> TensorRows:
        """Return a lone network's batch as listeners see it."""

    @abstractmethod
    def _size_of(self, batch: Any) -> int:
        """Return what the loss of a lone network's batch is the mean over."""

    @abstractmethod
    def _leave_gradients(self, step: int, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Leave the gradients of a batch in the parameters.

        Returns loss and output of a lone network; those of several are the engine's own affair.
        """

    @abstractmethod
    def _clip(self) -> None:
        """Clip these gradients, if they are to be clipped."""

    @abstractmethod
    def _update(self, step: int, again: Again) -> None:
        """Take the optimizer's step; ``again`` leaves the clipped gradients once more."""
