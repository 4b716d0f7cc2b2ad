"""Activation functions by name."""

from collections.abc import Callable

from torch import nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "identity": nn.Identity,
    "leaky_relu": nn.LeakyReLU,
    "mish": nn.Mish,
    "relu": nn.ReLU,
    "selu": nn.SELU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def make_activation(activation: str | Callable[[], nn.Module]) -> nn.Module:
    """Return a new activation module from its name or from a class or factory."""
    factory = ACTIVATIONS[activation] if isinstance(activation, str) else activation
    return factory()
