"""Tables that figures are drawn from: what was passed instead is told from what they need."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

__all__ = ["check_table"]

_LONGEST = 80


def check_table(table: Any, columns: Sequence[str], name: str, source: str) -> None:
    """Refuse what is not the table that a figure is drawn from.

    Parameters
    ----------
    table : object
        As the user passed it.
    columns : sequence of str
        Those that tell the table from others.
    name : str
        Of the parameter.
    source : str
        What makes such a table.

    Raises
    ------
    TypeError
        When it is no table: a search, its ``cv_results_``, a net.
    ValueError
        When it is another table.
    """
    if not isinstance(table, pd.DataFrame):
        hint = ""
        if hasattr(table, "cv_results_") or (isinstance(table, dict) and "params" in table):
            hint = (
                ". The trials of one search are drawn by SearchHistoryDisplay, SliceDisplay, "
                "ParallelCoordinatesDisplay, ParameterImportancesDisplay, ContourDisplay and "
                "TrainingCurvesDisplay"
            )
        raise TypeError(
            f"{name} must be the table that {source} returns; got {_shorten(table)}{hint}"
        )
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ValueError(
            f"{name} must be the table that {source} returns; this one has no columns {missing}"
        )


def _shorten(value: Any) -> str:
    text = " ".join(repr(value).split())
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    return f"{type(value).__name__}: {text}"
