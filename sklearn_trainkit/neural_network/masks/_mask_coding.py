"""Masks as targets: their codes and their shapes."""

from typing import Any

import numpy as np
import torch

from sklearn_trainkit.neural_network.batches._input_lists import as_list
from sklearn_trainkit.neural_network.targets._label_coding import SingleLabel
from sklearn_trainkit.neural_network.targets._label_kinds import check_label_kind


class MaskCoding(SingleLabel):
    """One class a pixel: codes 0 to k - 1, k logits, softmax.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels.

    Examples
    --------
    >>> MaskCoding(np.array([0, 255])).encode(np.array([[[0, 255]]]), "y")
    array([[[0, 1]]], dtype=uint8)
    """

    def encode(self, y: np.ndarray, name: str) -> np.ndarray:
        """Return the code of each pixel's label, a byte each where there are few classes."""
        codes = super().encode(y.reshape(-1), name).reshape(y.shape)
        return codes.astype(np.uint8) if len(self.classes) <= 256 else codes

    def count(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """Return the pixels of each class, by their images' weights, as shape (1, n_classes)."""
        per_image = [np.sum(y == label, axis=(1, 2)) for label in self.classes]
        factors = np.ones(len(y)) if weight is None else weight
        return (np.stack(per_image) @ factors)[None]


def mask_array(y: Any, name: str = "y") -> np.ndarray:
    """Return masks in any form that ``fit`` takes as an array: lists, tensors, flat tables.

    Raises
    ------
    ValueError
        If they are of several shapes, or numpy masks some of their pixels.
    """
    y = as_list(y)
    for masked in filter(np.ma.is_masked, y if isinstance(y, list) else [y]):
        raise ValueError(
            f"{name} is a masked array, and {np.ma.count_masked(masked)} of its pixels are masked. "
            "Give them a label of their own, y.filled(255), and name it: ignore_index=255."
        )
    if isinstance(y, list):
        y = [each.numpy(force=True) if isinstance(each, torch.Tensor) else each for each in y]
    try:
        return np.asarray(y.numpy(force=True) if isinstance(y, torch.Tensor) else y)
    except ValueError as error:
        raise ValueError(f"{name} must have masks of one shape: {error}") from error


def are_labelled(y: np.ndarray, ignore_index: Any, name: str = "y") -> np.ndarray | None:
    """Return which pixels of ``y`` have a label; None where all have one by definition.

    Raises
    ------
    ValueError
        If ``ignore_index`` is a number and the labels are text, or the other way round.
    """
    if ignore_index is None:
        return None
    check_label_kind(y, ignore_index, name, "ignore_index")
    if ignore_index != ignore_index:  # NaN
        return ~(y != y)
    return y != ignore_index


def check_mask_labels(y: np.ndarray) -> None:
    """Raise if labels are fractions, as interpolation between labels leaves them.

    Raises
    ------
    ValueError
        Naming one of them.
    """
    if y.dtype.kind != "f":
        return
    fractions = y[y != np.floor(y)]
    if len(fractions):
        raise ValueError(
            "y must be masks of class labels: whole numbers, booleans or strings. Got "
            f"{float(fractions[0])!r} in it; threshold masks that were interpolated."
        )


def masks_like(y: np.ndarray, X: Any) -> np.ndarray:
    """Return ``y`` as masks (N, H, W) for images ``X`` (N, C, H, W).

    Raises
    ------
    ValueError
        If their sizes differ.
    """
    size = tuple(X.shape[2:])
    if y.ndim == 2 and y.shape[1] == size[0] * size[1]:
        return y.reshape(len(y), *size)
    masks = y
    if y.ndim == 4 and y.shape[1] == 1:
        masks = y[:, 0]
    elif y.ndim == 4 and y.shape[3] == 1:
        masks = y[..., 0]
    if masks.shape[1:] != size:
        raise ValueError(
            f"y must be masks of shape {(len(y), *size)}, one label for each pixel of X of shape "
            f"{tuple(X.shape)}. Got y of shape {y.shape} instead."
        )
    return masks
