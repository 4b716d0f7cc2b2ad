"""Base of the estimators that give each pixel a class."""

from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_array, check_consistent_length

from sklearn_trainkit.neural_network._base_net import BaseNet
from sklearn_trainkit.neural_network._mask_losses import MaskLoss
from sklearn_trainkit.neural_network._mask_metrics import dice_score
from sklearn_trainkit.neural_network._mask_targets import (
    MaskCoding,
    check_mask_labels,
    class_factors,
    masks_like,
)
from sklearn_trainkit.neural_network._target_kinds import ClassifierNet
from sklearn_trainkit.neural_network._tensor_loader import Rows, RowsDataset


class SegmenterNet(ClassifierNet):
    """Gives each pixel of an image one of the classes."""

    _score_name = "valid_dice"

    loss: str

    def _check_data(self, X: Any, y: Any, reset: bool) -> tuple[Any, np.ndarray]:
        X = self._checked_samples(X, reset)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but y is None.")
        y = check_array(y, ensure_2d=False, allow_nd=True, dtype=None, input_name="y")
        check_mask_labels(y)
        check_consistent_length(X, y)
        return X, masks_like(y, X)

    def _learn_targets(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        classes = np.unique(y)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 classes in y. Got 1 class: "
                f"{classes.tolist()[0]!r}."
            )
        self._coding = MaskCoding(classes)
        self._learn_from_training_part(y, weight)

    def _learn_from_training_part(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        self._class_factors = class_factors(self.class_weight, self.classes_, y)

    def _training_weights(self, sample_weight: Any, y: np.ndarray) -> np.ndarray | None:
        # Class weights are for pixels, not for images.
        return BaseNet._training_weights(self, sample_weight, y)

    def _make_criterion(self) -> torch.nn.Module:
        return MaskLoss(self.loss, self.label_smoothing, self._class_factors)

    def _codes(self, output: torch.Tensor) -> torch.Tensor:
        """Return the code of each pixel, a byte each where there are few classes."""
        codes = self._coding.codes(output)
        return codes.to(torch.uint8) if self._n_outputs <= 256 else codes

    def _kept_for_score(self, output: torch.Tensor) -> torch.Tensor:
        return self._codes(output)

    def _rows_score(self, output: torch.Tensor, rows: Rows) -> float:
        foreground = range(1, self._n_outputs)
        return dice_score(rows.y.cpu().numpy(), output.cpu().numpy(), labels=foreground)

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
        return codes if isinstance(X, RowsDataset) else self._coding.labels(codes)

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
        """Return the mean Dice coefficient of all classes but the first, over all pixels.

        Parameters
        ----------
        X : array-like of shape (n_samples, channels, height, width), or as given to ``fit``
        y : array-like of shape (n_samples, height, width)
        sample_weight : None
            Not used.

        Returns
        -------
        score : float in [0, 1]
        """
        predicted = self.predict(X)
        truth = masks_like(np.asarray(y), predicted[:, None])
        return dice_score(truth, predicted, labels=self.classes_[1:])
