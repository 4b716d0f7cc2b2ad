"""Gradient clipping: by norm, by value and adaptive, as functions and as a skorch callback.

Clipping comes after backward and before the optimizer's step. It biases the gradient; stability
can be worth it.

References
----------
Pascanu, Mikolov, Bengio: On the difficulty of training recurrent neural networks. ICML 2013.
Brock, De, Smith, Simonyan: High-performance large-scale image recognition without
normalization. ICML 2021 (adaptive clipping, unit-wise).
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from skorch.callbacks import Callback


def gradients_of(parameters: Iterable[torch.nn.Parameter]) -> list[torch.Tensor]:
    """Return the gradients that exist, in the order of ``parameters``."""
    return [p.grad for p in parameters if p.grad is not None]


def clip_by_norm_(parameters: Sequence[torch.nn.Parameter], max_norm: float) -> torch.Tensor:
    """Scale all gradients by one factor so that their total 2-norm is at most ``max_norm``.

    Equal to :func:`torch.nn.utils.clip_grad_norm_`.

    Parameters
    ----------
    parameters : sequence of Parameter
        Gradients are changed in place; parameters without one are left out.
    max_norm : float
        Above this total norm, g becomes ``max_norm / (norm + 1e-6) * g``.

    Returns
    -------
    norm : Tensor, shape ()
        Total norm before clipping.
    """
    return torch.nn.utils.clip_grad_norm_(parameters, max_norm)


def clip_by_value_(parameters: Sequence[torch.nn.Parameter], max_value: float) -> None:
    """Clamp each gradient entry to [-max_value, max_value], in place.

    Equal to :func:`torch.nn.utils.clip_grad_value_`.
    """
    for gradient in gradients_of(parameters):
        gradient.clamp_(-max_value, max_value)


def unit_norms(tensor: torch.Tensor) -> torch.Tensor:
    """Return the 2-norm of each output unit, broadcastable against ``tensor``.

    A unit is a row of a weight matrix or a filter of a convolution (first axis); biases and
    gains (0 or 1 dimensions) are one unit as a whole.
    """
    if tensor.ndim <= 1:
        return tensor.norm()
    return torch.linalg.vector_norm(tensor, dim=tuple(range(1, tensor.ndim)), keepdim=True)


def clip_adaptive_(
    parameters: Sequence[torch.nn.Parameter], ratio: float, eps: float = 1e-3
) -> None:
    """Limit each unit's gradient norm to ``ratio`` times its weight norm, in place.

    Parameters
    ----------
    parameters : sequence of Parameter
    ratio : float
        Largest ratio of gradient norm to weight norm; 0.01 to 0.16 in the paper.
    eps : float, default=1e-3
        Smallest weight norm reckoned with, so that units that start at zero can move.
    """
    with torch.no_grad():
        for parameter in parameters:
            if parameter.grad is None:
                continue
            limit = unit_norms(parameter).clamp_(min=eps).mul_(ratio)
            norm = unit_norms(parameter.grad)
            parameter.grad.mul_((limit / norm.clamp(min=1e-12)).clamp_(max=1.0))


class GradientClipping(Callback):
    """Clip gradients in any skorch net, after backward and before the step.

    The networks of this package have ``clip_norm``, ``clip_value`` and ``clip_adaptive`` built
    in; this callback brings the same to plain skorch nets.

    Parameters
    ----------
    norm : float or None, default=None
        Largest total 2-norm of the gradient.
    value : float or None, default=None
        Largest absolute entry of the gradient, applied after ``norm``.
    adaptive : float or None, default=None
        Largest unit-wise ratio of gradient norm to weight norm, applied first.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> import torch
    >>> net = NeuralNetClassifier(torch.nn.Linear, callbacks=[GradientClipping(norm=1.0)])
    """

    def __init__(
        self,
        norm: float | None = None,
        value: float | None = None,
        adaptive: float | None = None,
    ) -> None:
        self.norm = norm
        self.value = value
        self.adaptive = adaptive

    def on_grad_computed(self, net: Any, named_parameters: Iterable, **kwargs: Any) -> None:
        """Clip the gradients of ``named_parameters`` in place."""
        parameters = [parameter for _, parameter in named_parameters]
        clip_gradients_(parameters, self.norm, self.value, self.adaptive)


def clip_gradients_(
    parameters: Sequence[torch.nn.Parameter],
    max_norm: float | None,
    max_value: float | None,
    adaptive_ratio: float | None,
) -> None:
    """Apply the clippings that are not None: adaptive, then by norm, then by value."""
    if adaptive_ratio is not None:
        clip_adaptive_(parameters, adaptive_ratio)
    if max_norm is not None:
        clip_by_norm_(parameters, max_norm)
    if max_value is not None:
        clip_by_value_(parameters, max_value)
