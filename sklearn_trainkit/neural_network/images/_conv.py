"""Convolutional networks: a classifier and a regressor of one architecture."""

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Unpack

import torch

from sklearn_trainkit.neural_network.base._shared_parameters import (
    ClassifierParameters,
    RegressorParameters,
)
from sklearn_trainkit.neural_network.base._spelled_out import store_arguments
from sklearn_trainkit.neural_network.base._target_kinds import ClassifierNet, RegressorNet
from sklearn_trainkit.neural_network.batches._input_checks import check_enough_rows
from sklearn_trainkit.neural_network.images._image_input import (
    IMAGE_CONSTRAINTS,
    IMAGES_TEXT,
    ImageParameters,
    check_depth,
    checked_channels,
)
from sklearn_trainkit.neural_network.modules._activations import ACTIVATIONS
from sklearn_trainkit.neural_network.modules._conv_blocks import DOWNSAMPLING, ConvStyle
from sklearn_trainkit.neural_network.modules._conv_module import CONV_SKIPS, POOLINGS, ConvModule
from sklearn_trainkit.neural_network.modules._initialization import INITS
from sklearn_trainkit.neural_network.modules._normalization import NORMS
from sklearn_trainkit.utils._sklearn_private import Interval, StrOptions

# Of all networks with convolutions.
STYLE_CONSTRAINTS: dict = {
    "channels": ["array-like", Interval(Integral, 1, None, closed="left")],
    "kernel_size": [Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(ACTIVATIONS)), callable],
    "norm": [StrOptions(set(NORMS)), None],
    "norm_groups": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "init": [StrOptions(set(INITS)), callable],
}

CONV_CONSTRAINTS: dict = {
    **STYLE_CONSTRAINTS,
    **IMAGE_CONSTRAINTS,
    "n_blocks": ["array-like", Interval(Integral, 1, None, closed="left")],
    "skip": [StrOptions(set(CONV_SKIPS)), None],
    "growth_rate": [Interval(Integral, 1, None, closed="left")],
    "downsample": [StrOptions(set(DOWNSAMPLING))],
    "pooling": [StrOptions(set(POOLINGS)), None],
}
_TEXT = """\
channels : sequence of int, default=(16, 32, 64, 128)
    Width of each stage. Each stage after the first halves height and width. With
    ``skip="concat"``, the width that a stage starts with.
n_blocks : int or sequence of int, default=1
    Blocks of each stage: convolutional layers, or residual blocks of two, or densely connected
    layers.
kernel_size : int, default=3
    Odd; images are padded with zeros to keep their size.
<<activation>>
norm : {"batch", "layer", "instance", "group", "rms"} or None, default="batch"
    Normalization beside each convolution.
norm_groups : int or "auto", default="auto"
    Groups of ``norm="group"``; it has to divide every width. "auto" takes the most groups,
    up to 32, that leave at least 8 channels each.
skip : {"add", "concat"} or None, default=None
    "add": residual blocks (ResNet), with a 1x1 projection where widths or sizes differ.
    "concat": each layer sees all earlier feature maps of its stage (DenseNet).
growth_rate : int, default=12
    Channels that each layer adds, for ``skip="concat"``.
downsample : {"max_pool", "average_pool", "stride"}, default="max_pool"
    How a stage halves height and width; odd sizes are rounded up.
pooling : {"average", "max"} or None, default="average"
    Over height and width, before the output layer; None hands all positions to it.
dropout : float, default=0.0
    Share of features dropped while training, in each block and before the output layer.
<<init>>
<<images>>
"""


