"""Callbacks for the training loop."""

__all__: list[str] = []
