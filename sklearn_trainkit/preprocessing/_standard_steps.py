"""What `StandardScaler` does to a block, and how it shares rows between threads."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from sklearn_trainkit.preprocessing._block_scaling import Step, divide_step
from sklearn_trainkit.preprocessing._column_statistics import ColumnMoments
from sklearn_trainkit.preprocessing._input_checks import DenseInput

__all__ = ["lay_out_as_table", "restoring_steps", "standardizing_steps", "update_in_threads"]

Array = np.ndarray[Any, np.dtype[Any]]

# Means beyond these magnitudes can push x - mean out of the range of the dtype.
_LARGE_SQUARES = {np.dtype(np.float32): 1e38, np.dtype(np.float64): 1e300}


def standardizing_steps(
    mean: Array | None, scale: Array | None, dtype: np.dtype[Any]
) -> list[Step]:
    """Return the steps of ``(x - mean) / scale``; None leaves a part out."""
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
    steps = [] if scale is None else [Step(np.multiply, scale.astype(dtype, copy=False))]
    if mean is None:
        return steps
    high = mean.astype(dtype, copy=False)
    low = _low_mean(mean, high, scale)
    if low is not None:
        steps.append(Step(np.add, low))
    return [*steps, Step(np.add, high)]


def _low_mean(mean: Array, high: Array, scale: Array | None) -> Array | None:
    """Return what rounding took from the mean, where it shows in the result."""
    if high.dtype == np.float64:
        return None
    low = mean - high
    shows = np.abs(low) > 1e-6 * (1.0 if scale is None else scale)
    return low.astype(high.dtype) if shows.any() else None


def lay_out_as_table(dense: DenseInput, y: Any, sample_weight: Any) -> tuple[Array, Any, Any]:
    """Lay the features of an n-d array side by side, and repeat the weights to match."""
    values = dense.values
    if values.ndim == 2:
        return values, y, sample_weight
    others = [axis for axis in range(values.ndim) if axis not in dense.feature_axes]
    ordered = values.transpose([*others, *dense.feature_axes])
    n_features = int(np.prod([values.shape[axis] for axis in dense.feature_axes]))
    table = ordered.reshape(-1, n_features)
    if np.ndim(sample_weight) == 1 and len(sample_weight) == len(values):
        sample_weight = np.repeat(np.asarray(sample_weight), len(table) // len(values))
    return table, y, sample_weight


def update_in_threads(
    moments: ColumnMoments, dense: DenseInput, check_finite: bool, n_threads: int
) -> None:
    """Add the rows of `dense` to `moments`, a share of them in each thread."""
    values = dense.values
    bounds = np.linspace(0, len(values), n_threads + 1).astype(int)
    parts = [ColumnMoments(len(moments.count)) for _ in range(n_threads)]
    with ThreadPoolExecutor(n_threads) as pool:
        tasks = [
            pool.submit(part.update, values[start:stop], dense.feature_axes, check_finite)
            for part, start, stop in zip(parts, bounds[:-1], bounds[1:], strict=True)
        ]
        for task in tasks:
            task.result()
    for part in parts:
        moments.merge(part)
