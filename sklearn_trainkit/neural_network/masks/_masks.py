"""Masks as targets: each pixel of an image has one of the classes, or no label."""

from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_array, check_consistent_length

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
from sklearn_trainkit.neural_network.targets._place_labels import PlaceLabels

_AUTO_BATCH = 8


class Masks(PlaceLabels):
    """A label for each pixel; those without one have the code after the last class's.

    On the network stands ``_weight_scale`` too: what makes weights of images those of pixels.
    """

    score_name: ClassVar[str] = "valid_dice"
    kind_of_coding: ClassVar[type] = MaskCoding

    def mark(self, net: Any) -> Any:
        """Return the label that stands for none, or None."""
        return net._ignored_label()

    def labels_among(self, net: Any, y: np.ndarray) -> np.ndarray:
        """Return those entries of ``y`` that are labels."""
        there = are_labelled(y, self.mark(net))
        return y if there is None else y[there]

    def read(self, net: Any, X: Any, y: Any) -> np.ndarray:
        """Return masks (N, H, W) for the images ``X``."""
        y = check_array(
            mask_array(y),
            ensure_2d=False,
            allow_nd=True,
            dtype=None,
            ensure_all_finite="allow-nan" if _is_nan(self.mark(net)) else True,
            input_name="y",
        )
        check_mask_labels(self.labels_among(net, y))
        check_consistent_length(X, y)
        return masks_like(y, X)

    def learn_again(self, net: Any, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Learn the shares of the classes, and the mean weight of labelled pixels."""
        super().learn_again(net, y, weight)
        net._weight_scale = 1.0
        there = None if weight is None else are_labelled(y, self.mark(net))
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

    def encode(self, net: Any, y: np.ndarray, name: str) -> np.ndarray:
        """Return the code of each pixel."""
        there = are_labelled(y, self.mark(net))
        if there is None:
            return super().encode(net, y, name)
        n_classes = self.n_outputs(net)
        codes = np.full(y.shape, n_classes, np.uint8 if n_classes < 256 else np.int64)
        codes[there] = super().encode(net, y[there], name)
        return codes

    def decode(self, net: Any, codes: np.ndarray, units: tuple[np.ndarray, ...]) -> np.ndarray:
        """Return the label of each pixel."""
        ignored = self.mark(net)
        return (units[0] if ignored is None else np.append(units[0], ignored))[codes]

    def check_parts(self, net: Any, train: Rows, valid: Rows | None) -> None:
        """Raise if none of the images of a part has a labelled pixel."""
        for rows, name in ((train, "training"), (valid, "validation")):
            if rows is not None and not bool((rows.y < self.n_outputs(net)).any()):
                raise ValueError(
                    f"None of the {rows.n_rows} {name} images has a labelled pixel: all are "
                    f"ignore_index={self.mark(net)!r}."
                )

    def batch_rows(self, net: Any, batch_size: int | str, n_rows: int) -> int:
        """Return how many of ``n_rows`` training images make a batch."""
        if batch_size == "auto":
            return min(_AUTO_BATCH, n_rows)
        return super().batch_rows(net, batch_size, n_rows)

    def n_counted(self, net: Any, batch: TensorRows) -> int:
        """Return the images of a batch, or its labelled pixels where some have no label."""
        if self.mark(net) is None:
            return super().n_counted(net, batch)
        return int((batch.y < self.n_outputs(net)).sum())

    def criterion(self, net: Any) -> torch.nn.Module:
        """Return the loss that is asked for, over labelled pixels."""
        shares = self.shares(net)
        return MaskLoss(
            net.loss,
            net.label_smoothing,
            self.place_factors(net),
            ignores=self.mark(net) is not None,
            weight_scale=net._weight_scale,
            shares=None if shares is None else shares[0],
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
            ignore_index=n_classes if in_codes else self.mark(net),
        )


def _is_nan(label: Any) -> bool:
    return label is not None and label != label
