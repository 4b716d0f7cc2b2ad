"""Bounds for values that lie beyond the fitted range: hard, or smooth."""

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["smooth_clip", "smooth_clipper"]

Array = np.ndarray[Any, np.dtype[Any]]


def smooth_clip(values: Array, low: float, high: float) -> Array:
    r"""Pull values beyond a range towards it, in order and without a kink.

    Within ``[low, high]`` nothing changes. A value that exceeds a bound by `e` is put at

    .. math:: bound \pm \frac{m e}{m + e}, \qquad m = \frac{high - low}{4}

    so the slope is 1 at the bound, order is kept, and no value goes further than `m` beyond it.

    Parameters
    ----------
    values : ndarray
        Any shape; NaN stay.
    low, high : float
        The range left alone.

    Returns
    -------
    clipped : ndarray
        New array of the same shape.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_trainkit.preprocessing._clipping import smooth_clip
    >>> smooth_clip(np.array([0.5, 1.0, 1.25, 1e9, -1e9]), 0.0, 1.0)
    array([ 0.5  ,  1.   ,  1.125,  1.25 , -0.25 ])
    """
    result = np.array(values, copy=True)
    smooth_clipper(low, high)(result)
    return result


def smooth_clipper(low: float, high: float) -> Callable[[Array], None]:
    """Return a function that applies :func:`smooth_clip` in place."""
    margin = (high - low) / 4

    def clip_in_place(block: Array) -> None:
        inside = np.clip(block, low, high)
        excess = block - inside
        if not excess.any():
            return
        np.divide(excess, 1 + np.abs(excess) / margin, out=excess)
        # An excess that overflowed to infinity is at the limit.
        infinite = np.isnan(excess) & ~np.isnan(block)
        excess[infinite] = np.sign(block[infinite]) * margin
        np.add(inside, excess, out=block)

    return clip_in_place
