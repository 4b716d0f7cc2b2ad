"""The U-Net as an estimator of masks."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Unpack

import numpy as np
import torch

from sklearn_trainkit.neural_network.base._net_kinds import ClassifierNet
from sklearn_trainkit.neural_network.base._shared_parameters import SharedParameters
from sklearn_trainkit.neural_network.base._signatures import store_arguments
from sklearn_trainkit.neural_network.images._conv_architecture import ConvArchitecture
from sklearn_trainkit.neural_network.images._image_input import (
    IMAGES_TEXT,
    ImageInput,
    check_depth,
    checked_channels,
    per_stage,
)
from sklearn_trainkit.neural_network.masks._mask_losses import MASK_LOSSES
from sklearn_trainkit.neural_network.masks._masks import Masks
from sklearn_trainkit.neural_network.masks._tiles import tiled
from sklearn_trainkit.neural_network.modules._initialization import begin_at_shares_
from sklearn_trainkit.neural_network.modules._unet_module import LONG_SKIPS, UPSAMPLING, UNetModule
from sklearn_trainkit.neural_network.targets._targets import Targets
from sklearn_trainkit.utils._sklearn_private import Interval, StrOptions


class _UNet(ConvArchitecture):
    """Levels of convolutions on the way down and up again, with skips between them."""

    constraints: ClassVar[dict[str, list]] = {
        **ConvArchitecture.constraints,
        "n_blocks": ["array-like", Interval(Integral, 1, None, closed="left")],
        "skip": [StrOptions(set(LONG_SKIPS)), None],
        "upsample": [StrOptions(set(UPSAMPLING))],
        "tile_size": [Interval(Integral, 1, None, closed="left"), None],
    }
    fixed: ClassVar[tuple[str, ...]] = (*ConvArchitecture.fixed, "n_blocks", "skip", "upsample")

    def make(self, net: Any) -> torch.nn.Module:
        """Return a new U-Net."""
        channels = checked_channels(net.channels)
        check_depth(net.input_shape_, len(channels) - 1, f"channels={net.channels!r}")
        module = UNetModule(
            net.input_shape_[0],
            net._n_outputs,
            channels=channels,
            n_blocks=per_stage("n_blocks", net.n_blocks, len(channels)),
            style=self.style(net),
            skip=net.skip,
            upsample=net.upsample,
            standardize=net.standardize_X,
        )
        shares = net._targets.shares(net)
        if shares is not None:
            # Masks are few, so steps are few, and most pixels are background: from one half on, a
            # class of one percent was still expected ten to twenty times too often in the end.
            begin_at_shares_(module.output, shares[0])
        return module

    def forward(self, net: Any, images: torch.Tensor) -> torch.Tensor:
        """Return the module's output for images, large ones in tiles."""
        module: UNetModule = net.module_
        if net.tile_size is None or max(images.shape[2:]) <= net.tile_size:
            return module(images)
        return tiled(module, images, net.tile_size, module.reach, module.multiple)


class _ImagesOfAnySize(ImageInput):
    """Images whose height and width may differ from those of the training images."""

    def check_sample_shape(self, net: Any, shape: tuple[int, ...]) -> None:
        """Accept any height and width that the depth allows; scikit-learn counts the channels."""
        net._architecture.check_smallest_map(net, shape[1:])


