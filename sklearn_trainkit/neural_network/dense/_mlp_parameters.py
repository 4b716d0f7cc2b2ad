"""What the two dense estimators share: their architecture and its constraints."""

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import torch

from sklearn_trainkit.neural_network.batches._input_checks import (
    check_enough_rows,
    checked_hidden_units,
)
from sklearn_trainkit.neural_network.modules._activations import ACTIVATIONS
from sklearn_trainkit.neural_network.modules._initialization import INITS
from sklearn_trainkit.neural_network.modules._mlp_module import MLPModule
from sklearn_trainkit.neural_network.modules._normalization import NORMS
from sklearn_trainkit.neural_network.modules._skip_connections import SKIPS
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

    _portfolio: ClassVar[tuple[dict[str, Any], ...]]
    _takes_sparse = True
    _fixed_parameters: ClassVar[tuple[str, ...]] = tuple(MLP_CONSTRAINTS)
    hidden_units: Any
    activation: str | Callable[[], torch.nn.Module]
    norm: str | None
    norm_groups: int | str
    skip: str | None
    dropout: float | Sequence[float]
    init: Any
    n_features_in_: int
    _n_outputs: int

    def get_portfolio(self) -> list[dict[str, Any]]:
        """Return settings that did well on many data sets, to be tried first on new ones.

        ``OptunaSearchCV(..., enqueue="portfolio")`` does that. They were chosen on tables of up
        to 1,500 rows, with trainings of 12 epochs; ``docs/search.md`` says how and what it brings.

        Returns
        -------
        portfolio : list of dict
            Parameters of this estimator, best first in the mean over the data sets. Each of
            "adam", "adamw", "rmsprop" and "sgd" is the optimizer of four or more.
        """
        return [dict(entry) for entry in self._portfolio]

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
