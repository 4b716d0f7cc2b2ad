"""The U-Net as an estimator of masks."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Unpack

import torch

from sklearn_trainkit.neural_network.base._shared_parameters import SharedParameters
from sklearn_trainkit.neural_network.base._spelled_out import store_arguments
from sklearn_trainkit.neural_network.images._conv import (
    STYLE_CONSTRAINTS,
    ConvStyleParameters,
)
from sklearn_trainkit.neural_network.images._image_input import (
    IMAGE_CONSTRAINTS,
    check_depth,
    checked_channels,
)
from sklearn_trainkit.neural_network.masks._mask_losses import MASK_LOSSES
from sklearn_trainkit.neural_network.masks._segmenter_net import SegmenterNet
from sklearn_trainkit.neural_network.masks._tiles import tiled
from sklearn_trainkit.neural_network.modules._initialization import begin_at_shares_
from sklearn_trainkit.neural_network.modules._unet_module import LONG_SKIPS, UPSAMPLING, UNetModule
from sklearn_trainkit.utils._sklearn_private import Interval, StrOptions

_AUTO_BATCH = 8


class UNetSegmenter(ConvStyleParameters, SegmenterNet):
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

    _parameter_constraints: ClassVar[dict] = {
        **SegmenterNet._parameter_constraints,
        **STYLE_CONSTRAINTS,
        **IMAGE_CONSTRAINTS,
        "n_blocks": ["array-like", Interval(Integral, 1, None, closed="left")],
        "skip": [StrOptions(set(LONG_SKIPS)), None],
        "upsample": [StrOptions(set(UPSAMPLING))],
        "tile_size": [Interval(Integral, 1, None, closed="left"), None],
        "loss": [StrOptions(set(MASK_LOSSES))],
        "ignore_index": [Real, str, "boolean", None],
        "ignore_label": [Real, str, "boolean", None],
    }

    _fixed_parameters: ClassVar[tuple[str, ...]] = ("n_blocks", "skip", "upsample")

    _doc_words: ClassVar[dict[str, str]] = {
        "auto_batch": "8, or as many as there are",
        "score": "valid_dice",
        "stratified": "",
    }

    module_: UNetModule
    _has_masks = True

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

    def _make_module(self) -> torch.nn.Module:
        channels = checked_channels(self.channels)
        check_depth(self.input_shape_, len(channels) - 1, f"channels={self.channels!r}")
        module = UNetModule(
            self.input_shape_[0],
            self._n_outputs,
            channels=channels,
            n_blocks=self._per_stage("n_blocks", self.n_blocks, len(channels)),
            style=self._style(),
            skip=self.skip,
            upsample=self.upsample,
            standardize=self.standardize_X,
        )
        shares = self._class_shares()
        if shares is not None:
            # Masks are few, so steps are few, and most pixels are background: from one half on, a
            # class of one percent was still expected ten to twenty times too often in the end.
            begin_at_shares_(module.output, shares[0])
        return module

    def _batch_rows(self, batch_size: int | str, n_rows: int) -> int:
        if batch_size == "auto":
            return min(_AUTO_BATCH, n_rows)
        return super()._batch_rows(batch_size, n_rows)

    def _check_sample_shape(self, shape: tuple[int, ...]) -> None:
        """Accept any height and width that the depth allows; scikit-learn counts the channels."""
        self._check_smallest_map(shape[1:])

    def _forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.tile_size is None or max(images.shape[2:]) <= self.tile_size:
            return self.module_(images)
        module = self.module_
        return tiled(module, images, self.tile_size, module.reach, module.multiple)
