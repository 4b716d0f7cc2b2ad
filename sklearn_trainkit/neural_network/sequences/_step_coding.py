"""Labels of steps as targets: how they are read, coded and answered."""

from typing import Any

import numpy as np
import torch
from sklearn.utils.multiclass import check_classification_targets

from sklearn_trainkit.neural_network.batches._input_lists import as_list
from sklearn_trainkit.neural_network.sequences._step_targets import check_step_list
from sklearn_trainkit.neural_network.targets._label_coding import SingleLabel
from sklearn_trainkit.neural_network.targets._label_kinds import check_label_kind

__all__ = ["StepCoding", "are_labels", "plain_labels", "step_labels", "with_ends"]

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
    there = (np.arange(longest) < n_steps[:, None]) & are_labels(values, ignore_index)
    labels = plain_labels(values[there], name)
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


def are_labels(values: np.ndarray, ignore_index: Any) -> np.ndarray:
    if values.dtype == object:
        flat = [_is_one(value, ignore_index) for value in values.ravel()]
        return np.reshape(flat, values.shape).astype(bool)
    found = ~np.isnan(values) if values.dtype.kind in "fmM" else np.ones(values.shape, bool)
    return found if ignore_index is None else found & (values != ignore_index)


def _is_one(value: Any, ignore_index: Any) -> bool:
    if value is None or type(value).__name__ == "NAType":  # pandas' own, equal to nothing
        return False
    return bool(value == value) and (ignore_index is None or bool(value != ignore_index))


def plain_labels(labels: np.ndarray, name: str) -> np.ndarray:
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
