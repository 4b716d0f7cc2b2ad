"""Find signs that rows which should be unseen took part in fitting a scaler."""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from sklearn_trainkit.exceptions import LeakageWarning
from sklearn_trainkit.preprocessing.arrays._column_moments import ColumnMoments
from sklearn_trainkit.preprocessing.arrays._column_range import column_min_max

__all__ = ["find_leakage", "find_unscaled_validation", "scaling_of_all_rows", "warn_of_leakage"]

Array = np.ndarray[Any, np.dtype[Any]]

_SCALERS = (MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler)


def warn_of_leakage(
    estimator: Any, X: Any, fit_params: Mapping[str, Any] | None = None, stacklevel: int = 2
) -> None:
    """Issue a :class:`LeakageWarning` for every sign that is found.

    Parameters
    ----------
    estimator : estimator
        What a search or a cross-validation is about to fit on parts of `X`.
    X : array-like of shape (n_samples, ...)
        All the rows that it was handed.
    fit_params : mapping, default=None
        What will be passed on to `fit`.
    stacklevel : int, default=2
        As in :func:`warnings.warn`.
    """
    messages = [*find_leakage(estimator, X), *find_unscaled_validation(estimator, X, fit_params)]
    for message in messages:
        warnings.warn(message, LeakageWarning, stacklevel=stacklevel + 1)


def find_leakage(estimator: Any, X: Any) -> list[str]:
    """Return what suggests that a scaler has seen all rows of `X`.

    Parameters
    ----------
    estimator : estimator
        What is about to be fitted on parts of `X`.
    X : array-like of shape (n_samples, ...)
        All rows.

    Returns
    -------
    messages : list of str
        Empty if there is no sign.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_trainkit.preprocessing import StandardScaler, find_leakage
    >>> X = np.random.default_rng(0).normal(5, 2, size=(50, 3))
    >>> find_leakage(LogisticRegression(), X)
    []
    >>> find_leakage(LogisticRegression(), StandardScaler().fit_transform(X))
    ['X looks standardized on all rows: ...']
    """
    messages = []
    kind = scaling_of_all_rows(X)
    if kind is not None:
        messages.append(
            f"X looks {kind} on all rows: the rows that each fold tests on took part in the "
            "scaling. Pass unscaled data, with the scaler as a step of a Pipeline."
        )
    n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
    for name, step in _steps(estimator):
        messages += _fitted_outside(name, step, n_rows)
    return messages


def find_unscaled_validation(
    estimator: Any, X: Any, fit_params: Mapping[str, Any] | None
) -> list[str]:
    """Return what is wrong with an ``X_val`` that is passed to the `fit` of a Pipeline.

    Parameters
    ----------
    estimator : estimator
        What is about to be fitted; only a Pipeline of several steps can go wrong.
    X : array-like of shape (n_samples, ...)
        All rows.
    fit_params : mapping
        What will be passed on to `fit`, with or without the name of a step before ``X_val``.

    Returns
    -------
    messages : list of str
        One if a Pipeline does not transform ``X_val`` (its ``transform_input`` does not name
        it), and one if ``X_val`` has as many rows as `X` (a search would cut it to the rows of
        each fold).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_trainkit.preprocessing import StandardScaler, find_unscaled_validation
    >>> pipe = make_pipeline(StandardScaler(), LogisticRegression())
    >>> find_unscaled_validation(pipe, np.ones((9, 2)), {"X_val": np.ones((4, 2))})
    ['X_val reaches the last step unscaled: ...']
    """
    messages = []
    for name, value in (fit_params or {}).items():
        if value is None or name.rpartition("__")[2] != "X_val":
            continue
        if isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
            transformed = estimator.transform_input or []
            if not {name, "X_val"} & set(transformed):
                messages.append(
                    f"{name} reaches the last step unscaled: the Pipeline has "
                    f"transform_input={estimator.transform_input!r}. Pass "
                    'transform_input=["X_val"] (and enable metadata routing), or let '
                    "SplitBeforeScaling set rows aside inside each fold."
                )
        n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
        if len(value) == n_rows:
            messages.append(
                f"{name} has as many rows as X ({n_rows}): a search takes it for a value per row "
                "and cuts it to the rows of each fold. Let SplitBeforeScaling set rows aside "
                "inside each fold, or pass another number of rows."
            )
    return messages


