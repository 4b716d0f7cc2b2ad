"""Layers of several networks as one: a leading axis for the networks, gradients by hand.

A stacked layer maps (m, N, n_in) to (m, N, n_out) for m networks of one architecture. It keeps what
its backward pass needs and writes the gradients of its parameters into their place, so that a step
of small networks costs a few batched kernels and no graph: autograd would take about as long again.

``STACKERS`` is the seam for further kinds of layers: a function that takes the m layers and where
their tensors are, and returns a :class:`StackedLayer`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import torch
from torch import nn

from sklearn_trainkit.neural_network.modules._dropout import SeededDropout, scaled_masks
from sklearn_trainkit.neural_network.modules._mlp_module import DenseLayer, MLPModule
from sklearn_trainkit.neural_network.modules._module_hooks import has_hooks
from sklearn_trainkit.neural_network.modules._skip_connections import (
    ConcatLayer,
    LongSkipStack,
    PlainStack,
    ResidualLayer,
)


class NotStackableError(ValueError):
    """Networks cannot be trained as one; the message says why."""


class MemberTensors(Protocol):
    """Where stacked layers find the tensors of their networks."""

    def parameter(self, layers: Sequence[nn.Module], name: str) -> tuple[torch.Tensor, ...]:
        """Return values and gradients of a parameter, both (m, ...)."""

    def buffer(self, layers: Sequence[nn.Module], name: str) -> torch.Tensor:
        """Return the values of a buffer, (m, ...) and contiguous."""


class StackedLayer(ABC):
    """The same layer of m networks.

    Attributes
    ----------
    kept : tuple of str
        Attributes that the forward pass leaves for the backward pass.
    """

    kept: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (m, N, n_in) to (m, N, n_out) as in train mode."""

    @abstractmethod
    def backward(self, gradient: torch.Tensor, needs_input: bool) -> torch.Tensor | None:
        """Write the gradients of the parameters; return that of the input where it is needed."""

    def forget(self) -> None:
        """Drop what the last batch has left behind."""
        for name in self.kept:
            vars(self).pop(name, None)
        for value in vars(self).values():
            for each in value if isinstance(value, list) else [value]:
                if hasattr(each, "forget"):
                    each.forget()


Stacker = Callable[[Sequence[Any], MemberTensors], StackedLayer]
STACKERS: dict[type[nn.Module], Stacker] = {}


def stacks(*kinds: type[nn.Module]) -> Callable[[Stacker], Stacker]:
    """Register a function, or a class, as what stacks layers of these very types."""

    def register(stacker: Stacker) -> Stacker:
        STACKERS.update(dict.fromkeys(kinds, stacker))
        return stacker

    return register


def stacked_layer(layers: Sequence[nn.Module], tensors: MemberTensors) -> StackedLayer:
    """Return the layers of m networks as one.

    Raises
    ------
    NotStackableError
        If they differ, or nobody knows how to stack them.
    """
    kind = type(layers[0])
    if any(type(layer) is not kind for layer in layers):
        names = sorted({type(layer).__name__ for layer in layers})
        raise NotStackableError(f"the networks differ in a layer: {', '.join(names)}")
    if kind not in STACKERS:
        raise NotStackableError(f"layers of type {kind.__name__} cannot be stacked")
    if any(has_hooks(layer) for layer in layers):
        raise NotStackableError(f"a layer of type {kind.__name__} has hooks")
    return STACKERS[kind](layers, tensors)


def check_alike(layers: Sequence[nn.Module]) -> None:
    """Raise if layers of one type have different settings."""
    shown = sorted({repr(layer) for layer in layers})
    if len(shown) > 1:
        raise NotStackableError(f"the networks differ in a layer: {', '.join(shown)}")


