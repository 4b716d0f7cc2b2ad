"""The weights to come back to when training has gone on for too long, or has gone wrong."""

import math

import torch


class KeptWeights:
    """Remembers the weights of the best epoch, or of the last sound one.

    Parameters
    ----------
    module : Module
        Its present weights are those of epoch 0.
    patience : int or None
        Keep the epoch with the lowest loss, and ask to stop after so many epochs without a lower
        one. None keeps the last epoch and never asks.
    """

    def __init__(self, module: torch.nn.Module, patience: int | None) -> None:
        self.epoch = 0
        self._patience = patience
        self._loss = math.inf
        self._state = copied_state(module)

    def tell(self, module: torch.nn.Module, epoch: int, loss: float) -> bool:
        """Take in the loss of ``epoch``; return whether patience is at an end."""
        if self._patience is None or loss < self._loss:
            self.epoch, self._loss = epoch, loss
            self._state = copied_state(module)
        return self._patience is not None and epoch - self.epoch >= self._patience

    def restore(self, module: torch.nn.Module) -> None:
        """Load the remembered weights."""
        module.load_state_dict(self._state)


def copied_state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of the module's weights and buffers."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}
