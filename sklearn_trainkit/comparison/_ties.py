"""When two scores are the same but for rounding."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["rounding_error", "tie_scores"]

# Sums over a million rows, taken in another order, differ by less. Held-out scores that differ
# for a reason differ by far more: one row of a million is 1e-6 of an accuracy.
_RELATIVE = 1e-10
# Scores about zero, such as the R2 of a constant, are differences of numbers about one.
_ABSOLUTE = 1e-14


def rounding_error(scores: ArrayLike) -> np.ndarray:
    """Return by how much scores of this size may differ through rounding alone.

    1e-10 of the score, and 1e-14 at least.

    Examples
    --------
    >>> rounding_error([0.5, 2e6])
    array([5.e-11, 2.e-04])
    """
    sizes = np.abs(np.asarray(scores, dtype=float))
    return np.maximum(_RELATIVE * np.where(np.isfinite(sizes), sizes, 0.0), _ABSOLUTE)


def tie_scores(scores: Any, tolerance: ArrayLike | None = None) -> np.ndarray:
    """Return the scores, those that differ by rounding alone made equal.

    Parameters
    ----------
    scores : array-like of shape (n_scores,)
        NaN and infinities stay as they are.
    tolerance : array-like of shape (n_scores,) or None, default=None
        What rounding may have done to each; None is :func:`rounding_error`.

    Returns
    -------
    tied : ndarray of shape (n_scores,)
        From the highest score down, each has the value of the first that it cannot be told from.

    Examples
    --------
    >>> tie_scores([0.3, 0.1 + 0.2, 0.5]).tolist()
    [0.30000000000000004, 0.30000000000000004, 0.5]
    """
    values = np.array(scores, dtype=float)
    tolerance = rounding_error(values) if tolerance is None else np.asarray(tolerance, dtype=float)
    leader = -1
    for index in np.argsort(-values, kind="stable"):
        if not np.isfinite(values[index]):
            continue
        reach = max(tolerance[leader], tolerance[index])
        if leader >= 0 and values[leader] - values[index] <= reach:
            values[index] = values[leader]
        else:
            leader = index
    return values