@stacks(nn.Linear)
class StackedLinear(StackedLayer):
    """Batched matrix products, which is where stacking gains."""

    kept = ("_x",)

    def __init__(self, layers: Sequence[nn.Linear], tensors: MemberTensors) -> None:
        self._weight, self._weight_gradient = tensors.parameter(layers, "weight")
        self._weight_t = self._weight.transpose(1, 2)
        self._bias = None
        if layers[0].bias is not None:
            bias, self._bias_gradient = tensors.parameter(layers, "bias")
            self._bias = bias.unsqueeze(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._x = x
        if self._bias is None:
            return torch.bmm(x, self._weight_t)
        return torch.baddbmm(self._bias, x, self._weight_t)

    def backward(self, gradient: torch.Tensor, needs_input: bool) -> torch.Tensor | None:
        torch.bmm(gradient.transpose(1, 2), self._x, out=self._weight_gradient)
        if self._bias is not None:
            torch.sum(gradient, 1, out=self._bias_gradient)
        return torch.bmm(gradient, self._weight) if needs_input else None


@stacks(nn.Identity)
class StackedIdentity(StackedLayer):
    """Nothing at all."""

    def __init__(self, layers: Sequence[nn.Module], tensors: MemberTensors) -> None:
        pass

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def backward(self, gradient: torch.Tensor, needs_input: bool) -> torch.Tensor | None:
        return gradient


@stacks(SeededDropout)
class StackedDropout(StackedLayer):
    """Masks drawn network by network, each from its own generator, and applied at once."""

    kept = ("_masks",)

    def __init__(self, layers: Sequence[SeededDropout], tensors: MemberTensors) -> None:
        self._layers = layers
        self._rates = [layer.p for layer in layers]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Looked up here: a generator is given to a layer when its training begins.
        self._masks = scaled_masks(x, self._rates, [layer.generator for layer in self._layers])
        return x * self._masks

    def backward(self, gradient: torch.Tensor, needs_input: bool) -> torch.Tensor | None:
        return gradient * self._masks


@stacks(nn.Sequential, DenseLayer, PlainStack)
class StackedSequence(StackedLayer):
    """Layers one after the other."""

    def __init__(self, layers: Sequence[nn.Sequential], tensors: MemberTensors) -> None:
        self._steps = [stacked_layer(step, tensors) for step in zip(*layers, strict=True)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for step in self._steps:
            x = step.forward(x)
        return x

    def backward(self, gradient: torch.Tensor, needs_input: bool) -> torch.Tensor | None:
        return backward_through(self._steps, gradient, needs_input)


@stacks(MLPModule)
class StackedMLP(StackedSequence):
    """Hidden layers and output layer."""

    def __init__(self, layers: Sequence[MLPModule], tensors: MemberTensors) -> None:
        self._steps = [
            stacked_layer([layer.hidden for layer in layers], tensors),
            stacked_layer([layer.output for layer in layers], tensors),
        ]


def backward_through(
    steps: Sequence[StackedLayer], gradient: torch.Tensor, needs_input: bool
) -> torch.Tensor | None:
    """Send a gradient back through layers that follow each other."""
    passed: torch.Tensor | None = gradient
    for index in range(len(steps) - 1, -1, -1):
        assert passed is not None
        passed = steps[index].backward(passed, needs_input or index > 0)
    return passed


@stacks(ResidualLayer)
class StackedResidual(StackedLayer):
    """A layer beside its shortcut."""

    def __init__(self, layers: Sequence[ResidualLayer], tensors: MemberTensors) -> None:
        self._layer = stacked_layer([layer.layer for layer in layers], tensors)
        self._projection = None
        projections = [layer.projection for layer in layers if layer.projection is not None]
        if projections:
            self._projection = stacked_layer(projections, tensors)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self._projection is None else self._projection.forward(x)
        return shortcut + self._layer.forward(x)

    def backward(self, gradient: torch.Tensor, needs_input: bool) -> torch.Tensor | None:
        inner = self._layer.backward(gradient, needs_input)
        shortcut: torch.Tensor | None = gradient
        if self._projection is not None:
            shortcut = self._projection.backward(gradient, needs_input)
        return inner + shortcut if inner is not None and shortcut is not None else None


@stacks(ConcatLayer)
class StackedConcat(StackedLayer):
    """A layer's input beside its output."""

    def __init__(self, layers: Sequence[ConcatLayer], tensors: MemberTensors) -> None:
        self._layer = stacked_layer([layer.layer for layer in layers], tensors)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._width = x.shape[-1]
        return torch.cat([x, self._layer.forward(x)], dim=-1)

    def backward(self, gradient: torch.Tensor, needs_input: bool) -> torch.Tensor | None:
        inner = self._layer.backward(gradient[..., self._width :], needs_input)
        return None if inner is None else inner + gradient[..., : self._width]


@stacks(LongSkipStack)
class StackedLongSkips(StackedLayer):
    """A U-Net's skips: what joins last in the forward pass parts first in the backward pass."""

    def __init__(self, layers: Sequence[LongSkipStack], tensors: MemberTensors) -> None:
        steps = zip(*(layer.layers for layer in layers), strict=True)
        self._steps = [stacked_layer(step, tensors) for step in steps]
        self._half = len(self._steps) // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept: list[torch.Tensor] = []
        self._widths: list[int] = []
        for index, step in enumerate(self._steps):
            if index >= len(self._steps) - self._half:
                self._widths.append(x.shape[-1])
                x = torch.cat([x, kept.pop()], dim=-1)
            x = step.forward(x)
            if index < self._half:
                kept.append(x)
        return x

    def backward(self, gradient: torch.Tensor, needs_input: bool) -> torch.Tensor | None:
        skipped: list[torch.Tensor] = []
        passed: torch.Tensor | None = gradient
        for index in range(len(self._steps) - 1, -1, -1):
            assert passed is not None
            if index < self._half:
                passed = passed + skipped.pop()
            passed = self._steps[index].backward(passed, needs_input or index > 0)
            if index >= len(self._steps) - self._half:
                assert passed is not None
                width = self._widths.pop()
                skipped.append(passed[..., width:])
                passed = passed[..., :width]
        return passed
