"""Turn what a user passes into a plain array of real numbers, at the least cost that is safe.

A plain array, or a pandas frame that holds one, is taken as it is after the checks that
scikit-learn would make (dimensions, emptiness, number and names of features; infinities are
found while the values are in cache). Everything else goes through scikit-learn's own validation.
"""

import sys
from math import prod
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from sklearn_trainkit.utils._bad_columns import naming_columns

__all__ = ["DenseInput", "needs_inherited_path", "resolve_dtype", "take_input"]

Array = np.ndarray[Any, np.dtype[Any]]

_ENCODE = "Encode them, or send them around the scaler with a ColumnTransformer."
_FLOATS = tuple(np.dtype(t) for t in (np.float64, np.float32, np.float16))
_SMALL_INTEGERS = tuple(np.dtype(t) for t in (np.bool_, np.int8, np.uint8, np.int16, np.uint16))


class DenseInput(NamedTuple):
    """A validated array, the axes of its features, and whether it is the user's own."""

    values: Array
    feature_axes: tuple[int, ...]
    is_users_array: bool


def needs_inherited_path(estimator: BaseEstimator, X: Any) -> bool:
    """Tell input that scikit-learn's implementation has to handle: sparse, and array API."""
    if type(X) is np.ndarray or _is_pandas_frame(X):
        return False
    return hasattr(X, "tocsr") or (
        get_config()["array_api_dispatch"]
        and not isinstance(X, (np.ndarray, list, tuple))
        and not hasattr(X, "columns")
    )


def take_input(estimator: Any, X: Any, *, reset: bool, check_features: bool = True) -> DenseInput:
    """Validate `X` for `estimator` without copying it.

    Parameters
    ----------
    estimator : estimator
        Its `channel_axis` says which axes hold features; the number and the names of features
        are stored on it (`reset`) or compared with it.
    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        The data. Infinite values may still be there.
    reset : bool
        True in `fit`.
    check_features : bool, default=True
        False leaves names alone, as `inverse_transform` does.

    Returns
    -------
    dense : DenseInput
        The values, as float32, float64, integers or booleans.
    """
    if estimator.channel_axis is not None:
        if not hasattr(X, "columns") and _count_dimensions(X) > 2:
            return _take_channels(estimator, X, reset)
        _resolve_axes(estimator.channel_axis, 2)
    values = _plain_table(X)
    if values is None or not _features_agree(estimator, X, values, reset, check_features):
        values = _validated_table(estimator, X, reset, check_features)
    if reset and estimator.channel_axis is not None:
        estimator.feature_shape_ = values.shape[1:]
    return DenseInput(values, (1,), values is X)


def resolve_dtype(dtype: Any, values: Array) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """Return the dtype of the output and that of the computation."""
    if dtype is None and (values.dtype == np.float64 or values.dtype == np.float32):
        return values.dtype, values.dtype
    if dtype is None:
        output = values.dtype if values.dtype in _FLOATS else np.dtype(np.float64)
    else:
        try:
            output = np.dtype(dtype)
        except TypeError:
            output = np.dtype(object)
        if output not in _FLOATS[:2]:
            raise ValueError(
                f"dtype={dtype!r} is not supported: pass None, 'float32' or 'float64'."
            )
    if values.dtype == output == np.float32 or values.dtype in _SMALL_INTEGERS:
        return output, output
    return output, np.dtype(np.float64)


# -- tables ----------------------------------------------------------------------------------


def _plain_table(X: Any) -> Array | None:
    if type(X) is np.ndarray or type(X) is np.memmap:
        values: Array | None = X if type(X) is np.ndarray else np.asarray(X)
    else:
        values = _frame_values(X)
    if values is None:
        return None
    if values.ndim != 2 or not values.size or not values.dtype.isnative:
        return None
    return values if values.dtype in _FLOATS or values.dtype.kind in "iub" else None


