"""Scalers that learn from training rows only."""

from sklearn_trainkit.preprocessing._minmax_scaler import MinMaxScaler
from sklearn_trainkit.preprocessing._standard_scaler import StandardScaler

__all__ = ["MinMaxScaler", "StandardScaler"]
