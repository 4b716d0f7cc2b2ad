"""The encoder-decoder with long skips behind ``UNetSegmenter``.

References
----------
Ronneberger, Fischer, Brox: U-Net: Convolutional networks for biomedical image segmentation.
MICCAI 2015.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise, product

import torch
from torch import nn
from torch.nn import functional

from sklearn_trainkit.neural_network.modules._conv_blocks import ConvStyle, conv_layer, layers
from sklearn_trainkit.neural_network.modules._initialization import initialize_
from sklearn_trainkit.neural_network.modules._input_standardization import InputStandardization

LONG_SKIPS = ("add", "concat")
UPSAMPLING = ("bilinear", "nearest", "transpose")

Init = str | Callable[[torch.Tensor], object]


class UNetModule(nn.Module):
    """Convolutions down to small maps and up again, joined level by level.

    Parameters
    ----------
    n_channels, n_outputs : int
    channels : sequence of int, default=(16, 32, 64, 128)
        Width of each level, from the full size down; each level halves height and width.
    n_blocks : sequence of int, default=(2, 2, 2, 2)
        Convolutional layers of each level, on the way down and on the way up.
    style : ConvStyle
    skip : {"concat", "add"} or None, default="concat"
        What becomes of a level's maps on the way up.
    upsample : {"transpose", "bilinear", "nearest"}, default="transpose"
        Transposed 2x2 convolution, or interpolation and a 1x1 convolution.
    standardize : bool, default=False

    Examples
    --------
    >>> UNetModule(3, 2, channels=(4, 8), n_blocks=(1, 1))(torch.zeros(2, 3, 13, 10)).shape
    torch.Size([2, 2, 13, 10])
    """

    def __init__(
        self,
        n_channels: int,
        n_outputs: int,
        *,
        channels: Sequence[int] = (16, 32, 64, 128),
        n_blocks: Sequence[int] = (2, 2, 2, 2),
        style: ConvStyle = ConvStyle(),  # noqa: B008
        skip: str | None = "concat",
        upsample: str = "transpose",
        standardize: bool = False,
    ) -> None:
        super().__init__()
        self.skip = skip
        self.standardize = InputStandardization(n_channels) if standardize else None
        self.down, self.rise, self.up = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        width = n_channels
        for level, count in zip(channels, n_blocks, strict=True):
            self.down.append(conv_layers(style, width, level, count))
            width = level
        for level, count in zip(channels[-2::-1], n_blocks[-2::-1], strict=True):
            self.rise.append(rising(style, upsample, width, level))
            joined = 2 * level if skip == "concat" else level
            self.up.append(conv_layers(style, joined, level, count))
            width = level
        self.output = nn.Conv2d(width, n_outputs, 1)
        initialize_(self.output, style.init)
        # On a CPU convolutions and pooling over this layout take 0.6 to 0.7 of the time.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def multiple(self) -> int:
        """What height and width are padded to a multiple of."""
        return 2 ** (len(self.down) - 1)

    @property
    def reach(self) -> int:
        """Pixels around an output pixel that can change it, at most, on each side.

        Not counting what normalization over whole images carries.
        """
        reach, pixels = 0, 1
        for level, block in enumerate(self.down):
            steps = sum(m.kernel_size[0] // 2 for m in block.modules() if isinstance(m, nn.Conv2d))
            on_both_ways = 1 if level == len(self.down) - 1 else 2
            reach += pixels * steps * on_both_ways + 2 * pixels
            pixels *= 2
        return reach

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, n_channels, H, W) to (N, n_outputs, H, W)."""
        height, width = x.shape[2:]
        x = x.contiguous(memory_format=torch.channels_last)
        if self.standardize is not None:
            x = self.standardize(x)
        x = padded_to_multiple(x, self.multiple)
        kept = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else functional.max_pool2d(x, 2))
            kept.append(x)
        for rise, block, below in zip(self.rise, self.up, kept[-2::-1], strict=True):
            x = rise(x)
            if self.skip == "concat":
                x = torch.cat([below, x], dim=1)
            elif self.skip == "add":
                x = x + below
            x = block(x)
        return self.output(x)[:, :, :height, :width]


def conv_layers(style: ConvStyle, n_in: int, n_out: int, count: int) -> nn.Sequential:
    """Return ``count`` convolutional layers as one flat sequence."""
    widths = [n_in, *[n_out] * count]
    blocks = [conv_layer(style, a, b) for a, b in pairwise(widths)]
    return nn.Sequential(*(module for block in blocks for module in block))


def rising(style: ConvStyle, upsample: str, n_in: int, n_out: int) -> nn.Module:
    """Return what doubles height and width and takes ``n_in`` channels to ``n_out``."""
    if upsample == "transpose":
        transposed = nn.ConvTranspose2d(n_in, n_out, 2, stride=2)
        initialize_transposed_(transposed, style.init)
        return transposed
    if upsample == "bilinear":
        larger = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    else:
        larger = nn.Upsample(scale_factor=2, mode="nearest")
    # The 1x1 convolution commutes with the interpolation and is cheaper on the smaller maps.
    conv = nn.Conv2d(n_in, n_out, 1)
    initialize_(conv, style.init)
    return layers(conv, larger)


@torch.no_grad()
def initialize_transposed_(conv: nn.ConvTranspose2d, init: Init) -> None:
    """Fill a transposed convolution whose stride is its kernel's size, and zero its bias.

    Each output pixel is then a linear map of one input pixel, drawn as that of a linear layer.
    """
    if init == "default":
        return
    n_in, n_out, height, width = conv.weight.shape
    for row, column in product(range(height), range(width)):
        linear = nn.Linear(n_in, n_out)
        initialize_(linear, init)
        conv.weight[:, :, row, column] = linear.weight.T
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)


def padded_to_multiple(x: torch.Tensor, multiple: int) -> torch.Tensor:
    """Repeat the last row and column until both sizes are multiples of ``multiple``."""
    height, width = x.shape[2:]
    below, right = -height % multiple, -width % multiple
    if not (below or right):
        return x
    return functional.pad(x, (0, right, 0, below), mode="replicate")
