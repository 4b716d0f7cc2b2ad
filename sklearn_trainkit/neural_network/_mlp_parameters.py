"""What the two dense estimators share: their architecture and its constraints."""

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

import torch

from sklearn_trainkit.neural_network._activations import ACTIVATIONS
from sklearn_trainkit.neural_network._initialization import INITS
from sklearn_trainkit.neural_network._input_checks import check_enough_rows, checked_hidden_units
from sklearn_trainkit.neural_network._mlp_module import MLPModule
from sklearn_trainkit.neural_network._normalization import NORMS
from sklearn_trainkit.neural_network._skip_connections import SKIPS
from sklearn_trainkit.utils._sklearn_private import Interval, StrOptions

MLP_CONSTRAINTS: dict = {
    "hidden_units": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(ACTIVATIONS)), callable],
    "norm": [StrOptions(set(NORMS)), None],
    "norm_groups": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
    "skip": [StrOptions(set(SKIPS)), None],
    "dropout": [Interval(Real, 0, 1, closed="left"), list, tuple],
    "init": [StrOptions(set(INITS)), callable],
}


class MLPParameters:
    """What the two dense estimators share: their architecture."""

    hidden_units: Any
    activation: str | Callable[[], torch.nn.Module]
    norm: str | None
    norm_groups: int | str
    skip: str | None
    dropout: float | Sequence[float]
    init: Any
    n_features_in_: int
    _n_outputs: int

    def _make_module(self) -> torch.nn.Module:
        return MLPModule(
            self.n_features_in_,
            self._n_outputs,
            hidden_units=checked_hidden_units(self.hidden_units),
            activation=self.activation,
            norm=self.norm,
            norm_groups=self.norm_groups,
            skip=self.skip,
            dropout=self.dropout,
            init=self.init,
        )

    def _check_batches(self, n_rows: int) -> None:
        check_enough_rows(n_rows, self.norm)
