"""Base of the estimators that give each pixel a class."""

from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_array, check_consistent_length

from sklearn_trainkit.neural_network.base._target_kinds import ClassifierNet
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


class SegmenterNet(ClassifierNet):
    """Gives each pixel of an image one of the classes.

    Pixels without a label have the code after the last class's.
    """

    _score_name = "valid_dice"

    loss: str
    ignore_index: Any
    ignore_label: Any

    def _check_data(self, X: Any, y: Any, reset: bool) -> tuple[Any, np.ndarray]:
        X = self._checked_samples(X, reset)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but y is None.")
        y = check_array(
            mask_array(y),
            ensure_2d=False,
            allow_nd=True,
            dtype=None,
            ensure_all_finite="allow-nan" if _is_nan(self._ignored_label()) else True,
            input_name="y",
        )
        check_mask_labels(self._labelled(y))
        check_consistent_length(X, y)
        return X, masks_like(y, X)

    def _ignored_label(self) -> Any:
        """Return what marks pixels without a label; None for nothing."""
        if self.ignore_label is None or self.ignore_index is None:
            return self.ignore_index if self.ignore_label is None else self.ignore_label
        raise ValueError(
            "ignore_label is another name of ignore_index; give one of them. Got "
            f"ignore_index={self.ignore_index!r} and ignore_label={self.ignore_label!r}."
        )

    def _labelled(self, y: np.ndarray) -> np.ndarray:
        """Return the labels in ``y``, without those of pixels that have none."""
        there = are_labelled(y, self._ignored_label())
        return y if there is None else y[there]

    def _learn_coding(self, y: np.ndarray, classes: Any = None) -> MaskCoding:
        labels = np.unique(self._labelled(y) if classes is None else classes)
        if len(labels) < 2:
            ignored = self._ignored_label()
            beside = "" if ignored is None else f" beside ignore_index={ignored!r}"
            found = ": " + ", ".join(map(repr, labels.tolist())) if len(labels) else ""
            raise ValueError(
                f"{type(self).__name__} needs at least 2 classes in y{beside}. Got "
                f"{len(labels)} class{found}."
            )
        return MaskCoding(labels)

    def _learn_from_training_part(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        super()._learn_from_training_part(y, weight)
        self._weight_scale = 1.0
        there = None if weight is None else are_labelled(y, self._ignored_label())
        if weight is not None and there is not None and y.ndim > 1:
            # The mean is over labelled pixels, of which some images have more than others.
            n_labelled = there.sum(axis=(1, 2))
            if not (weighted := float(n_labelled @ weight)):
                raise ValueError(
                    "sample_weight is zero for every image with labelled pixels; at least one "
                    "must be positive."
                )
            self._weight_scale = float(n_labelled.sum()) / weighted

    def _encode_targets(self, y: np.ndarray, name: str) -> np.ndarray:
        there = are_labelled(y, self._ignored_label())
        if there is None:
            return super()._encode_targets(y, name)
        n_classes = self._n_outputs
        codes = np.full(y.shape, n_classes, np.uint8 if n_classes < 256 else np.int64)
        codes[there] = super()._encode_targets(y[there], name)
        return codes

    def _split(self, X: Any, *args: Any, **kwargs: Any) -> tuple[Rows, Rows | None]:
        parts = super()._split(X, *args, **kwargs)
        for rows, name in zip(parts, ("training", "validation"), strict=True):
            if rows is not None and not bool((rows.y < self._n_outputs).any()):
                raise ValueError(
                    f"None of the {rows.n_rows} {name} images has a labelled pixel: all are "
                    f"ignore_index={self._ignored_label()!r}."
                )
        return parts

    def _n_counted(self, batch: TensorRows) -> int:
        if self._ignored_label() is None:
            return super()._n_counted(batch)
        return int((batch.y < self._n_outputs).sum())

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> "SegmenterNet":
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
        if classes is not None:
            classes = self._labelled(np.unique(classes))
        super().partial_fit(X, y, classes, sample_weight)
        return self

    def _learn_from_chunk(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        super()._learn_from_chunk(y, weight)
        self._weight_scale = 1.0

    def _row_weights(self, codes: np.ndarray, weight: np.ndarray | None) -> np.ndarray | None:
        # Class weights are for pixels, not for images: the loss has them.
        return weight

    def _make_criterion(self) -> torch.nn.Module:
        shares, factors = self._class_shares(), None
        ignores = self._ignored_label() is not None
        if shares is None:
            return MaskLoss(self.loss, self.label_smoothing, ignores=ignores)
        if self.class_weight is not None:
            factors = torch.tensor(self._class_factors[0], dtype=FLOAT_TYPES[self.dtype_])
        return MaskLoss(
            self.loss,
            self.label_smoothing,
            factors,
            ignores=ignores,
            weight_scale=self._weight_scale,
            shares=shares[0],
        )

    def _targets_of(self, codes: np.ndarray, units: tuple[np.ndarray, ...]) -> np.ndarray:
        ignored = self._ignored_label()
        # The code after those of the classes is that of pixels without a label.
        return (units[0] if ignored is None else np.append(units[0], ignored))[codes]

    def _codes(self, output: torch.Tensor) -> torch.Tensor:
        """Return the code of each pixel, a byte each where there are few classes."""
        codes = self._coding.codes(output)
        return codes.to(torch.uint8) if self._n_outputs <= 256 else codes

    def _kept_for_score(self, output: torch.Tensor) -> torch.Tensor:
        return self._codes(output)

    def _rows_score(self, output: torch.Tensor, rows: Rows) -> float:
        foreground = range(1, self._n_outputs)
        return dice_score(
            rows.y.cpu().numpy(),
            output.cpu().numpy(),
            labels=foreground,
            sample_weight=None if rows.weight is None else rows.weight.cpu().numpy(),
            ignore_index=self._n_outputs,
        )

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
        codes = self._output(X, self._codes).numpy()
        return codes if isinstance(X, IN_TRAINING_UNITS) else self._coding.labels(codes)

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
        in_codes = isinstance(X, IN_TRAINING_UNITS)  # of a callback
        return score_masks(
            dice_score,
            y,
            self.predict(X),
            classes=np.arange(self._n_outputs) if in_codes else self.classes_,
            sample_weight=sample_weight,
            ignore_index=self._n_outputs if in_codes else self._ignored_label(),
        )


def _is_nan(label: Any) -> bool:
    return label is not None and label != label
