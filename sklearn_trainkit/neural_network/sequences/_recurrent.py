"""Recurrent networks: a classifier and a regressor of one architecture."""

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, Unpack

import numpy as np

from sklearn_trainkit.neural_network.base._net_kinds import ClassifierNet, RegressorNet
from sklearn_trainkit.neural_network.base._shared_parameters import (
    ClassifierParameters,
    RegressorParameters,
)
from sklearn_trainkit.neural_network.base._signatures import store_arguments
from sklearn_trainkit.neural_network.sequences._sequence_net import SequenceNet
from sklearn_trainkit.neural_network.sequences._step_labels import StepLabels
from sklearn_trainkit.neural_network.sequences._step_targets import StepNumbers
from sklearn_trainkit.neural_network.targets._labels import Labels
from sklearn_trainkit.neural_network.targets._numbers import Numbers
from sklearn_trainkit.neural_network.targets._targets import Targets


class _SequenceLabels(Labels):
    """A label for each sequence."""

    def check(self, net: Any, y: Any) -> np.ndarray:
        """Return ``y`` if it has classes, or raise."""
        if net.ignore_index is not None:
            raise ValueError(
                f"ignore_index={net.ignore_index!r} is for steps without a label, with "
                "return_sequences=True. Sequences without a label are left out of X and y."
            )
        return super().check(net, y)


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

    _of_samples: Targets = _SequenceLabels()
    _of_steps: Targets = StepLabels()
    _parameter_constraints: ClassVar[dict] = {"ignore_index": [Real, str, "boolean", None]}
    _doc_words: ClassVar[dict[str, str]] = {
        "auto_batch": (
            "near a twentieth of them,\n    from 64 to 256; with ``return_sequences`` as many as "
            "have that many labelled steps, but 8 at least"
        )
    }

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
        return super().predict_proba(self._cut(X, lengths))

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
        return super().predict_log_proba(self._cut(X, lengths))

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
        return super().predict(self._cut(X, lengths))

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
        if self.return_sequences:
            return self._targets.score(self, X, y, sample_weight)
        return super().score(X, y, sample_weight)


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

    _of_samples: Targets = Numbers()
    _of_steps: Targets = StepNumbers()

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
        return super().predict(self._cut(X, lengths))

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
        if self.return_sequences:
            return self._targets.score(self, X, y, sample_weight)
        return super().score(X, y, sample_weight)
