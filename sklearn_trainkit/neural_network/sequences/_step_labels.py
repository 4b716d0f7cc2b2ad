"""A class for each step of a sequence: checks, coding, loss and score, over labelled steps only."""

from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.multiclass import check_classification_targets
from torch import nn

from sklearn_trainkit.neural_network.batches._input_lists import as_list
from sklearn_trainkit.neural_network.batches._tensor_loader import IN_TRAINING_UNITS, Rows
from sklearn_trainkit.neural_network.sequences._sequence_checks import step_counts, true_steps
from sklearn_trainkit.neural_network.sequences._step_targets import (
    check_some_targets,
    check_step_list,
    mean_steps,
    mean_steps_of_rows,
)
from sklearn_trainkit.neural_network.targets._label_coding import SingleLabel
from sklearn_trainkit.neural_network.targets._label_kinds import check_label_kind, check_same_kind
from sklearn_trainkit.neural_network.targets._place_labels import PlaceLabels
from sklearn_trainkit.utils._sklearn_private import check_sample_weight

__all__ = [
    "StepClassLoss",
    "StepCoding",
    "StepLabels",
    "step_accuracy",
    "step_labels",
    "with_ends",
]

# Fewer sequences in a batch cost more time than they bring.
_FEWEST_SEQUENCES = 8
# Beyond this, floats leave out integers.
_EXACT_INTEGERS = 2**53


