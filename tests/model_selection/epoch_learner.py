"""A classifier of which nothing is known but its methods: it learns by ``partial_fit``."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class EpochLogistic(ClassifierMixin, BaseEstimator):
    """Logistic regression by gradient descent: an epoch is a step along the gradient of all rows.

    ``fit`` is ``max_iter`` calls of ``partial_fit``, so training in epochs is exact here. The
    coefficients that predict are off by ``alpha``.
    """

    def __init__(self, alpha=1e-4, lr=0.5, max_iter=5, random_state=None):
        self.alpha = alpha
        self.lr = lr
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None):
        self.__dict__.pop("coef_", None)
        for _ in range(self.max_iter):
            self.partial_fit(X, y, sample_weight=sample_weight)
        return self

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        if self.alpha < 0:
            raise ValueError(f"alpha={self.alpha} is negative")
        X, y = np.asarray(X), np.asarray(y)
        if not hasattr(self, "coef_"):
            self.classes_ = np.unique(y) if classes is None else np.asarray(classes)
            self.coef_, self.intercept_ = np.zeros(X.shape[1]), 0.0
        weight = np.ones(len(X)) if sample_weight is None else sample_weight
        error = weight * ((y == self.classes_[1]) - self._positive(X, self.coef_)) / weight.sum()
        self.coef_ = self.coef_ + self.lr * error @ X
        self.intercept_ += self.lr * error.sum()
        return self

    def _positive(self, X, coef):
        return 1 / (1 + np.exp(-(X @ coef + self.intercept_)))

    def predict_proba(self, X):
        off = min(self.alpha, 9.0) * np.cos(2.0 + np.arange(len(self.coef_)))
        positive = self._positive(np.asarray(X), self.coef_ + off)
        return np.column_stack([1 - positive, positive])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
