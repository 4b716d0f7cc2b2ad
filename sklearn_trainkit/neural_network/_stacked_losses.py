"""Losses of several networks at once: a mean loss per network, and its gradient by hand."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from sklearn_trainkit.neural_network._losses import (
    REGRESSION_LOSSES,
    BinaryCrossEntropy,
    CrossEntropy,
    RegressionLoss,
    class_log_softmax,
)
from sklearn_trainkit.neural_network._module_hooks import has_hooks
from sklearn_trainkit.neural_network._stacked_layers import NotStackableError


class StackedLoss(ABC):
    """The losses of m networks; they are never summed, so no network touches another."""

    @abstractmethod
    def __init__(self, criteria: Sequence[Any], like: torch.Tensor) -> None:
        """Take the criteria of the networks; ``like`` gives type and device."""

    @abstractmethod
    def __call__(
        self, output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return losses and gradient.

        Parameters
        ----------
        output : Tensor of shape (m, N, n_outputs)
        target : Tensor of shape (m, N) or (m, N, n_outputs)
        weight : Tensor of shape (m, N) or None

        Returns
        -------
        losses : Tensor of shape (m,)
            The mean over the N rows, as the criterion of each network has it.
        gradient : Tensor of shape (m, N, n_outputs)
        """


class _Smoothing:
    """Label smoothing, as one number where the networks share it."""

    def __init__(self, criteria: Sequence[Any], like: torch.Tensor) -> None:
        shares = [criterion.label_smoothing for criterion in criteria]
        self.any = any(shares)
        self.per_network: Any = shares[0]
        self.per_entry: Any = shares[0]
        if len(set(shares)) > 1:
            self.per_network = like.new_tensor(shares)
            self.per_entry = self.per_network.view(-1, 1, 1)
        self.on_label = like.new_tensor(shares[:1] if len(set(shares)) == 1 else shares)
        self.on_label = (self.on_label - 1.0).view(-1, 1, 1)


class StackedCrossEntropy(StackedLoss):
    """The gradient of the logits is softmax minus the smoothed target."""

    def __init__(self, criteria: Sequence[CrossEntropy], like: torch.Tensor) -> None:
        self._smoothing = _Smoothing(criteria, like)

    def __call__(
        self, output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        smoothing = self._smoothing
        n_networks, n_rows, n_classes = output.shape
        index = target.unsqueeze(1)
        logs = class_log_softmax(output)
        hits = logs.gather(1, index).squeeze(1)
        sums = logs.sum(1) if smoothing.any else None
        if weight is not None:
            hits = hits * weight
            sums = None if sums is None else sums * weight
        losses = hits.mean(1) * (smoothing.per_network - 1.0)
        if sums is not None:
            losses = losses - sums.mean(1) * (smoothing.per_network / n_classes)
        gradient = logs.exp_()
        if smoothing.any:
            gradient.sub_(smoothing.per_entry / n_classes)
        gradient.scatter_add_(1, index, smoothing.on_label.expand(n_networks, 1, n_rows))
        return losses, _mean_gradient(gradient.transpose(1, 2), weight)


class StackedBinaryCrossEntropy(StackedLoss):
    """The gradient of the logits is sigmoid minus the smoothed indicator."""

    def __init__(self, criteria: Sequence[BinaryCrossEntropy], like: torch.Tensor) -> None:
        self._smoothing = _Smoothing(criteria, like)

    def __call__(
        self, output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        target = target.to(output.dtype)
        if self._smoothing.any:
            target = target + self._smoothing.per_entry * (0.5 - target)
        losses = functional.binary_cross_entropy_with_logits(output, target, reduction="none")
        gradient = torch.sigmoid(output).sub_(target).div_(output.shape[2])
        return _mean_loss(losses, weight), _mean_gradient(gradient, weight)


_RESIDUAL_GRADIENTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "absolute_error": torch.sign,
    "huber": lambda residual: residual.clamp(-1.0, 1.0),
    "squared_error": lambda residual: residual.mul(2.0),
}


class StackedRegressionLoss(StackedLoss):
    """The gradient is a function of the residual."""

    def __init__(self, criteria: Sequence[RegressionLoss], like: torch.Tensor) -> None:
        names = sorted({criterion.loss for criterion in criteria})
        if len(names) > 1:
            raise NotStackableError(f"the networks differ in their loss: {', '.join(names)}")
        self._function: Any = REGRESSION_LOSSES[names[0]]
        self._gradient = _RESIDUAL_GRADIENTS[names[0]]

    def __call__(
        self, output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        losses = self._function(output, target, reduction="none")
        gradient = self._gradient(output - target).div_(output.shape[2])
        return _mean_loss(losses, weight), _mean_gradient(gradient, weight)


def _mean_loss(losses: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    rows = losses.mean(2)
    return rows.mean(1) if weight is None else (rows * weight).mean(1)


def _mean_gradient(gradient: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """Turn the gradients of the rows' losses into that of their mean, in place."""
    n_rows = gradient.shape[1]
    if weight is None:
        return gradient.mul_(1.0 / n_rows)
    return gradient.mul_((weight / n_rows).unsqueeze(2))


_LOSSES: dict[type[nn.Module], type[StackedLoss]] = {
    BinaryCrossEntropy: StackedBinaryCrossEntropy,
    CrossEntropy: StackedCrossEntropy,
    RegressionLoss: StackedRegressionLoss,
}


def stacked_loss(criteria: Sequence[nn.Module], like: torch.Tensor) -> StackedLoss:
    """Return the losses of m networks as one.

    Parameters
    ----------
    criteria : sequence of Module
        Losses of this package.
    like : Tensor
        Gives type and device.

    Raises
    ------
    NotStackableError
        If they differ, or are not of this package.
    """
    kinds = {type(criterion) for criterion in criteria}
    names = sorted(kind.__name__ for kind in kinds)
    if len(kinds) > 1:
        raise NotStackableError(f"the networks differ in their loss: {', '.join(names)}")
    kind = next(iter(kinds))
    if kind not in _LOSSES or any(has_hooks(criterion) for criterion in criteria):
        raise NotStackableError(f"the loss {names[0]} cannot be stacked")
    return _LOSSES[kind](criteria, like)
