"""A first layer that standardizes its input by what the training rows were like."""

import torch
from torch import nn

from sklearn_trainkit.neural_network.batches._tensor_loader import Rows

_CHUNK_BYTES = 1 << 24


class InputStandardization(nn.Module):
    """Bring each channel to mean 0 and standard deviation 1 over the training rows.

    Nothing is learnt by gradient: :meth:`learn` reads the training part once, in chunks, so that
    images on disk or of uint8 need no scaled copy. NaN, the padding of sequences, counts for
    nothing and stays.

    Parameters
    ----------
    n_channels : int
    channel_axis : {1, -1}, default=1
        1 for images (N, C, H, W), -1 for sequences (N, T, C).

    Examples
    --------
    >>> InputStandardization(3)(torch.zeros(2, 3, 8, 8)).shape
    torch.Size([2, 3, 8, 8])
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, n_channels: int, channel_axis: int = 1) -> None:
        super().__init__()
        self.channel_axis = channel_axis
        self.register_buffer("mean", torch.zeros(n_channels))
        self.register_buffer("scale", torch.ones(n_channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``(x - mean) / scale``, channel by channel."""
        if self.channel_axis == 1:
            shape = (-1, *([1] * (x.ndim - 2)))
            return (x - self.mean.view(shape)) / self.scale.view(shape)
        return (x - self.mean) / self.scale

    @torch.no_grad()
    def learn(self, rows: Rows) -> None:
        """Set mean and scale from ``rows``, weighted (equally, if all weigh nothing).

        A constant channel keeps scale 1.

        Chunks are merged by the formula of Chan, Golub and LeVeque (1979).
        """
        weighs = rows.weight is not None and bool(rows.weight.any())
        count = torch.zeros(len(self.mean), dtype=torch.float64)
        mean, spread = torch.zeros_like(count), torch.zeros_like(count)
        step = max(1, _CHUNK_BYTES // max(1, rows.row_bytes))
        for start in range(0, rows.n_rows, step):
            batch = rows.part(start, min(start + step, rows.n_rows))
            X = batch.X.to("cpu", torch.float64).movedim(self.channel_axis, 0).flatten(2)
            weight = torch.ones(X.shape[1])
            if weighs and batch.weight is not None:
                weight = batch.weight.cpu()
            if weight.ndim == 2:  # each label of a row has its own; the row has one input
                weight = weight.mean(dim=1)
            there = torch.isfinite(X)
            weights = there * weight.double()[None, :, None]
            X = torch.where(there, X, 0.0)
            n = weights.sum(dim=(1, 2))
            chunk_mean = (X * weights).sum(dim=(1, 2)) / n.clamp(min=1e-300)
            deviation = X - chunk_mean[:, None, None]
            chunk_spread = (weights * deviation.square()).sum(dim=(1, 2))
            total = (count + n).clamp(min=1e-300)
            difference = chunk_mean - mean
            spread += chunk_spread + difference.square() * count * n / total
            mean += difference * n / total
            count += n
        scale = (spread / count.clamp(min=1e-300)).sqrt()
        # What rounding leaves of a constant channel is no spread.
        constant = scale <= 10 * torch.finfo(self.mean.dtype).eps * mean.abs()
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(constant, 1.0, scale))
