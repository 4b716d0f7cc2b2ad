"""Sequences at the door: in several forms, of several lengths."""

from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length
from torch.utils.data import Dataset

from sklearn_trainkit.neural_network.base._input_form import TableInput, plain_targets
from sklearn_trainkit.neural_network.batches._input_checks import checked_hidden_units
from sklearn_trainkit.neural_network.sequences._sequence_checks import (
    as_sequences,
    check_padding,
    joined_sequences,
)
from sklearn_trainkit.utils._sklearn_private import check_feature_names

# Activations of this many numbers go through the network at once when predicting.
_PREDICT_VALUES = 1 << 23


class SequenceInput(TableInput):
    """Sequences as (n_samples, n_steps, n_features), NaN after the end, or what becomes that."""

    constraints: ClassVar[dict[str, list]] = {"sequence_shape": ["array-like", None]}
    takes_sparse: ClassVar[bool] = False
    allow_nd: ClassVar[bool] = True
    all_finite: ClassVar[bool | str] = "allow-nan"

    def read_with_targets(self, net: Any, X: Any, y: Any, reset: bool) -> tuple[Any, np.ndarray]:
        """Return the checked data: sequences, and a target for each of them or of their steps."""
        X = self.as_array(net, X)
        targets = net._targets
        if getattr(X, "ndim", 0) < 3 or targets.have_own_shape:
            return super().read_with_targets(net, X, y, reset)
        self.require_targets(net, y)
        X = self.read(net, X, reset)
        try:
            y = check_array(
                plain_targets(y),
                ensure_2d=False,
                dtype=None,
                accept_sparse="csr",
                input_name="y",
                estimator=net,
            )
            y = targets.check(net, y)
        except ValueError as error:
            what = "target" if targets.are_numbers else "class"
            raise ValueError(
                f"{error} (A {what} for each step needs return_sequences=True.)"
            ) from error
        check_consistent_length(X, y)
        return X, y

    def read(self, net: Any, X: Any, reset: bool) -> Any:
        """Return sequences padded with NaN at the end."""
        if not isinstance(X, Dataset):
            X = self.as_array(net, X)
            if getattr(X, "ndim", 0) >= 3:
                X = self._checked_sequences(net, X, reset)
                self.learn(net, X, reset)
                return X
        return super().read(net, X, reset)

    def _checked_sequences(self, net: Any, X: Any, reset: bool) -> np.ndarray:
        """Check as ``validate_data`` does, but for the features being those of a step."""
        table = getattr(X, "table", None)
        check_feature_names(net, X if table is None else table, reset=reset)
        X = check_array(
            np.asarray(X), input_name="X", estimator=net, **self.validation_options(net, X, reset)
        )
        X = self.as_samples(net, X)
        if reset:
            net.n_features_in_ = X.shape[2]
        return X

    def as_array(self, net: Any, X: Any) -> Any:
        """Return lists of sequences joined; flat rows need a ``sequence_shape``."""
        X = super().as_array(net, joined_sequences(X))
        if net.sequence_shape is None and getattr(X, "ndim", 3) == 2:
            as_sequences(X, None)  # says what is wanted, before features are counted
        return X

    def as_samples(self, net: Any, X: Any) -> np.ndarray:
        """Return (n_samples, n_steps, n_features), flat rows by ``sequence_shape``."""
        X = as_sequences(X, net.sequence_shape)
        check_padding(X)
        return X

    def is_one_sample(self, net: Any, shape: tuple[int, ...]) -> bool:
        """Tell whether an array of this shape is a single sequence."""
        # Of a flat row of one step alone this could not be told.
        return shape == net.input_shape_ and shape[1] != net.n_features_in_

    def check_sample_shape(self, net: Any, shape: tuple[int, ...]) -> None:
        """Accept any number of steps."""
        if shape[-1] != net.input_shape_[-1]:
            raise ValueError(
                f"X has sequences of {shape[-1]} features a step, but {type(net).__name__} was "
                f"fitted with sequences of {net.input_shape_[-1]} features a step."
            )

    def rows_per_pass(self, net: Any, sample_shape: tuple[int, ...]) -> int:
        """Return fewer sequences the longer they are and the wider the network."""
        width = max(checked_hidden_units(net.hidden_units)) * (2 if net.bidirectional else 1)
        rows = _PREDICT_VALUES // (sample_shape[0] * width)
        return min(max(16, rows), super().rows_per_pass(net, sample_shape))

    def set_tags(self, net: Any, tags: Any) -> None:
        """Tell scikit-learn which input there may be."""
        super().set_tags(net, tags)
        tags.input_tags.two_d_array = net.sequence_shape is not None
        tags.input_tags.three_d_array = True
