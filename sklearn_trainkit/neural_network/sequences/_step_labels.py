"""A class for each step of a sequence: loss, answers and score, over labelled steps only."""

from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from sklearn_trainkit.neural_network.batches._tensor_loader import IN_TRAINING_UNITS, Rows
from sklearn_trainkit.neural_network.sequences._sequence_checks import step_counts, true_steps
from sklearn_trainkit.neural_network.sequences._step_coding import (
    StepCoding,
    are_labels,
    plain_labels,
    step_labels,
    with_ends,
)
from sklearn_trainkit.neural_network.sequences._step_targets import (
    check_some_targets,
    mean_steps,
    mean_steps_of_rows,
)
from sklearn_trainkit.neural_network.targets._label_kinds import check_same_kind
from sklearn_trainkit.neural_network.targets._place_labels import PlaceLabels
from sklearn_trainkit.utils._sklearn_private import check_sample_weight

__all__ = ["StepClassLoss", "StepLabels", "step_accuracy"]

# Fewer sequences in a batch cost more time than they bring.
_FEWEST_SEQUENCES = 8


class StepLabels(PlaceLabels):
    """A label for each step. On the network stands ``_mean_steps``: labelled ones of a sequence."""

    kind_of_coding: ClassVar[type] = StepCoding

    def read(self, net: Any, X: Any, y: Any) -> np.ndarray:
        """Return the labels of each step, masked where there is none."""
        return step_labels(y, step_counts(X), X.shape[1], net.ignore_index)

    def labels_among(self, net: Any, y: np.ndarray) -> np.ndarray:
        """Return those entries of ``y`` that are labels, neither masked nor marked."""
        y = np.ma.compressed(y)
        return plain_labels(y[are_labels(y, net.ignore_index)], "y")

    def learn_again(self, net: Any, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Learn the shares of the classes, and how many steps are labelled."""
        super().learn_again(net, y, weight)
        net._mean_steps = mean_steps(~np.ma.getmaskarray(y), weight)

    def learn_chunk(
        self, net: Any, y: np.ndarray, weight: np.ndarray | None, classes: Any, first: bool
    ) -> None:
        """Count the classes of further sequences; the first that have labels say how many."""
        counts = None if first else net._class_counts
        super().learn_chunk(net, y, weight, classes, first)
        if counts is None or not counts.any():
            has_some = net._class_counts.any()  # without labels there is no loss to divide
            net._mean_steps = mean_steps(~np.ma.getmaskarray(y), weight) if has_some else 1.0

    def decode(self, net: Any, codes: np.ndarray, units: tuple[np.ndarray, ...]) -> np.ndarray:
        """Return the label of each step, masked where there is none."""
        classes = units[0]
        return np.ma.masked_array(classes[codes.clip(max=len(classes) - 1)], codes == len(classes))

    def check_parts(self, net: Any, train: Rows, valid: Rows | None) -> None:
        """Raise if none of the steps of a part has a label."""
        check_some_targets(train, valid, lambda y: y < self.n_outputs(net))

    def batch_rows(self, net: Any, batch_size: int | str, n_rows: int) -> int:
        """Return how many of ``n_rows`` training sequences make a batch."""
        usual = super().batch_rows(net, batch_size, n_rows)
        if batch_size != "auto":
            return usual
        # Targets make a batch, of which a sequence has many.
        n_targets = super().batch_rows(net, "auto", round(n_rows * net._mean_steps))
        return min(usual, max(_FEWEST_SEQUENCES, round(n_targets / net._mean_steps)))

    def criterion(self, net: Any) -> nn.Module:
        """Return cross-entropy over the labelled steps."""
        return StepClassLoss(super().criterion(net), net._mean_steps, self.place_factors(net))

    def valid_loss(self, net: Any, loss: float, rows: Rows) -> float:
        """Return the mean loss over the labelled steps of the validation rows."""
        return loss * net._mean_steps / mean_steps_of_rows(rows, rows.y < self.n_outputs(net))

    def rows_score(self, net: Any, output: torch.Tensor, rows: Rows) -> float:
        """Return the accuracy over labelled steps."""
        return net._coding.accuracy(output, rows.y)

    def predict(self, net: Any, X: Any) -> np.ndarray:
        """Return the label of each step, and a mark after the end of a sequence."""
        if isinstance(X, IN_TRAINING_UNITS):
            return super().predict(net, X)
        codes, there = self._predicted_steps(net, X)
        return with_ends(net._coding.labels(codes), there, net.ignore_index)

    def _predicted_steps(self, net: Any, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return a code for each step of padded sequences, and which of the steps there are."""
        data = net.get_dataset(X)
        return super().predict(net, data), true_steps(net, data.rows)

    def probabilities(self, net: Any, X: Any, *, logarithm: bool = False) -> np.ndarray:
        """Return probabilities for each step, NaN after the end of a sequence."""
        if isinstance(X, IN_TRAINING_UNITS):
            return super().probabilities(net, X, logarithm=logarithm)
        data = net.get_dataset(X)
        values = super().probabilities(net, data, logarithm=logarithm)
        values[~true_steps(net, data.rows)] = np.nan
        return values

    def score(self, net: Any, X: Any, y: Any, sample_weight: Any) -> float:
        """Return the accuracy over all labelled steps."""
        codes, there = self._predicted_steps(net, X)
        if isinstance(X, IN_TRAINING_UNITS):  # of a callback
            return step_accuracy(y, codes, there, self.n_outputs(net), sample_weight)
        labels = net._coding.labels(codes)
        return step_accuracy(y, labels, there, net.ignore_index, sample_weight)


class StepClassLoss(nn.Module):
    """Mean loss between logits (N, T, n_classes) and codes (N, T), over the labelled steps.

    A batch's loss is its sum over labelled steps divided by the labelled steps that as many
    sequences have on average, as for :class:`StepLoss`: over all sequences it is the plain mean,
    and a batch without labels has none.

    Parameters
    ----------
    criterion : Module
        Loss of single steps, called with (logits, codes, weight).
    mean_steps : float, default=1.0
        Labelled steps of a training sequence, on average (weighted).
    class_factors : Tensor of shape (n_classes,) or None, default=None
        Factor of each step's loss, by its class.
    """

    class_factors: torch.Tensor | None

    def __init__(
        self,
        criterion: nn.Module,
        mean_steps: float = 1.0,
        class_factors: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.criterion = criterion
        self.mean_steps = mean_steps
        self.register_buffer("class_factors", class_factors)

    def forward(
        self, output: torch.Tensor, codes: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the loss of the batch; ``weight`` has one entry a sequence."""
        there = codes < output.shape[2]
        logits, labels = output[there], codes[there]
        if not len(labels):
            return logits.sum()  # of nothing
        factors = None if weight is None else weight[:, None].expand(codes.shape)[there]
        if self.class_factors is not None:
            own = self.class_factors.to(logits.dtype)[labels]
            factors = own if factors is None else own * factors
        loss = self.criterion(logits, labels, factors)
        return loss * (len(labels) / (len(codes) * self.mean_steps))


def step_accuracy(
    y: Any,
    predicted: np.ndarray,
    there: np.ndarray,
    ignore_index: Any = None,
    sample_weight: Any = None,
) -> float:
    """Return the share of labelled steps that are predicted right, by their sequences' weights.

    Parameters
    ----------
    y : array-like
        Labels in any form that ``fit`` takes.
    predicted : ndarray of shape (n_samples, n_steps)
    there : ndarray of bool of shape (n_samples, n_steps)
        True steps of X.
    ignore_index : label or None, default=None
    sample_weight : array-like of shape (n_samples,) or None, default=None

    Raises
    ------
    ValueError
        If no step has a label.
    """
    y = step_labels(y, there.sum(axis=1), there.shape[1], ignore_index)
    labelled = ~np.ma.getmaskarray(y)
    if not labelled.any():
        raise ValueError("y must have a label at some step. Got none.")
    check_same_kind(np.ma.getdata(y)[labelled], predicted, "y", "classes_")
    weight = np.ones(len(y))
    if sample_weight is not None:
        weight = check_sample_weight(sample_weight, y, ensure_non_negative=True)
    hits = np.ma.getdata(y)[labelled] == predicted[labelled]
    weights = np.broadcast_to(weight[:, None], there.shape)[labelled]
    return float(np.average(hits, weights=weights))
