"""Weights of classes: from what the user gave and the rows seen, a factor for each class."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

__all__ = ["class_factors", "mean_one_factors"]


def class_factors(
    class_weight: Any, classes: Sequence[np.ndarray], counts: np.ndarray
) -> np.ndarray:
    """Return the factor of each class in the loss.

    Parameters
    ----------
    class_weight : dict, list of dicts, "balanced" or None
        A list has a dict for each label of a row.
    classes : sequence of ndarray of shape (n_classes,)
        One array; for several labels a row, one each.
    counts : ndarray of shape (len(classes), n_classes)
        Rows of each class seen so far, by their weights.

    Returns
    -------
    factors : ndarray of shape (len(classes), n_classes)
        "balanced" is ``rows / (classes seen * rows of the class)``, as scikit-learn has it, with
        mean 1 over the rows. A class that was not seen weighs as much as the rarest that was.

    Raises
    ------
    ValueError
        For weights that are no finite numbers of at least 0, or do not fit the classes.

    Examples
    --------
    >>> class_factors({"dog": 9}, [np.array(["cat", "dog"])], np.array([[3, 1]]))
    array([[1., 9.]])
    >>> class_factors("balanced", [np.array([0, 1])], np.array([[3, 1]]))
    array([[0.66666667, 2.        ]])
    """
    if class_weight is None:
        return np.ones(counts.shape)
    if isinstance(class_weight, str):
        return np.stack([_balanced(own) for own in counts])
    each = _one_dict_each(class_weight, len(classes))
    return np.stack([_factors(*pair) for pair in zip(each, classes, strict=True)])


def mean_one_factors(factors: np.ndarray, counts: np.ndarray, class_weight: Any) -> np.ndarray:
    """Return the factors scaled to mean 1 over the rows seen.

    Raises
    ------
    ValueError
        If all rows seen have a weight of 0.
    """
    factors = factors / np.maximum(factors.max(axis=1, keepdims=True), np.finfo(float).tiny)
    totals, weighted = counts.sum(axis=1), (factors * counts).sum(axis=1)
    if (weighted[totals > 0] == 0).any():
        raise _bad_weights(class_weight)
    return (
        factors * np.divide(totals, weighted, out=np.ones(len(totals)), where=totals > 0)[:, None]
    )


def _balanced(counts: np.ndarray) -> np.ndarray:
    seen = counts > 0
    if not seen.any():
        return np.ones(len(counts))
    rarest = np.maximum(counts, counts[seen].min())
    return counts.sum() / (seen.sum() * rarest)


def _one_dict_each(class_weight: Any, n_labels: int) -> list[dict]:
    is_list = isinstance(class_weight, (list, tuple))
    dicts = list(class_weight) if is_list else [class_weight]
    if not all(isinstance(own, dict) for own in dicts):
        raise ValueError(
            "class_weight must be a dict from labels to weights, a list of such dicts where rows "
            f"have several labels, 'balanced' or None. Got {class_weight!r} instead."
        )
    if n_labels == 1 and not is_list:
        return dicts
    if n_labels == 1:
        raise ValueError(
            "class_weight is a list, which is for several labels a row; with one label a row it "
            f"must be a dict such as {{0: 1, 1: 9}}, 'balanced' or None. Got {class_weight!r}."
        )
    if not is_list or len(dicts) != n_labels:
        raise ValueError(
            f"class_weight must be a list of {n_labels} dicts, one for each label in the order of "
            "the columns of y, such as {0: 1, 1: 9} for a label whose ones count nine times; or "
            f"'balanced' or None. Got {class_weight!r} instead."
        )
    return dicts


def _factors(weights: dict, classes: np.ndarray) -> np.ndarray:
    """Return the weight of each class; 1 for those that are not named."""
    labels = classes.tolist()
    unknown = [key for key in weights if key not in labels]
    left_out = [label for label in labels if label not in weights]
    # As in scikit-learn: a class that no row has may be named, but not for one that rows have.
    if unknown and left_out:
        raise ValueError(
            f"class_weight={weights!r} names {unknown}, not among the classes {labels}, and leaves "
            f"{left_out} out, which would weigh 1. Use the labels as they are in y."
        )
    values = [weights.get(label, 1.0) for label in labels]
    factors = np.array([v if isinstance(v, (Real, np.bool_)) else np.nan for v in values], float)
    if not np.isfinite(factors).all() or factors.min() < 0:
        raise _bad_weights(weights)
    return factors


def _bad_weights(class_weight: Any) -> ValueError:
    return ValueError(
        "class_weight must have finite weights of at least 0, not 0 for all classes in y. "
        f"Got {class_weight!r} instead."
    )
