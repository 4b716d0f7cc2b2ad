"""What recurrent estimators have in common: architecture, and methods that take lengths."""

from numbers import Integral, Real
from typing import Any, ClassVar

import torch

from sklearn_trainkit.neural_network.base._architecture import Architecture
from sklearn_trainkit.neural_network.base._base_net import BaseNet
from sklearn_trainkit.neural_network.batches._input_checks import checked_hidden_units
from sklearn_trainkit.neural_network.modules._initialization import INITS
from sklearn_trainkit.neural_network.modules._normalization import NORMS
from sklearn_trainkit.neural_network.modules._recurrent_module import (
    CELLS,
    POOLINGS,
    RecurrentModule,
)
from sklearn_trainkit.neural_network.sequences._sequence_checks import padded_by_lengths
from sklearn_trainkit.neural_network.sequences._sequence_input import SequenceInput
from sklearn_trainkit.neural_network.targets._targets import Targets
from sklearn_trainkit.neural_network.training._training_run import TrainingRun
from sklearn_trainkit.utils._sklearn_private import Interval, StrOptions

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


class Recurrent(Architecture):
    """Recurrent layers over the steps, then pooling, unless each step has a target."""

    constraints: ClassVar[dict[str, list]] = {
        "hidden_units": ["array-like", Interval(Integral, 1, None, closed="left")],
        "cell": [StrOptions(set(CELLS))],
        "bidirectional": ["boolean"],
        "pooling": [StrOptions(set(POOLINGS))],
        "norm": [StrOptions(set(NORMS)), None],
        "skip": [StrOptions({"add"}), None],
        "dropout": [Interval(Real, 0, 1, closed="left"), list, tuple],
        "init": [StrOptions(set(INITS)), callable],
        "standardize_X": ["boolean"],
        "return_sequences": ["boolean"],
    }
    fixed: ClassVar[tuple[str, ...]] = tuple(constraints)

    def make(self, net: Any) -> torch.nn.Module:
        """Return a new recurrent module."""
        units = checked_hidden_units(net.hidden_units)
        if not units:
            raise ValueError(
                "hidden_units must have at least one layer, such as (64,). Got "
                f"{net.hidden_units!r} instead."
            )
        if net.norm not in ("layer", "rms", None):
            raise ValueError(
                f"norm={net.norm!r} does not suit sequences: its statistics would run over "
                "steps, padding and neighbours. Use 'layer' or 'rms', over the features of one "
                "step, or None."
            )
        return RecurrentModule(
            net.input_shape_[-1],
            net._n_outputs,
            hidden_units=units,
            cell=net.cell,
            bidirectional=net.bidirectional,
            pooling=None if net.return_sequences else net.pooling,
            norm=net.norm,
            skip=net.skip,
            dropout=net.dropout,
            init=net.init,
            standardize_X=net.standardize_X,
        )


class SequenceNet(BaseNet):
    """What methods of recurrent networks take beside those of others: lengths."""

    _architecture = Recurrent()
    _input_form = SequenceInput()
    _of_steps: Targets
    _own_defaults: ClassVar[dict[str, Any]] = {"clip_norm": 1.0, "lr": 0.01}
    _doc_words: ClassVar[dict[str, str]] = {"recurrent": _TEXT, "samples": "sequences"}

    @property
    def _targets(self) -> Targets:
        return self._of_steps if self.return_sequences else self._of_samples

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
