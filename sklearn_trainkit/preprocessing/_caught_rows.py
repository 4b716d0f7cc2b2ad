"""What reaches the last step of a Pipeline that only its own ``fit`` trains."""

from typing import Any

from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

__all__ = ["catch_rows", "has_own_fit"]


class _Catcher(BaseEstimator):
    """Stands in for the last step, and keeps what it is given."""

    def fit(self, X: Any, y: Any = None) -> "_Catcher":
        self.rows_, self.targets_ = X, y
        return self

    def predict(self, X: Any) -> Any:
        return X


def has_own_fit(estimator: Any) -> bool:
    """Return whether ``estimator`` is a Pipeline of another class than scikit-learn's."""
    return isinstance(estimator, Pipeline) and type(estimator) is not Pipeline


def catch_rows(pipeline: Pipeline, X: Any, y: Any, X_val: Any) -> tuple[Any, Any, Any]:
    """Fit all steps but the last by the Pipeline's own ``fit``.

    Parameters
    ----------
    pipeline : Pipeline
        Its steps before the last are fitted; the last one is left as it is.
    X, y : array-like
        Training rows and targets; the Pipeline may change which there are.
    X_val : array-like
        Other rows, which go the way of rows to predict.

    Returns
    -------
    X, y, X_val : array-like
        As the last step would see them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> class EverySecond(Pipeline):
    ...     def fit(self, X, y=None):
    ...         return super().fit(X[::2], y[::2])
    >>> pipeline = EverySecond([("scale", StandardScaler()), ("last", "passthrough")])
    >>> X, y = np.arange(8.0).reshape(-1, 1), np.arange(8)
    >>> rows, targets, others = catch_rows(pipeline, X, y, X[:3])
    >>> len(rows), targets.tolist(), len(others)
    (4, [0, 2, 4, 6], 3)
    """
    name, last = pipeline.steps[-1]
    pipeline.steps[-1] = (name, _Catcher())
    try:
        pipeline.fit(X, y)
        caught = pipeline.steps[-1][1]
        return caught.rows_, caught.targets_, pipeline.predict(X_val)
    finally:
        pipeline.steps[-1] = (name, last)
