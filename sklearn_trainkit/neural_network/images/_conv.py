"""Convolutional networks: a classifier and a regressor of one architecture."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar, Unpack

import torch

from sklearn_trainkit.neural_network.base._base_net import BaseNet
from sklearn_trainkit.neural_network.base._net_kinds import ClassifierNet, RegressorNet
from sklearn_trainkit.neural_network.base._shared_parameters import (
    ClassifierParameters,
    RegressorParameters,
)
from sklearn_trainkit.neural_network.base._signatures import store_arguments
from sklearn_trainkit.neural_network.images._conv_architecture import ConvArchitecture
from sklearn_trainkit.neural_network.images._image_input import (
    IMAGES_TEXT,
    ImageInput,
    check_depth,
    checked_channels,
    per_stage,
)
from sklearn_trainkit.neural_network.modules._conv_blocks import DOWNSAMPLING
from sklearn_trainkit.neural_network.modules._conv_module import CONV_SKIPS, POOLINGS, ConvModule
from sklearn_trainkit.utils._sklearn_private import Interval, StrOptions

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


class _Conv(ConvArchitecture):
    """Stages of convolutions, pooling, and a linear layer."""

    constraints: ClassVar[dict[str, list]] = {
        **ConvArchitecture.constraints,
        "n_blocks": ["array-like", Interval(Integral, 1, None, closed="left")],
        "skip": [StrOptions(set(CONV_SKIPS)), None],
        "growth_rate": [Interval(Integral, 1, None, closed="left")],
        "downsample": [StrOptions(set(DOWNSAMPLING))],
        "pooling": [StrOptions(set(POOLINGS)), None],
    }
    fixed: ClassVar[tuple[str, ...]] = (
        *ConvArchitecture.fixed,
        *("n_blocks", "skip", "growth_rate", "downsample", "pooling", "image_shape"),
    )

    def make(self, net: Any) -> torch.nn.Module:
        """Return a new convolutional module."""
        channels = checked_channels(net.channels)
        check_depth(net.input_shape_, len(channels) - 1, f"channels={net.channels!r}")
        if net.pooling is None and net.crop_size is not None:
            raise ValueError(
                f"pooling=None needs images of one size, and crop_size={net.crop_size!r} trains "
                "on smaller ones than are predicted. Use pooling='average' or 'max'."
            )
        return ConvModule(
            net.input_shape_[0],
            net._n_outputs,
            channels=channels,
            n_blocks=per_stage("n_blocks", net.n_blocks, len(channels)),
            style=self.style(net),
            skip=net.skip,
            growth_rate=net.growth_rate,
            downsample=net.downsample,
            pooling=net.pooling,
            image_size=(net.input_shape_[1], net.input_shape_[2]),
            standardize=net.standardize_X,
        )


class _ConvNet(BaseNet):
    """What both convolutional estimators have."""

    _architecture = _Conv()
    _input_form = ImageInput()
    _own_defaults: ClassVar[dict[str, Any]] = {"max_epochs": 20}
    _doc_words: ClassVar[dict[str, str]] = {
        "conv": _TEXT,
        "images": IMAGES_TEXT,
        "samples": "images",
    }


class ConvNetClassifier(_ConvNet, ClassifierNet):
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
    >>> net = ConvNetClassifier((16, 32), image_shape=(8, 8), lr=0.01, max_epochs=4)
    >>> net.fit(X, y).score(X, y) > 0.9
    True
    """

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


class ConvNetRegressor(_ConvNet, RegressorNet):
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
