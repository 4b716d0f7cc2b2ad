"""Skip connections: residual addition, dense concatenation and long encoder-decoder skips.

References
----------
He, Zhang, Ren, Sun: Deep residual learning for image recognition. CVPR 2016.
Huang, Liu, van der Maaten, Weinberger: Densely connected convolutional networks. CVPR 2017.
Ronneberger, Fischer, Brox: U-Net. MICCAI 2015.
"""

from collections.abc import Sequence

import torch
from torch import nn

SKIPS = ("add", "concat", "long")


class PlainStack(nn.Sequential):
    """Layers one after the other."""


class ResidualLayer(nn.Module):
    """Add a layer's input to its output.

    Where the widths differ, the input goes through a linear projection without bias. The term
    dL/dH reaches the input whole (times the projection), whatever the layer's own gradient.

    Parameters
    ----------
    layer : Module
        Maps (N, n_in) to (N, n_out).
    n_in, n_out : int

    Examples
    --------
    >>> ResidualLayer(nn.Linear(3, 5), 3, 5)(torch.zeros(2, 3)).shape
    torch.Size([2, 5])
    """

    def __init__(self, layer: nn.Module, n_in: int, n_out: int) -> None:
        super().__init__()
        self.layer = layer
        self.projection = nn.Linear(n_in, n_out, bias=False) if n_in != n_out else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``layer(x) + x``, with ``x`` projected where the widths differ."""
        shortcut = x if self.projection is None else self.projection(x)
        return shortcut + self.layer(x)


class ConcatLayer(nn.Module):
    """Hand on a layer's input beside its output, so that later layers see all features.

    Examples
    --------
    >>> ConcatLayer(nn.Linear(3, 5))(torch.zeros(2, 3)).shape
    torch.Size([2, 8])
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``x`` and ``layer(x)`` joined along axis 1."""
        return torch.cat([x, self.layer(x)], dim=1)


class LongSkipStack(nn.Module):
    """Join each layer of the first half to its mirror in the second half, as in a U-Net.

    Of layers 0 to n - 1, layer ``n - 1 - i`` sees the output of layer ``i`` beside that of its
    predecessor, for ``i < n // 2``; it has to be built for the joint width.

    Examples
    --------
    >>> stack = LongSkipStack([nn.Linear(4, 8), nn.Linear(8, 2), nn.Linear(2 + 8, 8)])
    >>> stack(torch.zeros(5, 4)).shape
    torch.Size([5, 8])
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the layers with their long skips."""
        half = len(self.layers) // 2
        kept: list[torch.Tensor] = []
        for index, layer in enumerate(self.layers):
            if index >= len(self.layers) - half:
                x = torch.cat([x, kept.pop()], dim=1)
            x = layer(x)
            if index < half:
                kept.append(x)
        return x


def check_mirrored(hidden_units: Sequence[int]) -> None:
    """Raise if the widths do not read the same from both ends."""
    if len(hidden_units) < 3 or list(hidden_units) != list(reversed(hidden_units)):
        raise ValueError(
            "skip='long' joins mirrored layers, so hidden_units has to read the same from both "
            f"ends and have at least 3 entries, such as (64, 16, 64). Got {tuple(hidden_units)!r}."
        )
