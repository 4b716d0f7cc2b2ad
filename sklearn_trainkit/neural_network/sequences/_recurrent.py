"""Recurrent networks: a classifier and a regressor of one architecture."""

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, ClassVar, Unpack

import numpy as np
import torch

from sklearn_trainkit.neural_network.base._shared_parameters import (
    ClassifierParameters,
    RegressorParameters,
)
from sklearn_trainkit.neural_network.base._spelled_out import store_arguments
from sklearn_trainkit.neural_network.base._target_kinds import ClassifierNet, RegressorNet
from sklearn_trainkit.neural_network.batches._input_checks import FLOAT_TYPES
from sklearn_trainkit.neural_network.batches._tensor_loader import Rows, RowsDataset
from sklearn_trainkit.neural_network.sequences._sequence_checks import step_counts
from sklearn_trainkit.neural_network.sequences._sequence_input import (
    RECURRENT_CONSTRAINTS,
    SequenceNet,
)
from sklearn_trainkit.neural_network.sequences._step_labels import (
    StepClassLoss,
    StepCoding,
    step_accuracy,
    step_labels,
    with_ends,
)
from sklearn_trainkit.neural_network.sequences._step_targets import (
    StepLoss,
    check_some_targets,
    r2_of_steps,
    step_r2,
    step_targets,
)

# Fewer sequences in a batch cost more time than they bring.
_FEWEST_SEQUENCES = 8


