"""Write the long table to a file and read it back exactly, and keep the runs that a file holds."""

import csv
import io
import os
from pathlib import Path
from typing import Any

import pandas as pd

from sklearn_trainkit.comparison._fingerprint import VERSION_MARK
from sklearn_trainkit.comparison._table import COLUMNS, RUN_KEYS, RunKey, build_table
from sklearn_trainkit.utils._whole_files import replace_file, sweep_unfinished

__all__ = ["ResultsFile", "read_comparison", "write_comparison"]

PathLike = str | os.PathLike[str]


def write_comparison(table: pd.DataFrame, path: PathLike) -> None:
    """Write a comparison's table to a CSV or Parquet file.

    The file is replaced in one step, so an interruption or a full disk never leaves half of it.

    Parameters
    ----------
    table : pandas.DataFrame
        What :func:`compare_searches` returned.
    path : path-like
        Ends in ``.csv``, ``.csv.gz`` or ``.parquet`` (which needs pyarrow).

    Raises
    ------
    ValueError
        When the path ends in something else.

    Examples
    --------
    See :func:`read_comparison`.
    """
    path = Path(path)
    kind = _file_kind(path)
    content = io.BytesIO()
    if kind == "parquet":
        table.to_parquet(content, index=False)
    else:
        compression: Any = "gzip" if path.suffix == ".gz" else None
        # Every text in quotes: pandas itself puts none around a lone carriage return.
        quoting: Any = csv.QUOTE_NONNUMERIC
        table.to_csv(content, index=False, compression=compression, quoting=quoting)
    sweep_unfinished(path.parent, path.name)
    replace_file(path, content.getvalue(), "table")


def read_comparison(path: PathLike) -> pd.DataFrame:
    """Read a comparison's table back, with the types that it had.

    Parameters
    ----------
    path : path-like
        Written by :func:`write_comparison`, or by ``compare_searches(..., results_file=path)``.

    Returns
    -------
    table : pandas.DataFrame
        As :func:`compare_searches` returned it.

    Raises
    ------
    ValueError
        When the path ends in something else than ``.csv``, ``.csv.gz`` or ``.parquet``, the file
        is damaged, or it lacks columns.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_trainkit.comparison import (
    ...     compare_searches, read_comparison, write_comparison
    ... )
    >>> grid = GridSearchCV(LogisticRegression(max_iter=1000), {"C": [0.1, 1.0]})
    >>> table = compare_searches({"grid": grid}, *load_iris(return_X_y=True))
    >>> with TemporaryDirectory() as folder:
    ...     write_comparison(table, Path(folder, "table.csv"))
    ...     read_comparison(Path(folder, "table.csv")).equals(table)
    True
    """
    path = Path(path)
    raw = _read_raw(path)
    missing = [name for name in COLUMNS if name not in raw.columns]
    if missing:
        raise ValueError(f"{path} is not a comparison's table; it lacks the columns {missing}")
    if _file_kind(path) == "csv":
        raw = pd.DataFrame({name: _parse_column(path, raw[name]) for name in raw.columns})
    return build_table(_to_rows(raw))


class ResultsFile:
    """The runs that a comparison has finished, kept in a file after each of them.

    Parameters
    ----------
    path : path-like or None
        None keeps them in memory only.

    Raises
    ------
    ValueError
        When the file exists and is not a comparison's table.
    """

    def __init__(self, path: PathLike | None):
        self.path = None if path is None else Path(path)
        self._rows: dict[RunKey, list[dict[str, Any]]] = {}
        if self.path is not None:
            _file_kind(self.path)
            if self.path.exists():
                self._load(self.path)

    def holds(self, key: RunKey, fingerprint: str) -> bool:
        """Return whether the run is there already.

        Raises
        ------
        ValueError
            When it is there, but was made with other settings or other data.
        """
        if key not in self._rows:
            return False
        found = str(self._rows[key][0]["run_fingerprint"])
        if not found.startswith(VERSION_MARK):
            raise ValueError(
                f"results_file {self.path} holds the run {key} of another version of "
                f"sklearn_trainkit (fingerprint {found!r}, now {fingerprint}), which compared "
                "settings by other rules, so whether it is the same run cannot be told; choose "
                "another file, or delete its rows"
            )
        if found != fingerprint:
            raise ValueError(
                f"results_file {self.path} holds the run {key} with other settings or other data "
                f"(fingerprint {found}, now {fingerprint}); choose another file, or delete its rows"
            )
        return True

    def add(self, key: RunKey, rows: list[dict[str, Any]]) -> None:
        """Keep the rows of a finished run."""
        self._rows[key] = rows
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_comparison(self.table(list(self._rows)), self.path)

    def table(self, keys: list[RunKey]) -> pd.DataFrame:
        """Return the long table of the given runs."""
        return build_table([row for key in keys for row in self._rows[key]])

    def _load(self, path: Path) -> None:
        for row in _to_rows(read_comparison(path)):
            key = RunKey(*(row[name] for name in RUN_KEYS))
            self._rows.setdefault(key, []).append(row)


def _file_kind(path: Path) -> str:
    if path.name.endswith((".csv", ".csv.gz")):
        return "csv"
    if path.name.endswith(".parquet"):
        return "parquet"
    raise ValueError(f"path must end in .csv, .csv.gz or .parquet; got {str(path)!r}")


def _to_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _read_raw(path: Path) -> pd.DataFrame:
    try:
        if _file_kind(path) == "parquet":
            return pd.read_parquet(path)
        # As text first: "NA" may be the name of a strategy, and floats must come back exactly.
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except (FileNotFoundError, IsADirectoryError, PermissionError, ImportError):
        raise
    except Exception as error:  # of pandas, gzip, codecs or pyarrow: each has its own
        raise ValueError(
            f"{path} cannot be read as a comparison's table: {type(error).__name__}: {error}. The "
            "file is damaged, or another kind of file; choose another name, or remove it."
        ) from error


def _parse_column(path: Path, column: pd.Series) -> pd.Series:
    kind = COLUMNS.get(str(column.name), "object")
    if kind == "object":
        return column
    parse = float if kind == "float64" else int
    parsed: list[Any] = []
    for row, text in enumerate(column, start=1):
        try:
            parsed.append(parse(text) if text else None)
        except ValueError:
            raise ValueError(
                f"{path} is damaged: row {row} has {text!r} in column {column.name!r}, which "
                "holds numbers. Remove the row, or choose another file."
            ) from None
    try:
        return pd.Series(parsed, index=column.index, dtype=kind)
    except TypeError:
        raise ValueError(
            f"{path} is damaged: column {column.name!r} is empty in row "
            f"{parsed.index(None) + 1}. Remove the row, or choose another file."
        ) from None
