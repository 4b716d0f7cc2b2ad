"""Dice and IoU of predicted masks, as metrics and as scorers for a search.

References
----------
Dice: Measures of the amount of ecologic association between species. Ecology 1945. Jaccard:
The distribution of the flora in the alpine zone. New Phytologist 1912.
"""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.validation import check_consistent_length

from sklearn_trainkit.neural_network.batches._tensor_loader import IN_TRAINING_UNITS
from sklearn_trainkit.neural_network.masks._mask_coding import are_labelled, mask_array, masks_like
from sklearn_trainkit.neural_network.targets._label_kinds import (
    check_label_kind,
    check_same_kind,
)
from sklearn_trainkit.utils._pipelines import innermost_step
from sklearn_trainkit.utils._sklearn_private import BaseScorer, check_sample_weight


def _mean_of_classes(
    ratio: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    y_true: Any,
    y_pred: Any,
    labels: Any,
    per_image: bool,
    sample_weight: Any,
    ignore_index: Any,
) -> float:
    """Return the mean over classes (and images) of a ratio of overlap and joint size."""
    y_true, y_pred = mask_array(y_true, "y_true"), mask_array(y_pred, "y_pred")
    check_consistent_length(y_true, y_pred)
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"y_true and y_pred must be masks of one shape. Got {y_true.shape} and {y_pred.shape}."
        )
    check_same_kind(y_true, y_pred, "y_true", "y_pred")
    for label in () if labels is None else np.atleast_1d(labels).tolist():
        check_label_kind(y_true, label, "y_true", "labels")
    weight = np.ones(len(y_true))
    if sample_weight is not None:
        weight = check_sample_weight(sample_weight, y_true, ensure_non_negative=True)
    there = are_labelled(y_true, ignore_index, "y_true")
    axes = tuple(range(1, y_true.ndim))
    if there is not None:  # an image without labels says nothing
        weight = weight * there.any(axis=axes)
    if not weight.any():
        raise ValueError(
            "y_true has no pixel to score: all are unlabelled, or in images of weight 0."
        )
    if labels is None:
        # False is the background, also of masks that lack it.
        kinds = (y_true, y_pred) if there is None else (y_true[there], y_pred[there])
        lowest = [False] if y_true.dtype == bool else []
        labels = np.unique(np.concatenate([*(kind.ravel() for kind in kinds), lowest]))[1:]
    overlap, sizes = _counts(y_true, y_pred, np.atleast_1d(labels), there)
    if not per_image:
        overlap, sizes = (weight @ overlap)[None], (weight @ sizes)[None]
        weight = np.ones(1)
    numerator, denominator = ratio(overlap, sizes)
    # Nothing there and nothing predicted is perfect.
    ratios = np.divide(numerator, denominator, out=np.ones_like(numerator), where=denominator > 0)
    return float(np.average(ratios.mean(axis=1), weights=weight)) if ratios.size else 1.0


