"""Losses that take a weight per sample.

Weights have mean 1 over the training rows (the estimators see to it), so a batch's loss is the
plain mean of ``weight * loss``. With all rows in one batch this is the weighted mean, and a row
of weight 2 counts as two rows.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional


class CrossEntropy(nn.Module):
    """Cross-entropy between logits (N, n_classes) and class codes (N,).

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Share of the target probability spread evenly over all classes.

    Examples
    --------
    >>> float(CrossEntropy()(torch.zeros(2, 4), torch.tensor([0, 3])).exp())  # doctest: +ELLIPSIS
    4.0...
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the mean loss of the batch."""
        if weight is None:
            return functional.cross_entropy(logits, target, label_smoothing=self.label_smoothing)
        losses = functional.cross_entropy(
            logits, target, label_smoothing=self.label_smoothing, reduction="none"
        )
        return (losses * weight).mean()


class BinaryCrossEntropy(nn.Module):
    """Binary cross-entropy between logits and indicators, both (N, n_labels).

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Indicators are moved from 0 and 1 towards one half by this share.
    """

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the mean loss of the batch."""
        target = target.to(logits.dtype)
        if self.label_smoothing:
            target = target + self.label_smoothing * (0.5 - target)
        if weight is None:
            return functional.binary_cross_entropy_with_logits(logits, target)
        losses = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return (losses.mean(dim=1) * weight).mean()


REGRESSION_LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "absolute_error": functional.l1_loss,
    "huber": functional.huber_loss,
    "squared_error": functional.mse_loss,
}


class RegressionLoss(nn.Module):
    """Mean loss between predictions and targets, both (N, n_targets).

    Parameters
    ----------
    loss : {"squared_error", "absolute_error", "huber"}, default="squared_error"
        "huber" is quadratic up to a residual of 1 and linear beyond.
    """

    def __init__(self, loss: str = "squared_error") -> None:
        super().__init__()
        self.loss = loss

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the mean loss of the batch."""
        function = REGRESSION_LOSSES[self.loss]
        if weight is None:
            return function(prediction, target)
        return (function(prediction, target, reduction="none").mean(dim=1) * weight).mean()