class ConvStyleParameters(ImageParameters):
    """The parameters of a network's convolutional blocks."""

    _own_defaults: ClassVar[dict[str, Any]] = {"max_epochs": 20}
    _doc_words: ClassVar[dict[str, str]] = {
        "images": IMAGES_TEXT,
        "samples": "images",
    }

    _fixed_parameters: ClassVar[tuple[str, ...]] = (*STYLE_CONSTRAINTS, "standardize_X")

    channels: Any
    kernel_size: int
    activation: str | Callable[[], torch.nn.Module]
    norm: str | None
    norm_groups: int | str
    dropout: float
    init: Any
    n_features_in_: int
    _n_outputs: int

    def _style(self) -> ConvStyle:
        if self.kernel_size % 2 == 0:
            raise ValueError(
                f"kernel_size must be odd, so that images keep their size. Got {self.kernel_size}."
            )
        return ConvStyle(
            kernel_size=self.kernel_size,
            activation=self.activation,
            norm=self.norm,
            norm_groups=self.norm_groups,
            dropout=self.dropout,
            init=self.init,
        )

    def _check_batches(self, n_rows: int) -> None:
        size = self._crop_size() or self.input_shape_[1:]
        self._check_smallest_map(size)
        if self._smallest_map(size) == (1, 1):
            check_enough_rows(n_rows, self.norm)

    def _smallest_map(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """Return height and width of the deepest maps of images of ``size``."""
        factor = 2 ** (len(checked_channels(self.channels)) - 1)
        return tuple(-(-pixels // factor) for pixels in size)

    def _check_smallest_map(self, size: tuple[int, ...]) -> None:
        """Raise if a normalization per channel would see a single pixel, and make it zero."""
        alone = self.norm == "instance" or (
            self.norm == "group" and self.norm_groups in checked_channels(self.channels)
        )
        if alone and self._smallest_map(size) == (1, 1):
            raise ValueError(
                f"norm={self.norm!r} needs maps of at least 2 pixels for each group of one channel,"
                f" but channels={self.channels!r} brings images of {tuple(size)} pixels down to 1; "
                "use fewer stages, larger images or another normalization (norm='layer')."
            )


class ConvParameters(ConvStyleParameters):
    """What the two convolutional estimators share: stages, skips and pooling."""

    _doc_words: ClassVar[dict[str, str]] = {"conv": _TEXT}

    _fixed_parameters: ClassVar[tuple[str, ...]] = (
        *("n_blocks", "skip", "growth_rate", "downsample", "pooling", "image_shape"),
    )

    n_blocks: Any
    skip: str | None
    growth_rate: int
    downsample: str
    pooling: str | None

    def _make_module(self) -> torch.nn.Module:
        channels = checked_channels(self.channels)
        check_depth(self.input_shape_, len(channels) - 1, f"channels={self.channels!r}")
        if self.pooling is None and self.crop_size is not None:
            raise ValueError(
                f"pooling=None needs images of one size, and crop_size={self.crop_size!r} trains "
                "on smaller ones than are predicted. Use pooling='average' or 'max'."
            )
        return ConvModule(
            self.input_shape_[0],
            self._n_outputs,
            channels=channels,
            n_blocks=self._per_stage("n_blocks", self.n_blocks, len(channels)),
            style=self._style(),
            skip=self.skip,
            growth_rate=self.growth_rate,
            downsample=self.downsample,
            pooling=self.pooling,
            image_size=(self.input_shape_[1], self.input_shape_[2]),
            standardize=self.standardize_X,
        )


class ConvNetClassifier(ConvParameters, ClassifierNet):
    """Convolutional network for classification of images.

    Stages of convolutions, each at half the size of the one before, then global pooling and a
    linear layer.

    Parameters
    ----------
    <<conv>>
    <<classifier>>
    <<training>>

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    input_shape_ : tuple of (channels, height, width)
    <<attributes>>

    See Also
    --------
    ConvNetRegressor : The same for numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_trainkit.neural_network import ConvNetClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> net = ConvNetClassifier((16, 32), image_shape=(8, 8), lr=0.01, random_state=0)
    >>> net.fit(X, y).score(X, y) > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **ClassifierNet._parameter_constraints,
        **CONV_CONSTRAINTS,
    }

    def __init__(
        self,
        channels: Sequence[int] = (16, 32, 64, 128),
        *,
        n_blocks: int | Sequence[int] = 1,
        kernel_size: int = 3,
        activation: Any = "relu",
        norm: str | None = "batch",
        norm_groups: int | str = "auto",
        skip: str | None = None,
        growth_rate: int = 12,
        downsample: str = "max_pool",
        pooling: str | None = "average",
        dropout: float = 0.0,
        init: Any = "default",
        image_shape: tuple[int, ...] | None = None,
        standardize_X: bool = True,
        flip: str | None = None,
        max_shift: int = 0,
        crop_size: int | tuple[int, int] | None = None,
        **shared: Unpack[ClassifierParameters],
    ) -> None:
        store_arguments(self, locals())


class ConvNetRegressor(ConvParameters, RegressorNet):
    """Convolutional network for regression on images, with one target or several.

    Stages of convolutions, each at half the size of the one before, then global pooling and a
    linear layer.

    Parameters
    ----------
    <<conv>>
    <<regressor>>
    <<training>>

    Attributes
    ----------
    y_mean_, y_scale_ : ndarray of shape (n_targets,)
        What was subtracted from the targets and what they were divided by.
    input_shape_ : tuple of (channels, height, width)
    <<attributes>>

    See Also
    --------
    ConvNetClassifier : The same for classes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_trainkit.neural_network import ConvNetRegressor
    >>> X = np.random.default_rng(0).normal(size=(100, 3, 12, 12))
    >>> net = ConvNetRegressor((8, 16), skip="add", max_epochs=2, random_state=0)
    >>> net.fit(X, X.mean(axis=(1, 2, 3))).predict(X).shape
    (100,)
    """

    _parameter_constraints: ClassVar[dict] = {
        **RegressorNet._parameter_constraints,
        **CONV_CONSTRAINTS,
    }

    def __init__(
        self,
        channels: Sequence[int] = (16, 32, 64, 128),
        *,
        n_blocks: int | Sequence[int] = 1,
        kernel_size: int = 3,
        activation: Any = "relu",
        norm: str | None = "batch",
        norm_groups: int | str = "auto",
        skip: str | None = None,
        growth_rate: int = 12,
        downsample: str = "max_pool",
        pooling: str | None = "average",
        dropout: float = 0.0,
        init: Any = "default",
        image_shape: tuple[int, ...] | None = None,
        standardize_X: bool = True,
        flip: str | None = None,
        max_shift: int = 0,
        crop_size: int | tuple[int, int] | None = None,
        **shared: Unpack[RegressorParameters],
    ) -> None:
        store_arguments(self, locals())
