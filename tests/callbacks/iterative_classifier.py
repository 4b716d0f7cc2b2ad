"""A tiny classifier that trains in epochs and reports them as a network does."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils.validation import validate_data


class IterativeClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """Nearest class mean, moved towards the rows by ``lr`` in each of ``max_epochs`` epochs.

    It takes ``ceil(n_rows / batch_size)`` gradient steps an epoch, and raises in epoch
    ``fail_in_epoch`` when that is given.
    """

    def __init__(self, lr=0.5, max_epochs=3, batch_size=16, fail_in_epoch=None, random_state=None):
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.fail_in_epoch = fail_in_epoch
        self.random_state = random_state

    @with_callbacks
    def fit(self, X, y):
        X, y = validate_data(self, X, y)
        root = self._init_callback_context(max_subtasks=self.max_epochs)
        root.call_on_fit_task_begin(estimator=self)
        self.classes_ = np.unique(y)
        self.means_ = np.zeros((len(self.classes_), X.shape[1]))
        self.n_steps_ = 0
        for epoch in range(self.max_epochs):
            context = root.subcontext(task_name="epoch").call_on_fit_task_begin(estimator=self)
            if epoch == self.fail_in_epoch:
                raise RuntimeError(f"made to fail in epoch {epoch}")
            for row, label in enumerate(self.classes_):
                self.means_[row] += self.lr * (X[y == label].mean(axis=0) - self.means_[row])
            self.n_steps_ += -(-len(X) // self.batch_size)
            if context.call_on_fit_task_end(estimator=self):
                break
        root.call_on_fit_task_end(estimator=self)
        return self

    def predict(self, X):
        X = validate_data(self, X, reset=False)
        distances = ((X[:, None] - self.means_[None]) ** 2).sum(axis=2)
        return self.classes_[distances.argmin(axis=1)]
