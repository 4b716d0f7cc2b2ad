"""Scalers that learn from training rows only."""

__all__: list[str] = []
