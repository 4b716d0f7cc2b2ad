"""Convolutional building blocks: plain, residual and densely connected.

All map (N, C_in, H, W) to (N, C_out, H', W').

References
----------
Simonyan, Zisserman: Very deep convolutional networks. ICLR 2015. He, Zhang, Ren, Sun: Deep
residual learning for image recognition. CVPR 2016. Huang, Liu, van der Maaten, Weinberger:
Densely connected convolutional networks. CVPR 2017.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from sklearn_trainkit.neural_network.modules._activations import make_activation
from sklearn_trainkit.neural_network.modules._dropout import SeededDropout
from sklearn_trainkit.neural_network.modules._initialization import activation_gain, initialize_
from sklearn_trainkit.neural_network.modules._normalization import make_norm


class ConvStyle(NamedTuple):
    """What all blocks of a network have in common.

    Attributes
    ----------
    kernel_size : int
        Odd; the input is padded with zeros to keep its size.
    activation, norm, norm_groups, init
        As for the dense networks.
    dropout : float
    """

    kernel_size: int = 3
    activation: str | Callable[[], nn.Module] = "relu"
    norm: str | None = "batch"
    norm_groups: int | str = "auto"
    dropout: float = 0.0
    init: str | Callable[[torch.Tensor], object] = "default"

    def conv(self, n_in: int, n_out: int, *, size: int | None = None, stride: int = 1) -> nn.Conv2d:
        """Return a convolution, without bias where batch norm would subtract it again."""
        size = self.kernel_size if size is None else size
        conv = nn.Conv2d(
            n_in, n_out, size, stride=stride, padding=size // 2, bias=self.norm != "batch"
        )
        initialize_(conv, self.init, activation_gain(self.activation))
        return conv

    def normalization(self, n_channels: int) -> nn.Module:
        """Return the normalization layer, or an identity."""
        return make_norm(self.norm, n_channels, self.norm_groups, n_dims=2) or nn.Identity()

    def activate(self) -> nn.Module:
        """Return the activation."""
        return make_activation(self.activation)

    def drop(self) -> nn.Module:
        """Return the dropout layer, or an identity."""
        return SeededDropout(self.dropout) if self.dropout > 0 else nn.Identity()


def layers(*modules: nn.Module) -> nn.Sequential:
    """Return the modules one after the other, without those that do nothing."""
    return nn.Sequential(*(m for m in modules if type(m) is not nn.Identity))


def conv_layer(style: ConvStyle, n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    """Return convolution, normalization, activation and dropout.

    Examples
    --------
    >>> conv_layer(ConvStyle(), 3, 8, stride=2)(torch.zeros(2, 3, 9, 9)).shape
    torch.Size([2, 8, 5, 5])
    """
    return layers(
        style.conv(n_in, n_out, stride=stride),
        style.normalization(n_out),
        style.activate(),
        style.drop(),
    )


class ResidualBlock(nn.Module):
    """Two convolutions whose input is added to their output before the last activation.

    Where size or channels change, the input goes through a strided 1x1 convolution with the same
    normalization. The term dL/dH reaches the input whole (times the projection).

    Examples
    --------
    >>> ResidualBlock(ConvStyle(), 8, 16, stride=2)(torch.zeros(2, 8, 8, 8)).shape
    torch.Size([2, 16, 4, 4])
    """

    def __init__(self, style: ConvStyle, n_in: int, n_out: int, stride: int = 1) -> None:
        super().__init__()
        self.body = layers(
            style.conv(n_in, n_out, stride=stride),
            style.normalization(n_out),
            style.activate(),
            style.drop(),
            style.conv(n_out, n_out),
            style.normalization(n_out),
        )
        self.projection = None
        if n_in != n_out or stride != 1:
            shortcut = style.conv(n_in, n_out, size=1, stride=stride)
            self.projection = layers(shortcut, style.normalization(n_out))
        self.activation = style.activate()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the activation of ``body(x) + x``."""
        shortcut = x if self.projection is None else self.projection(x)
        return self.activation(self.body(x) + shortcut)


class DenseConvLayer(nn.Module):
    """Normalization, activation and convolution, whose output joins its input as new channels.

    Examples
    --------
    >>> DenseConvLayer(ConvStyle(), 8, growth_rate=4)(torch.zeros(2, 8, 6, 6)).shape
    torch.Size([2, 12, 6, 6])
    """

    def __init__(self, style: ConvStyle, n_in: int, growth_rate: int) -> None:
        super().__init__()
        self.body = layers(
            style.normalization(n_in),
            style.activate(),
            style.conv(n_in, growth_rate),
            style.drop(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``x`` and ``body(x)`` joined along the channels."""
        return torch.cat([x, self.body(x)], dim=1)


DOWNSAMPLING = ("average_pool", "max_pool", "stride")


def halving_pool(downsample: str) -> nn.Module:
    """Return what halves height and width between stages; sizes are rounded up."""
    if downsample == "average_pool":
        return nn.AvgPool2d(2, ceil_mode=True)
    if downsample == "max_pool":
        return nn.MaxPool2d(2, ceil_mode=True)
    return nn.Identity()
