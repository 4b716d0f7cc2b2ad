"""What architectures of convolutional blocks have in common, those of masks too."""

from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn_trainkit.neural_network.base._architecture import Architecture
from sklearn_trainkit.neural_network.batches._input_checks import check_enough_rows
from sklearn_trainkit.neural_network.images._image_input import checked_channels, crop_size_of
from sklearn_trainkit.neural_network.modules._activations import ACTIVATIONS
from sklearn_trainkit.neural_network.modules._conv_blocks import ConvStyle
from sklearn_trainkit.neural_network.modules._initialization import INITS
from sklearn_trainkit.neural_network.modules._normalization import NORMS
from sklearn_trainkit.utils._sklearn_private import Interval, StrOptions


class ConvArchitecture(Architecture):
    """Stages or levels of convolutional blocks."""

    constraints: ClassVar[dict[str, list]] = {
        "channels": ["array-like", Interval(Integral, 1, None, closed="left")],
        "kernel_size": [Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS)), callable],
        "norm": [StrOptions(set(NORMS)), None],
        "norm_groups": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "init": [StrOptions(set(INITS)), callable],
    }
    fixed: ClassVar[tuple[str, ...]] = (*constraints, "standardize_X")

    def style(self, net: Any) -> ConvStyle:
        """Return what all convolutional blocks have in common."""
        if net.kernel_size % 2 == 0:
            raise ValueError(
                f"kernel_size must be odd, so that images keep their size. Got {net.kernel_size}."
            )
        return ConvStyle(
            kernel_size=net.kernel_size,
            activation=net.activation,
            norm=net.norm,
            norm_groups=net.norm_groups,
            dropout=net.dropout,
            init=net.init,
        )

    def check_batches(self, net: Any, n_rows: int) -> None:
        """Raise if a normalization would see a single number."""
        size = crop_size_of(net) or net.input_shape_[1:]
        self.check_smallest_map(net, size)
        if _smallest_map(net, size) == (1, 1):
            check_enough_rows(n_rows, net.norm)

    def check_smallest_map(self, net: Any, size: tuple[int, ...]) -> None:
        """Raise if a normalization per channel would see a single pixel, and make it zero."""
        alone = net.norm == "instance" or (
            net.norm == "group" and net.norm_groups in checked_channels(net.channels)
        )
        if alone and _smallest_map(net, size) == (1, 1):
            raise ValueError(
                f"norm={net.norm!r} needs maps of at least 2 pixels for each group of one channel,"
                f" but channels={net.channels!r} brings images of {tuple(size)} pixels down to 1; "
                "use fewer stages, larger images or another normalization (norm='layer')."
            )


def _smallest_map(net: Any, size: tuple[int, ...]) -> tuple[int, ...]:
    """Return height and width of the deepest maps of images of ``size``."""
    factor = 2 ** (len(checked_channels(net.channels)) - 1)
    return tuple(-(-pixels // factor) for pixels in size)
