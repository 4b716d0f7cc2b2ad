"""Losses of masks: cross-entropy per pixel, soft Dice per class, and their sum.

References
----------
Milletari, Navab, Ahmadi: V-Net. 3DV 2016 (soft Dice). Isensee et al.: nnU-Net. Nature Methods
2021 (their sum).
"""

import torch
from torch import nn
from torch.nn import functional

MASK_LOSSES = ("cross_entropy", "cross_entropy_and_dice", "dice")


class MaskLoss(nn.Module):
    """Loss between logits (N, n_classes, H, W) and class codes (N, H, W).

    Parameters
    ----------
    loss : {"cross_entropy", "dice", "cross_entropy_and_dice"}, default="cross_entropy"
    label_smoothing : float, default=0.0
        For the cross-entropy.
    class_weight : Tensor of shape (n_classes,) or None, default=None
        Factor of each pixel's cross-entropy, by its class.

    Examples
    --------
    >>> codes = torch.tensor([[[0, 1]]])
    >>> round(float(MaskLoss()(torch.zeros(1, 2, 1, 2), codes).exp()), 6)
    2.0
    """

    class_weight: torch.Tensor | None

    def __init__(
        self,
        loss: str = "cross_entropy",
        label_smoothing: float = 0.0,
        class_weight: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.loss = loss
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weight", class_weight)

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the mean loss of the batch; ``weight`` is one for each image."""
        target = target.long()
        if self.loss == "dice":
            return soft_dice_loss(logits, target, weight)
        loss = self._cross_entropy(logits, target, weight)
        if self.loss == "cross_entropy_and_dice":
            loss = loss + soft_dice_loss(logits, target, weight)
        return loss

    def _cross_entropy(
        self, logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None
    ) -> torch.Tensor:
        smoothing = self.label_smoothing
        if weight is None and self.class_weight is None:
            return functional.cross_entropy(logits, target, label_smoothing=smoothing)
        losses = functional.cross_entropy(
            logits, target, label_smoothing=smoothing, reduction="none"
        )
        if self.class_weight is not None:
            losses = losses * self.class_weight.to(losses.dtype)[target]
        if weight is not None:
            losses = losses * weight[:, None, None]
        return losses.mean()


def soft_dice_loss(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Return 1 - the mean soft Dice of all classes but the first, over a batch's pixels.

    Per class, Dice is ``2 * sum(p * g) / (sum(p) + sum(g))``, with probabilities p and the true
    mask g, both sums with 1 added: a class that is nowhere, and predicted nowhere, costs nothing.

    Parameters
    ----------
    logits : Tensor of shape (N, n_classes, H, W)
    target : LongTensor of shape (N, H, W)
    weight : Tensor of shape (N,) or None, default=None
        Factor of each image's pixels.
    """
    probabilities = torch.softmax(logits, dim=1)[:, 1:]
    classes = torch.arange(1, logits.shape[1], device=logits.device).view(1, -1, 1, 1)
    truth = (target[:, None] == classes).to(logits.dtype)
    factor = 1.0 if weight is None else weight.view(-1, 1, 1, 1)
    overlap = (factor * probabilities * truth).sum(dim=(0, 2, 3))
    sizes = (factor * (probabilities + truth)).sum(dim=(0, 2, 3))
    return 1.0 - ((2.0 * overlap + 1.0) / (sizes + 1.0)).mean()
