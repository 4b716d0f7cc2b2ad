"""Summaries of the long table that a comparison returns."""

import pandas as pd

from sklearn_trainkit.comparison._table import COLUMNS, RUN_KEYS

__all__ = ["summarize_runs"]


def summarize_runs(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each run: what it spent and how well its winner did.

    Parameters
    ----------
    table : pandas.DataFrame
        What :func:`compare_searches` returned.

    Returns
    -------
    runs : pandas.DataFrame
        The columns that name the run, then the table's ``run_...`` columns without that prefix.

    Raises
    ------
    ValueError
        When columns are missing.

    Examples
    --------
    See :func:`compare_searches`.
    """
    prefix = "run_"
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise ValueError(
            f"table must be what compare_searches returned; it lacks the columns {missing}"
        )
    columns = [*RUN_KEYS, *(name for name in COLUMNS if name.startswith(prefix))]
    runs = table[columns].drop_duplicates(list(RUN_KEYS), ignore_index=True)
    return runs.rename(columns=lambda name: name.removeprefix(prefix))
