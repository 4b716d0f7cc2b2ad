"""Images at the door: the layout of X, and what changes training images at random."""

from numbers import Integral
from typing import Any, ClassVar

import numpy as np

from sklearn_trainkit.neural_network.base._input_form import TableInput
from sklearn_trainkit.neural_network.batches._augmentation import FLIPS, ImageAugmentation
from sklearn_trainkit.neural_network.batches._input_checks import whole_numbers
from sklearn_trainkit.neural_network.batches._input_lists import as_list
from sklearn_trainkit.utils._sklearn_private import Interval, StrOptions

# Pixels that go through a network at once when no gradient is needed.
_PIXELS_PER_PASS = 1 << 19
# Grey, grey with transparency, colours, colours with transparency.
_CHANNEL_COUNTS = (1, 2, 3, 4)

IMAGES_TEXT = """\
image_shape : tuple of int or None, default=None
    Shape of the image in a flat row of X: (channels, height, width), or (height, width) for one
    channel; one entry may be -1. None for X of (n, channels, height, width) or
    (n, height, width).
standardize_X : bool, default=True
    Standardize each channel inside the network by mean and standard deviation of the training
    images. Done batch by batch, so uint8 images and memory maps stay as they are.
flip : {"horizontal", "vertical", "both"} or None, default=None
    Mirror training images at random.
max_shift : int, default=0
    Most pixels that training images are moved by at random, along each axis; the pixels of the
    edge are repeated.
crop_size : int, tuple of (height, width) or None, default=None
    Size of the parts cut out of training images at random. Predictions are for whole images.
"""


