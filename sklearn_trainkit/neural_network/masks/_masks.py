"""Masks as targets: each pixel of an image has one of the classes, or no label."""

from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_array, check_consistent_length

from sklearn_trainkit.neural_network.batches._input_checks import FLOAT_TYPES
from sklearn_trainkit.neural_network.batches._tensor_loader import (
    IN_TRAINING_UNITS,
    Rows,
    TensorRows,
)
from sklearn_trainkit.neural_network.masks._mask_coding import (
    MaskCoding,
    are_labelled,
    check_mask_labels,
    mask_array,
    masks_like,
)
from sklearn_trainkit.neural_network.masks._mask_losses import MaskLoss
from sklearn_trainkit.neural_network.masks._mask_metrics import dice_score, score_masks
from sklearn_trainkit.neural_network.targets._labels import Labels

_AUTO_BATCH = 8


class Masks(Labels):
    """A label for each pixel; those without one have the code after the last class's.

    On the network stands ``_weight_scale`` too: what makes weights of images those of pixels.
    """

    score_name: ClassVar[str] = "valid_dice"
    have_own_shape: ClassVar[bool] = True

    def read(self, net: Any, X: Any, y: Any) -> np.ndarray:
        """Return masks (N, H, W) for the images ``X``."""
        y = check_array(
            mask_array(y),
            ensure_2d=False,
            allow_nd=True,
            dtype=None,
            ensure_all_finite="allow-nan" if _is_nan(net._ignored_label()) else True,
            input_name="y",
        )
        check_mask_labels(_labelled(net, y))
        check_consistent_length(X, y)
        return masks_like(y, X)

    def coding(self, net: Any, y: np.ndarray, classes: Any = None) -> MaskCoding:
        """Return how labels become codes: those of ``y``, or all that may ever come."""
        labels = np.unique(_labelled(net, y) if classes is None else classes)
        if len(labels) < 2:
            ignored = net._ignored_label()
            beside = "" if ignored is None else f" beside ignore_index={ignored!r}"
            found = ": " + ", ".join(map(repr, labels.tolist())) if len(labels) else ""
            raise ValueError(
                f"{type(net).__name__} needs at least 2 classes in y{beside}. Got "
                f"{len(labels)} class{found}."
            )
        return MaskCoding(labels)

    def learn_again(self, net: Any, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Learn the shares of the classes, and the mean weight of labelled pixels."""
        super().learn_again(net, y, weight)
        net._weight_scale = 1.0
        there = None if weight is None else are_labelled(y, net._ignored_label())
        if weight is not None and there is not None:
            # The mean is over labelled pixels, of which some images have more than others.
            n_labelled = there.sum(axis=(1, 2))
            if not (weighted := float(n_labelled @ weight)):
                raise ValueError(
                    "sample_weight is zero for every image with labelled pixels; at least one "
                    "must be positive."
                )
            net._weight_scale = float(n_labelled.sum()) / weighted

    def learn_chunk(
        self, net: Any, y: np.ndarray, weight: np.ndarray | None, classes: Any, first: bool
    ) -> None:
        """Count the classes of further pixels, whose weights are taken as they are."""
        super().learn_chunk(net, y, weight, classes, first)
        net._weight_scale = 1.0

    def possible_classes(self, net: Any, classes: Any) -> np.ndarray:
        """Return what the user says may ever come; ``ignore_index`` is none of it."""
        return _labelled(net, np.unique(classes))

    def encode(self, net: Any, y: np.ndarray, name: str) -> np.ndarray:
        """Return the code of each pixel."""
        there = are_labelled(y, net._ignored_label())
        if there is None:
            return super().encode(net, y, name)
        n_classes = self.n_outputs(net)
        codes = np.full(y.shape, n_classes, np.uint8 if n_classes < 256 else np.int64)
        codes[there] = super().encode(net, y[there], name)
        return codes

    def decode(self, net: Any, codes: np.ndarray, units: tuple[np.ndarray, ...]) -> np.ndarray:
        """Return the label of each pixel."""
        ignored = net._ignored_label()
        return (units[0] if ignored is None else np.append(units[0], ignored))[codes]

    def check_parts(self, net: Any, train: Rows, valid: Rows | None) -> None:
        """Raise if none of the images of a part has a labelled pixel."""
        for rows, name in ((train, "training"), (valid, "validation")):
            if rows is not None and not bool((rows.y < self.n_outputs(net)).any()):
                raise ValueError(
                    f"None of the {rows.n_rows} {name} images has a labelled pixel: all are "
                    f"ignore_index={net._ignored_label()!r}."
                )

    def batch_rows(self, net: Any, batch_size: int | str, n_rows: int) -> int:
        """Return how many of ``n_rows`` training images make a batch."""
        if batch_size == "auto":
            return min(_AUTO_BATCH, n_rows)
        return super().batch_rows(net, batch_size, n_rows)

    def n_counted(self, net: Any, batch: TensorRows) -> int:
        """Return the images of a batch, or its labelled pixels where some have no label."""
        if net._ignored_label() is None:
            return super().n_counted(net, batch)
        return int((batch.y < self.n_outputs(net)).sum())

    def row_weights(
        self, net: Any, codes: np.ndarray, weight: np.ndarray | None
    ) -> np.ndarray | None:
        """Return the given weights: those of classes are for pixels, and the loss has them."""
        return weight

    def criterion(self, net: Any) -> torch.nn.Module:
        """Return the loss that is asked for, over labelled pixels."""
        shares, factors = self.shares(net), None
        ignores = net._ignored_label() is not None
        if shares is None:
            return MaskLoss(net.loss, net.label_smoothing, ignores=ignores)
        if net.class_weight is not None:
            factors = torch.tensor(net._class_factors[0], dtype=FLOAT_TYPES[net.dtype_])
        return MaskLoss(
            net.loss,
            net.label_smoothing,
            factors,
            ignores=ignores,
            weight_scale=net._weight_scale,
            shares=shares[0],
        )

    def codes(self, net: Any, output: torch.Tensor) -> torch.Tensor:
        """Return the code of each pixel, a byte each where there are few classes."""
        codes = net._coding.codes(output)
        return codes.to(torch.uint8) if self.n_outputs(net) <= 256 else codes

    def kept_for_score(self, net: Any, output: torch.Tensor) -> torch.Tensor:
        """Return the code of each pixel."""
        return self.codes(net, output)

    def rows_score(self, net: Any, output: torch.Tensor, rows: Rows) -> float:
        """Return the mean Dice coefficient of all classes but the lowest."""
        n_classes = self.n_outputs(net)
        return dice_score(
            rows.y.cpu().numpy(),
            output.cpu().numpy(),
            labels=range(1, n_classes),
            sample_weight=None if rows.weight is None else rows.weight.cpu().numpy(),
            ignore_index=n_classes,
        )

    def score(self, net: Any, X: Any, y: Any, sample_weight: Any) -> float:
        """Return the mean Dice coefficient of all classes but the lowest."""
        in_codes = isinstance(X, IN_TRAINING_UNITS)  # of a callback
        n_classes = self.n_outputs(net)
        return score_masks(
            dice_score,
            y,
            net.predict(X),
            classes=np.arange(n_classes) if in_codes else net.classes_,
            sample_weight=sample_weight,
            ignore_index=n_classes if in_codes else net._ignored_label(),
        )


def _labelled(net: Any, y: np.ndarray) -> np.ndarray:
    """Return the labels in ``y``, without those of pixels that have none."""
    there = are_labelled(y, net._ignored_label())
    return y if there is None else y[there]


def _is_nan(label: Any) -> bool:
    return label is not None and label != label
