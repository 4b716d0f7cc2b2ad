"""Dice and IoU of predicted masks, as metrics and as scorers for a search.

References
----------
Dice: Measures of the amount of ecologic association between species. Ecology 1945. Jaccard:
The distribution of the flora in the alpine zone. New Phytologist 1912.
"""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_consistent_length


def _counts(
    y_true: Any, y_pred: Any, labels: Any, per_image: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return overlap and joint size of each class: (n_images or 1, n_classes) each."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    check_consistent_length(y_true, y_pred)
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"y_true and y_pred must be masks of one shape. Got {y_true.shape} and {y_pred.shape}."
        )
    if labels is None:
        labels = np.union1d(y_true, y_pred)[1:]
    axes = tuple(range(1, y_true.ndim)) if per_image else None
    overlap, sizes = [], []
    for label in np.atleast_1d(labels):
        truth, guess = y_true == label, y_pred == label
        overlap.append(np.sum(truth & guess, axis=axes))
        sizes.append(np.sum(truth, axis=axes) + np.sum(guess, axis=axes))
    n_rows = len(y_true) if per_image else 1
    shape = (len(overlap), n_rows)
    return np.reshape(overlap, shape).T.astype(float), np.reshape(sizes, shape).T.astype(float)


def _mean_ratio(numerator: np.ndarray, denominator: np.ndarray) -> float:
    """Return the mean of the ratios; nothing there and nothing predicted is perfect."""
    ratios = np.divide(numerator, denominator, out=np.ones_like(numerator), where=denominator > 0)
    return float(ratios.mean()) if ratios.size else 1.0


def dice_score(y_true: Any, y_pred: Any, *, labels: Any = None, per_image: bool = False) -> float:
    """Return the mean Dice coefficient of the classes of masks.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples, height, width)
    labels : array-like or None, default=None
        Classes to score. None takes all but the lowest, the background.
    per_image : bool, default=False
        Whether Dice is computed image by image and averaged, instead of over all pixels at once.

    Returns
    -------
    score : float in [0, 1]
        A class that is nowhere, in truth and prediction, scores 1.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> dice_score([[[0, 1, 1]]], [[[0, 0, 1]]])  # doctest: +ELLIPSIS
    0.666...
    """
    overlap, sizes = _counts(y_true, y_pred, labels, per_image)
    return _mean_ratio(2 * overlap, sizes)


def iou_score(y_true: Any, y_pred: Any, *, labels: Any = None, per_image: bool = False) -> float:
    """Return the mean intersection over union (Jaccard index) of the classes of masks.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples, height, width)
    labels : array-like or None, default=None
        Classes to score. None takes all but the lowest, the background.
    per_image : bool, default=False
        Whether it is computed image by image and averaged, instead of over all pixels at once.

    Returns
    -------
    score : float in [0, 1]
        A class that is nowhere, in truth and prediction, scores 1.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> iou_score([[[0, 1, 1]]], [[[0, 0, 1]]])
    0.5
    """
    overlap, sizes = _counts(y_true, y_pred, labels, per_image)
    return _mean_ratio(overlap, sizes - overlap)


def dice_scorer(estimator: Any, X: Any, y: Any) -> float:
    """Score a fitted segmenter by Dice, for the ``scoring`` of a search.

    Parameters
    ----------
    estimator : estimator
        With ``predict`` and ``classes_``; a Pipeline that ends in one has both.
    X : array-like
    y : array-like of shape (n_samples, height, width)

    Returns
    -------
    score : float in [0, 1]
        :func:`dice_score` of all the estimator's classes but the first, so that a fold which
        lacks one is scored like the others.
    """
    return _score_by(dice_score, estimator, X, y)


def iou_scorer(estimator: Any, X: Any, y: Any) -> float:
    """Score a fitted segmenter by intersection over union, for the ``scoring`` of a search.

    Parameters
    ----------
    estimator : estimator
        With ``predict`` and ``classes_``; a Pipeline that ends in one has both.
    X : array-like
    y : array-like of shape (n_samples, height, width)

    Returns
    -------
    score : float in [0, 1]
        :func:`iou_score` of all the estimator's classes but the first.
    """
    return _score_by(iou_score, estimator, X, y)


def _score_by(metric: Any, estimator: Any, X: Any, y: Any) -> float:
    return metric(y, estimator.predict(X), labels=estimator.classes_[1:])