class ImageInput(TableInput):
    """Images of (N, C, H, W) or (N, H, W), or flat rows with an ``image_shape``."""

    constraints: ClassVar[dict[str, list]] = {
        "image_shape": ["array-like", None],
        "standardize_X": ["boolean"],
        "flip": [StrOptions(set(FLIPS)), None],
        "max_shift": [Interval(Integral, 0, None, closed="left")],
        "crop_size": [Interval(Integral, 1, None, closed="left"), "array-like", None],
    }
    takes_sparse: ClassVar[bool] = False
    allow_nd: ClassVar[bool] = True

    def as_array(self, net: Any, X: Any) -> Any:
        """Return images with an axis for channels, so that these are the features counted."""
        X = as_list(super().as_array(net, X))
        if isinstance(X, (list, tuple)):
            X = _images_of_one_shape(X)
        if net.image_shape is None:
            _refuse_channels_last(tuple(getattr(X, "shape", ())))
        return X[:, None] if isinstance(X, np.ndarray) and X.ndim == 3 else X

    def as_samples(self, net: Any, images: Any) -> np.ndarray:
        """Return images as (N, C, H, W)."""
        if images.ndim == 2:
            return images.reshape(len(images), *_flat_image_shape(net, images.shape[1]))
        if images.ndim != 4:
            raise ValueError(
                "X must have shape (n_samples, channels, height, width) or (n_samples, height, "
                f"width). Got {images.shape} instead."
            )
        if 0 in images.shape:
            raise ValueError(f"X must have images of at least one pixel. Got shape {images.shape}.")
        if net.image_shape is not None and any(
            want not in (-1, got)
            for want, got in zip(_wanted_shape(net), images.shape[1:], strict=True)
        ):
            raise ValueError(
                f"image_shape={net.image_shape!r} wants images of shape {_wanted_shape(net)}. "
                f"Got {images.shape[1:]}; leave image_shape=None for images that are not flat."
            )
        return images

    def is_one_sample(self, net: Any, shape: tuple[int, ...]) -> bool:
        """Tell whether an array of this shape is a single image."""
        n_channels, *size = net.input_shape_
        if len(shape) == 2 and n_channels == 1:
            return net.image_shape is None or shape == tuple(size) != (1, net.n_features_in_)
        return len(shape) == 3 and shape[0] == n_channels > 1

    def augmentation(self, net: Any) -> ImageAugmentation | None:
        """Return what mirrors, moves and crops training images."""
        crop = crop_size_of(net)
        if net.flip is None and not net.max_shift and crop is None:
            return None
        return ImageAugmentation(net.flip, net.max_shift, crop, masks=net._targets.have_own_shape)

    def rows_per_pass(self, net: Any, sample_shape: tuple[int, ...]) -> int:
        """Return fewer images the larger they are."""
        return max(1, _PIXELS_PER_PASS // (sample_shape[1] * sample_shape[2]))


def _wanted_shape(net: Any) -> tuple[int, ...]:
    shape = whole_numbers(net.image_shape) or ()
    shape = (1, *shape) if len(shape) == 2 else shape
    if len(shape) != 3 or sum(size < 1 for size in shape) > 1 or min(shape) < -1 or 0 in shape:
        raise ValueError(
            "image_shape must be (height, width) or (channels, height, width), where one may "
            f"be -1. Got {net.image_shape!r} instead."
        )
    return shape


def _flat_image_shape(net: Any, n_features: int) -> tuple[int, ...]:
    """Return the shape that ``n_features`` pixels of a row have."""
    if net.image_shape is None:
        raise ValueError(
            f"X has flat rows of {n_features} features, so image_shape must say how they are "
            "images, such as (1, 28, 28). Got image_shape=None."
        )
    shape = _wanted_shape(net)
    known = int(np.prod([size for size in shape if size > 0]))
    if n_features % known or (-1 not in shape and n_features != known):
        raise ValueError(
            f"image_shape={net.image_shape!r} wants {known} features a row"
            f"{', or a multiple' if -1 in shape else ''}. Got X with {n_features} features."
        )
    return tuple(size if size > 0 else n_features // known for size in shape)


def crop_size_of(net: Any) -> tuple[int, int] | None:
    """Return height and width of what is cut out of training images; None for all of it."""
    if net.crop_size is None:
        return None
    sizes = whole_numbers(net.crop_size) or ()
    if len(sizes) not in (1, 2):
        raise ValueError(
            f"crop_size must be a positive int or (height, width). Got {net.crop_size!r} instead."
        )
    height, width = sizes * 2 if len(sizes) == 1 else sizes
    if not (1 <= height <= net.input_shape_[1] and 1 <= width <= net.input_shape_[2]):
        raise ValueError(
            f"crop_size={net.crop_size!r} does not lie inside images of "
            f"{net.input_shape_[1:]} pixels."
        )
    return height, width


def per_stage(name: str, value: Any, n_stages: int) -> tuple[int, ...]:
    """Return one positive int per stage, or raise naming the parameter."""
    values = whole_numbers(value) or ()
    if len(values) == 1:
        values *= n_stages
    if len(values) != n_stages or min(values) < 1:
        raise ValueError(
            f"{name} must be a positive int, or one for each of the {n_stages} stages. Got "
            f"{value!r} instead."
        )
    return values


def _refuse_channels_last(shape: tuple[int, ...]) -> None:
    """Raise for images whose last axis has as few entries as only channels have.

    Images of 1 to 4 columns do exist: ``image_shape`` says so.
    """
    if len(shape) != 4 or shape[3] not in _CHANNEL_COUNTS or min(shape[1:3]) <= shape[3]:
        return
    if shape[1] in _CHANNEL_COUNTS:
        return
    first = (shape[0], shape[3], *shape[1:3])
    raise ValueError(
        f"X has shape {shape}, whose channels seem to come last; they come first here. Use "
        f"X.transpose(0, 3, 1, 2), of shape {first}; or image_shape={shape[1:]}, if these are "
        f"{shape[1]} channels of {shape[2]} x {shape[3]} pixels."
    )


def _images_of_one_shape(images: Any) -> np.ndarray:
    try:
        shapes = [np.shape(image) for image in images]
    except ValueError as error:
        raise ValueError(f"X must have images that are arrays of numbers: {error}") from error
    for index, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise ValueError(
                f"X must have images of one shape. Got {shape} for image {index} and {shapes[0]} "
                "for the first."
            )
    return np.asarray(images)


def checked_channels(channels: Any) -> tuple[int, ...]:
    """Return the widths of the stages as a tuple, or raise."""
    widths = whole_numbers(channels)
    if not widths or min(widths) < 1:
        raise ValueError(
            "channels must be a sequence of positive ints, the width of each stage, such as "
            f"(16, 32, 64). Got {channels!r} instead."
        )
    return widths


def check_depth(input_shape: tuple[int, ...], n_halvings: int, names: str) -> None:
    """Raise if an image has nothing left to halve before the last stage.

    Parameters
    ----------
    input_shape : tuple of (channels, height, width)
    n_halvings : int
    names : str
        The parameters that set the depth, with their values.
    """
    smallest = 2**n_halvings
    if max(input_shape[1:]) < smallest:
        raise ValueError(
            f"{names} halves images {n_halvings} times, which needs a height or width of at least "
            f"{smallest}. Got images of {input_shape[1:]} pixels; use fewer stages."
        )
