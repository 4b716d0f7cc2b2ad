"""Shared helpers."""

__all__: list[str] = []
