"""Dense networks for tables: a classifier and a regressor of one architecture."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Unpack

import torch

from sklearn_trainkit.neural_network.base._architecture import Architecture
from sklearn_trainkit.neural_network.base._base_net import BaseNet
from sklearn_trainkit.neural_network.base._net_kinds import ClassifierNet, RegressorNet
from sklearn_trainkit.neural_network.base._shared_parameters import (
    ClassifierParameters,
    RegressorParameters,
)
from sklearn_trainkit.neural_network.base._signatures import store_arguments
from sklearn_trainkit.neural_network.batches._input_checks import (
    check_enough_rows,
    checked_hidden_units,
)
from sklearn_trainkit.neural_network.dense._mlp_portfolio import (
    CLASSIFIER_PORTFOLIO,
    REGRESSOR_PORTFOLIO,
)
from sklearn_trainkit.neural_network.modules._activations import ACTIVATIONS
from sklearn_trainkit.neural_network.modules._initialization import INITS
from sklearn_trainkit.neural_network.modules._mlp_module import MLPModule
from sklearn_trainkit.neural_network.modules._normalization import NORMS
from sklearn_trainkit.neural_network.modules._skip_connections import SKIPS
from sklearn_trainkit.utils._sklearn_private import Interval, StrOptions

_TEXT = """\
hidden_units : sequence of int, default=(256, 128)
    Width of each hidden layer; ``()`` is a linear model.
<<activation>>
norm : {"batch", "layer", "instance", "group", "rms"} or None, default=None
    Normalization between each hidden linear layer and its activation.
norm_groups : int or "auto", default="auto"
    Groups of ``norm="group"``; it has to divide every width. "auto" takes the most groups,
    up to 32, that leave at least 8 features each.
skip : {"add", "concat", "long"} or None, default=None
    "add": residual layers, with a linear projection where widths differ. "concat": each
    layer sees all earlier features. "long": a U-Net's skips between mirrored layers, for
    widths that read the same from both ends.
dropout : float or sequence of float, default=0.0
    Share of hidden features dropped while training, for all hidden layers or one each.
<<init>>
"""


class _Dense(Architecture):
    """Linear layers with what stands between them."""

    constraints: ClassVar[dict[str, list]] = {
        "hidden_units": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS)), callable],
        "norm": [StrOptions(set(NORMS)), None],
        "norm_groups": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "skip": [StrOptions(set(SKIPS)), None],
        "dropout": [Interval(Real, 0, 1, closed="left"), list, tuple],
        "init": [StrOptions(set(INITS)), callable],
    }
    fixed: ClassVar[tuple[str, ...]] = tuple(constraints)

    def make(self, net: Any) -> torch.nn.Module:
        """Return a new dense module."""
        return MLPModule(
            net.n_features_in_,
            net._n_outputs,
            hidden_units=checked_hidden_units(net.hidden_units),
            activation=net.activation,
            norm=net.norm,
            norm_groups=net.norm_groups,
            skip=net.skip,
            dropout=net.dropout,
            init=net.init,
        )

    def check_batches(self, net: Any, n_rows: int) -> None:
        """Raise if batch normalization would see a single row."""
        check_enough_rows(n_rows, net.norm)


class _DenseNet(BaseNet):
    """What both dense estimators have."""

    _architecture = _Dense()
    _own_defaults: ClassVar[dict[str, Any]] = {"weight_decay": "auto"}
    _doc_words: ClassVar[dict[str, str]] = {"dense": _TEXT}
    _portfolio: ClassVar[tuple[dict[str, Any], ...]]

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


class MLPNetClassifier(_DenseNet, ClassifierNet):
    """Dense network for classification, trained with cross-entropy.

    Put a scaler in front of it: gradient descent moves each weight in proportion to its
    feature's values.

    Parameters
    ----------
    <<dense>>
    <<classifier>>
    <<training>>

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    <<attributes>>

    See Also
    --------
    MLPNetRegressor : The same for numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_trainkit.neural_network import MLPNetClassifier
    >>> from sklearn_trainkit.preprocessing import StandardScaler
    >>> X, y = load_iris(return_X_y=True)
    >>> net = make_pipeline(StandardScaler(), MLPNetClassifier(norm="layer", random_state=0))
    >>> net.fit(X, y).score(X, y) > 0.95
    True
    """

    _portfolio: ClassVar[tuple] = CLASSIFIER_PORTFOLIO

    def __init__(
        self,
        hidden_units: Sequence[int] = (256, 128),
        *,
        activation: Any = "gelu",
        norm: str | None = None,
        norm_groups: int | str = "auto",
        skip: str | None = None,
        dropout: float | Sequence[float] = 0.0,
        init: Any = "default",
        **shared: Unpack[ClassifierParameters],
    ) -> None:
        store_arguments(self, locals())


class MLPNetRegressor(_DenseNet, RegressorNet):
    """Dense network for regression with one target or several.

    Put a scaler in front of it; the targets are standardized inside, by default.

    Parameters
    ----------
    <<dense>>
    <<regressor>>
    <<training>>

    Attributes
    ----------
    y_mean_, y_scale_ : ndarray of shape (n_targets,)
        What was subtracted from the targets and what they were divided by.
    <<attributes>>

    See Also
    --------
    MLPNetClassifier : The same for classes.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_trainkit.neural_network import MLPNetRegressor
    >>> from sklearn_trainkit.preprocessing import StandardScaler
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = make_pipeline(
    ...     StandardScaler(), MLPNetRegressor((32,), early_stopping=True, random_state=0)
    ... )
    >>> net.fit(X, y).predict(X).shape
    (442,)
    """

    _portfolio: ClassVar[tuple] = REGRESSOR_PORTFOLIO

    def __init__(
        self,
        hidden_units: Sequence[int] = (256, 128),
        *,
        activation: Any = "gelu",
        norm: str | None = None,
        norm_groups: int | str = "auto",
        skip: str | None = None,
        dropout: float | Sequence[float] = 0.0,
        init: Any = "default",
        **shared: Unpack[RegressorParameters],
    ) -> None:
        store_arguments(self, locals())
