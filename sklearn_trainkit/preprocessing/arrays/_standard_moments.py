"""How `StandardScaler` adds rows to its statistics."""

from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import issparse

from sklearn_trainkit.preprocessing.arrays._column_moments import ColumnMoments
from sklearn_trainkit.preprocessing.arrays._dense_input import DenseInput
from sklearn_trainkit.preprocessing.arrays._thread_shares import run_in_threads, share_out
from sklearn_trainkit.preprocessing.arrays._weighted_moments import weighted_moments
from sklearn_trainkit.utils._sklearn_private import check_sample_weight

__all__ = [
    "lay_out_as_table",
    "refuse_lost_scales",
    "resume_moments",
    "update_moments",
    "weighted_rows",
]

Array = np.ndarray[Any, np.dtype[Any]]


def resume_moments(scaler: Any) -> ColumnMoments:
    """Return a copy of what `scaler` has seen, with all digits if nobody has changed it since."""
    if not hasattr(scaler, "n_samples_seen_"):
        return ColumnMoments(scaler.n_features_in_)
    moments = scaler.__dict__.get("_moments")
    if moments is not None and np.array_equal(moments.mean(), scaler.mean_, equal_nan=True):
        return deepcopy(moments)
    return ColumnMoments.from_values(scaler.n_samples_seen_, scaler.mean_, scaler.var_)


def update_moments(
    moments: ColumnMoments, dense: DenseInput, check_finite: bool, n_threads: int
) -> None:
    """Add the rows of `dense` to `moments`."""
    if n_threads == 1:
        moments.update(dense.values, dense.feature_axes, check_finite)
        return
    by_columns, shares = share_out(dense.values, n_threads)
    if by_columns:
        parts = [moments.view(columns) for columns in shares]
        values = [dense.values[:, columns] for columns in shares]
    else:
        parts = [ColumnMoments(len(moments.count)) for _ in shares]
        values = [dense.values[rows] for rows in shares]
    run_in_threads(
        [
            partial(part.update, share, dense.feature_axes, check_finite)
            for part, share in zip(parts, values, strict=True)
        ]
    )
    for share, part in zip(shares, parts, strict=True):
        if by_columns:
            moments.assign(share, part)
        else:
            moments.merge(part)


def weighted_rows(dense: DenseInput, sample_weight: Any, check_finite: bool) -> ColumnMoments:
    """Return the moments of rows that count by their weights; without weights, one each.

    Raises
    ------
    ValueError
        If a weight is negative, NaN or infinite, or if all of them are zero.
    """
    weight = check_sample_weight(
        sample_weight, dense.values, dtype=np.float64, ensure_non_negative=True
    )
    table, _, weight = lay_out_as_table(dense, None, weight)
    return weighted_moments(table, weight, check_finite)


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


def refuse_lost_scales(X: Any, variance: Array) -> None:
    """Raise where squares that scikit-learn's way takes leave the range of float64.

    Raises
    ------
    ValueError
        Their scale would be infinite, zero or 1; it names the first of them.
    """
    beyond = np.flatnonzero(~((variance > 1e-290) & (variance < 1e290)))
    if not len(beyond):
        return
    if issparse(X):
        largest = abs(X.tocsc()[:, beyond]).max(axis=0).toarray().ravel()
    else:
        columns = np.asarray(X, dtype=np.float64)[:, beyond]
        largest = np.fmax.reduce(np.abs(columns), axis=0, initial=0.0)
    lost = (largest > 1e140) | ((largest > 0) & (largest < 1e-140))
    if lost.any():
        named = ", ".join(map(str, beyond[lost][:5]))
        raise ValueError(
            f"The squares of column {named}, of numbers up to {largest[lost][0]:.0e}, leave the "
            "range of float64, in which sparse X and scalers with callbacks are scaled. Change the "
            "unit, or pass a dense X without callbacks, which is scaled at any magnitude."
        )
