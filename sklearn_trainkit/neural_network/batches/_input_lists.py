"""Arrays that come one by one: lists, columns of tables, tables of their own."""

from typing import Any

import numpy as np

__all__ = ["as_list", "column_names", "holds_arrays"]


def as_list(X: Any) -> Any:
    """Return a collection of arrays as a list; anything else as it is.

    Parameters
    ----------
    X : object
        A tuple, an array of objects, a Series (pandas, polars) or Arrow column counts if its
        entries are arrays or lists, and so does a table with one such column.

    Examples
    --------
    >>> parts = np.empty(2, dtype=object)
    >>> parts[:] = [np.zeros(3), np.zeros(4)]
    >>> [len(part) for part in as_list(parts)], as_list("text")
    ([3, 4], 'text')
    """
    if isinstance(X, (list, str, bytes, dict)) or hasattr(X, "tocsr"):
        return X
    if not hasattr(X, "__len__") or len(X) == 0:
        return X
    if isinstance(X, tuple):
        return list(X)
    column = _only_column(X)
    if isinstance(column, np.ndarray):
        is_list = column.dtype == object and column.ndim == 1
        return list(column) if is_list and holds_arrays(column) else X
    for method in ("to_list", "to_pylist"):
        # A tensor has neither; of plain numbers no list is made.
        if hasattr(column, method) and getattr(column, "ndim", 1) == 1 and _is_nested(column):
            return getattr(column, method)()
    return X


def holds_arrays(parts: Any) -> bool:
    """Tell whether the first entry of a list is an array or a list, and no text."""
    return (
        len(parts) > 0 and hasattr(parts[0], "__len__") and not isinstance(parts[0], (str, bytes))
    )


def column_names(parts: list, name: str) -> list | None:
    """Return the columns that the tables of a list have in common; None if they are no tables.

    Raises
    ------
    ValueError
        Naming the first that has others, or has them in another order.
    """
    names = [None if _columns(part) is None else list(_columns(part)) for part in parts]
    for index, own in enumerate(names):
        if own != names[0]:
            raise ValueError(
                f"{name}[{index}] and {name}[0] must have the same feature names in the same "
                f"order. Got {_shown(own)} and {_shown(names[0])}."
            )
    return names[0] if names else None


def _columns(part: Any) -> Any:
    if isinstance(part, np.ndarray) or getattr(part, "ndim", 2) != 2:
        return None
    # Arrow's tables call the arrays themselves columns.
    return getattr(part, "column_names", None) or getattr(part, "columns", None)


def _shown(names: list | None) -> str:
    return "an array without names" if names is None else f"columns {names}"


def _only_column(X: Any) -> Any:
    if isinstance(X, np.ndarray):
        return X[:, 0] if X.dtype == object and X.ndim == 2 and X.shape[1] == 1 else X
    if getattr(X, "ndim", 2) == 2 and getattr(X, "shape", (0, 0))[1:] == (1,):
        if hasattr(X, "column_names"):  # Arrow
            return X.column(0)
        return X.iloc[:, 0] if hasattr(X, "iloc") else X[:, 0]
    return X


def _is_nested(column: Any) -> bool:
    first = column.iloc[0] if hasattr(column, "iloc") else column[0]
    first = first.as_py() if hasattr(first, "as_py") else first
    return hasattr(first, "__len__") and not isinstance(first, (str, bytes, dict))
