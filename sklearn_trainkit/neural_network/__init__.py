"""Neural networks as scikit-learn estimators."""

__all__: list[str] = []
