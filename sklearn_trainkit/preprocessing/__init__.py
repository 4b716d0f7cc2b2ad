"""Scalers that learn from training rows only, and what keeps the other rows out."""

from sklearn_trainkit.preprocessing._clipping import smooth_clip
from sklearn_trainkit.preprocessing._leakage import (
    find_leakage,
    find_unscaled_validation,
    scaling_of_all_rows,
    warn_of_leakage,
)
from sklearn_trainkit.preprocessing._minmax_scaler import MinMaxScaler
from sklearn_trainkit.preprocessing._split_before_scaling import SplitBeforeScaling
from sklearn_trainkit.preprocessing._standard_scaler import StandardScaler
from sklearn_trainkit.preprocessing._to_sklearn import to_sklearn

__all__ = [
    "MinMaxScaler",
    "SplitBeforeScaling",
    "StandardScaler",
    "find_leakage",
    "find_unscaled_validation",
    "scaling_of_all_rows",
    "smooth_clip",
    "to_sklearn",
    "warn_of_leakage",
]
