"""Dropout that draws from a generator of its own, so that fits never share randomness."""

from typing import Any

import torch
from torch import nn


class SeededDropout(nn.Module):
    """Zero entries with probability ``p`` while training and scale the rest by 1 / (1 - p).

    As :class:`torch.nn.Dropout`, but the mask comes from ``generator`` where one is set. Two
    networks trained in turns or in two threads then draw what they would have drawn alone.

    Parameters
    ----------
    p : float
        Probability of a zero, in [0, 1).

    References
    ----------
    Srivastava et al.: Dropout. JMLR 2014.

    Examples
    --------
    >>> dropout = SeededDropout(0.5)
    >>> dropout.generator = torch.Generator().manual_seed(0)
    >>> dropout(torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.generator: torch.Generator | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``x`` with dropped entries while training, ``x`` itself when evaluating."""
        if not self.training or self.p == 0.0:
            return x
        keep = 1.0 - self.p
        mask = torch.empty_like(x, requires_grad=False).bernoulli_(keep, generator=self.generator)
        return x * mask.div_(keep)

    def extra_repr(self) -> str:
        """Show the probability in the module's repr."""
        return f"p={self.p}"

    def __getstate__(self) -> dict[str, Any]:
        # Generators belong to a fit in progress; they do not travel with the weights.
        return {**self.__dict__, "generator": None}


def set_dropout_generator(module: nn.Module, generator: torch.Generator | None) -> None:
    """Give ``generator`` to every dropout layer of ours inside ``module``."""
    for layer in module.modules():
        if isinstance(layer, SeededDropout):
            layer.generator = generator
