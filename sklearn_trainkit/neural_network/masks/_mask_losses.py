"""Losses of masks: cross-entropy per pixel, soft Dice per class, and their sum.

References
----------
Milletari, Navab, Ahmadi: V-Net. 3DV 2016 (soft Dice). Isensee et al.: nnU-Net. Nature Methods
2021 (their sum).
"""

import torch
from torch import nn

from sklearn_trainkit.neural_network.modules._losses import smoothed_cross_entropy

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
    ignores : bool, default=False
        Whether some pixels have no label: their code is ``n_classes``, and they have no part.
    weight_scale : float, default=1.0
        Factor of the weights of images, whose mean over labelled pixels is then 1.
    shares : Tensor of shape (n_classes,) or None, default=None
        How the smoothed part of a label is spread over all classes; None is evenly.

    Examples
    --------
    >>> codes = torch.tensor([[[0, 1]]])
    >>> round(float(MaskLoss()(torch.zeros(1, 2, 1, 2), codes).exp()), 6)
    2.0
    """

    class_weight: torch.Tensor | None
    shares: torch.Tensor | None

    def __init__(
        self,
        loss: str = "cross_entropy",
        label_smoothing: float = 0.0,
        class_weight: torch.Tensor | None = None,
        ignores: bool = False,
        weight_scale: float = 1.0,
        shares: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.loss = loss
        self.ignores = ignores
        self.weight_scale = weight_scale
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weight", class_weight)
        self.register_buffer("shares", shares)

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the mean loss of the batch's labelled pixels; 0 where there is none.

        ``weight`` is one for each image.
        """
        target = target.long()
        there = target < logits.shape[1] if self.ignores else None
        if self.loss == "dice":
            return soft_dice_loss(logits, target, weight, there)
        loss = self._cross_entropy(logits, target, weight, there)
        if self.loss == "cross_entropy_and_dice":
            loss = loss + soft_dice_loss(logits, target, weight, there)
        return loss

    def _cross_entropy(
        self,
        logits: torch.Tensor,
        target: torch.Tensor,
        weight: torch.Tensor | None,
        there: torch.Tensor | None,
    ) -> torch.Tensor:
        codes = target if there is None else target.clamp(max=logits.shape[1] - 1)
        losses = smoothed_cross_entropy(logits, codes, self.label_smoothing, self.shares)
        if self.class_weight is not None:
            losses = losses * self.class_weight.to(losses.dtype)[codes]
        if weight is not None:
            losses = losses * (weight * self.weight_scale)[:, None, None]
        if there is None:
            return losses.mean()
        return (losses * there).sum() / there.sum().clamp(min=1)


def soft_dice_loss(
    logits: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    there: torch.Tensor | None = None,
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
    there : BoolTensor of shape (N, H, W) or None, default=None
        Pixels that have a label; the others are in no sum.
    """
    probabilities = torch.softmax(logits, dim=1)[:, 1:]
    classes = torch.arange(1, logits.shape[1], device=logits.device).view(1, -1, 1, 1)
    truth = (target[:, None] == classes).to(logits.dtype)
    factor = 1.0 if weight is None else weight.view(-1, 1, 1, 1)
    if there is not None:
        factor = factor * there[:, None].to(logits.dtype)
    overlap = (factor * probabilities * truth).sum(dim=(0, 2, 3))
    sizes = (factor * (probabilities + truth)).sum(dim=(0, 2, 3))
    return 1.0 - ((2.0 * overlap + 1.0) / (sizes + 1.0)).mean()
