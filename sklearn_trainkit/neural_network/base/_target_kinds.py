"""Targets of classifiers and regressors: checks, encoding, loss and prediction."""

from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d
from skorch import NeuralNetClassifier, NeuralNetRegressor

from sklearn_trainkit.neural_network.base._base_net import BaseNet
from sklearn_trainkit.neural_network.base._shared_parameters import (
    ClassifierParameters,
    RegressorParameters,
    constraints_of,
)
from sklearn_trainkit.neural_network.batches._input_checks import (
    FLOAT_TYPES,
    checked_weights,
    mean_one_weights,
)
from sklearn_trainkit.neural_network.batches._tensor_loader import IN_TRAINING_UNITS, Rows
from sklearn_trainkit.neural_network.modules._losses import (
    RegressionLoss,
)
from sklearn_trainkit.neural_network.targets._class_weights import class_factors, mean_one_factors
from sklearn_trainkit.neural_network.targets._label_coding import learn_label_coding
from sklearn_trainkit.utils._sklearn_private import fit_context


class ClassifierNet(BaseNet, NeuralNetClassifier):
    """Base of the classifiers: labels of any kind, one class or several labels a sample."""

    _score_name = "valid_acc"
    _parameter_constraints: ClassVar[dict] = constraints_of(ClassifierParameters)

    label_smoothing: float
    class_weight: Any
    _class_counts: np.ndarray | None = None
    _class_factors: np.ndarray

    @property
    def classes_(self) -> np.ndarray:
        """Class labels in the order of the columns of ``predict_proba``."""
        if "_coding" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no classes_ before fit.")
        return self._coding.classes

    @property
    def _n_outputs(self) -> int:
        return self._coding.n_outputs

    def _target_units(self) -> tuple[np.ndarray, ...]:
        return (self.classes_,)

    def _targets_of(self, codes: np.ndarray, units: tuple[np.ndarray, ...]) -> np.ndarray:
        return codes if codes.dtype.kind == "f" else units[0][codes]  # indicators stay themselves

    def _make_criterion(self) -> torch.nn.Module:
        return self._coding.criterion(self.label_smoothing, self._class_shares())

    def _as_logits(self, output: torch.Tensor) -> torch.Tensor:
        """Return the logits in a module's output for samples to predict."""
        return output

    def _class_shares(self) -> torch.Tensor | None:
        """Return the share of each class in what was learnt from, by the weights in the loss.

        None for a network that has not seen rows, only weights from a file.
        """
        if self._class_counts is None:
            return None
        rows = self._class_counts * self._class_factors
        totals = rows.sum(axis=1, keepdims=True)
        even = np.full_like(rows, 1.0 / rows.shape[1])
        shares = np.divide(rows, totals, out=even, where=totals > 0)
        return torch.tensor(shares, dtype=FLOAT_TYPES[self.dtype_])

    def _rows_score(self, output: torch.Tensor, rows: Rows) -> float:
        return (self._coding.codes(self._as_logits(output)) == rows.y).double().mean().item()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _check_targets(self, y: Any) -> np.ndarray:
        if hasattr(y, "toarray"):  # scikit-learn's sparse indicator matrices
            y = y.toarray()
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        return y

    def _learn_targets(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        self._coding = self._learn_coding(y)
        self._learn_from_training_part(y, weight)

    def _learn_coding(self, y: np.ndarray, classes: Any = None) -> Any:
        """Return how labels become targets: those of ``y``, or all that may ever come."""
        return learn_label_coding(y, type(self).__name__, classes)

    def _learn_from_training_part(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        self._class_counts = self._coding.count(y, weight)
        factors = self._factors_of_classes(self._class_counts)
        self._class_factors = mean_one_factors(factors, self._class_counts, self.class_weight)

    def _factors_of_classes(self, counts: np.ndarray) -> np.ndarray:
        return class_factors(self.class_weight, self._coding.weighted_classes, counts)

    def _encode_targets(self, y: np.ndarray, name: str) -> np.ndarray:
        return self._coding.encode(y, name)

    def _row_weights(self, codes: np.ndarray, weight: np.ndarray | None) -> np.ndarray | None:
        if self.class_weight is None:
            return weight
        factors = self._coding.row_factors(self._class_factors, codes)
        if weight is None:
            return factors
        return factors * (weight if factors.ndim == 1 else weight[:, None])

    def _stratify_by(self, y: np.ndarray) -> np.ndarray | None:
        return y if y.ndim == 1 else None

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
        first = self._begins()
        X, y = self._check_data(X, y, reset=first)
        if first:
            self._coding, self._class_counts = self._learn_coding(y, classes), None
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"classes={np.unique(classes).tolist()} are not those of the first call, "
                f"{self.classes_.tolist()}."
            )
        weight = None if sample_weight is None else checked_weights(sample_weight, y)
        self._learn_from_chunk(y, weight)
        self._train_one_epoch(X, y, weight)
        return self

    def _learn_from_chunk(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Count the classes of further rows; weights and smoothing follow."""
        counts = self._coding.count(y, weight)
        before = self._class_counts
        self._class_counts = counts if before is None else before + counts
        self._class_factors = self._factors_of_classes(self._class_counts)

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
        return self._output(X, lambda o: self._coding.probabilities(self._as_logits(o))).numpy()

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
        return self._output(X, lambda o: self._coding.log_probabilities(self._as_logits(o))).numpy()

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        labels : ndarray of shape (n_samples,), or (n_samples, n_labels) for multilabel targets
        """
        codes = self._output(X, lambda o: self._coding.codes(self._as_logits(o))).numpy()
        return codes if isinstance(X, IN_TRAINING_UNITS) else self._coding.labels(codes)


def _never(self: Any) -> bool:
    raise AttributeError(f"{type(self).__name__} is a regressor; it has no predict_proba.")


class RegressorNet(BaseNet, NeuralNetRegressor):
    """Base of the regressors: one or several targets, standardized while training."""

    _score_name = "valid_r2"
    _y_numeric = True
    _fixed_parameters: ClassVar[tuple[str, ...]] = ("standardize_y",)
    _parameter_constraints: ClassVar[dict] = constraints_of(RegressorParameters)
    _doc_words: ClassVar[dict[str, str]] = {"score": "valid_r2", "stratified": ""}

    loss: str
    standardize_y: bool

    @property
    def _n_outputs(self) -> int:
        return len(self.y_mean_)

    def _target_units(self) -> tuple[np.ndarray, ...]:
        return self.y_mean_, self.y_scale_

    def _targets_of(self, codes: np.ndarray, units: tuple[np.ndarray, ...]) -> np.ndarray:
        mean, scale = units
        return codes * scale + mean

    def _make_criterion(self) -> torch.nn.Module:
        return RegressionLoss(self.loss)

    def _rows_score(self, output: torch.Tensor, rows: Rows) -> float:
        residual = (output - rows.y).square().sum()
        spread = (rows.y - rows.y.mean(dim=0)).square().sum()
        return (1.0 - residual / spread).item() if spread > 0 else float("nan")

    def _learn_targets(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        columns = y.reshape(len(y), -1).astype(np.float64)
        self._y_ndim = y.ndim
        both_short = self.dtype_ == "float32" and y.dtype == np.float32
        self._y_dtype = np.float32 if both_short else np.float64
        if self.standardize_y:
            with np.errstate(over="ignore", invalid="ignore"):
                self.y_mean_ = np.average(columns, axis=0, weights=weight)
                variance = np.average((columns - self.y_mean_) ** 2, axis=0, weights=weight)
            spread = np.sqrt(variance)
            if not np.isfinite(spread).all():
                raise ValueError(
                    "standardize_y=True needs targets whose variance is a finite number. Got y "
                    f"from {columns.min():.3g} to {columns.max():.3g}; scale y."
                )
            self.y_scale_ = np.where(spread > 0, spread, 1.0)
        else:
            self.y_mean_ = np.zeros(columns.shape[1])
            self.y_scale_ = np.ones(columns.shape[1])

    def _learn_from_training_part(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        if not hasattr(self, "module_") or not self.warm_start:
            self._learn_targets(y, weight)

    def _encode_targets(self, y: np.ndarray, name: str) -> np.ndarray:
        columns = y.reshape(len(y), -1)
        if columns.shape[1] != self._n_outputs:
            raise ValueError(
                f"{name} has {columns.shape[1]} targets, but the network was set up for "
                f"{self._n_outputs}."
            )
        return ((columns - self.y_mean_) / self.y_scale_).astype(self.dtype_)

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
        first = self._begins()
        X, y = self._check_data(X, y, reset=first)
        weight = None if sample_weight is None else checked_weights(sample_weight, y)
        if first:  # mean and scale need a row that counts
            self._learn_targets(y, None if weight is None else mean_one_weights(weight, y))
        self._train_one_epoch(X, y, weight)
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
        values = self._output(X).numpy()
        if isinstance(X, IN_TRAINING_UNITS):
            return values
        values = (values * self.y_scale_ + self.y_mean_).astype(self._y_dtype)
        return values[:, 0] if self._y_ndim == 1 else values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        return tags

    predict_proba = available_if(_never)(NeuralNetRegressor.predict_proba)
