"""What the two recurrent estimators share: architecture, and sequences at the door."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_array, check_consistent_length
from torch.utils.data import Dataset

from sklearn_trainkit.neural_network.base._base_net import BaseNet
from sklearn_trainkit.neural_network.batches._input_checks import checked_hidden_units
from sklearn_trainkit.neural_network.batches._tensor_loader import Rows
from sklearn_trainkit.neural_network.modules._initialization import INITS
from sklearn_trainkit.neural_network.modules._normalization import NORMS
from sklearn_trainkit.neural_network.modules._recurrent_module import (
    CELLS,
    POOLINGS,
    RecurrentModule,
)
from sklearn_trainkit.neural_network.sequences._sequence_checks import (
    as_sequences,
    check_padding,
    joined_sequences,
    padded_by_lengths,
)
from sklearn_trainkit.neural_network.training._training_run import TrainingRun
from sklearn_trainkit.utils._sklearn_private import Interval, StrOptions, check_feature_names

RECURRENT_CONSTRAINTS: dict = {
    "hidden_units": ["array-like", Interval(Integral, 1, None, closed="left")],
    "cell": [StrOptions(set(CELLS))],
    "bidirectional": ["boolean"],
    "pooling": [StrOptions(set(POOLINGS))],
    "norm": [StrOptions(set(NORMS)), None],
    "skip": [StrOptions({"add"}), None],
    "dropout": [Interval(Real, 0, 1, closed="left"), list, tuple],
    "init": [StrOptions(set(INITS)), callable],
    "standardize_X": ["boolean"],
    "sequence_shape": ["array-like", None],
}
# Activations of this many numbers go through the network at once when predicting.
_PREDICT_VALUES = 1 << 23
_TEXT = """\
hidden_units : sequence of int, default=(64,)
    Units of each recurrent layer, in each direction.
cell : {"gru", "lstm", "tanh"}, default="gru"
    "tanh" is the simple recurrence of Elman, whose gradients vanish or explode with the
    number of steps.
bidirectional : bool, default={default}
    Whether each layer also runs backwards in time. It then has twice as many features, and
    the output of a step has seen the steps after it.