def scaling_of_all_rows(X: Any) -> str | None:
    """Tell whether the columns of `X` look scaled by statistics of exactly these rows.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        Real numbers; NaN are left out. Anything that is not numeric shows no sign.

    Returns
    -------
    kind : {"standardized", "min-max scaled"} or None
        What more than half of the informative columns look like: mean 0 and deviation 1 (with
        ``ddof`` 0 or 1), or minimum 0 and maximum 1, both to rounding. Constant columns and
        columns of zeros and ones say nothing.
    """
    values = _numbers(X)
    if values is None:
        return None
    axes = tuple(range(1, values.ndim)) if values.ndim == 2 else (1,)
    n_features = int(np.prod([values.shape[axis] for axis in axes]))
    low, high = column_min_max(values, axes, check_finite=False)
    moments = ColumnMoments(n_features)
    moments.update(values, axes, check_finite=False)
    tolerance = 1e-4 if values.dtype == np.float32 else 1e-7
    informative = (high > low) & (moments.count > 2)
    standardized = informative & _is_standard(moments, tolerance)
    if _are_most(standardized, informative):
        return "standardized"
    exact = (np.abs(low) <= tolerance**2) & (np.abs(high - 1) <= 8 * np.finfo(values.dtype).eps)
    informative &= ~_is_binary(values, axes)
    return "min-max scaled" if _are_most(informative & exact, informative) else None


def _is_standard(moments: ColumnMoments, tolerance: float) -> Array:
    deviation = moments.standard_deviation()
    unbiased = deviation * np.sqrt(moments.count / np.maximum(moments.count - 1, 1))
    is_one = (np.abs(deviation - 1) < tolerance) | (np.abs(unbiased - 1) < tolerance)
    return is_one & (np.abs(moments.mean()) < tolerance)


def _is_binary(values: Array, axes: tuple[int, ...]) -> Array:
    others = tuple(axis for axis in range(values.ndim) if axis not in axes)
    binary: Array = np.all((values == 0) | (values == 1) | np.isnan(values), axis=others).ravel()
    return binary


def _are_most(found: Array, informative: Array) -> bool:
    return bool(informative.any() and 2 * found.sum() > informative.sum())


def _numbers(X: Any) -> Array | None:
    # Sparse input, and arrays that may live on another device, are left alone.
    if not (isinstance(X, (np.ndarray, list, tuple)) or hasattr(X, "columns")):
        return None
    try:
        values = np.asarray(X)
    except (TypeError, ValueError):
        return None
    if values.ndim < 2 or not values.size or values.dtype.kind != "f":
        return None
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64)
    return values


def _steps(estimator: Any, name: str = "estimator") -> Iterator[tuple[str, Any]]:
    if isinstance(estimator, Pipeline):
        for step_name, step in estimator.steps:
            yield from _steps(step, step_name)
    else:
        yield name, estimator


def _fitted_outside(name: str, step: Any, n_rows: int) -> Iterator[str]:
    frozen = isinstance(step, FrozenEstimator)
    scaler = step.estimator if frozen else step
    if not isinstance(scaler, _SCALERS) or "n_features_in_" not in scaler.__dict__:
        return
    if frozen:
        yield (
            f"Step {name!r} is a scaler that was fitted outside and frozen: no fold fits it again, "
            "so its statistics may hold the rows that the folds test on. Pass it unfrozen."
        )
    elif np.max(getattr(scaler, "n_samples_seen_", 0)) == n_rows:
        yield (
            f"Step {name!r} is a scaler that was fitted outside, on as many rows as X has. Each "
            "fold fits a clone of it, but whatever was computed with it has seen the test rows. "
            "Pass an unfitted scaler."
        )
