"""A short text that changes when a run would be another run, so that results are never mixed."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

__all__ = ["describe", "fingerprint_data", "fingerprint_settings"]

LENGTH = 12


def fingerprint_settings(*settings: Any) -> str:
    """Return a fingerprint of searchers, splitters and other settings.

    Two objects that differ only in what neither ``get_params`` nor ``repr`` shows, such as two
    optuna samplers, have the same fingerprint.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> fingerprint_settings(Ridge(alpha=1.0)) == fingerprint_settings(Ridge(alpha=1.0))
    True
    >>> fingerprint_settings(Ridge(alpha=1.0)) == fingerprint_settings(Ridge(alpha=2.0))
    False
    """
    return _digest(describe(settings).encode())


def fingerprint_data(X: Any, y: Any, groups: Any = None) -> str:
    """Return a fingerprint of the rows, targets and groups of a data set."""
    return _digest(b"".join(map(_data_bytes, (X, y, groups))))


def describe(value: Any) -> str:
    """Return a text that is the same in every process for the same settings."""
    if hasattr(value, "get_params") and not isinstance(value, type):
        return f"{_type_name(value)}({describe(value.get_params(deep=False))})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {describe(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(describe, value)) + "]"
    if isinstance(value, np.ndarray):
        return f"array {_digest(_data_bytes(value))}"
    if hasattr(value, "dist") and hasattr(value, "args"):  # a frozen scipy.stats distribution
        return f"{value.dist.name}({describe(value.args)}, {describe(value.kwds)})"
    if hasattr(value, "__qualname__"):  # functions and classes
        return f"{value.__module__}.{value.__qualname__}"
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _type_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:LENGTH]


def _data_bytes(data: Any) -> bytes:
    if isinstance(data, pd.DataFrame | pd.Series):
        names = str(list(data.columns)) if isinstance(data, pd.DataFrame) else ""
        return names.encode() + pd.util.hash_pandas_object(data, index=False).to_numpy().tobytes()
    if sparse.issparse(data):
        return _sparse_bytes(data)
    array = np.asarray(data)
    head = f"{array.dtype} {array.shape}".encode()
    if array.dtype == object:
        return head + pd.util.hash_array(array.ravel()).tobytes()
    return head + np.ascontiguousarray(array).tobytes()


def _sparse_bytes(data: Any) -> bytes:
    rows = data.tocsr()
    parts = (rows.data, rows.indices, rows.indptr)
    return str(rows.shape).encode() + b"".join(map(_data_bytes, parts))
