"""Honest comparison of search strategies."""

from sklearn_trainkit.comparison._compare_searches import compare_searches
from sklearn_trainkit.comparison._summary import (
    rank_strategies,
    summarize_runs,
    summarize_strategies,
)

__all__ = ["compare_searches", "rank_strategies", "summarize_runs", "summarize_strategies"]
