"""Name the columns of a table that hold no numbers, or not only finite ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["describe_bad_columns", "naming_columns"]

_MOST_NAMED = 5


@contextmanager
def naming_columns(X: Any, advice: str) -> Iterator[None]:
    """Add to errors of a check of ``X`` which of its columns are meant.

    Parameters
    ----------
    X : object
        A table or two-dimensional array-like; of anything else errors pass as they are.
    advice : str
        A sentence about what to do with columns that hold no numbers.
    """
    try:
        if _holds_dates(X):  # numpy would make counts of nanoseconds of them
            raise TypeError("X holds dates or durations, which are no numbers.")
        yield
    except (TypeError, ValueError) as error:
        told = describe_bad_columns(X, str(error), advice)
        if not told:
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{str(error).rstrip()}\n{told}") from error


def describe_bad_columns(X: Any, error: str, advice: str) -> str:
    """Return a sentence about the columns that ``error`` is about; "" if these are none.

    Examples
    --------
    >>> describe_bad_columns([[1, "apple"], [2, "pear"]], "could not convert", "Encode them.")
    "Columns that do not hold numbers: 1. Encode them. Column 1 has 'apple'."
    """
    columns = _columns_of(X)
    others = [(name, value) for name, column in columns for value in _first_no_number(column)]
    if others:
        listed = _listed([repr(name) for name, _ in others[:_MOST_NAMED]], len(others))
        example = "Column {!r} has {!r}.".format(*others[0])
        return f"Columns that do not hold numbers: {listed}. {advice} {example}"
    if "NAType" in error or "NaTType" in error:
        missing = [(name, sum(map(_is_missing, column))) for name, column in columns]
        shown = [f"{name!r} ({count} of {len(columns[0][1])})" for name, count in missing if count]
        return (
            f"Columns with pandas.NA or NaT: {_listed(shown[:_MOST_NAMED], len(shown))}. Among "
            "objects these are no numbers: use a nullable type, astype('Float64'), or fillna."
        )
    if "contains NaN" not in error and "contains infinity" not in error:
        return ""
    counts = [(name, _count_not_finite(column)) for name, column in columns]
    shown = [f"{name!r} ({count} of {len(columns[0][1])})" for name, count in counts if count]
    if not shown:
        return ""
    return f"Columns with values that are not finite: {_listed(shown[:_MOST_NAMED], len(shown))}."


def _holds_dates(X: Any) -> bool:
    if isinstance(X, np.ndarray):
        return X.dtype.kind in "mM"
    if not hasattr(X, "columns"):
        return False
    # dtype.kind of pandas, is_temporal of polars
    return any(
        getattr(dtype, "kind", None) in ("m", "M") or getattr(dtype, "is_temporal", bool)()
        for dtype in getattr(X, "dtypes", ())
    )


def _listed(shown: list[str], n_all: int) -> str:
    rest = n_all - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")


def _columns_of(X: Any) -> list[tuple[Any, np.ndarray]]:
    """Return names, or numbers, and values of the columns of what may be a table."""
    try:
        if hasattr(X, "columns"):
            names = list(X.columns)
            return [
                (name, np.asarray(X.iloc[:, i] if hasattr(X, "iloc") else X[name]))
                for i, name in enumerate(names)
            ]
        array = X if isinstance(X, np.ndarray) else np.asarray(X, dtype=object)
    except Exception:  # no table: lists of several lengths, foreign objects
        return []
    return [] if array.ndim != 2 else [(i, array[:, i]) for i in range(array.shape[1])]


def _first_no_number(column: np.ndarray) -> list[Any]:
    """Return the first entry that is no number, in a list; an empty one if there is none."""
    if column.dtype.kind in "biuf":
        return []
    if column.dtype.kind in "mMc":
        return [str(column[0])] if len(column) else []
    for value in column:
        try:
            float(value)
        except (TypeError, ValueError):
            if value is not None and not _is_missing(value):
                return [value]
    return []


def _is_missing(value: Any) -> bool:
    # pandas' NA: neither equal to itself nor different.
    return type(value).__name__ in ("NAType", "NaTType")


def _count_not_finite(column: np.ndarray) -> int:
    try:
        return int((~np.isfinite(column.astype(np.float64))).sum())
    except (TypeError, ValueError):  # pandas' NA
        return sum(value is None or _is_missing(value) or value != value for value in column)
