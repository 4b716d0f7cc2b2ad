"""Ensembles of the models that cross-validation trains anyway."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.utils import get_tags, indexable
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from sklearn_trainkit.model_selection._cross_validate import cross_validate
from sklearn_trainkit.utils._sklearn_private import (
    HasMethods,
    StrOptions,
    fit_context,
    num_samples,
    safe_split,
)

__all__ = ["FoldEnsembleClassifier", "FoldEnsembleRegressor"]


class _FoldEnsemble(MetaEstimatorMixin, BaseEstimator):
    """Trains a model per fold and keeps all of them."""

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"])],
        "cv": ["cv_object"],
        "stack": ["boolean", StrOptions({"auto"})],
    }

    def __init__(self, estimator: Any, *, cv: Any = None, stack: bool | str = "auto") -> None:
        self.estimator = estimator
        self.cv = cv
        self.stack = stack

    @property
    def n_features_in_(self) -> int:
        """Number of features seen in fit."""
        if not hasattr(self, "estimators_"):
            raise AttributeError(f"{type(self).__name__} has no n_features_in_ before fit.")
        n_features: int = self.estimators_[0].n_features_in_
        return n_features

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags = inner.input_tags
        tags.non_deterministic = inner.non_deterministic
        return tags

    def _fit_folds(
        self, X: Any, y: Any, groups: Any, fit_params: dict[str, Any]
    ) -> tuple[list[Any], Any, Any]:
        """Train the folds; return the rows that each has not seen, X and y."""
        X, y = indexable(X, y)
        results = cross_validate(
            clone(self.estimator),
            X,
            y,
            groups=groups,
            cv=self.cv,
            stack=self.stack,
            params=fit_params,
            return_estimator=True,
            return_indices=True,
            error_score="raise",
        )
        self.estimators_ = list(results["estimator"])
        self.fold_scores_ = results["test_score"]
        names = getattr(self.estimators_[0], "feature_names_in_", None)
        if names is not None:
            self.feature_names_in_ = names
        return list(results["indices"]["test"]), X, y

    def _mean_out_of_fold(self, X: Any, unseen: list[Any], width: tuple[int, ...]) -> np.ndarray:
        """Return, for each row, the mean prediction of the models that have not seen it."""
        n_rows = num_samples(X)
        total, count = np.zeros((n_rows, *width)), np.zeros(n_rows)
        for estimator, rows in zip(self.estimators_, unseen, strict=True):
            part, _ = safe_split(estimator, X, None, rows)
            total[rows] += self._one_prediction(estimator, part)
            count[rows] += 1
        with np.errstate(invalid="ignore"):
            return total / count.reshape(-1, *[1] * len(width))

    def _mean_prediction(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "estimators_")
        predictions = [self._one_prediction(estimator, X) for estimator in self.estimators_]
        mean: np.ndarray = np.mean(predictions, axis=0)
        return mean

    def _one_prediction(self, estimator: Any, X: Any) -> np.ndarray:
        raise NotImplementedError


class FoldEnsembleClassifier(ClassifierMixin, _FoldEnsemble):
    """Average the probabilities of models trained on the training parts of cross-validation.

    Folds of a network of this package, or of a Pipeline that ends in one, train as one stacked
    network, so the ensemble costs little more than a single fit of a small network. Each model
    leaves out its test rows: their out-of-fold predictions are an honest estimate that needs no
    further data (Krogh and Vedelsby: Neural network ensembles, cross validation, and active
    learning. NeurIPS 1994).

    Parameters
    ----------
    estimator : estimator object
        A classifier with ``predict_proba``.
    cv : int, splitter, iterable or None, default=None
        As in :func:`~sklearn.model_selection.cross_validate`.
    stack : bool or "auto", default="auto"
        As in :func:`~sklearn_trainkit.model_selection.cross_validate`.

    Attributes
    ----------
    estimators_ : list of estimators
        One a fold.
    classes_ : ndarray of shape (n_classes,)
    fold_scores_ : ndarray of shape (n_splits,)
        Accuracy (the estimator's ``score``) of each model on the rows it left out.
    oof_proba_ : ndarray of shape (n_samples, n_classes)
        Mean probabilities by the models that had not seen a row; NaN where every model had.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X had string column names.

    See Also
    --------
    FoldEnsembleRegressor : The same for numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_trainkit.model_selection import FoldEnsembleClassifier
    >>> from sklearn_trainkit.neural_network import MLPNetClassifier
    >>> from sklearn_trainkit.preprocessing import StandardScaler
    >>> X, y = load_iris(return_X_y=True)
    >>> pipe = make_pipeline(StandardScaler(), MLPNetClassifier(random_state=0))
    >>> ensemble = FoldEnsembleClassifier(pipe, cv=5).fit(X, y)
    >>> len(ensemble.estimators_), ensemble.predict_proba(X).shape
    (5, (150, 3))
    """

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, *, groups: Any = None, **fit_params: Any) -> Any:
        """Train a model on the training part of each fold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        groups : array-like of shape (n_samples,) or None, default=None
            For the splitter.
        **fit_params
            Arguments of the estimator's ``fit``, such as ``sample_weight``.

        Returns
        -------
        self : estimator
        """
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        unseen, X, y = self._fit_folds(X, y, groups, fit_params)
        self.classes_ = np.unique(y)
        self.oof_proba_ = self._mean_out_of_fold(X, unseen, (len(self.classes_),))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the mean probability of each class, of shape (n_samples, n_classes)."""
        return self._mean_prediction(X)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def _one_prediction(self, estimator: Any, X: Any) -> np.ndarray:
        """Return probabilities with a column for every class; a fold may have missed one."""
        seen = estimator.predict_proba(X)
        probabilities = np.zeros((len(seen), len(self.classes_)))
        probabilities[:, np.searchsorted(self.classes_, estimator.classes_)] = seen
        return probabilities


class FoldEnsembleRegressor(RegressorMixin, _FoldEnsemble):
    """Average the predictions of models trained on the training parts of cross-validation.

    The counterpart of :class:`FoldEnsembleClassifier` for numbers.

    Parameters
    ----------
    estimator : estimator object
        A regressor.
    cv : int, splitter, iterable or None, default=None
        As in :func:`~sklearn.model_selection.cross_validate`.
    stack : bool or "auto", default="auto"
        As in :func:`~sklearn_trainkit.model_selection.cross_validate`.

    Attributes
    ----------
    estimators_ : list of estimators
        One a fold.
    fold_scores_ : ndarray of shape (n_splits,)
        R² (the estimator's ``score``) of each model on the rows it left out.
    oof_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_targets)
        Mean prediction by the models that had not seen a row; NaN where every model had.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X had string column names.

    See Also
    --------
    FoldEnsembleClassifier : The same for classes.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from sklearn_trainkit.model_selection import FoldEnsembleRegressor
    >>> from sklearn_trainkit.neural_network import MLPNetRegressor
    >>> X, y = make_regression(100, 4, random_state=0)
    >>> ensemble = FoldEnsembleRegressor(MLPNetRegressor(random_state=0), cv=4).fit(X, y)
    >>> ensemble.predict(X).shape, ensemble.oof_prediction_.shape
    ((100,), (100,))
    """

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, *, groups: Any = None, **fit_params: Any) -> Any:
        """Train a model on the training part of each fold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        groups : array-like of shape (n_samples,) or None, default=None
            For the splitter.
        **fit_params
            Arguments of the estimator's ``fit``, such as ``sample_weight``.

        Returns
        -------
        self : estimator
        """
        unseen, X, y = self._fit_folds(X, y, groups, fit_params)
        self.oof_prediction_ = self._mean_out_of_fold(X, unseen, np.shape(y)[1:])
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the mean prediction, of shape (n_samples,) or (n_samples, n_targets)."""
        return self._mean_prediction(X)

    def _one_prediction(self, estimator: Any, X: Any) -> np.ndarray:
        prediction: np.ndarray = estimator.predict(X)
        return prediction

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = get_tags(self.estimator).target_tags.multi_output
        return tags