class StepCoding(SingleLabel):
    """One class a step: codes (N, T), the code after the last class's where there is no label.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels.

    Examples
    --------
    >>> y = np.ma.masked_array([["rest", "walk"], ["walk", ""]], mask=[[0, 0], [0, 1]])
    >>> StepCoding(np.array(["rest", "walk"])).encode(y, "y")
    array([[0, 1],
           [1, 2]])
    """

    def encode(self, y: np.ndarray, name: str) -> np.ndarray:
        """Return the code of each step's label."""
        there = ~np.ma.getmaskarray(y)
        codes = np.full(y.shape, self.n_outputs, np.int64)
        codes[there] = super().encode(np.ma.getdata(y)[there], name)
        return codes

    def count(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """Return the steps of each class, by the weights of their sequences: (1, n_classes)."""
        codes = self.encode(y, "y")
        there = codes < self.n_outputs
        weights = None if weight is None else np.broadcast_to(weight[:, None], y.shape)[there]
        return np.bincount(codes[there], weights, minlength=self.n_outputs)[None].astype(float)

    def probabilities(self, output: torch.Tensor) -> torch.Tensor:
        """Return the probability of each class, (N, T, n_classes)."""
        return super().probabilities(output.flatten(0, 1)).reshape(output.shape)

    def log_probabilities(self, output: torch.Tensor) -> torch.Tensor:
        """Return the logarithm of the probability of each class, (N, T, n_classes)."""
        return super().log_probabilities(output.flatten(0, 1)).reshape(output.shape)

    def codes(self, output: torch.Tensor) -> torch.Tensor:
        """Return the most probable code of each step, (N, T)."""
        return super().codes(output.flatten(0, 1)).reshape(output.shape[:2])

    def accuracy(self, output: torch.Tensor, codes: torch.Tensor) -> float:
        """Return the share of labelled steps whose most probable code is the true one."""
        there = codes < self.n_outputs
        return (self.codes(output) == codes)[there].double().mean().item()


class StepLabels(PlaceLabels):
    """A label for each step. On the network stands ``_mean_steps``: labelled ones of a sequence."""

    kind_of_coding: ClassVar[type] = StepCoding

    def read(self, net: Any, X: Any, y: Any) -> np.ndarray:
        """Return the labels of each step, masked where there is none."""
        return step_labels(y, step_counts(X), X.shape[1], net.ignore_index)

    def labels_among(self, net: Any, y: np.ndarray) -> np.ndarray:
        """Return those entries of ``y`` that are labels, neither masked nor marked."""
        y = np.ma.compressed(y)
        return _plain(y[_is_label(y, net.ignore_index)], "y")

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


def step_labels(
    y: Any, n_steps: np.ndarray, longest: int, ignore_index: Any = None, name: str = "y"
) -> np.ma.MaskedArray:
    """Return the labels of each step, masked after the end and where there is none.

    Parameters
    ----------
    y : array-like of shape (n_samples, longest), or list of arrays of shape (n_steps,)
        Labels of any kind. NaN, None, ``ignore_index`` and what numpy masks are no labels; what
        comes after the end of a sequence is ignored.
    n_steps : ndarray of shape (n_samples,)
        True steps of each sequence of X.
    longest : int
        Steps of X.
    ignore_index : label or None, default=None

    Raises
    ------
    ValueError
        If steps are missing or too many, or the labels are of several kinds.

    Examples
    --------
    >>> step_labels([["a", None], ["b"]], np.array([2, 1]), 2).tolist()
    [['a', None], ['b', None]]
    """
    values = _aligned(y, n_steps, longest, name)
    check_label_kind(values, ignore_index, name, "ignore_index")
    there = (np.arange(longest) < n_steps[:, None]) & _is_label(values, ignore_index)
    labels = _plain(values[there], name)
    check_classification_targets(labels if len(labels) else np.zeros(1, int))
    result = np.ma.masked_all(there.shape, labels.dtype)
    result[there] = labels
    return result


def _aligned(y: Any, n_steps: np.ndarray, longest: int, name: str) -> np.ndarray:
    """Return labels as (n_samples, longest); of objects where they come as a list."""
    y = as_list(y)
    if isinstance(y, list):
        check_step_list(y, n_steps, longest, name)
        values = np.full((len(y), longest), None, dtype=object)
        for index, part in enumerate(y):
            labels = _unmasked(part)
            if labels.ndim == 2 and labels.shape[1] == 1:
                labels = labels[:, 0]
            if labels.ndim != 1:
                raise ValueError(
                    f"return_sequences=True needs one label for each step. Got {name}[{index}] of "
                    f"shape {labels.shape}."
                )
            values[index, : len(labels)] = _as_objects(labels)
        return values
    values = _unmasked(y)
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.shape != (len(n_steps), longest):
        raise ValueError(
            f"return_sequences=True needs {name} with a label for each of the steps of X. Got "
            f"{name} of shape {values.shape} for {len(n_steps)} sequences of up to {longest} steps."
        )
    return values


def _unmasked(y: Any) -> np.ndarray:
    """Return an array, of objects and with None where numpy masks it: it would forget the mask."""
    if not np.ma.isMaskedArray(y):
        return np.asarray(y.numpy(force=True) if hasattr(y, "detach") else y)
    values = _as_objects(np.ma.getdata(y))
    values[np.ma.getmaskarray(y)] = None
    return values


def _as_objects(labels: np.ndarray) -> np.ndarray:
    """Return labels as objects; numpy would make numbers of dates in nanoseconds."""
    if labels.dtype.kind not in "mM":
        return labels.astype(object)
    objects = np.empty(labels.size, dtype=object)
    objects[:] = list(labels.ravel())
    return objects.reshape(labels.shape)


def _is_label(values: np.ndarray, ignore_index: Any) -> np.ndarray:
    if values.dtype == object:
        flat = [_is_one(value, ignore_index) for value in values.ravel()]
        return np.reshape(flat, values.shape).astype(bool)
    found = ~np.isnan(values) if values.dtype.kind in "fmM" else np.ones(values.shape, bool)
    return found if ignore_index is None else found & (values != ignore_index)


def _is_one(value: Any, ignore_index: Any) -> bool:
    if value is None or type(value).__name__ == "NAType":  # pandas' own, equal to nothing
        return False
    return bool(value == value) and (ignore_index is None or bool(value != ignore_index))


def _plain(labels: np.ndarray, name: str) -> np.ndarray:
    """Return objects as an array of text, numbers or truth values; other arrays as they are."""
    if labels.dtype != object:
        return labels
    words = [isinstance(label, str) for label in labels]
    if any(words) and not all(words):
        raise ValueError(
            f"{name} must have labels of one kind. Got text, such as "
            f"{labels[words.index(True)]!r}, and others, such as {labels[words.index(False)]!r}."
        )
    return np.array(labels.tolist())


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


def with_ends(labels: np.ndarray, there: np.ndarray, ignore_index: Any = None) -> np.ndarray:
    """Return the labels of steps, with what marks the end of a sequence after it.

    Parameters
    ----------
    labels : ndarray of shape (n_samples, n_steps)
    there : ndarray of bool of shape (n_samples, n_steps)
        True steps.
    ignore_index : label or None, default=None
        The mark; None takes an empty string for text, NaT for dates, and NaN for numbers, which are
        then floats, or objects where floats do not hold them.

    Examples
    --------
    >>> with_ends(np.array([[1, 1]]), np.array([[True, False]]))
    array([[ 1., nan]])
    """
    if there.all():
        return labels
    mark, kind = ignore_index, labels.dtype.kind
    if mark is None:
        mark = {"U": "", "M": np.datetime64("NaT"), "m": np.timedelta64("NaT")}.get(kind, np.nan)
    is_inexact = kind in "iu" and mark != mark and bool((np.abs(labels) > _EXACT_INTEGERS).any())
    if isinstance(mark, str) != (kind == "U") or is_inexact:
        return np.where(there, labels.astype(object), mark)
    return np.where(there, labels, mark)
