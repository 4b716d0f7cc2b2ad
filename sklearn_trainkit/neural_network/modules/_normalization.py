"""Normalization layers by name, for dense features (N, C) and images (N, C, H, W).

============  ====================================  ==========================================
name          statistics over                       learnt scale and shift
============  ====================================  ==========================================
``batch``     the batch (and H, W), per channel     yes; running estimates when evaluating
``layer``     all features of one sample            yes
``instance``  H, W of one sample and channel        no
``group``     a group of channels of one sample     yes
``rms``       all features of one sample, no mean   scale only
============  ====================================  ==========================================

Dense features have no H and W. There, "instance" takes a sample's features as the places of a
single channel, (N, C) as (N, 1, C): each sample is brought to mean 0 and variance 1 without
learnt scale and shift. Taken to the letter, one value per channel, it would return zeros.

References
----------
Ioffe, Szegedy: Batch normalization. ICML 2015. Ba, Kiros, Hinton: Layer normalization. 2016.
Ulyanov, Vedaldi, Lempitsky: Instance normalization. 2016. Wu, He: Group normalization.
ECCV 2018. Zhang, Sennrich: Root mean square layer normalization. NeurIPS 2019.
"""

import torch
from torch import nn
from torch.nn import functional

NORMS = ("batch", "group", "instance", "layer", "rms")


def group_count(n_channels: int, n_groups: int | str, n_dims: int = 1) -> int:
    """Return the number of groups for ``n_channels``, or raise with the reason.

    Parameters
    ----------
    n_channels : int
    n_groups : int or "auto"
        "auto" is the largest divisor of ``n_channels`` up to 32 that leaves at least 8 channels
        a group, else 1.
    n_dims : {1, 2}, default=1
        2 for images. For dense features a group needs at least two channels: the normalized
        value of a single number is zero.

    Returns
    -------
    n_groups : int

    Raises
    ------
    ValueError
        If there are more groups than channels, or if they do not divide the channels.

    Examples
    --------
    >>> group_count(64, "auto"), group_count(12, "auto"), group_count(12, 4)
    (8, 1, 4)
    """
    if n_groups == "auto":
        return max(
            g for g in range(1, 33) if n_channels % g == 0 and (g == 1 or n_channels // g >= 8)
        )
    count = int(n_groups)
    if count > n_channels:
        raise ValueError(
            f"norm_groups={count} is more than the {n_channels} channels of a layer; "
            f"use at most {n_channels}, or 'auto'."
        )
    if n_channels % count:
        divisors = [g for g in range(1, n_channels + 1) if n_channels % g == 0]
        raise ValueError(
            f"norm_groups={count} does not divide the {n_channels} channels of a layer; "
            f"use one of {divisors}, or 'auto'."
        )
    if n_dims == 1 and count == n_channels:
        raise ValueError(
            f"norm_groups={count} leaves one feature per group, whose normalized value is always "
            f"zero; use at most {n_channels // 2}, or 'auto'."
        )
    return count


class FeatureInstanceNorm(nn.Module):
    """Bring each sample of (N, C) to mean 0 and variance 1 over its features, nothing learnt.

    Examples
    --------
    >>> FeatureInstanceNorm()(torch.randn(5, 8)).shape
    torch.Size([5, 8])
    """

    def __init__(self, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalize ``x`` of shape (N, C) row by row."""
        return functional.layer_norm(x, x.shape[1:], eps=self.eps)


def make_norm(
    norm: str | None, n_channels: int, n_groups: int | str = "auto", n_dims: int = 1
) -> nn.Module | None:
    """Return a normalization layer for ``n_channels``, or None.

    Parameters
    ----------
    norm : {"batch", "layer", "instance", "group", "rms"} or None
    n_channels : int
        Features of a dense layer, channels of a convolution.
    n_groups : int or "auto", default="auto"
        For "group" only, see :func:`group_count`.
    n_dims : {1, 2}, default=1
        1 for input of shape (N, C), 2 for (N, C, H, W).

    Returns
    -------
    layer : Module or None

    Examples
    --------
    >>> make_norm("group", 16, n_groups=4, n_dims=2)(torch.randn(2, 16, 5, 5)).shape
    torch.Size([2, 16, 5, 5])
    """
    if norm is None:
        return None
    if norm == "batch":
        return nn.BatchNorm1d(n_channels) if n_dims == 1 else nn.BatchNorm2d(n_channels)
    if norm == "group":
        return nn.GroupNorm(group_count(n_channels, n_groups, n_dims), n_channels)
    if norm == "instance":
        return FeatureInstanceNorm() if n_dims == 1 else nn.InstanceNorm2d(n_channels)
    if norm == "layer":
        # Over C, H, W of an image: one group, with a scale and shift per channel.
        return nn.LayerNorm(n_channels) if n_dims == 1 else nn.GroupNorm(1, n_channels)
    if norm == "rms":
        return nn.RMSNorm(n_channels) if n_dims == 1 else ChannelRMSNorm(n_channels)
    raise ValueError(f"norm must be None or one of {list(NORMS)}. Got {norm!r} instead.")


class ChannelRMSNorm(nn.Module):
    """Divide each sample of (N, C, H, W) by its root mean square; a learnt scale per channel."""

    def __init__(self, n_channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_channels))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalize ``x`` of shape (N, C, H, W) over C, H, W."""
        scale = torch.rsqrt(x.square().mean(dim=(1, 2, 3), keepdim=True) + self.eps)
        return x * scale * self.weight.view(1, -1, 1, 1)
