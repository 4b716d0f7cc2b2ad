"""A whole Pipeline with scikit-learn's own scalers in place of this package's."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_trainkit.preprocessing._minmax_scaler import MinMaxScaler
from sklearn_trainkit.preprocessing._split_before_scaling import SplitBeforeScaling
from sklearn_trainkit.preprocessing._standard_scaler import StandardScaler

__all__ = ["to_sklearn"]


def to_sklearn(estimator: Any) -> Any:
    """Return a copy of an estimator in which every scaler of this package is scikit-learn's.

    For converters and other tools that look up the exact class, such as skl2onnx. Scalers are
    found wherever they are: in Pipelines, ColumnTransformers, FeatureUnions, as the transformer
    of a target, in ensembles and in fitted searches, one in the other. A `SplitBeforeScaling`
    becomes the Pipeline inside, the fitted one if there is one. What else is in there, such as a
    network, is copied as it is.

    Parameters
    ----------
    estimator : estimator
        Fitted or not; it is left as it is.

    Returns
    -------
    converted : estimator
        With the parameters and statistics of `estimator`; results differ by rounding.

    Raises
    ------
    TypeError
        If `estimator` is no scikit-learn estimator.
    ValueError
        If a scaler has an option that scikit-learn's does not have, as its own `to_sklearn` says.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_trainkit.preprocessing import StandardScaler, to_sklearn
    >>> model = make_pipeline(StandardScaler(), LogisticRegression()).fit([[1.0], [3.0]], [0, 1])
    >>> type(to_sklearn(model)[0]).__module__
    'sklearn.preprocessing._data'
    """
    if not isinstance(estimator, BaseEstimator):
        raise TypeError(
            f"estimator must be a scikit-learn estimator, fitted or not. Got "
            f"{type(estimator).__name__}."
        )
    # What a deep copy finds in its memory, it takes instead of copying.
    memory = {id(ours): _converted(ours) for ours in _ours(estimator, set())}
    return deepcopy(estimator, memory)


def _converted(ours: Any) -> Any:
    if isinstance(ours, SplitBeforeScaling):
        return to_sklearn(ours.__dict__.get("estimator_", ours.estimator))
    return ours.to_sklearn()


def _ours(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield each scaler of this package that can be reached through attributes and containers."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, (MinMaxScaler, SplitBeforeScaling, StandardScaler)):
        yield value
        return
    parts: Any = ()
    if isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, (list, tuple, set)):
        parts = value
    elif isinstance(value, np.ndarray) and value.dtype == object:
        parts = value.flat
    elif isinstance(value, BaseEstimator):
        parts = vars(value).values()
    for part in parts:
        yield from _ours(part, seen)