def _counts(
    y_true: np.ndarray, y_pred: np.ndarray, labels: np.ndarray, there: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return overlap and joint size of each class in each image, (n_images, n_classes) each."""
    axes = tuple(range(1, y_true.ndim))
    overlap = np.zeros((len(y_true), len(labels)))
    sizes = np.zeros_like(overlap)
    for column, label in enumerate(labels):
        truth, guess = y_true == label, y_pred == label
        if there is not None:
            truth, guess = truth & there, guess & there
        overlap[:, column] = np.sum(truth & guess, axis=axes)
        sizes[:, column] = np.sum(truth, axis=axes) + np.sum(guess, axis=axes)
    return overlap, sizes


def dice_score(
    y_true: Any,
    y_pred: Any,
    *,
    labels: Any = None,
    per_image: bool = False,
    sample_weight: Any = None,
    ignore_index: Any = None,
) -> float:
    """Return the mean Dice coefficient of the classes of masks.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples, height, width)
    labels : array-like or None, default=None
        Classes to score. None takes all but the lowest, the background.
    per_image : bool, default=False
        Whether Dice is computed image by image and averaged, instead of over all pixels at once.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Weight of each image, which all its pixels have.
    ignore_index : label or None, default=None
        Label in ``y_true`` of pixels that are not scored; NaN is possible. Images of such pixels
        alone are not in the average of ``per_image``.

    Returns
    -------
    score : float in [0, 1]
        A class that is nowhere, in truth and prediction, scores 1.

    Raises
    ------
    ValueError
        If the shapes differ, there is no pixel to score, or numbers are compared with text.

    Examples
    --------
    >>> dice_score([[[0, 1, 1]]], [[[0, 0, 1]]])  # doctest: +ELLIPSIS
    0.666...
    >>> dice_score([[[0, 255, 1]]], [[[0, 0, 1]]], ignore_index=255)
    1.0
    """
    return _mean_of_classes(
        lambda overlap, sizes: (2 * overlap, sizes),
        y_true, y_pred, labels, per_image, sample_weight, ignore_index,
    )  # fmt: skip


def iou_score(
    y_true: Any,
    y_pred: Any,
    *,
    labels: Any = None,
    per_image: bool = False,
    sample_weight: Any = None,
    ignore_index: Any = None,
) -> float:
    """Return the mean intersection over union (Jaccard index) of the classes of masks.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples, height, width)
    labels : array-like or None, default=None
        Classes to score. None takes all but the lowest, the background.
    per_image : bool, default=False
        Whether it is computed image by image and averaged, instead of over all pixels at once.
    sample_weight : array-like of shape (n_samples,) or None, default=None
        Weight of each image, which all its pixels have.
    ignore_index : label or None, default=None
        Label in ``y_true`` of pixels that are not scored; NaN is possible. Images of such pixels
        alone are not in the average of ``per_image``.

    Returns
    -------
    score : float in [0, 1]
        A class that is nowhere, in truth and prediction, scores 1.

    Raises
    ------
    ValueError
        If the shapes differ, there is no pixel to score, or numbers are compared with text.

    Examples
    --------
    >>> iou_score([[[0, 1, 1]]], [[[0, 0, 1]]])
    0.5
    """
    return _mean_of_classes(
        lambda overlap, sizes: (overlap, sizes - overlap),
        y_true, y_pred, labels, per_image, sample_weight, ignore_index,
    )  # fmt: skip


def score_masks(
    metric: Callable[..., float],
    y: Any,
    predicted: np.ndarray,
    *,
    classes: Any,
    sample_weight: Any = None,
    ignore_index: Any = None,
) -> float:
    """Score predicted masks by all classes but the lowest: those known, and those in ``y``.

    A class that the training part lacked counts where it is to be found; one that is neither
    there nor predicted scores 1, so that all parts of the data are scored alike.

    Parameters
    ----------
    metric : function
        :func:`dice_score` or :func:`iou_score`.
    y : array-like
        Masks in any form that ``fit`` takes.
    predicted : ndarray of shape (n_samples, height, width)
    classes : array-like of shape (n_classes,)
        Of the estimator.
    sample_weight : array-like of shape (n_samples,) or None, default=None
    ignore_index : label or None, default=None
    """
    truth = masks_like(mask_array(y), predicted[:, None])
    there = are_labelled(truth, ignore_index)
    seen = np.unique(truth if there is None else truth[there])
    check_same_kind(seen, np.asarray(classes), "y", "classes_")
    return metric(
        truth,
        predicted,
        labels=np.union1d(classes, seen)[1:],
        sample_weight=sample_weight,
        ignore_index=ignore_index,
    )


class MaskScorer(BaseScorer):
    """Scores a fitted segmenter, for the ``scoring`` of a search: ``scorer(estimator, X, y)``.

    Takes X and y in every form that ``UNetSegmenter.score`` takes. All classes of the estimator
    and of ``y`` count but the lowest, the background; pixels that the estimator's
    ``ignore_index`` names do not. The estimator is anything with ``predict`` and ``classes_``: a
    segmenter, a Pipeline that ends in one, a search.

    ``sample_weight``, one for each image, is an argument of the call. Where metadata routing is
    enabled, ``set_score_request(sample_weight=True)`` returns a scorer that asks for it.

    Parameters
    ----------
    metric : function
        :func:`dice_score` or :func:`iou_score`.
    name : str
    """

    def __init__(self, metric: Callable[..., float], name: str) -> None:
        super().__init__(metric, 1, {}, "predict")
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def set_score_request(self, **kwargs: Any) -> "MaskScorer":
        """Return a scorer that asks for these arguments; this one is shared and stays."""
        scorer = copy.copy(self)
        BaseScorer.set_score_request(scorer, **kwargs)
        return scorer

    def _score(
        self, method_caller: Any, estimator: Any, X: Any, y_true: Any, **kwargs: Any
    ) -> float:
        predicted = method_caller(estimator, "predict", X, pos_label=None)
        classes, ignored = estimator.classes_, _ignore_index(estimator)
        if isinstance(X, IN_TRAINING_UNITS):  # of a callback
            classes, ignored = np.arange(len(classes)), len(classes)
        return score_masks(
            self._score_func,
            y_true,
            np.asarray(predicted),
            classes=classes,
            ignore_index=ignored,
            **kwargs,
        )


def _ignore_index(estimator: Any) -> Any:
    """Return what marks unlabelled pixels for the segmenter inside; None for nothing."""
    while not hasattr(estimator := innermost_step(estimator), "_ignored_label"):
        names = ("best_estimator_", "estimator_", "estimator")
        estimator = next((getattr(estimator, n) for n in names if hasattr(estimator, n)), None)
        if estimator is None:
            return None
    return estimator._ignored_label()


dice_scorer = MaskScorer(dice_score, "dice_scorer")
iou_scorer = MaskScorer(iou_score, "iou_scorer")
