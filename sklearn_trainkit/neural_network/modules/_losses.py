"""Losses that take a weight per sample, and smoothed labels.

Weights have mean 1 over the training rows (the estimators see to it), so a batch's loss is the
plain mean of ``weight * loss``. With all rows in one batch this is the weighted mean, and a row
of weight 2 counts as two rows.

Labels are smoothed towards the shares that the classes have, not evenly over all classes as by
Szegedy et al.: the mean of the smoothed targets is then that of the labels, so that a network
expects as many events as there are. Evenly spread, a share of 0.05 tells a network that a class of
0.5 % has 3 %. With classes of equal size both are the same.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

# Shorter rows are gone through one by one; with classes first, several at a time.
_SHORT_ROW = 16


def class_log_softmax(logits: torch.Tensor) -> torch.Tensor:
    """Return log-probabilities, classes before rows.

    With fewer than 16 classes this takes a tenth to a half of the time of torch's own over rows.

    Parameters
    ----------
    logits : Tensor of shape (..., N, n_classes)

    Returns
    -------
    logs : Tensor of shape (..., n_classes, N)
    """
    if logits.shape[-1] < _SHORT_ROW:
        return torch.log_softmax(logits.transpose(-1, -2).contiguous(), -2)
    return torch.log_softmax(logits, -1).transpose(-1, -2)


def class_softmax(logits: torch.Tensor) -> torch.Tensor:
    """Return the probabilities over axis 1 that :func:`torch.softmax` gives, often faster.

    Parameters
    ----------
    logits : Tensor of shape (N, n_classes, ...)

    Examples
    --------
    >>> class_softmax(torch.zeros(2, 4))[0].tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    if logits.ndim == 2 and logits.shape[1] < _SHORT_ROW:
        return torch.softmax(logits.T.contiguous(), 0).T.contiguous()
    return torch.softmax(logits, 1)


class CrossEntropy(nn.Module):
    """Cross-entropy between logits (N, n_classes) and class codes (N,).

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Share of the target probability spread over all classes.
    shares : Tensor of shape (n_classes,) or None, default=None
        How it is spread; None is evenly.

    Examples
    --------
    >>> float(CrossEntropy()(torch.zeros(2, 4), torch.tensor([0, 3])).exp())  # doctest: +ELLIPSIS
    4.0...
    """

    shares: torch.Tensor | None

    def __init__(self, label_smoothing: float = 0.0, shares: torch.Tensor | None = None) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.register_buffer("shares", shares)

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the mean loss of the batch."""
        if weight is None and not self.label_smoothing:
            return functional.cross_entropy(logits, target)
        losses = smoothed_cross_entropy(logits, target, self.label_smoothing, self.shares)
        return (losses if weight is None else losses * weight).mean()


def smoothed_cross_entropy(
    logits: torch.Tensor,
    target: torch.Tensor,
    label_smoothing: float,
    shares: torch.Tensor | None,
) -> torch.Tensor:
    """Return the cross-entropy of each target, whose label is smoothed towards the shares.

    Parameters
    ----------
    logits : Tensor of shape (N, n_classes, ...)
    target : LongTensor of shape (N, ...)
    label_smoothing : float
    shares : Tensor of shape (n_classes,) or None
        None spreads evenly, as torch does.

    Returns
    -------
    losses : Tensor of shape (N, ...)
    """
    if shares is None or not label_smoothing:
        return functional.cross_entropy(
            logits, target, label_smoothing=label_smoothing, reduction="none"
        )
    logs = torch.log_softmax(logits, 1)
    on_label = functional.nll_loss(logs, target, reduction="none")
    on_shares = torch.einsum("nc...,c->n...", logs, shares.to(logs.dtype))
    return (1.0 - label_smoothing) * on_label - label_smoothing * on_shares


class BinaryCrossEntropy(nn.Module):
    """Binary cross-entropy between logits and indicators, both (N, n_labels).

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Indicators are moved towards the shares by this share of the way.
    shares : Tensor of shape (n_labels,) or None, default=None
        How often each label is there; None is one half.
    """

    shares: torch.Tensor | None

    def __init__(self, label_smoothing: float = 0.0, shares: torch.Tensor | None = None) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.register_buffer("shares", shares)

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the mean loss of the batch; ``weight`` is one a row, or one a row and label."""
        target = target.to(logits.dtype)
        if self.label_smoothing:
            shares = 0.5 if self.shares is None else self.shares.to(logits.dtype)
            target = target + self.label_smoothing * (shares - target)
        if weight is None:
            return functional.binary_cross_entropy_with_logits(logits, target)
        losses = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        if weight.ndim == 2:
            return (losses * weight).mean()
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
