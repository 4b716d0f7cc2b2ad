"""The parameters of the trials that won, in words, from the table of a comparison."""

import json
from collections import Counter
from typing import Any

import pandas as pd

from sklearn_trainkit.comparison._anytime import GROUP
from sklearn_trainkit.model_selection.results._read_trials import read_trials

__all__ = ["describe_winners", "winning_trials"]

# Longer values keep their beginning and their end.
_LONGEST_VALUE = 80
# Of a strategy that finds another winner with every seed, the most frequent.
_MOST_WINNERS = 5


def winning_trials(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the trials that won their run, the earliest where several are equal.

    Parameters
    ----------
    table : pandas.DataFrame
        What ``compare_searches`` returned. Runs without a complete trial have no winner.
    """
    rows = table.dropna(subset=["trial"])
    runs = rows.groupby([*GROUP, "strategy"], sort=False)
    final = runs["best_so_far"].transform("last")
    won = rows[read_trials(rows).complete & (rows["score"] == final)]
    return won.drop_duplicates([*GROUP, "strategy"])


def describe_winners(table: pd.DataFrame) -> list[str]:
    """Return a line for each strategy of one data set and each of its winners.

    Parameters
    ----------
    table : pandas.DataFrame
        The rows of one data set of a comparison.

    Returns
    -------
    lines : list of str
        The strategy, of how many of its runs these were the best parameters, and the parameters,
        in the order of the table; the most frequent winners first, at most five of a strategy.
    """
    winners = winning_trials(table)
    lines = []
    for strategy, runs in table.groupby("strategy", sort=False):
        n_runs = len(runs.drop_duplicates(GROUP))
        counts = Counter(winners.loc[winners["strategy"] == strategy, "params"])
        if not counts:
            lines.append(f"{strategy}: no complete trial")
        for text, count in counts.most_common(_MOST_WINNERS):
            lines.append(f"{strategy}, {count} of {n_runs} runs: {_describe(json.loads(text))}")
        n_others = len(counts) - _MOST_WINNERS
        if n_others > 0:
            lines.append(f"{strategy}: {n_others} more winners, of fewer or as many runs")
    return lines


def _describe(params: dict[str, Any]) -> str:
    shown = ", ".join(f"{name}={_shorten(value)}" for name, value in params.items())
    return shown or "the estimator as it is"


def _shorten(value: Any) -> str:
    text = " ".join((value if isinstance(value, str) else repr(value)).split())
    if len(text) <= _LONGEST_VALUE:
        return text
    half = (_LONGEST_VALUE - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"
