"""In which type a network computes what it is given: float32 only where no digit is lost by it."""

from typing import Any

import numpy as np
import torch
from skorch.helper import SliceDataset

__all__ = ["as_plain", "float_type", "in_native_order"]

# float32 holds every number of these types; so they are called by numpy, pandas, polars, arrow.
_NARROW = {"bool", "int8", "uint8", "int16", "uint16", "float16", "float32", "halffloat", "float"}
_NARROW_BYTES = {"b": 1, "i": 2, "u": 2, "f": 4}
# Beyond this, float32 leaves out integers.
_EXACT_INTEGERS = 2**24
_CHUNK_ROWS = 65_536


def as_plain(X: Any) -> Any:
    """Return tensors, lists of numbers and slices of data sets as arrays, all else as it is.

    Examples
    --------
    >>> as_plain(torch.ones(2, dtype=torch.bfloat16)), as_plain([[0.5], [1.5]]).dtype
    (array([1., 1.], dtype=float32), dtype('float64'))
    """
    if isinstance(X, torch.Tensor):
        X = X.float() if X.dtype == torch.bfloat16 else X
        return X.numpy(force=True)
    if isinstance(X, SliceDataset):
        return np.stack([np.asarray(X[index]) for index in range(len(X))])
    if not isinstance(X, (list, tuple)) or not len(X):
        return X
    try:
        array = np.asarray(X)
    except (TypeError, ValueError):  # rows of several lengths: those who know more say so
        return X
    return array if array.dtype.kind in _NARROW_BYTES else X


def float_type(X: Any) -> str:
    """Return "float32" if that holds every number of ``X``, else "float64".

    Floats count by their type, and so do integers of 8 and 16 bits; wider integers by their
    values. Objects, decimals and long doubles are float64, as are tables of which a column is.

    Parameters
    ----------
    X : array, sparse matrix, table of pandas, polars or arrow, or source of rows

    Examples
    --------
    >>> [float_type(np.array([value])) for value in (0.5, 2**24, 2**24 + 1)]
    ['float64', 'float32', 'float64']
    """
    types = _column_types(X)
    if types is not None:
        if all(name in _NARROW for name in types):
            return "float32"
        if not all(name.startswith(("int", "uint")) or name in _NARROW for name in types):
            return "float64"
        return float_type(np.asarray(X))
    dtype = getattr(X, "dtype", None)
    if isinstance(dtype, torch.dtype):  # samples that are read one by one
        return "float64" if dtype == torch.float64 else "float32"
    if hasattr(X, "tocsr"):
        return float_type(X.tocsr().data)
    if not isinstance(X, np.ndarray):
        return "float64"
    if X.dtype.itemsize <= _NARROW_BYTES.get(X.dtype.kind, 0):
        return "float32"
    return "float32" if X.dtype.kind in "iu" and _is_exact(X) else "float64"


def in_native_order(values: Any) -> Any:
    """Return an array in the machine's byte order, which is the only one that torch reads.

    scikit-learn's checks change the order of arrays, but not that of a table's columns.

    >>> in_native_order(np.ones(2, dtype=">f8")).dtype.isnative
    True
    """
    if isinstance(values, np.ndarray) and not values.dtype.isnative:
        return values.astype(values.dtype.newbyteorder("="))
    return values


def _is_exact(X: np.ndarray) -> bool:
    """Tell whether float32 holds all integers of ``X``, a chunk at a time: it may be on disk."""
    for start in range(0, len(X), _CHUNK_ROWS):
        rows = X[start : start + _CHUNK_ROWS]
        if rows.size and (rows.max() > _EXACT_INTEGERS or rows.min() < -_EXACT_INTEGERS):
            return False
    return True


def _column_types(X: Any) -> list[str] | None:
    """Return the names of a table's column types, None for what is no table."""
    if hasattr(X, "schema") and hasattr(X, "column_names"):  # arrow
        types = list(X.schema.types)
    elif hasattr(X, "columns") and hasattr(X, "dtypes"):
        types = list(X.dtypes)
    else:
        return None
    names = (str(kind).lower().removesuffix("[pyarrow]") for kind in types)
    return [name.removeprefix("sparse[").split(",")[0] for name in names]