class UNetSegmenter(ClassifierNet):
    """Encoder-decoder with long skips that gives each pixel a class.

    Images may have any height and width, and others at prediction than at training. Targets are
    masks: one label a pixel, of any kind, as (n, height, width), (n, 1, height, width), a list
    of masks or flat rows. ``score`` is the mean Dice coefficient of all classes but the lowest,
    the background. Classes begin with their shares of the labelled pixels as probabilities, by the
    bias of the output layer, whatever ``init`` is.

    Parameters
    ----------
    channels : sequence of int, default=(8, 16, 32, 64)
        Width of each level, from the full size down; each level halves height and width.
    n_blocks : int or sequence of int, default=2
        Convolutional layers of each level, on the way down and again on the way up.
    kernel_size : int, default=3
        Odd; images are padded with zeros to keep their size.
    <<activation>>
    norm : {"batch", "layer", "instance", "group", "rms"} or None, default="batch"
        Normalization between each convolution and its activation.
    norm_groups : int or "auto", default="auto"
        Groups of ``norm="group"``; it has to divide every width. "auto" takes the most groups,
        up to 32, that leave at least 8 channels each.
    skip : {"concat", "add"} or None, default="concat"
        How a level's maps join those that come up from below it; None leaves them out.
    upsample : {"transpose", "bilinear", "nearest"}, default="transpose"
        How maps grow on the way up: a transposed convolution, or interpolation.
    dropout : float, default=0.0
        Share of features dropped while training, after each convolutional layer.
    <<init>>
    <<images>>
    tile_size : int or None, default=None
        Predict images larger than this in tiles of about this height and width, each with enough
        of its surroundings, so that memory does not grow with the image. The result is the same,
        but for norms whose statistics are those of the image: "layer", "instance", "group" and
        "rms" take the tile's.
    loss : {"cross_entropy_and_dice", "cross_entropy", "dice"}, default="cross_entropy_and_dice"
        Cross-entropy per pixel, one minus soft Dice, or their sum.
    label_smoothing : float, default=0.0
        Share of each pixel's probability spread over all classes, in proportion to their pixels,
        in the cross-entropy.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class's pixels in the cross-entropy; "balanced" is inverse to frequency.
    ignore_index : label or None, default=None
        Label of pixels that nobody has labelled, such as 255, -1, "void" or NaN. As with the
        parameter of this name in torch's losses, they have no part in the loss; nor have they in
        class weights, early stopping, ``classes_`` and the score, and none is predicted. What is
        a mean over pixels is one over labelled pixels.
    ignore_label : label or None, default=None
        The same under nnU-Net's name, since it is a label and no index. One of them.
    <<training>>

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    input_shape_ : tuple of (channels, height, width)
        Of the training images.
    <<attributes>>

    See Also
    --------
    dice_score, iou_score : Metrics of masks; ``dice_scorer`` and ``iou_scorer`` for a search.

    References
    ----------
    Ronneberger, Fischer, Brox: U-Net: Convolutional networks for biomedical image segmentation.
    MICCAI 2015. Lin, Goyal, Girshick, He, Dollar: Focal loss for dense object detection. ICCV 2017
    (bias of the output).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_trainkit.neural_network import UNetSegmenter
    >>> X = np.random.default_rng(0).normal(size=(20, 24, 20))
    >>> masks = X > 0
    >>> net = UNetSegmenter((4, 8), lr=0.01, random_state=0).fit(X, masks)
    >>> net.predict(X).shape, net.score(X, masks) > 0.8
    ((20, 24, 20), True)
    """

    _architecture = _UNet()
    _input_form = _ImagesOfAnySize()
    _of_samples: Targets = Masks()
    _weight_scale = 1.0
    _own_defaults: ClassVar[dict[str, Any]] = {"max_epochs": 20}
    _doc_words: ClassVar[dict[str, str]] = {
        "auto_batch": "8, or as many as there are",
        "images": IMAGES_TEXT,
        "samples": "images",
        "score": "valid_dice",
        "stratified": "",
    }
    _parameter_constraints: ClassVar[dict] = {
        "loss": [StrOptions(set(MASK_LOSSES))],
        "ignore_index": [Real, str, "boolean", None],
        "ignore_label": [Real, str, "boolean", None],
    }

    def __init__(
        self,
        channels: Sequence[int] = (8, 16, 32, 64),
        *,
        n_blocks: int | Sequence[int] = 2,
        kernel_size: int = 3,
        activation: Any = "relu",
        norm: str | None = "batch",
        norm_groups: int | str = "auto",
        skip: str | None = "concat",
        upsample: str = "transpose",
        dropout: float = 0.0,
        init: Any = "default",
        image_shape: tuple[int, ...] | None = None,
        standardize_X: bool = True,
        flip: str | None = None,
        max_shift: int = 0,
        crop_size: int | tuple[int, int] | None = None,
        tile_size: int | None = None,
        loss: str = "cross_entropy_and_dice",
        label_smoothing: float = 0.0,
        class_weight: Any = None,
        ignore_index: Any = None,
        ignore_label: Any = None,
        **shared: Unpack[SharedParameters],
    ) -> None:
        store_arguments(self, locals())

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> "UNetSegmenter":
        """Train one more epoch on ``X`` and ``y``, with ``lr`` constant.

        Parameters
        ----------
        X : array-like of shape (n_samples, channels, height, width), or as given to ``fit``
        y : array-like of shape (n_samples, height, width)
        classes : array-like of shape (n_classes,) or None, default=None
            All labels that may ever come; by default those of the first call. ``ignore_index``
            is none of them.
        sample_weight : array-like of shape (n_samples,) or None, default=None

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If ``y`` has labels that are not among the classes.
        """
        super().partial_fit(X, y, classes, sample_weight)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each pixel.

        Parameters
        ----------
        X : array-like of shape (n_samples, channels, height, width), or as given to ``fit``
            Of any height and width.

        Returns
        -------
        masks : ndarray of shape (n_samples, height, width)
        """
        return super().predict(X)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, pixel by pixel.

        Parameters
        ----------
        X : array-like of shape (n_samples, channels, height, width), or as given to ``fit``

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes, height, width), of ``dtype``
            Classes in the order of ``classes_``.
        """
        return super().predict_proba(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the mean Dice coefficient of all classes but the lowest, over all pixels.

        Classes are those of the estimator and of ``y``: one that it was never shown counts too.
        Pixels of ``ignore_index`` do not.

        Parameters
        ----------
        X : array-like of shape (n_samples, channels, height, width), or as given to ``fit``
        y : array-like of shape (n_samples, height, width), or as given to ``fit``
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each image, which all its pixels have.

        Returns
        -------
        score : float in [0, 1]
            A class that is nowhere, in ``y`` and prediction, scores 1.
        """
        return self._targets.score(self, X, y, sample_weight)

    def _ignored_label(self) -> Any:
        """Return what marks pixels without a label; None for nothing."""
        if self.ignore_label is None or self.ignore_index is None:
            return self.ignore_index if self.ignore_label is None else self.ignore_label
        raise ValueError(
            "ignore_label is another name of ignore_index; give one of them. Got "
            f"ignore_index={self.ignore_index!r} and ignore_label={self.ignore_label!r}."
        )
