"""Honest comparison of search strategies."""

from sklearn_trainkit.comparison._compare_searches import compare_searches
from sklearn_trainkit.comparison._summary import (
    rank_strategies,
    summarize_runs,
    summarize_strategies,
)
from sklearn_trainkit.comparison._table_files import read_comparison, write_comparison

__all__ = [
    "compare_searches",
    "rank_strategies",
    "read_comparison",
    "summarize_runs",
    "summarize_strategies",
    "write_comparison",
]