def _is_pandas_frame(X: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and type(X) is pandas.DataFrame


def _frame_values(X: Any) -> Array | None:
    """Return the array inside a pandas frame, if it holds exactly one."""
    if not _is_pandas_frame(X):
        return None
    values: Array = X.values
    # A view means one block of one numpy dtype; anything else may hide sparse or nullable columns.
    return values if values.base is not None and values.dtype.kind in "fiub" else None


def _features_agree(
    estimator: Any, X: Any, values: Array, reset: bool, check_features: bool
) -> bool:
    """Check number and names of features; False asks for scikit-learn's words."""
    if reset:
        _store_features(estimator, X, values)
        return True
    if values.shape[1] != estimator.n_features_in_:
        return False
    if not check_features:
        return True
    if values is X or not hasattr(X, "columns"):
        return "feature_names_in_" not in estimator.__dict__
    # The same columns have the same names, or numbers in place of names, which nobody compares.
    fitted = estimator.__dict__.get("_fitted_columns")
    return fitted is not None and (X.columns.is_(fitted) or X.columns.equals(fitted))


def _store_features(estimator: Any, X: Any, values: Array) -> None:
    """Store number and names of features; scikit-learn's way takes longer than a small fit."""
    for name in ("_fitted_columns", "feature_names_in_"):
        estimator.__dict__.pop(name, None)
    estimator.n_features_in_ = values.shape[1]
    if values is X or not hasattr(X, "columns"):
        return
    names = np.asarray(X.columns, dtype=object)
    if X.columns.is_unique and all(type(name) is str for name in names):
        estimator.feature_names_in_ = names
    else:
        validate_data(estimator, X, reset=True, skip_check_array=True)
    estimator._fitted_columns = X.columns


def _validated_table(estimator: Any, X: Any, reset: bool, check_features: bool) -> Array:
    options = {"dtype": list(_FLOATS), "ensure_all_finite": "allow-nan"}
    if not check_features:
        return check_array(X, **options)
    with naming_columns(X, _ENCODE):
        values: Array = validate_data(estimator, X, reset=reset, **options)
    return values


# -- more than two dimensions ----------------------------------------------------------------


def _take_channels(estimator: Any, X: Any, reset: bool) -> DenseInput:
    plain = type(X) is np.ndarray and X.size and (X.dtype in _FLOATS or X.dtype.kind in "iub")
    values = X if plain else _check_nd(estimator, X)
    axes = _resolve_axes(estimator.channel_axis, values.ndim)
    shape = tuple(values.shape[axis] for axis in axes)
    if reset:
        estimator.__dict__.pop("feature_names_in_", None)
        estimator.n_features_in_ = prod(shape)
        estimator.feature_shape_ = shape
    elif prod(shape) != estimator.n_features_in_ or shape != estimator.feature_shape_:
        raise ValueError(
            f"X has {prod(shape)} features (shape {shape} along "
            f"channel_axis={estimator.channel_axis!r}), but {type(estimator).__name__} is "
            f"expecting {estimator.n_features_in_} features (shape {estimator.feature_shape_}) "
            "as input."
        )
    return DenseInput(values, axes, values is X)


def _count_dimensions(X: Any) -> int:
    n_dimensions: int = X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim
    return n_dimensions


def _check_nd(estimator: Any, X: Any) -> Array:
    values: Array = check_array(
        X,
        dtype=list(_FLOATS),
        allow_nd=True,
        ensure_all_finite="allow-nan",
        estimator=estimator,
        input_name="X",
    )
    return values


def _resolve_axes(channel_axis: Any, n_dimensions: int) -> tuple[int, ...]:
    """Return the axes as sorted positive numbers."""
    given = channel_axis if isinstance(channel_axis, (tuple, list)) else (channel_axis,)
    if not given or not all(
        isinstance(axis, Integral) and not isinstance(axis, bool) for axis in given
    ):
        raise ValueError(
            f"channel_axis={channel_axis!r} is not supported: pass None, an int, or a tuple of int."
        )
    axes = []
    for axis in given:
        if not -n_dimensions <= axis < n_dimensions:
            raise ValueError(
                f"channel_axis={channel_axis!r} names axis {axis}, but X has "
                f"{n_dimensions} dimensions."
            )
        axes.append(int(axis) % n_dimensions)
    if 0 in axes:
        raise ValueError(
            f"channel_axis={channel_axis!r} names axis 0, which holds the samples: pass axes "
            "between 1 and the number of dimensions less one."
        )
    if len(set(axes)) != len(axes):
        raise ValueError(f"channel_axis={channel_axis!r} names an axis of X more than once.")
    return tuple(sorted(axes))
