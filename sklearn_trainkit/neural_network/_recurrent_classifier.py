"""The recurrent network as a classifier."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from sklearn_trainkit.neural_network._parameter_docs import (
    store_arguments,
    with_shared_parameters,
)
from sklearn_trainkit.neural_network._sequence_net import RECURRENT_CONSTRAINTS, SequenceNet
from sklearn_trainkit.neural_network._target_kinds import ClassifierNet


@with_shared_parameters(
    samples="sequences",
    clip_norm=1.0,
    lr=0.01,
)
class RecurrentNetClassifier(SequenceNet, ClassifierNet):
    """Recurrent network for classification of sequences, trained with cross-entropy.

    Sequences may differ in length: as a list of arrays, padded with NaN at the end, or with
    ``lengths``. Neither padding nor neighbours in a batch change the result for a sequence.

    Parameters
    ----------
    hidden_units : sequence of int, default=(64,)
        Units of each recurrent layer, in each direction.
    cell : {"gru", "lstm", "tanh"}, default="gru"
        "tanh" is the simple recurrence of Elman, whose gradients vanish or explode with the
        number of steps.
    bidirectional : bool, default=True
        Whether each layer also runs backwards in time. It then has twice as many features, and
        the output of a step has seen the steps after it.
    pooling : {"last", "max", "mean"}, default="mean"
        What of the sequence goes to the output: the state after its last step (for the backward
        direction, its first), or the largest or mean features over its steps.
    norm : {"layer", "rms"} or None, default=None
        Normalization after each recurrent layer, over the features of one step. Others, such as
        "batch", would take statistics over steps, padding and neighbours, and are refused.
    skip : {"add"} or None, default=None
        "add" adds a layer's input to its output, through a linear projection where the widths
        differ.
    dropout : float or sequence of float, default=0.0
        Share of features dropped after each recurrent layer while training, for all layers or
        one each.
    init : str or callable, default="xavier_uniform"
        "default" leaves torch's own. "kaiming_normal", "kaiming_uniform", "lecun_normal",
        "orthogonal", "xavier_normal" and "xavier_uniform" draw the weights of inputs and output;
        the recurrent weights are then orthogonal (gate by gate), biases zero, and that of an
        LSTM's forget gate one. A callable fills all weight tensors.
    standardize_X : bool, default=True
        Standardize each feature inside the network by mean and standard deviation of the
        training rows.
    sequence_shape : tuple of (n_steps, n_features) or None, default=None
        Shape of a sequence given as a flat row, behind steps of a Pipeline that make 2-d arrays;
        one of the two may be -1.
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
        label_smoothing: float = 0.05,
        class_weight: Any = None,
        clip_norm: float | None = 1.0,
        clip_value: float | None = None,
        clip_adaptive: float | None = None,
        optimizer: Any = "adamw",
        optimizer_params: dict | None = None,
        lr: float = 0.01,
        weight_decay: float | str = 0.0,
        lr_schedule: Any = "one_cycle",
        lr_schedule_params: dict | None = None,
        batch_size: int | str = "auto",
        max_epochs: int = 40,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        on_divergence: str = "raise",
        warm_start: bool = False,
        checkpoint_dir: Any = None,
        callbacks: list | None = None,
        device: str | torch.device = "cpu",
        dtype: str = "auto",
        precision: str = "full",
        compile: bool = False,  # noqa: A002
        n_threads: int | None = 1,
        verbose: int = 0,
        random_state: Any = None,
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
            Columns in the order of ``classes_``.
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
        log_probabilities : ndarray of shape (n_samples, n_classes), of ``dtype``
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
        """
        return super().predict(self._cut(X, lengths))

    def score(self, X: Any, y: Any, sample_weight: Any = None, lengths: Any = None) -> float:
        """Return the accuracy on ``X`` and ``y``.

        Parameters
        ----------
        X, lengths
            As for :meth:`predict_proba`.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
        sample_weight : array-like of shape (n_samples,) or None, default=None

        Returns
        -------
        accuracy : float
        """
        return super().score(self._cut(X, lengths), y, sample_weight)
