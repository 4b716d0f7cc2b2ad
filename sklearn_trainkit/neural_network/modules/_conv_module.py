"""The convolutional network behind ``ConvNetClassifier`` and ``ConvNetRegressor``."""

from collections.abc import Sequence
from math import prod

import torch
from torch import nn

from sklearn_trainkit.neural_network.modules._conv_blocks import (
    ConvStyle,
    DenseConvLayer,
    ResidualBlock,
    conv_layer,
    halving_pool,
    layers,
)
from sklearn_trainkit.neural_network.modules._initialization import initialize_
from sklearn_trainkit.neural_network.modules._input_standardization import InputStandardization

CONV_SKIPS = ("add", "concat")
POOLINGS = {"average": nn.AdaptiveAvgPool2d, "max": nn.AdaptiveMaxPool2d}


class ConvModule(nn.Module):
    """Stages of convolutions, each at half the size of the one before, then global pooling.

    Parameters
    ----------
    n_channels, n_outputs : int
    channels : sequence of int, default=(16, 32, 64, 128)
        Width of each stage. With ``skip="concat"``, the width that a stage starts with.
    n_blocks : sequence of int, default=(1, 1, 1, 1)
        Blocks of each stage: layers, residual blocks of two layers, or densely connected layers.
    style : ConvStyle
    skip : {"add", "concat"} or None, default=None
    growth_rate : int, default=12
        Channels that each layer adds, for ``skip="concat"``.
    downsample : {"max_pool", "average_pool", "stride"}, default="max_pool"
    pooling : {"average", "max"} or None, default="average"
        None hands all positions to the output layer, for images of ``image_size``.
    image_size : tuple of (height, width) or None, default=None
    standardize : bool, default=False
        Whether the input is standardized by the statistics of the training rows.

    Examples
    --------
    >>> ConvModule(1, 10)(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(
        self,
        n_channels: int,
        n_outputs: int,
        *,
        channels: Sequence[int] = (16, 32, 64, 128),
        n_blocks: Sequence[int] = (1, 1, 1, 1),
        style: ConvStyle = ConvStyle(),  # noqa: B008
        skip: str | None = None,
        growth_rate: int = 12,
        downsample: str = "max_pool",
        pooling: str | None = "average",
        image_size: tuple[int, int] | None = None,
        standardize: bool = False,
    ) -> None:
        super().__init__()
        self.standardize = InputStandardization(n_channels) if standardize else None
        if skip == "concat":
            self.stages, width = dense_stages(
                style, n_channels, channels, n_blocks, growth_rate, downsample
            )
        else:
            self.stages, width = block_stages(
                style, n_channels, channels, n_blocks, skip, downsample
            )
        if pooling is None:
            if image_size is None:
                raise ValueError("pooling=None needs an image_size. Got image_size=None.")
            n_halvings = len(channels) - 1
            width *= prod(-(-size // 2**n_halvings) for size in image_size)
        output = nn.Linear(width, n_outputs)
        initialize_(output, style.init)
        pool = nn.Identity() if pooling is None else POOLINGS[pooling](1)
        self.head = layers(pool, nn.Flatten(), style.drop(), output)
        # On a CPU convolutions and pooling over this layout take 0.6 to 0.7 of the time.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, n_channels, H, W) to (N, n_outputs)."""
        x = x.contiguous(memory_format=torch.channels_last)
        if self.standardize is not None:
            x = self.standardize(x)
        return self.head(self.stages(x))


def block_stages(
    style: ConvStyle,
    n_channels: int,
    channels: Sequence[int],
    n_blocks: Sequence[int],
    skip: str | None,
    downsample: str,
) -> tuple[nn.Module, int]:
    """Return stages of plain layers or residual blocks, and the width of their output.

    Residual stages start after a first plain layer, as in the ResNets for small images.
    """
    stages: list[nn.Module] = []
    width = n_channels
    if skip == "add":
        stages.append(conv_layer(style._replace(dropout=0.0), n_channels, channels[0]))
        width = channels[0]
    block = ResidualBlock if skip == "add" else conv_layer
    for stage, (n_out, count) in enumerate(zip(channels, n_blocks, strict=True)):
        blocks: list[nn.Module] = [halving_pool(downsample)] if stage else []
        for index in range(count):
            stride = 2 if stage and index == 0 and downsample == "stride" else 1
            blocks.append(block(style, width, n_out, stride))
            width = n_out
        stages.append(layers(*blocks))
    return nn.Sequential(*stages), width


def dense_stages(
    style: ConvStyle,
    n_channels: int,
    channels: Sequence[int],
    n_blocks: Sequence[int],
    growth_rate: int,
    downsample: str,
) -> tuple[nn.Module, int]:
    """Return densely connected stages with transitions between them, and their width."""
    stages: list[nn.Module] = []
    width = n_channels
    for stage, (n_out, count) in enumerate(zip(channels, n_blocks, strict=True)):
        if stage == 0:
            start = layers(style.conv(width, n_out))
        else:
            stride = 2 if downsample == "stride" else 1
            start = layers(
                style.normalization(width),
                style.activate(),
                style.conv(width, n_out, size=1, stride=stride),
                halving_pool(downsample),
            )
        width = n_out
        blocks: list[nn.Module] = []
        for _ in range(count):
            blocks.append(DenseConvLayer(style, width, growth_rate))
            width += growth_rate
        stages.append(layers(start, *blocks))
    stages.append(layers(style.normalization(width), style.activate()))
    return nn.Sequential(*stages), width
