"""The layers of a dense network as lines of a program, in the order of its forward pass."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from sklearn_trainkit.neural_network.kernels._codes import Activation, Operation
from sklearn_trainkit.neural_network.modules._dropout import SeededDropout, kept_below
from sklearn_trainkit.neural_network.modules._mlp_module import DenseLayer, MLPModule
from sklearn_trainkit.neural_network.modules._module_hooks import has_hooks
from sklearn_trainkit.neural_network.modules._normalization import FeatureInstanceNorm
from sklearn_trainkit.neural_network.modules._skip_connections import (
    ConcatLayer,
    LongSkipStack,
    PlainStack,
    ResidualLayer,
)
from sklearn_trainkit.neural_network.stacking._stacked_activations import SELU_ALPHA, SELU_SCALE
from sklearn_trainkit.neural_network.stacking._stacked_layers import NotStackableError

__all__ = ["Line", "Writer"]


@dataclass
class Line:
    """A layer: what it reads and writes, by the numbers of values."""

    operation: Operation
    x: int
    y: int
    weight: int = -1
    bias: int = -1
    kind: int = 0
    reals: tuple[float, float] = (0.0, 0.0)
    other: int = -1
    running: int = -1


class Writer:
    """Goes through a module and notes its lines; each kind of layer has a method in ``_KINDS``."""

    def __init__(
        self, columns: dict[str, tuple[int, int, Any]], n_features: int, eps: float
    ) -> None:
        self._columns = columns
        self._eps = eps
        self.used: set[str] = set()
        self.widths = [n_features]
        self.lines: list[Line] = []
        self.norms: list[nn.BatchNorm1d] = []
        self.dropouts: list[tuple[SeededDropout, int]] = []
        self.n_running = 0

    def layer(self, layer: nn.Module, path: str, x: int) -> int:
        """Note a layer that reads value ``x``; return the value that it writes."""
        kind = type(layer)
        if kind not in _KINDS:
            raise NotStackableError(f"layers of type {kind.__name__} are not compiled")
        if has_hooks(layer):
            raise NotStackableError(f"a layer of type {kind.__name__} has hooks")
        return _KINDS[kind](self, layer, path, x)

    def note(self, operation: Operation, x: int, width: int, **more: Any) -> int:
        """Note a line; return the value that it writes."""
        self.widths.append(width)
        self.lines.append(Line(operation, x, len(self.widths) - 1, **more))
        return len(self.widths) - 1

    def place(self, path: str, name: str, layer: Any) -> int:
        """Return where a parameter lies, or -1 if the layer has none of this name."""
        if getattr(layer, name, None) is None:
            return -1
        if path + name not in self._columns:
            raise NotStackableError(f"{path + name} shares its weights with another layer")
        self.used.add(path + name)
        return self._columns[path + name][0]

    def both(self, path: str, layer: Any) -> dict[str, int]:
        return {name: self.place(path, name, layer) for name in ("weight", "bias")}

    def sequence(self, layers: Any, path: str, x: int) -> int:
        for name, layer in layers.named_children():
            x = self.layer(layer, f"{path}{name}.", x)
        return x

    def linear(self, layer: nn.Linear, path: str, x: int) -> int:
        if self.widths[x] != layer.in_features:
            raise NotStackableError(
                f"{self.widths[x]} features reach a layer for {layer.in_features}"
            )
        return self.note(Operation.LINEAR, x, layer.out_features, **self.both(path, layer))

    def dropout(self, layer: SeededDropout, path: str, x: int) -> int:
        if layer.p == 0.0:
            return x
        below, scale = kept_below(layer.p)
        self.dropouts.append((layer, self.widths[x]))
        reals = (scale, 0.0)
        return self.note(Operation.DROPOUT, x, self.widths[x], kind=below, reals=reals)

    def batch_norm(self, layer: nn.BatchNorm1d, path: str, x: int) -> int:
        if layer.momentum is None or not layer.track_running_stats:
            raise NotStackableError("BatchNorm1d without a momentum or running statistics")
        width = self._checked_width(layer.num_features, x)
        self.norms.append(layer)
        running, self.n_running = self.n_running, self.n_running + 2 * width
        reals = (layer.eps, layer.momentum)
        more = self.both(path, layer)
        return self.note(Operation.BATCH_NORM, x, width, reals=reals, running=running, **more)

    def group_norm(self, layer: Any, path: str, x: int) -> int:
        shape = getattr(layer, "normalized_shape", None)
        if shape is not None and len(shape) != 1:
            raise NotStackableError(f"LayerNorm over {shape}")
        width = getattr(layer, "num_channels", shape[0] if shape else self.widths[x])
        more = self.both(path, layer)
        return self.note(
            Operation.GROUP_NORM,
            x,
            self._checked_width(width, x),
            kind=getattr(layer, "num_groups", 1),
            reals=(layer.eps, 0.0),
            **more,
        )

    def rms_norm(self, layer: nn.RMSNorm, path: str, x: int) -> int:
        if len(layer.normalized_shape) != 1:
            raise NotStackableError(f"RMSNorm over {layer.normalized_shape}")
        eps = self._eps if layer.eps is None else layer.eps
        width = self._checked_width(layer.normalized_shape[0], x)
        more = self.both(path, layer)
        return self.note(Operation.RMS_NORM, x, width, reals=(eps, 0.0), **more)

    def residual(self, layer: ResidualLayer, path: str, x: int) -> int:
        shortcut = x
        if layer.projection is not None:
            shortcut = self.layer(layer.projection, f"{path}projection.", x)
        y = self.layer(layer.layer, f"{path}layer.", x)
        return self.note(Operation.ADD, y, self.widths[y], other=shortcut)

    def concat(self, layer: ConcatLayer, path: str, x: int) -> int:
        y = self.layer(layer.layer, f"{path}layer.", x)
        return self.joined(x, y)

    def joined(self, x: int, y: int) -> int:
        return self.note(Operation.CONCAT, x, self.widths[x] + self.widths[y], other=y)

    def long_skips(self, layer: LongSkipStack, path: str, x: int) -> int:
        half = len(layer.layers) // 2
        kept: list[int] = []
        for index, step in enumerate(layer.layers):
            if index >= len(layer.layers) - half:
                x = self.joined(x, kept.pop())
            x = self.layer(step, f"{path}layers.{index}.", x)
            if index < half:
                kept.append(x)
        return x

    def mlp(self, layer: MLPModule, path: str, x: int) -> int:
        x = self.layer(layer.hidden, f"{path}hidden.", x)
        return self.layer(layer.output, f"{path}output.", x)

    def rectified(self, x: int, slope: float) -> int:
        if slope < 0:  # the sign of what comes out would not tell that of what went in
            raise NotStackableError(f"LeakyReLU with negative_slope={slope}")
        return self.note(Operation.RECTIFY, x, self.widths[x], reals=(slope, 0.0))

    def activated(self, x: int, kind: Activation, alpha: float = 1.0, scale: float = 1.0) -> int:
        reals = (alpha, scale)
        return self.note(Operation.ACTIVATE, x, self.widths[x], kind=int(kind), reals=reals)

    def gelu(self, layer: nn.GELU, path: str, x: int) -> int:
        exact = layer.approximate == "none"
        return self.activated(x, Activation.GELU if exact else Activation.GELU_TANH)

    def _checked_width(self, width: int, x: int) -> int:
        if self.widths[x] != width:
            raise NotStackableError(f"{self.widths[x]} features reach a norm for {width}")
        return width


_KINDS: dict[type[nn.Module], Callable[[Writer, Any, str, int], int]] = {
    nn.BatchNorm1d: Writer.batch_norm,
    nn.ELU: lambda w, f, path, x: w.activated(x, Activation.ELU, f.alpha),
    nn.GELU: Writer.gelu,
    nn.GroupNorm: Writer.group_norm,
    nn.Identity: lambda w, f, path, x: x,
    nn.LayerNorm: Writer.group_norm,
    nn.LeakyReLU: lambda w, f, path, x: w.rectified(x, f.negative_slope),
    nn.Linear: Writer.linear,
    nn.Mish: lambda w, f, path, x: w.activated(x, Activation.MISH),
    nn.RMSNorm: Writer.rms_norm,
    nn.ReLU: lambda w, f, path, x: w.rectified(x, 0.0),
    nn.SELU: lambda w, f, path, x: w.activated(x, Activation.ELU, SELU_ALPHA, SELU_SCALE),
    nn.Sequential: Writer.sequence,
    nn.SiLU: lambda w, f, path, x: w.activated(x, Activation.SILU),
    nn.Sigmoid: lambda w, f, path, x: w.activated(x, Activation.SIGMOID),
    nn.Tanh: lambda w, f, path, x: w.activated(x, Activation.TANH),
    ConcatLayer: Writer.concat,
    DenseLayer: Writer.sequence,
    FeatureInstanceNorm: Writer.group_norm,
    LongSkipStack: Writer.long_skips,
    MLPModule: Writer.mlp,
    PlainStack: Writer.sequence,
    ResidualLayer: Writer.residual,
    SeededDropout: Writer.dropout,
}
