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

from sklearn_trainkit.comparison._ties import rounding_error

__all__ = ["CorrectedMean", "corrected_mean", "holm", "score_range"]


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
    values: ArrayLike,
    test_train_ratio: float,
    confidence: float = 0.95,
    *,
    within: tuple[float, float] = (-np.inf, np.inf),
    tolerance: float | None = None,
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
    within : tuple of (float, float), default=(-inf, inf)
        Where the true mean must lie. Between 0 and 1 the interval is Wilson's, for as many
        observations as would give the corrected variance (Kott, Andersson, Nerman: Two-sided
        coverage intervals for small proportions. FCSM 2001); in other ranges it is cut.
    tolerance : float or None, default=None
        Values that differ by less are equal; None is what rounding may do to values of this size.

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
    if tolerance is None:
        tolerance = float(rounding_error(kept).max(initial=0.0))
    # Not a comparison with zero: differences of equal scores vary in their last digits.
    if n_values < 2 or np.ptp(kept) <= tolerance:
        p_value = 1.0 if n_values > 1 and abs(mean) <= tolerance else float("nan")
        return CorrectedMean(mean, float("nan"), float("nan"), p_value, n_values)
    error = float(np.sqrt((1 / n_values + test_train_ratio) * kept.var(ddof=1)))
    student = stats.t(df=n_values - 1)
    quantile = float(student.ppf(0.5 + confidence / 2))
    p_value = float(2 * student.sf(abs(mean) / error))
    if within == (0.0, 1.0):
        return CorrectedMean(mean, *_wilson(mean, error, quantile), p_value, n_values)
    low, high = (float(np.clip(mean + sign * quantile * error, *within)) for sign in (-1, 1))
    return CorrectedMean(mean, low, high, p_value, n_values)


def _wilson(mean: float, error: float, quantile: float) -> tuple[float, float]:
    """Return Wilson's interval for a share whose standard error is known."""
    # 1 / n times the squared quantile, n being the size of a sample with this standard error.
    spread = (quantile * error) ** 2 / (mean * (1 - mean))
    middle = (mean + spread / 2) / (1 + spread)
    half = np.sqrt(spread * mean * (1 - mean) + spread**2 / 4) / (1 + spread)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def score_range(scores: ArrayLike) -> tuple[float, float]:
    """Return the narrowest of the usual ranges of scores that some scores keep to.

    Parameters
    ----------
    scores : array-like of shape (n_scores,)
        All that are known; NaN and infinities are left out.

    Returns
    -------
    low, high : float
        0 to 1 (accuracy, Dice, areas under curves), up to 0 (errors and losses with their sign
        turned), up to 1 (R2, correlations), or anything.

    Examples
    --------
    >>> score_range([0.7, 1.0]), score_range([-2.5, -0.1]), score_range([-0.3, 0.8])
    ((0.0, 1.0), (-inf, 0.0), (-inf, 1.0))
    """
    known = np.asarray(scores, dtype=float)
    known = known[np.isfinite(known)]
    if not len(known) or known.max() > 1:
        return -np.inf, np.inf
    if known.min() >= 0:
        return 0.0, 1.0
    return (-np.inf, 0.0) if known.max() <= 0 else (-np.inf, 1.0)


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
