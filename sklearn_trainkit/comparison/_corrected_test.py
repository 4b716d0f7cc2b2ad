"""Inference from scores on overlapping splits, corrected as Nadeau and Bengio propose.

Scores of one strategy on the folds of a cross-validation, or on repeated hold-outs, share training
rows. Their sample variance divided by their number therefore understates the variance of their
mean, and an ordinary paired t-test finds differences that are not there. Nadeau and Bengio,
"Inference for the Generalization Error", Machine Learning 52 (2003), replace 1/J by
1/J + n_test/n_train.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

__all__ = ["SMALLEST_SPREAD", "CorrectedMean", "corrected_mean", "holm"]

SMALLEST_SPREAD = 1e-12


class CorrectedMean(NamedTuple):
    """Mean of values from overlapping splits, with what can be said about it.

    Attributes
    ----------
    mean : float
        Their mean; NaN without values.
    low, high : float
        Ends of the confidence interval; NaN with fewer than two values, or when all are equal:
        their spread then says nothing about the uncertainty of a few coarse scores.
    p_value : float
        Two-sided, for a true mean of zero; NaN where the interval is, but 1 when all values are
        zero.
    n_values : int
        How many values there were.
    """

    mean: float
    low: float
    high: float
    p_value: float
    n_values: int


def corrected_mean(
    values: ArrayLike, test_train_ratio: float, confidence: float = 0.95
) -> CorrectedMean:
    """Return the mean of values from overlapping splits, its interval, and a test against zero.

    Parameters
    ----------
    values : array-like of shape (n_splits,)
        Scores, or paired differences of scores; NaN are left out.
    test_train_ratio : float
        Held-out rows divided by training rows of a split.
    confidence : float, default=0.95
        Coverage of the interval.

    Returns
    -------
    result : CorrectedMean
        With Student's t on ``n_values - 1`` degrees of freedom.

    Examples
    --------
    >>> corrected_mean([0.02, 0.01, 0.03, 0.02], test_train_ratio=1 / 3)
    CorrectedMean(mean=0.02, low=0.00015..., high=0.0398..., p_value=0.0490..., n_values=4)
    """
    kept = np.asarray(values, dtype=float)
    kept = kept[~np.isnan(kept)]
    n_values = len(kept)
    mean = float(kept.mean()) if n_values else float("nan")
    # Not a comparison with zero: differences of equal scores vary in their last digits.
    if n_values < 2 or np.ptp(kept) < SMALLEST_SPREAD:
        p_value = 1.0 if n_values > 1 and abs(mean) < SMALLEST_SPREAD else float("nan")
        return CorrectedMean(mean, float("nan"), float("nan"), p_value, n_values)
    error = float(np.sqrt((1 / n_values + test_train_ratio) * kept.var(ddof=1)))
    student = stats.t(df=n_values - 1)
    half = float(student.ppf(0.5 + confidence / 2)) * error
    p_value = float(2 * student.sf(abs(mean) / error))
    return CorrectedMean(mean, mean - half, mean + half, p_value, n_values)


def holm(p_values: ArrayLike) -> np.ndarray:
    """Return p-values corrected for their number by Holm's step-down method.

    The probability that any true hypothesis is rejected stays below the level at which all are
    judged (Holm, Scandinavian Journal of Statistics 6, 1979).

    Parameters
    ----------
    p_values : array-like of shape (n_tests,)
        Uncorrected; NaN are no tests, and stay.

    Returns
    -------
    corrected : ndarray of shape (n_tests,)
        At most 1.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03, float("nan")])
    array([0.03, 0.06, 0.06,  nan])
    """
    raw = np.asarray(p_values, dtype=float)
    corrected = np.full(raw.shape, np.nan)
    order = np.argsort(raw)[: np.count_nonzero(~np.isnan(raw))]  # NaN come last
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(raw[order] * factors), 1.0)
    return corrected
