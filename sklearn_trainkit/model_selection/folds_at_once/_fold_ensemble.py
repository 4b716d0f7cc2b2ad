"""Ensembles of the models that cross-validation trains anyway."""

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin, RegressorMixin, is_classifier, is_regressor
from sklearn.utils import get_tags, indexable
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from sklearn_trainkit.model_selection.folds_at_once._fold_models import FoldModels
from sklearn_trainkit.utils._pipelines import last_step
from sklearn_trainkit.utils._sklearn_private import fit_context

__all__ = ["FoldEnsembleClassifier", "FoldEnsembleRegressor"]


def _has_probabilities(ensemble: "FoldEnsembleClassifier") -> bool:
    """Raise AttributeError when the models have no probabilities to average."""
    models = ensemble.__dict__.get("estimators_", [ensemble.estimator])
    return all(hasattr(model, "predict_proba") for model in models)


def _labels_parts(estimator: Any) -> bool:
    """Tell whether a row has many labels: a pixel's each, or a step's."""
    final = last_step(estimator)
    return hasattr(final, "ignore_index") and getattr(final, "return_sequences", True)


def _labels_steps(estimator: Any) -> bool:
    """Tell whether each step of a sequence has a target."""
    return bool(getattr(last_step(estimator), "return_sequences", False))


def _indicators(y: Any) -> np.ndarray | None:
    """Return y as a matrix with a column for each label, or None where a row has one class."""
    if type_of_target(y) != "multilabel-indicator":
        return None
    return y.toarray() if issparse(y) else np.asarray(y)


def _chances_of_labels(model: Any, X: Any) -> np.ndarray:
    """Return the probability of each label, (n_samples, n_labels)."""
    given = model.predict_proba(X)
    if not isinstance(given, list):
        return given
    # As of forests: both classes of each label, or the only one that its rows had.
    return np.column_stack(
        [
            (chances * classes).sum(axis=1)
            for chances, classes in zip(given, model.classes_, strict=True)
        ]
    )


class FoldEnsembleClassifier(ClassifierMixin, FoldModels):
    """Average the probabilities of models trained on the training parts of cross-validation.

    Folds of a network of this package, or of a Pipeline that ends in one, train as one stacked
    network, so the ensemble costs little more than a single fit of a small network. Each model
    leaves out its test rows: their out-of-fold predictions are an honest estimate that needs no
    further data (Krogh and Vedelsby: Neural network ensembles, cross validation, and active
    learning. NeurIPS 1994).

    Classifiers without ``predict_proba`` vote: each model has one vote for a row, and of classes
    with equally many votes the first one in ``classes_`` is predicted.

    Where a row may have several labels, the probabilities of each are averaged, or the votes; it
    has those of more than one half. ``score`` is then the share of rows whose labels are all right.

    Masks, and sequences with a class for each step, are averaged pixel by pixel and step by step;
    X, y, ``predict``, ``predict_proba`` and ``score`` are as those of the network.

    Parameters
    ----------
    estimator : estimator object
        A classifier.
    cv : int, splitter, iterable or None, default=None
        As in :func:`~sklearn.model_selection.cross_validate`.
    stack : bool or "auto", default="auto"
        As in :func:`~sklearn_trainkit.model_selection.cross_validate`.

    Attributes
    ----------
    estimators_ : list of estimators
        One a fold.
    classes_ : ndarray of shape (n_classes,)
        Where a row may have several labels, their numbers.
    fold_scores_ : ndarray of shape (n_splits,)
        Accuracy (the estimator's ``score``) of each model on the rows it left out.
    oof_proba_ : ndarray of shape (n_samples, n_classes)
        Mean probabilities by the models that had not seen a row; NaN where every model had. Only
        for classifiers with ``predict_proba``.
    oof_votes_ : ndarray of shape (n_samples, n_classes)
        Shares of the votes of these models. Only for classifiers without ``predict_proba``.
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
        y : array-like of shape (n_samples,) or (n_samples, 1), or masks or labels of steps
            Or (n_samples, n_labels) of zeros and ones, where rows may have several labels.
        groups : array-like of shape (n_samples,) or None, default=None
            For the splitter.
        **fit_params
            Arguments of the estimator's ``fit``, such as ``sample_weight``; with metadata routing
            they go to whoever requests them: the estimator's ``fit`` and ``score``, the splitter.

        Returns
        -------
        self : estimator
        """
        if is_regressor(self.estimator):
            raise ValueError(
                f"estimator={self.estimator!r} is a regressor; use FoldEnsembleRegressor."
            )
        X, y = indexable(X, y)
        in_parts = _labels_parts(self.estimator)
        indicators = None if in_parts else _indicators(y)
        self._has_several_labels = indicators is not None
        if indicators is not None:
            y = indicators
        elif not in_parts:
            check_classification_targets(y)
            y = column_or_1d(y, warn=True)
        seen, unseen = self._fit_folds(X, y, groups, fit_params)
        self._learn_classes(y, in_parts, seen)
        width = None if in_parts else (len(self.classes_),)
        out_of_fold = self._mean_out_of_fold(X, unseen, width)
        name = "oof_proba_" if _has_probabilities(self) else "oof_votes_"
        for old in {"oof_proba_", "oof_votes_"} & set(vars(self)):
            delattr(self, old)
        setattr(self, name, out_of_fold)
        return self

    def _learn_classes(self, y: Any, in_parts: bool, seen: Any) -> None:
        """Set the classes, and the places of each model's among them."""
        if in_parts:
            self.classes_ = np.unique(np.concatenate([m.classes_ for m in self.estimators_]))
            self._places = [self._find_places(model.classes_) for model in self.estimators_]
        elif self._has_several_labels:
            # Of two labels as objects, as nets have them: 0 and 1 would be those of one label.
            kind = object if y.shape[1] == 2 else int
            self.classes_ = np.arange(y.shape[1]).astype(kind)
        else:
            self.classes_ = np.unique(y)
            self._places = [
                self._find_places(getattr(model, "classes_", np.unique(y[rows])))
                for model, rows in zip(self.estimators_, seen, strict=True)
            ]

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the mean probability of each class, of shape (n_samples, n_classes)."""
        return self._mean_prediction(X)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of :meth:`predict_proba`, finite also where that is zero."""
        probabilities = self.predict_proba(X)
        return np.log(np.maximum(probabilities, np.finfo(probabilities.dtype).tiny))

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row, or the one with the most votes."""
        mean = self._mean_prediction(X)
        if self._has_several_labels:
            return (mean > 0.5).astype(int)
        if mean.ndim != 3:
            return self.classes_[mean.argmax(axis=1)]
        from sklearn_trainkit.neural_network.sequences._step_coding import with_ends

        labels = self.classes_[mean.argmax(axis=2)]
        return with_ends(labels, ~np.isnan(mean[..., 0]), last_step(self.estimator).ignore_index)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy; of masks, Dice as of the network's ``score``.

        Parameters
        ----------
        X, y
            As for :meth:`fit`.
        sample_weight : array-like of shape (n_samples,) or None, default=None

        Returns
        -------
        score : float
        """
        if not _labels_parts(self.estimator):
            return super().score(X, y, sample_weight)
        from sklearn_trainkit.neural_network import dice_scorer
        from sklearn_trainkit.neural_network.sequences._step_labels import step_accuracy

        if not hasattr(last_step(self.estimator), "return_sequences"):
            score: float = dice_scorer(self, X, y, sample_weight=sample_weight)
            return score
        mean = self._mean_prediction(X)
        there, labels = ~np.isnan(mean[..., 0]), self.classes_[mean.argmax(axis=2)]
        ignored = last_step(self.estimator).ignore_index
        return step_accuracy(y, labels, there, ignored, sample_weight)

    def _one_prediction(self, index: int, X: Any) -> np.ndarray:
        """Return probabilities or votes, with a column for every class: a fold may miss one."""
        model = self.estimators_[index]
        if self._has_several_labels:
            chances = _chances_of_labels if _has_probabilities(self) else type(model).predict
            return np.asarray(chances(model, X), dtype=float)
        if _has_probabilities(self):
            given = model.predict_proba(X)
            if given.ndim == 3:  # steps have their classes last, pixels on axis 1
                shares = np.zeros((*given.shape[:2], len(self.classes_)))
                shares[np.isnan(given[..., 0])] = np.nan  # after the end of a sequence
                shares[..., self._places[index]] = given
                return shares
            shares = np.zeros((len(given), len(self.classes_), *given.shape[2:]))
            shares[:, self._places[index]] = given
            return shares
        votes = self._find_places(np.ravel(model.predict(X)))
        return np.eye(len(self.classes_))[votes]

    def _find_places(self, labels: Any) -> np.ndarray:
        """Return the places of labels in ``classes_``."""
        labels = np.asarray(labels)
        strange = ~np.isin(labels, self.classes_)
        if strange.any():
            raise ValueError(
                f"estimator={type(self.estimator).__name__} has or predicts the classes "
                f"{np.unique(labels[strange])}, but y has {self.classes_}."
            )
        return np.searchsorted(self.classes_, labels)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator).classifier_tags
        tags.classifier_tags.multi_label = inner is not None and inner.multi_label
        return tags


