"""Classifiers and regressors: what scikit-learn's and skorch's interfaces ask of each."""

from typing import Any, ClassVar

import numpy as np
from sklearn.utils.metaestimators import available_if
from skorch import NeuralNetClassifier, NeuralNetRegressor

from sklearn_trainkit.neural_network.base._base_net import BaseNet
from sklearn_trainkit.neural_network.base._shared_parameters import (
    ClassifierParameters,
    RegressorParameters,
    constraints_of,
)
from sklearn_trainkit.neural_network.base._start_fit import train_one_epoch
from sklearn_trainkit.neural_network.targets._labels import Labels
from sklearn_trainkit.neural_network.targets._numbers import Numbers
from sklearn_trainkit.neural_network.targets._targets import Targets
from sklearn_trainkit.utils._sklearn_private import fit_context


class ClassifierNet(BaseNet, NeuralNetClassifier):
    """Base of the classifiers: labels of any kind, one class or several labels a sample."""

    _of_samples: Targets = Labels()
    _parameter_constraints: ClassVar[dict] = constraints_of(ClassifierParameters)
    _class_counts: np.ndarray | None = None

    @property
    def classes_(self) -> np.ndarray:
        """Class labels in the order of the columns of ``predict_proba``."""
        if "_coding" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no classes_ before fit.")
        return self._coding.classes

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> "ClassifierNet":
        """Train one more epoch on ``X`` and ``y``, with ``lr`` constant.

        Weights are not scaled to mean 1 as in ``fit``, which knows all rows: the loss of a row is
        multiplied by its weight and by that of its class, as in scikit-learn's SGDClassifier, so
        that it counts the same whichever rows it comes with. "balanced" goes by the classes of all
        rows seen so far, those of an earlier ``fit`` among them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), or (n_samples, n_labels) of zeros and ones
        classes : array-like of shape (n_classes,) or None, default=None
            All labels that may ever come; by default those of the first call. With several labels
            a row, their numbers from 0 on.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            A chunk whose rows all have weight 0 changes nothing.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If ``y`` has labels that are not among the classes, or with ``early_stopping``.
        """
        train_one_epoch(self, X, y, sample_weight, classes)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), of ``dtype``
            Columns in the order of ``classes_``.
        """
        return self._targets.probabilities(self, X)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of the probability of each class.

        Finite also where the probability itself is so small that it rounds to zero.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes), of ``dtype``
            Columns in the order of ``classes_``.
        """
        return self._targets.probabilities(self, X, logarithm=True)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        labels : ndarray of shape (n_samples,), or (n_samples, n_labels) for multilabel targets
        """
        return self._targets.predict(self, X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _never(self: Any) -> bool:
    raise AttributeError(f"{type(self).__name__} is a regressor; it has no predict_proba.")


class RegressorNet(BaseNet, NeuralNetRegressor):
    """Base of the regressors: one or several targets, standardized while training."""

    _of_samples: Targets = Numbers()
    _parameter_constraints: ClassVar[dict] = constraints_of(RegressorParameters)
    _doc_words: ClassVar[dict[str, str]] = {"score": "valid_r2", "stratified": ""}

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, classes: None = None
    ) -> "RegressorNet":
        """Train one more epoch on ``X`` and ``y``, with ``lr`` constant.

        Mean and scale of the targets are those of the first call. Weights are taken as they are,
        not scaled to mean 1 as in ``fit``, so that a row counts the same whichever rows it comes
        with.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        sample_weight : array-like of shape (n_samples,) or None, default=None
        classes : None
            Ignored; part of skorch's signature, which metadata routing looks at.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            With ``early_stopping``: no rows are set aside.
        """
        train_one_epoch(self, X, y, sample_weight)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the predicted targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets), as given to fit
            float32 if X and y were, else float64, which holds every target.
        """
        return self._targets.predict(self, X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        return tags

    predict_proba = available_if(_never)(NeuralNetRegressor.predict_proba)
