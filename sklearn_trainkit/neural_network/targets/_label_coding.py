"""How labels become targets of a loss, and outputs become labels again."""

from typing import Any

import numpy as np
import torch
from torch import nn

from sklearn_trainkit.neural_network.modules._losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    class_softmax,
)

_INDICATOR = np.array([0, 1])


class SingleLabel:
    """One class a sample: codes 0 to k - 1, k logits, cross-entropy, softmax.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels.

    Examples
    --------
    >>> coding = SingleLabel(np.array(["cat", "dog"]))
    >>> coding.encode(np.array(["dog", "cat"]), "y")
    array([1, 0])
    """

    def __init__(self, classes: np.ndarray) -> None:
        self.classes = classes
        self.n_outputs = len(classes)

    @property
    def weighted_classes(self) -> list[np.ndarray]:
        """The labels that a class weight may be for."""
        return [self.classes]

    def encode(self, y: np.ndarray, name: str) -> np.ndarray:
        """Return the code of each label, or raise naming those that are unknown."""
        if y.ndim != 1:
            raise ValueError(
                f"{name} must have one label for each row, as in the first fit. Got an array of "
                f"shape {y.shape} instead."
            )
        try:
            codes = np.searchsorted(self.classes, y).clip(max=len(self.classes) - 1)
        except TypeError as error:  # of objects that cannot be ordered
            raise ValueError(
                f"{name} has labels of another kind than the classes {self.classes.tolist()}: "
                f"{error}."
            ) from error
        unseen = np.unique(y[self.classes[codes] != y])
        if len(unseen):
            raise ValueError(
                f"{name} has labels that are not among the classes {self.classes.tolist()}: "
                f"{unseen.tolist()}."
            )
        return codes.astype(np.int64)

    def count(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """Return the rows of each class, by their weights, as shape (1, n_classes)."""
        codes = self.encode(y, "y")
        return np.bincount(codes, weight, minlength=self.n_outputs)[None].astype(float)

    def row_factors(self, factors: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return the factor of each row, from those of the classes."""
        return factors[0, codes]

    def criterion(self, label_smoothing: float, shares: torch.Tensor | None = None) -> nn.Module:
        """Return the loss; smoothed towards ``shares``, of shape (1, n_classes)."""
        return CrossEntropy(label_smoothing, None if shares is None else shares[0])

    def probabilities(self, output: torch.Tensor) -> torch.Tensor:
        """Return the probability of each class."""
        return class_softmax(output)

    def log_probabilities(self, output: torch.Tensor) -> torch.Tensor:
        """Return the logarithm of the probability of each class."""
        return torch.log_softmax(output, 1)

    def codes(self, output: torch.Tensor) -> torch.Tensor:
        """Return the most probable code."""
        return output.max(dim=1).indices  # faster than argmax, the first one all the same

    def labels(self, codes: np.ndarray) -> np.ndarray:
        """Return the labels of codes."""
        return self.classes[codes]


class MultiLabel:
    """Any number of labels a sample: an indicator matrix, a logit for each column, sigmoid.

    Parameters
    ----------
    n_labels : int
        Columns of the indicator matrix.
    """

    def __init__(self, n_labels: int) -> None:
        self.classes = np.arange(n_labels)
        if n_labels == 2:
            # scikit-learn's scorers take the numbers 0 and 1 for the classes of a binary problem
            # and drop the first column of predict_proba; objects they leave alone.
            self.classes = self.classes.astype(object)
        self.n_outputs = n_labels

    @property
    def weighted_classes(self) -> list[np.ndarray]:
        """What each label may be, as class weights name it."""
        return [_INDICATOR] * self.n_outputs

    def encode(self, y: np.ndarray, name: str) -> np.ndarray:
        """Return the indicator matrix as floats, or raise if it has other columns."""
        if y.ndim != 2 or y.shape[1] != self.n_outputs:
            raise ValueError(
                f"{name} must be an indicator matrix with {self.n_outputs} columns. Got an array "
                f"of shape {y.shape} instead."
            )
        if not np.isin(y, (0, 1)).all():
            others = np.setdiff1d(y, (0, 1))[:5].tolist()
            raise ValueError(
                f"{name} of shape {y.shape} must be an indicator matrix of zeros and ones, a "
                f"column for each label. Got {others} in it; fit one classifier for each column."
            )
        return y.astype(np.float32)

    def count(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """Return the rows without and with each label, by their weights: (n_labels, 2)."""
        rows = np.ones(len(y)) if weight is None else weight
        ones = rows @ self.encode(y, "y")
        return np.stack([rows.sum() - ones, ones], axis=1)

    def row_factors(self, factors: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return the factor of each row and label: each label's loss has weights of its own."""
        return np.where(codes > 0, factors[:, 1], factors[:, 0])

    def criterion(self, label_smoothing: float, shares: torch.Tensor | None = None) -> nn.Module:
        """Return the loss; smoothed towards ``shares``, of shape (n_labels, 2)."""
        return BinaryCrossEntropy(label_smoothing, None if shares is None else shares[:, 1])

    def probabilities(self, output: torch.Tensor) -> torch.Tensor:
        """Return the probability of each label."""
        return torch.sigmoid(output)

    def log_probabilities(self, output: torch.Tensor) -> torch.Tensor:
        """Return the logarithm of the probability of each label."""
        return torch.nn.functional.logsigmoid(output)

    def codes(self, output: torch.Tensor) -> torch.Tensor:
        """Return 1 for labels of probability above one half."""
        return (output > 0).long()

    def labels(self, codes: np.ndarray) -> np.ndarray:
        """Return the indicator matrix."""
        return codes


def learn_label_coding(y: np.ndarray, owner: str, classes: Any = None) -> Any:
    """Return the coding for training labels.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_labels)
    owner : str
        Who is named in errors.
    classes : array-like or None, default=None
        All labels that may ever come; None takes those of ``y``.

    Raises
    ------
    ValueError
        If there is a single class, or the columns of ``y`` are not those of ``classes``.
    """
    if y.ndim == 2:
        coding = MultiLabel(y.shape[1])
        if classes is not None and not np.array_equal(np.unique(classes), coding.classes):
            raise ValueError(
                f"classes={np.unique(classes).tolist()} must number the columns of y where rows "
                f"have several labels: {coding.classes.tolist()}, or None."
            )
        return coding
    classes = np.unique(y if classes is None else classes)
    if len(classes) < 2:
        raise ValueError(
            f"{owner} needs at least 2 classes in y. Got 1 class: {classes.tolist()[0]!r}."
        )
    return SingleLabel(classes)
