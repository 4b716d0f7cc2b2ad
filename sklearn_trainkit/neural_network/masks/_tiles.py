"""A network over an image in tiles, each seen with its surroundings."""

from collections.abc import Callable

import torch


def tiled(
    network: Callable[[torch.Tensor], torch.Tensor],
    images: torch.Tensor,
    tile_size: int,
    margin: int,
    multiple: int = 1,
) -> torch.Tensor:
    """Return what ``network`` gives for ``images``, computed a tile at a time.

    Equal to the whole at once where no output depends on input further than ``margin`` away.

    Parameters
    ----------
    network : callable
        Maps (N, C, h, w) to (N, K, h, w).
    images : Tensor of shape (N, C, H, W)
    tile_size : int
        Height and width of a tile without its margin, rounded up to ``multiple``.
    margin : int
        Pixels around a tile that are looked at too, rounded up to ``multiple``.
    multiple : int, default=1
        Tiles start at multiples of it, so that pooling has the same partners as in the whole.

    Returns
    -------
    output : Tensor of shape (N, K, H, W)
    """
    height, width = images.shape[2:]
    step, around = _rounded_up(tile_size, multiple), _rounded_up(margin, multiple)
    output: torch.Tensor | None = None
    for top in range(0, height, step):
        for left in range(0, width, step):
            first_row, first_column = max(0, top - around), max(0, left - around)
            seen = images[
                :, :, first_row : top + step + around, first_column : left + step + around
            ]
            part = network(seen)[:, :, top - first_row :, left - first_column :]
            part = part[:, :, : min(step, height - top), : min(step, width - left)]
            if output is None:
                output = part.new_empty((len(images), part.shape[1], height, width))
            output[:, :, top : top + step, left : left + step] = part
    assert output is not None
    return output


def _rounded_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
