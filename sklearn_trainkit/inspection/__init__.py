"""Figures over searches, networks and comparisons."""

__all__: list[str] = []