pooling : {"last", "max", "mean"}, default={default}
    What of the sequence goes to the output: the state after its last step (for the backward
    direction, its first), or the largest or mean features over its steps.
    Not used with ``return_sequences``.
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
"""


class SequenceNet(BaseNet):
    """Base of the recurrent estimators, which take sequences in several forms."""

    _own_defaults: ClassVar[dict[str, Any]] = {"clip_norm": 1.0, "lr": 0.01}
    _doc_words: ClassVar[dict[str, str]] = {"recurrent": _TEXT, "samples": "sequences"}
    _fixed_parameters: ClassVar[tuple[str, ...]] = tuple(
        RECURRENT_CONSTRAINTS.keys() - {"sequence_shape"}
    )
    _allow_nd = True
    _ensure_all_finite = "allow-nan"

    hidden_units: Any
    cell: str
    bidirectional: bool
    pooling: str
    norm: str | None
    skip: str | None
    dropout: float | Sequence[float]
    init: Any
    standardize_X: bool  # noqa: N815
    sequence_shape: Any
    _n_outputs: int

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        lengths: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        lengths_val: Any = None,
        groups: Any = None,
    ) -> "SequenceNet":
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_steps, n_features), list of arrays, or flat rows
            Sequences of one length; of several, as a list of arrays (n_steps, n_features), with
            NaN in all features after the end, or with ``lengths``; or flat rows of shape
            (n_samples, n_steps * n_features) by ``sequence_shape``. NaN elsewhere and infinity
            are refused. A list may also be a Series or the only column of a table. Of a list of
            tables the names of the columns are kept, and compared in every later call.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Class labels of any kind, or numbers for a regressor; with ``return_sequences``
            (n_samples, n_steps), (n_samples, n_steps, n_targets) for numbers, or a list of arrays.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each sequence in the loss, and in the statistics of ``standardize_X``. With
            all sequences in one batch a weight of 2 is the same as the sequence given twice.
        lengths : array-like of shape (n_samples,) of int, or None, default=None
            True steps of each sequence; what comes after them is ignored.
        X_val, y_val, lengths_val : array-like or None, default=None
            Sequences for early stopping; without them ``validation_fraction`` of X is set aside.
            In a Pipeline, ``transform_input=["X_val"]`` sends them through the same steps.
        groups : array-like of shape (n_samples,) or None, default=None
            Sequences of one group are set aside together.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            For parameters or data that cannot be trained on.
        DivergenceError
            If the loss or a weight becomes NaN or infinite and ``on_divergence="raise"``.
        """
        X, X_val = self._cut(X, lengths), self._cut(X_val, lengths_val)
        super().fit(X, y, sample_weight, X_val=X_val, y_val=y_val, groups=groups)
        return self

    def start_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        lengths: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        lengths_val: Any = None,
        groups: Any = None,
    ) -> TrainingRun:
        """Prepare a fit and return it, to be advanced epoch by epoch.

        Parameters
        ----------
        X, y, sample_weight, lengths, X_val, y_val, lengths_val, groups
            As for :meth:`fit`.

        Returns
        -------
        run : TrainingRun
            With ``advance()``, ``done``, ``epoch``, ``train()`` and ``finish()``.
        """
        X, X_val = self._cut(X, lengths), self._cut(X_val, lengths_val)
        return super().start_fit(X, y, sample_weight, X_val=X_val, y_val=y_val, groups=groups)

    def _cut(self, X: Any, lengths: Any) -> Any:
        return padded_by_lengths(X, lengths, self.sequence_shape)

    def _make_module(self) -> torch.nn.Module:
        units = checked_hidden_units(self.hidden_units)
        if not units:
            raise ValueError(
                "hidden_units must have at least one layer, such as (64,). Got "
                f"{self.hidden_units!r} instead."
            )
        if self.norm not in ("layer", "rms", None):
            raise ValueError(
                f"norm={self.norm!r} does not suit sequences: its statistics would run over "
                "steps, padding and neighbours. Use 'layer' or 'rms', over the features of one "
                "step, or None."
            )
        return RecurrentModule(
            self.input_shape_[-1],
            self._n_outputs,
            hidden_units=units,
            cell=self.cell,
            bidirectional=self.bidirectional,
            pooling=self._module_pooling(),
            norm=self.norm,
            skip=self.skip,
            dropout=self.dropout,
            init=self.init,
            standardize_X=self.standardize_X,
        )

    def _module_pooling(self) -> str | None:
        """Return how the module pools over time; None for an output each step."""
        return self.pooling

    def _rows_per_pass(self, sample_shape: tuple[int, ...]) -> int:
        width = max(checked_hidden_units(self.hidden_units)) * (2 if self.bidirectional else 1)
        rows = _PREDICT_VALUES // (sample_shape[0] * width)
        return min(max(16, rows), super()._rows_per_pass(sample_shape))

    def _as_array(self, X: Any) -> Any:
        X = super()._as_array(joined_sequences(X))
        if self.sequence_shape is None and getattr(X, "ndim", 3) == 2:
            as_sequences(X, None)  # says what is wanted, before features are counted
        return X

    def _as_samples(self, X: np.ndarray) -> np.ndarray:
        X = as_sequences(X, self.sequence_shape)
        check_padding(X)
        return X

    def _check_data(self, X: Any, y: Any, reset: bool) -> tuple[Any, np.ndarray]:
        X = self._as_array(X)
        if getattr(X, "ndim", 0) < 3 and not self._has_step_targets():
            return super()._check_data(X, y, reset)
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        X = self._checked_samples(X, reset)
        y = self._target_array(X, y)
        check_consistent_length(X, y)
        return X, self._check_targets(y)

    def _is_one_sample(self, shape: tuple[int, ...]) -> bool:
        # Of a flat row of one step alone this could not be told.
        return shape == self.input_shape_ and shape[1] != self.n_features_in_

    def _has_step_targets(self) -> bool:
        """Return whether each step has a target."""
        return False

    def _true_steps(self, rows: Rows) -> np.ndarray:
        """Return which steps come before the end of their sequence, (n_samples, n_steps)."""
        n_rows, step = rows.n_rows, self._rows_per_pass(rows.sample_shape)
        parts = (rows.part(i, min(i + step, n_rows)).X for i in range(0, n_rows, step))
        return np.concatenate([~torch.isnan(part[..., 0]).cpu().numpy() for part in parts])

    def _target_array(self, X: np.ndarray, y: Any) -> np.ndarray:
        """Return ``y``, checked, as an array for the sequences of ``X``."""
        y = check_array(
            y, ensure_2d=False, dtype=None, accept_sparse="csr", input_name="y", estimator=self
        )
        return y.astype(np.float64) if self._y_numeric and y.dtype.kind == "O" else y

    def _checked_samples(self, X: Any, reset: bool) -> Any:
        if not isinstance(X, Dataset):
            X = self._as_array(X)
            if getattr(X, "ndim", 0) >= 3:
                X = self._checked_sequences(X, reset)
                self._learn_input(X, reset)
                return X
        return super()._checked_samples(X, reset)

    def _checked_sequences(self, X: Any, reset: bool) -> np.ndarray:
        """Check as ``validate_data`` does, but for the features being those of a step."""
        table = getattr(X, "table", None)
        check_feature_names(self, X if table is None else table, reset=reset)
        X = check_array(
            np.asarray(X), input_name="X", estimator=self, **self._validation_options(X, reset)
        )
        X = self._as_samples(X)
        if reset:
            self.n_features_in_ = X.shape[2]
        return X

    def _check_sample_shape(self, shape: tuple[int, ...]) -> None:
        if shape[-1] != self.input_shape_[-1]:
            raise ValueError(
                f"X has sequences of {shape[-1]} features a step, but {type(self).__name__} was "
                f"fitted with sequences of {self.input_shape_[-1]} features a step."
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self.sequence_shape is not None
        tags.input_tags.three_d_array = True
        return tags
