"""What `MinMaxScaler` does to a block."""

from math import frexp
from typing import Any, NamedTuple

import numpy as np

from sklearn_trainkit.preprocessing.arrays._scaling_steps import Step, divide_step

__all__ = ["FittedRange", "restoring_steps", "scaling_steps"]

Array = np.ndarray[Any, np.dtype[Any]]


class FittedRange(NamedTuple):
    """The range of each feature, its width, and from how many rows it is known."""

    low: Array
    high: Array
    width: Array
    n_rows: int

    def divisor(self, dtype: np.dtype[Any]) -> tuple[Array, bool]:
        """Return the width in `dtype`, 1 for a constant; and whether it is that of halved data.

        Halves are needed where the width itself is larger than the largest float.
        """
        half = bool(np.isinf(self.width).any())
        width = self.width
        if width.dtype != dtype or half:
            low = self.low.astype(dtype, copy=False)
            high = self.high.astype(dtype, copy=False)
            width = high * 0.5 - low * 0.5 if half else high - low
        # A width may be zero in a narrower dtype than that of the training data.
        return np.where(self._is_constant() | (width == 0), dtype.type(1), width), half

    def _is_constant(self) -> Array:
        """Tell features that are constant up to rounding, by the rule of `StandardScaler`."""
        largest = np.maximum(np.abs(self.low), np.abs(self.high)).astype(np.float64)
        rounding = self.n_rows * np.finfo(np.float64).eps * largest
        constant: Array = self.width.astype(np.float64) <= rounding
        return constant


def scaling_steps(
    fitted: FittedRange, feature_range: tuple[float, float], dtype: np.dtype[Any], *, clip: bool
) -> list[Step]:
    """Return the steps of ``(x - low) / width * (last - first) + first``."""
    low = fitted.low.astype(dtype, copy=False)
    divisor, half = fitted.divisor(dtype)
    # The width times its rounded inverse is exactly 1 or less, and rounding keeps order: no
    # training value can leave the range.
    if half:
        steps = [Step(np.multiply, 0.5), Step(np.subtract, low * 0.5)]
    else:
        steps = [Step(np.subtract, low)]
    first, last = feature_range
    factor = _safe_factor(first, last, dtype)
    if frexp(factor)[0] == 0.5 and not _loses_digits(divisor, factor):
        steps.append(divide_step(divisor / dtype.type(factor)))
    else:
        steps += [divide_step(divisor), Step(np.multiply, factor)]
    if first != 0:
        steps.append(Step(np.add, first))
    if clip:
        steps += [Step(np.maximum, first), Step(np.minimum, last)]
    return steps


def restoring_steps(
    fitted: FittedRange, feature_range: tuple[float, float], dtype: np.dtype[Any]
) -> list[Step]:
    """Return the steps of ``(x - first) / (last - first) * width + low``."""
    low = fitted.low.astype(dtype, copy=False)
    divisor, half = fitted.divisor(dtype)
    first, last = feature_range
    steps = [] if first == 0 else [Step(np.subtract, first)]
    width = dtype.type(last - first)
    if _loses_digits(divisor, width):
        steps += [Step(np.divide, width), Step(np.multiply, divisor)]
    else:
        steps.append(Step(np.multiply, divisor / width))
    if half:
        return [*steps, Step(np.add, low * 0.5), Step(np.multiply, 2.0)]
    return [*steps, Step(np.add, low)]


def _loses_digits(values: Array, divisor: float) -> bool:
    """Tell whether a quotient is too small to have all digits."""
    return bool((values < np.finfo(values.dtype).tiny * max(divisor, 1)).any())


def _safe_factor(first: float, last: float, dtype: np.dtype[Any]) -> float:
    """Return the width of a range, less the rounding that would push its end up."""
    low, high = dtype.type(first), dtype.type(last)
    factor = high - low
    while factor + low > high:
        factor = np.nextafter(factor, dtype.type(0))
    return float(factor)
