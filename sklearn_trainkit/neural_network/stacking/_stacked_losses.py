"""Losses of several networks at once: a mean loss per network, and its gradient by hand."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from sklearn_trainkit.neural_network.modules._losses import (
    REGRESSION_LOSSES,
    BinaryCrossEntropy,
    CrossEntropy,
    RegressionLoss,
    class_log_softmax,
)
from sklearn_trainkit.neural_network.modules._module_hooks import has_hooks
from sklearn_trainkit.neural_network.stacking._stacked_layers import NotStackableError


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
        weight : Tensor of shape (m, N), (m, N, n_outputs) or None

        Returns
        -------
        losses : Tensor of shape (m,)
            The mean over the N rows, as the criterion of each network has it.
        gradient : Tensor of shape (m, N, n_outputs)
        """


class _Smoothing:
    """Label smoothing of m networks, as one number or row where they share it.

    Attributes
    ----------
    any : bool
    on_label : Tensor of shape (1 or m, 1, 1)
        Minus the share of the label itself.
    spread : Tensor of shape (1 or m, n_outputs)
        What each class, or label, has of the rest.
    """

    def __init__(self, criteria: Sequence[Any], like: torch.Tensor) -> None:
        self._criteria = criteria
        self.any = any(criterion.label_smoothing for criterion in criteria)
        shares = [criterion.label_smoothing for criterion in criteria]
        per_network = like.new_tensor(shares[:1] if len(set(shares)) == 1 else shares)
        self.on_label = (per_network - 1.0).view(-1, 1, 1)
        self._per_network = per_network.view(-1, 1)
        self._spread: torch.Tensor | None = None

    def spread(self, n_outputs: int, evenly: float) -> torch.Tensor:
        """Return what each output has of the label's smoothed part: (1 or m, n_outputs)."""
        if self._spread is None:
            like = self._per_network
            rows = [
                like.new_full((n_outputs,), evenly) if c.shares is None else c.shares.to(like)
                for c in self._criteria
            ]
            alike = all(torch.equal(row, rows[0]) for row in rows)
            self._spread = like * torch.stack(rows[:1] if alike else rows)
        return self._spread


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
        if weight is not None:
            hits = hits * weight
        losses = hits.mean(1) * smoothing.on_label.view(-1)
        spread = None
        if smoothing.any:
            spread = smoothing.spread(n_classes, 1.0 / n_classes)
            rest = torch.matmul(spread.unsqueeze(1), logs).squeeze(1)
            losses = losses - (rest if weight is None else rest * weight).mean(1)
        gradient = logs.exp_()
        if spread is not None:
            gradient.sub_(spread.unsqueeze(2))
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
        smoothing = self._smoothing
        if smoothing.any:
            spread = smoothing.spread(output.shape[2], 0.5).unsqueeze(1)
            target = spread - target * smoothing.on_label
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
    if weight is not None and weight.ndim == 3:  # a weight for each label
        return (losses * weight).mean((1, 2))
    rows = losses.mean(2)
    return rows.mean(1) if weight is None else (rows * weight).mean(1)


def _mean_gradient(gradient: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """Turn the gradients of the rows' losses into that of their mean, in place."""
    n_rows = gradient.shape[1]
    if weight is None:
        return gradient.mul_(1.0 / n_rows)
    per_entry = weight if weight.ndim == 3 else weight.unsqueeze(2)
    return gradient.mul_(per_entry / n_rows)


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
