"""Honest comparison of search strategies."""

__all__: list[str] = []