class FoldEnsembleRegressor(RegressorMixin, FoldModels):
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
        y : array-like of shape (n_samples,) or (n_samples, n_targets), or targets of steps
            A table of one column is one target.
        groups : array-like of shape (n_samples,) or None, default=None
            For the splitter.
        **fit_params
            Arguments of the estimator's ``fit``, such as ``sample_weight``; with metadata routing
            they go to whoever requests them: the estimator's ``fit`` and ``score``, the splitter.

        Returns
        -------
        self : estimator
        """
        if is_classifier(self.estimator):
            raise ValueError(
                f"estimator={self.estimator!r} is a classifier; use FoldEnsembleClassifier."
            )
        X, y = indexable(X, y)
        if _labels_steps(self.estimator):
            self._width: tuple[int, ...] | None = None  # as wide as the longest sequence
        else:
            if np.ndim(y) == 2 and np.shape(y)[1] == 1:
                y = column_or_1d(y, warn=True)
            self._width = tuple(np.shape(y)[1:])
        _, unseen = self._fit_folds(X, y, groups, fit_params)
        self.oof_prediction_ = self._mean_out_of_fold(X, unseen, self._width)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the mean prediction, of shape (n_samples,) or (n_samples, n_targets)."""
        return self._mean_prediction(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R²; of steps, over those that have a target.

        Parameters
        ----------
        X, y
            As for :meth:`fit`.
        sample_weight : array-like of shape (n_samples,) or None, default=None

        Returns
        -------
        score : float
        """
        if not _labels_steps(self.estimator):
            return super().score(X, y, sample_weight)
        from sklearn_trainkit.neural_network.sequences._step_targets import step_r2

        return step_r2(y, self.predict(X), sample_weight)

    def _one_prediction(self, index: int, X: Any) -> np.ndarray:
        prediction = np.asarray(self.estimators_[index].predict(X))
        return prediction if self._width is None else prediction.reshape(-1, *self._width)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = get_tags(self.estimator).target_tags.multi_output
        return tags