class RecurrentNetClassifier(SequenceNet, ClassifierNet):
    """Recurrent network for classification of sequences, trained with cross-entropy.

    Sequences may differ in length: as a list of arrays, padded with NaN at the end, or with
    ``lengths``. Neither padding nor neighbours in a batch change the result for a sequence.

    Parameters
    ----------
    <<recurrent>>
    return_sequences : bool, default=False
        Whether there is a class for each step: y of shape (n_samples, n_steps), or a list of
        arrays (n_steps,). Steps after the end of a sequence, and steps whose label is NaN, None
        or ``ignore_index``, have no part in loss, class weights, early stopping and score.
    ignore_index : label or None, default=None
        Label of steps that nobody has labelled, such as -100 or "?"; with ``return_sequences``.
    <<classifier>>
    <<training>>

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    <<attributes>>

    See Also
    --------
    RecurrentNetRegressor : The same for numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_trainkit.neural_network import RecurrentNetClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(rng.integers(5, 15), 2)).cumsum(axis=0) for _ in range(200)]
    >>> y = np.array([walk[-1, 0] > walk[0, 0] for walk in X])
    >>> net = RecurrentNetClassifier((16,), random_state=0).fit(X, y)
    >>> net.predict(X).shape
    (200,)
    """

    _parameter_constraints: ClassVar[dict] = {
        **ClassifierNet._parameter_constraints,
        **RECURRENT_CONSTRAINTS,
        "return_sequences": ["boolean"],
        "ignore_index": [Real, str, "boolean", None],
    }
    _fixed_parameters: ClassVar[tuple[str, ...]] = ("return_sequences",)

    _doc_words: ClassVar[dict[str, str]] = {
        "auto_batch": (
            "near a twentieth of them,\nfrom 64 to 256; with ``return_sequences`` as many as have "
            "that many labelled steps, but 8 at least"
        )
    }

    return_sequences: bool
    ignore_index: Any
    _mean_steps: float

    def __init__(
        self,
        hidden_units: Sequence[int] = (64,),
        *,
        cell: str = "gru",
        bidirectional: bool = True,
        pooling: str = "mean",
        norm: str | None = None,
        skip: str | None = None,
        dropout: float | Sequence[float] = 0.0,
        init: Any = "xavier_uniform",
        standardize_X: bool = True,
        sequence_shape: tuple[int, int] | None = None,
        return_sequences: bool = False,
        ignore_index: Any = None,
        **shared: Unpack[ClassifierParameters],
    ) -> None:
        store_arguments(self, locals())

    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: Any = None,
        sample_weight: Any = None,
        *,
        lengths: Any = None,
    ) -> "RecurrentNetClassifier":
        """Train one more epoch on ``X`` and ``y``, with ``lr`` constant.

        Parameters
        ----------
        X, y, sample_weight, lengths
            As for :meth:`fit`.
        classes : array-like of shape (n_classes,) or None, default=None
            All labels that may ever come; by default those of the first call. With several labels
            a row, their numbers from 0 on.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If ``y`` has labels that are not among the classes.
        """
        super().partial_fit(self._cut(X, lengths), y, classes, sample_weight)
        return self

    def predict_proba(self, X: Any, lengths: Any = None) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_steps, n_features), list of arrays, or flat rows
            The steps may be more or fewer than in ``fit``.
        lengths : array-like of shape (n_samples,) of int, or None, default=None

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), of ``dtype``
            Columns in the order of ``classes_``. With ``return_sequences`` (n_samples, n_steps,
            n_classes), NaN after the end of a sequence.
        """
        return self._each_step(super().predict_proba, self._cut(X, lengths))

    def predict_log_proba(self, X: Any, lengths: Any = None) -> np.ndarray:
        """Return the logarithm of the probability of each class, finite also for tiny ones.

        Parameters
        ----------
        X, lengths
            As for :meth:`predict_proba`.

        Returns
        -------
        log_probabilities : ndarray of the shape that :meth:`predict_proba` returns
        """
        return self._each_step(super().predict_log_proba, self._cut(X, lengths))

    def predict(self, X: Any, lengths: Any = None) -> np.ndarray:
        """Return the most probable class of each sequence.

        Parameters
        ----------
        X, lengths
            As for :meth:`predict_proba`.

        Returns
        -------
        labels : ndarray of shape (n_samples,), or (n_samples, n_labels) for multilabel targets
            With ``return_sequences`` (n_samples, n_steps). After the end of a sequence stands
            ``ignore_index``, or without it an empty string among text, and NaN among numbers,
            which are then floats.
        """
        X = self._cut(X, lengths)
        if not self.return_sequences or isinstance(X, RowsDataset):
            return super().predict(X)
        labels, there = self._predicted_steps(X)
        return with_ends(labels, there, self.ignore_index)

    def _predicted_steps(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return a label for each step of padded sequences, and which of the steps there are."""
        data = self.get_dataset(X)
        return self._coding.labels(super().predict(data)), self._true_steps(data.rows)

    def _each_step(self, answer: Callable[[Any], np.ndarray], X: Any) -> np.ndarray:
        """Return an answer for each sequence or step, NaN after the end of a sequence."""
        if not self.return_sequences or isinstance(X, RowsDataset):
            return answer(X)
        data = self.get_dataset(X)
        values = answer(data)
        values[~self._true_steps(data.rows)] = np.nan
        return values

    def score(self, X: Any, y: Any, sample_weight: Any = None, lengths: Any = None) -> float:
        """Return the accuracy on ``X`` and ``y``.

        With ``return_sequences`` it is taken over all labelled steps of all sequences.

        Parameters
        ----------
        X, lengths
            As for :meth:`predict_proba`.
        y : array-like of shape (n_samples,) or (n_samples, n_labels), or as for :meth:`fit`
        sample_weight : array-like of shape (n_samples,) or None, default=None

        Returns
        -------
        accuracy : float
        """
        X = self._cut(X, lengths)
        if not self.return_sequences:
            return super().score(X, y, sample_weight)
        predicted, there = self._predicted_steps(X)
        return step_accuracy(y, predicted, there, self.ignore_index, sample_weight)

    def _has_step_targets(self) -> bool:
        return self.return_sequences

    def _module_pooling(self) -> str | None:
        return None if self.return_sequences else self.pooling

    def _target_array(self, X: np.ndarray, y: Any) -> np.ndarray:
        if self.return_sequences:
            return step_labels(y, step_counts(X), X.shape[1], self.ignore_index)
        try:
            return super()._target_array(X, y)
        except ValueError as error:
            raise ValueError(
                f"{error} (A class for each step needs return_sequences=True.)"
            ) from error

    def _check_targets(self, y: Any) -> np.ndarray:
        if self.return_sequences:
            return y
        if self.ignore_index is not None:
            raise ValueError(
                f"ignore_index={self.ignore_index!r} is for steps without a label, with "
                "return_sequences=True. Sequences without a label are left out of X and y."
            )
        return super()._check_targets(y)

    def _learn_coding(self, y: np.ndarray, classes: Any = None) -> Any:
        if not self.return_sequences:
            return super()._learn_coding(y, classes)
        labels = np.unique(np.ma.compressed(y) if classes is None else classes)
        labels = labels if self.ignore_index is None else labels[labels != self.ignore_index]
        if len(labels) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 classes in y. Got {len(labels)} class: "
                f"{labels.tolist()}."
            )
        return StepCoding(labels)

    def _learn_from_training_part(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        super()._learn_from_training_part(y, weight)
        self._learn_mean_steps(y, weight)

    def _learn_from_chunk(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        super()._learn_from_chunk(y, weight)
        self._learn_mean_steps(y, weight)

    def _learn_mean_steps(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        if self.return_sequences:
            n_labelled = (~np.ma.getmaskarray(y)).sum(axis=1)
            weighs = weight is not None and weight.any()
            mean = float(np.average(n_labelled, weights=weight if weighs else None))
            self._mean_steps = mean or 1.0  # without labels there is no loss to divide

    def _row_weights(self, codes: np.ndarray, weight: np.ndarray | None) -> np.ndarray | None:
        # Class weights are for steps, not for sequences: the loss has them.
        return weight if self.return_sequences else super()._row_weights(codes, weight)

    def _make_criterion(self) -> torch.nn.Module:
        criterion = super()._make_criterion()
        if not self.return_sequences:
            return criterion
        if self.class_weight is None or self._class_counts is None:
            return StepClassLoss(criterion, self._mean_steps)
        factors = torch.tensor(self._class_factors[0], dtype=FLOAT_TYPES[self.dtype_])
        return StepClassLoss(criterion, self._mean_steps, factors)

    def _batch_rows(self, batch_size: int | str, n_rows: int) -> int:
        usual = super()._batch_rows(batch_size, n_rows)
        if not self.return_sequences or batch_size != "auto":
            return usual
        # Targets make a batch, of which a sequence has many.
        n_targets = super()._batch_rows("auto", round(n_rows * self._mean_steps))
        return min(usual, max(_FEWEST_SEQUENCES, round(n_targets / self._mean_steps)))

    def _rows_score(self, output: torch.Tensor, rows: Rows) -> float:
        if not self.return_sequences:
            return super()._rows_score(output, rows)
        return self._coding.accuracy(output, rows.y)

    def _split(self, X: Any, *args: Any, **kwargs: Any) -> tuple[Rows, Rows | None]:
        parts = super()._split(X, *args, **kwargs)
        if self.return_sequences:
            check_some_targets(parts[1], lambda y: y < self._n_outputs)
        return parts


class RecurrentNetRegressor(SequenceNet, RegressorNet):
    """Recurrent network for regression on sequences.

    One or several targets for a sequence, or for each of its steps. Sequences may differ in
    length: as a list of arrays, padded with NaN at the end, or with ``lengths``. Neither padding
    nor neighbours in a batch change the result for a sequence.

    Parameters
    ----------
    <<recurrent>>
    return_sequences : bool, default=False
        Whether there is a target for each step: y of shape (n_samples, n_steps) or (n_samples,
        n_steps, n_targets). NaN is the target of a step that has none: it has no part in loss,
        early stopping and score. Steps after the end of a sequence have no loss, and NaN as
        prediction.
    <<regressor>>
    <<training>>

    Attributes
    ----------
    y_mean_, y_scale_ : ndarray of shape (n_targets,)
        What was subtracted from the targets and what they were divided by.
    <<attributes>>

    See Also
    --------
    RecurrentNetClassifier : The same for classes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_trainkit.neural_network import RecurrentNetRegressor
    >>> X = np.random.default_rng(0).normal(size=(100, 8, 2))
    >>> y = X.sum(axis=2).cumsum(axis=1)  # a target for each step
    >>> net = RecurrentNetRegressor((16,), return_sequences=True, random_state=0)
    >>> net.fit(X, y).predict(X).shape
    (100, 8)
    """

    _parameter_constraints: ClassVar[dict] = {
        **RegressorNet._parameter_constraints,
        **RECURRENT_CONSTRAINTS,
        "return_sequences": ["boolean"],
    }

    _fixed_parameters: ClassVar[tuple[str, ...]] = ("return_sequences",)

    return_sequences: bool

    def __init__(
        self,
        hidden_units: Sequence[int] = (64,),
        *,
        cell: str = "gru",
        bidirectional: bool = False,
        pooling: str = "last",
        norm: str | None = None,
        skip: str | None = None,
        dropout: float | Sequence[float] = 0.0,
        init: Any = "xavier_uniform",
        standardize_X: bool = True,
        sequence_shape: tuple[int, int] | None = None,
        return_sequences: bool = False,
        **shared: Unpack[RegressorParameters],
    ) -> None:
        store_arguments(self, locals())

    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        classes: None = None,
        lengths: Any = None,
    ) -> "RecurrentNetRegressor":
        """Train one more epoch on ``X`` and ``y``, with ``lr`` constant.

        Mean and scale of the targets are those of the first call.

        Parameters
        ----------
        X, y, sample_weight, lengths
            As for :meth:`fit`.
        classes : None
            Ignored; part of skorch's signature, which metadata routing looks at.

        Returns
        -------
        self : estimator
        """
        super().partial_fit(self._cut(X, lengths), y, sample_weight)
        return self

    def predict(self, X: Any, lengths: Any = None) -> np.ndarray:
        """Return the predicted targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_steps, n_features), list of arrays, or flat rows
            The steps may be more or fewer than in ``fit``.
        lengths : array-like of shape (n_samples,) of int, or None, default=None

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets), as given to fit
            With ``return_sequences`` (n_samples, n_steps) or (n_samples, n_steps, n_targets), NaN
            after the end of a sequence. float32 if X and y were, else float64, which holds every
            target.
        """
        X = self._cut(X, lengths)
        if not self.return_sequences:
            return super().predict(X)
        data = self.get_dataset(X)
        values = self._output(data).numpy()
        if data is X:  # a data set of ours wants an answer in training units
            return values
        values = (values * self.y_scale_ + self.y_mean_).astype(self._y_dtype)
        values[~self._true_steps(data.rows)] = np.nan
        return values[..., 0] if self._y_ndim == 1 else values

    def score(self, X: Any, y: Any, sample_weight: Any = None, lengths: Any = None) -> float:
        """Return the coefficient of determination on ``X`` and ``y``.

        With ``return_sequences`` it is taken over all steps of all sequences that have a target;
        with several targets it is the mean of theirs.

        Parameters
        ----------
        X, lengths
            As for :meth:`predict`.
        y : array-like, as for :meth:`fit`
        sample_weight : array-like of shape (n_samples,) or None, default=None

        Returns
        -------
        r2 : float
        """
        X = self._cut(X, lengths)
        if not self.return_sequences:
            return super().score(X, y, sample_weight)
        return step_r2(y, self.predict(X), sample_weight)

    def _has_step_targets(self) -> bool:
        return self.return_sequences

    def _module_pooling(self) -> str | None:
        return None if self.return_sequences else self.pooling

    def _target_array(self, X: np.ndarray, y: Any) -> np.ndarray:
        if not self.return_sequences:
            try:
                return super()._target_array(X, y)
            except ValueError as error:
                raise ValueError(
                    f"{error} (A target for each step needs return_sequences=True.)"
                ) from error
        return step_targets(y, step_counts(X), X.shape[1])

    def _learn_targets(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        if not self.return_sequences:
            super()._learn_targets(y, weight)
            return
        columns = y if y.ndim == 3 else y[..., None]
        known = ~np.isnan(columns)
        if not known.any(axis=(0, 1)).all():
            raise ValueError(
                "y must have a target at some step, for each of the targets. Got NaN at all steps."
            )
        weights = None if weight is None else np.broadcast_to(weight[:, None], known.shape[:2])
        found = []
        for j, has in enumerate(np.moveaxis(known, 2, 0)):
            super()._learn_targets(columns[has, j], None if weights is None else weights[has])
            found.append((self.y_mean_[0], self.y_scale_[0]))
        self.y_mean_, self.y_scale_ = (np.array(each) for each in zip(*found, strict=True))
        self._y_ndim = y.ndim - 1
        n_known = known.sum(axis=(1, 2)) / known.shape[2]
        self._mean_steps = float(np.average(n_known, weights=weight))
        if not self._mean_steps:
            raise ValueError("sample_weight is zero for every sequence that has a target in y.")

    def _split(self, X: Any, *args: Any, **kwargs: Any) -> tuple[Rows, Rows | None]:
        parts = super()._split(X, *args, **kwargs)
        if self.return_sequences:
            check_some_targets(parts[1], lambda y: ~torch.isnan(y))
        return parts

    def _encode_targets(self, y: np.ndarray, name: str) -> np.ndarray:
        if not self.return_sequences:
            return super()._encode_targets(y, name)
        columns = y[..., None] if y.ndim == 2 else y
        steps = super()._encode_targets(columns.reshape(-1, columns.shape[2]), name)
        return steps.reshape(columns.shape)

    def _make_criterion(self) -> torch.nn.Module:
        if not self.return_sequences:
            return super()._make_criterion()
        return StepLoss(self.loss, self._mean_steps)

    def _rows_score(self, output: torch.Tensor, rows: Rows) -> float:
        if not self.return_sequences:
            return super()._rows_score(output, rows)
        return r2_of_steps(output, rows.y)
