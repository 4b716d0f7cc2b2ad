"""Tables of pandas, polars and pyarrow by value: blocks, chunks and storages do not count."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_trainkit.utils._fingerprint_values import Description, Part, join

__all__ = ["describe_table"]


class Column:
    """A column, to be described apart from its table."""

    def __init__(self, values: Any) -> None:
        self.values = values


def describe_table(value: Any) -> Description | None:
    """Describe a table, a column or an index; None for all else."""
    if isinstance(value, Column):
        return _describe_pandas_column(value.values)
    for module, describe in _DESCRIBERS.items():
        loaded = sys.modules.get(module)
        if loaded is not None:
            found = describe(value, loaded)
            if found is not None:
                return found
    return None


def _describe_pandas(value: Any, pandas: Any) -> Description | None:
    if isinstance(value, pandas.DataFrame):
        parts = [Part(".columns", value.columns), Part(".index", value.index)]
        # By position: names may come twice.
        parts += [
            Part(f"[{name!r}]", Column(value.iloc[:, place].array))
            for place, name in enumerate(value.columns)
        ]
        return _of_class(b"table", value, pandas.DataFrame, parts)
    if isinstance(value, pandas.Series):
        parts = [Part(".index", value.index), Part(".name", value.name)]
        return _of_class(b"column", value, pandas.Series, [*parts, Part("", Column(value.array))])
    if isinstance(value, pandas.MultiIndex):
        levels = [value.get_level_values(level) for level in range(value.nlevels)]
        return Description(b"multi-index", [Part(f".levels[{i}]", x) for i, x in enumerate(levels)])
    if isinstance(value, pandas.Index):
        return Description(b"index", [Part(".name", value.name), Part("", Column(value.array))])
    if isinstance(value, pandas.api.extensions.ExtensionArray):
        return Description(b"extension array", [Part("", Column(value))])
    return None


def _of_class(kind: bytes, value: Any, usual: type, parts: list[Part]) -> Description:
    if type(value) is not usual:
        parts = [*parts, Part(".__class__", type(value))]
    return Description(kind, parts)


def _describe_pandas_column(array: Any) -> Description:
    """Describe the values of a column: type, which ones are missing, and the others."""
    pandas = sys.modules["pandas"]
    dtype = array.dtype
    if isinstance(dtype, np.dtype):
        return Description(b"plain", [Part("", np.asarray(array))])
    if isinstance(dtype, pandas.CategoricalDtype):
        parts = [
            Part(".categories", array.categories),
            Part(".codes", array.codes.astype(np.int64)),
        ]
        return Description(join(b"categories", b"%d" % bool(array.ordered)), parts)
    name = str(dtype).encode()
    if isinstance(dtype, pandas.StringDtype):
        # Where strings are kept does not count, what stands for a missing one may.
        name = join(b"string", repr(dtype.na_value).encode())
    if isinstance(dtype, pandas.IntervalDtype):
        parts = [Part(".left", Column(array.left.array)), Part(".right", Column(array.right.array))]
        return Description(join(name, array.closed.encode()), parts)
    missing = np.asarray(array.isna(), dtype=bool)
    kind = getattr(getattr(dtype, "numpy_dtype", None), "kind", None)
    if hasattr(array, "asi8"):
        return Description(name, [Part(".asi8", array.asi8)])
    if isinstance(dtype, pandas.SparseDtype):
        return Description(name, [Part("", np.asarray(array))])
    if kind is not None and kind in "biuf":
        return Description(name, [Part(".isna()", missing), Part("", _fill(array, missing, 0))])
    objects = np.array(array.to_numpy(dtype=object, na_value=None), dtype=object)
    if isinstance(dtype, pandas.StringDtype):
        objects[missing] = ""
    return Description(name, [Part(".isna()", missing), Part("", objects)])


def _fill(array: Any, missing: np.ndarray, value: Any) -> np.ndarray:
    dtype = array.dtype.numpy_dtype
    return np.asarray(array.to_numpy(dtype=dtype, na_value=dtype.type(value)))


def _describe_polars(value: Any, polars: Any) -> Description | None:
    if isinstance(value, polars.DataFrame):
        parts = [Part(f"[{column.name!r}]", column) for column in value.get_columns()]
        return Description(join(b"polars table", *(name.encode() for name in value.columns)), parts)
    if isinstance(value, polars.Series):
        head = join(b"polars column", str(value.dtype).encode(), value.name.encode())
        if value.dtype.is_numeric() and value.dtype != polars.Decimal and value.null_count() == 0:
            return Description(head, [Part("", value.to_numpy())])
        if value.dtype == polars.Object:
            raise TypeError("its objects cannot be read")
        return Description(head, [Part("", value.to_list())])
    return None


def _describe_arrow(value: Any, arrow: Any) -> Description | None:
    if isinstance(value, arrow.Table | arrow.RecordBatch):
        parts = [
            Part(f"[{name!r}]", value.column(place))
            for place, name in enumerate(value.column_names)
        ]
        names = (str(name).encode() for name in value.column_names)
        return Description(join(b"arrow table", *names), parts)
    if isinstance(value, arrow.Array | arrow.ChunkedArray):
        head = join(b"arrow column", str(value.type).encode())
        is_number = arrow.types.is_integer(value.type) or arrow.types.is_floating(value.type)
        if is_number and value.null_count == 0:
            whole = value.combine_chunks() if isinstance(value, arrow.ChunkedArray) else value
            return Description(head, [Part("", np.asarray(whole))])
        return Description(head, [Part("", value.to_pylist())])
    return None


_DESCRIBERS: dict[str, Callable[[Any, Any], Description | None]] = {
    "pandas": _describe_pandas,
    "polars": _describe_polars,
    "pyarrow": _describe_arrow,
}
