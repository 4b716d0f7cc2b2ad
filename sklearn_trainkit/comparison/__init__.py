"""Honest comparison of search strategies."""

from sklearn_trainkit.comparison._compare_searches import compare_searches
from sklearn_trainkit.comparison._summary import summarize_runs

__all__ = ["compare_searches", "summarize_runs"]
