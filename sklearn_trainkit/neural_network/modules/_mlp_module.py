"""The dense network behind ``MLPNetClassifier`` and ``MLPNetRegressor``."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from sklearn_trainkit.neural_network.modules._activations import make_activation
from sklearn_trainkit.neural_network.modules._dropout import SeededDropout
from sklearn_trainkit.neural_network.modules._initialization import activation_gain, initialize_
from sklearn_trainkit.neural_network.modules._module_hooks import has_global_hooks, has_hooks
from sklearn_trainkit.neural_network.modules._normalization import make_norm
from sklearn_trainkit.neural_network.modules._skip_connections import (
    ConcatLayer,
    LongSkipStack,
    PlainStack,
    ResidualLayer,
    check_mirrored,
)


class DenseLayer(nn.Sequential):
    """Linear, normalization, activation, dropout, in this order.

    The linear layer has no bias in front of batch normalization, which would subtract it again:
    such a bias has no gradient, and Adam turns its rounding noise into steps.

    Input shape (N, n_in), output shape (N, n_out).

    Examples
    --------
    >>> DenseLayer(4, 8, norm="layer", dropout=0.1)(torch.zeros(2, 4)).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        activation: str | Callable[[], nn.Module] = "relu",
        norm: str | None = None,
        norm_groups: int | str = "auto",
        dropout: float = 0.0,
        init: str | Callable[[torch.Tensor], object] = "default",
    ) -> None:
        linear = nn.Linear(n_in, n_out, bias=norm != "batch")
        initialize_(linear, init, activation_gain(activation))
        layers = [linear, make_norm(norm, n_out, norm_groups), make_activation(activation)]
        if dropout > 0:
            layers.append(SeededDropout(dropout))
        super().__init__(*(layer for layer in layers if layer is not None))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, n_in) to (N, n_out)."""
        if not torch.is_inference_mode_enabled():
            return super().forward(x)
        watched = has_global_hooks() or any(has_hooks(layer) for layer in self)
        for layer in self:
            # Nobody else has what the layer before has made, so no new memory is needed.
            x = x.relu_() if type(layer) is nn.ReLU and not watched else layer(x)
        return x


class MLPModule(nn.Module):
    """Dense layers with optional normalization, dropout and skip connections.

    Parameters
    ----------
    n_features : int
        Width of the input.
    n_outputs : int
        Width of the output.
    hidden_units : sequence of int, default=(64,)
        Width of each hidden layer; empty for a linear model.
    activation : str or callable, default="relu"
    norm : {"batch", "layer", "instance", "group", "rms"} or None, default=None
    norm_groups : int or "auto", default="auto"
    skip : {"add", "concat", "long"} or None, default=None
        "add" adds a layer's input to its output, through a linear projection where the widths
        differ; "concat" hands each layer all earlier features; "long" concatenates the first
        half's outputs into the mirrored layers of the second half.
    dropout : float or sequence of float, default=0.0
        One for all hidden layers, or one each.
    init : str or callable, default="default"

    Examples
    --------
    >>> MLPModule(8, 3, hidden_units=(16, 16), skip="add")(torch.zeros(5, 8)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        *,
        hidden_units: Sequence[int] = (64,),
        activation: str | Callable[[], nn.Module] = "relu",
        norm: str | None = None,
        norm_groups: int | str = "auto",
        skip: str | None = None,
        dropout: float | Sequence[float] = 0.0,
        init: str | Callable[[torch.Tensor], object] = "default",
    ) -> None:
        super().__init__()
        rates = dropout_rates(dropout, len(hidden_units))

        def dense(index: int, n_in: int) -> DenseLayer:
            return DenseLayer(
                n_in,
                hidden_units[index],
                activation=activation,
                norm=norm,
                norm_groups=norm_groups,
                dropout=rates[index],
                init=init,
            )

        self.hidden, width = stack_layers(dense, n_features, hidden_units, skip)
        self.output = nn.Linear(width, n_outputs)
        initialize_(self.output, init)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, n_features) to (N, n_outputs)."""
        return self.output(self.hidden(x))


def dropout_rates(dropout: float | Sequence[float], n_layers: int) -> list[float]:
    """Return one dropout rate per hidden layer.

    Raises
    ------
    ValueError
        If the lengths differ or a rate is outside [0, 1).
    """
    if isinstance(dropout, (float, int, np.number)):
        rates = [float(dropout)] * n_layers
    else:
        rates = [float(rate) for rate in dropout]
    if len(rates) != n_layers:
        raise ValueError(
            f"dropout={dropout!r} has {len(rates)} rates for {n_layers} hidden layers; "
            "give one number, or one for each layer."
        )
    if not all(0.0 <= rate < 1.0 for rate in rates):
        raise ValueError(f"dropout must be in [0, 1). Got {dropout!r} instead.")
    return rates


def stack_layers(
    dense: Callable[[int, int], nn.Module],
    n_features: int,
    hidden_units: Sequence[int],
    skip: str | None,
) -> tuple[nn.Module, int]:
    """Join the hidden layers by the chosen skip connections.

    Parameters
    ----------
    dense : callable
        ``dense(index, n_in)`` makes hidden layer ``index`` for inputs of width ``n_in``.
    n_features : int
    hidden_units : sequence of int
    skip : {"add", "concat", "long"} or None

    Returns
    -------
    stack : Module
    width : int
        Width of its output.
    """
    layers: list[nn.Module] = []
    width = n_features
    if skip == "long":
        check_mirrored(hidden_units)
        half = len(hidden_units) // 2
        for index, units in enumerate(hidden_units):
            mirror = len(hidden_units) - 1 - index
            layers.append(dense(index, width + (hidden_units[mirror] if mirror < half else 0)))
            width = units
        return LongSkipStack(layers), width
    for index, units in enumerate(hidden_units):
        layer = dense(index, width)
        if skip == "add":
            layer = ResidualLayer(layer, width, units)
        elif skip == "concat":
            layer = ConcatLayer(layer)
            units += width
        layers.append(layer)
        width = units
    return PlainStack(*layers), width
