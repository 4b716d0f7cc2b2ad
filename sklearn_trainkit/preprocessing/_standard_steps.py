"""What `StandardScaler` does to a block."""

from typing import Any

import numpy as np

from sklearn_trainkit.preprocessing.arrays._scaling_steps import Step, divide_step

__all__ = ["restoring_steps", "standardizing_steps"]

Array = np.ndarray[Any, np.dtype[Any]]

# Means beyond these magnitudes can push x - mean out of the range of the dtype.
_LARGE_SQUARES = {np.dtype(np.float32): 1e38, np.dtype(np.float64): 1e300}
# Brings the smallest deviation that a dtype holds to where it has all digits.
_LIFT = 2.0**80


def standardizing_steps(
    mean: Array | None, scale: Array | None, dtype: np.dtype[Any]
) -> list[Step]:
    """Return the steps of ``(x - mean) / scale``; None leaves a part out."""
    lift = _lift(scale, dtype)
    if scale is not None and lift is not None:
        lifted = standardizing_steps(None if mean is None else mean * lift, scale * lift, dtype)
        return [Step(np.multiply, lift.astype(dtype)), *lifted]
    divide = [] if scale is None else [divide_step(scale.astype(dtype, copy=False))]
    if mean is None:
        return divide
    high = mean.astype(dtype, copy=False)
    if np.dot(high, high) > _LARGE_SQUARES[dtype]:
        # x - mean may overflow although the result is an ordinary number.
        steps = [Step(np.multiply, 0.5), Step(np.subtract, high * 0.5)]
        if scale is None:
            return [*steps, Step(np.multiply, 2.0)]
        return [*steps, divide_step(scale.astype(dtype) * 0.5)]
    low = _low_mean(mean, high, scale)
    if low is None:
        return [Step(np.subtract, high), *divide]
    return [Step(np.subtract, high), Step(np.subtract, low), *divide]


def restoring_steps(mean: Array | None, scale: Array | None, dtype: np.dtype[Any]) -> list[Step]:
    """Return the steps of ``x * scale + mean``; None leaves a part out."""
    lift = _lift(scale, dtype)
    if scale is not None and lift is not None:
        lifted = restoring_steps(None if mean is None else mean * lift, scale * lift, dtype)
        return [*lifted, Step(np.multiply, (1 / lift).astype(dtype))]
    steps = [] if scale is None else [Step(np.multiply, scale.astype(dtype, copy=False))]
    if mean is None:
        return steps
    high = mean.astype(dtype, copy=False)
    low = _low_mean(mean, high, scale)
    if low is not None:
        steps.append(Step(np.add, low))
    return [*steps, Step(np.add, high)]


def _lift(scale: Array | None, dtype: np.dtype[Any]) -> Array | None:
    """Return what to multiply features by whose scale is subnormal in `dtype`, if there are any."""
    if scale is None:
        return None
    subnormal = (scale < np.finfo(dtype).tiny) & (scale > 0)
    return np.where(subnormal, _LIFT, 1.0) if subnormal.any() else None


def _low_mean(mean: Array, high: Array, scale: Array | None) -> Array | None:
    """Return what rounding took from the mean, where it shows in the result."""
    if high.dtype == np.float64:
        return None
    low = mean - high
    shows = np.abs(low) > 1e-6 * (1.0 if scale is None else scale)
    return low.astype(high.dtype) if shows.any() else None
