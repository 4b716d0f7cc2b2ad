"""Random flips, shifts and crops of image batches, drawn from a generator of the fit."""

import torch

from sklearn_trainkit.neural_network.batches._tensor_loader import TensorRows

FLIPS = ("both", "horizontal", "vertical")


class ImageAugmentation:
    """Flip, shift and crop each image of a batch at random, and its mask with it.

    Each is a choice of rows and columns to read, so all three cost a single gather. Where a shift
    leaves the image, the pixels of its edge are repeated.

    Parameters
    ----------
    flip : {"horizontal", "vertical", "both"} or None, default=None
        Mirror left and right, or top and bottom, with probability one half each.
    max_shift : int, default=0
        Most pixels that an image is moved by, along each axis.
    crop_size : tuple of (height, width) or None, default=None
        Size of a part cut out at random.
    masks : bool, default=False
        Whether targets are masks (N, H, W), which are moved in the same way.

    References
    ----------
    Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural
    networks. NeurIPS 2012.

    Examples
    --------
    >>> batch = TensorRows(torch.zeros(8, 3, 28, 28), torch.zeros(8))
    >>> augment = ImageAugmentation(flip="horizontal", max_shift=2, crop_size=(24, 24))
    >>> augment(batch, torch.Generator()).X.shape
    torch.Size([8, 3, 24, 24])
    """

    def __init__(
        self,
        flip: str | None = None,
        max_shift: int = 0,
        crop_size: tuple[int, int] | None = None,
        masks: bool = False,
    ) -> None:
        self.flip = flip
        self.max_shift = max_shift
        self.crop_size = crop_size
        self.masks = masks

    def __call__(self, batch: TensorRows, generator: torch.Generator) -> TensorRows:
        """Return the batch with each image changed."""
        n_images, height, width = len(batch.X), batch.X.shape[2], batch.X.shape[3]
        out_height, out_width = self.crop_size or (height, width)
        if out_height > height or out_width > width:  # a U-Net goes on with smaller images
            raise ValueError(
                f"crop_size={self.crop_size!r} does not lie inside images of {(height, width)} "
                "pixels."
            )
        vertical = self.flip in ("vertical", "both")
        horizontal = self.flip in ("horizontal", "both")
        rows = self._places(n_images, height, out_height, vertical, generator)
        columns = self._places(n_images, width, out_width, horizontal, generator)
        index = torch.arange(n_images)[:, None, None], rows[:, :, None], columns[:, None, :]
        which, rows, columns = (each.to(batch.X.device) for each in index)
        # Indices on both sides of a slice put its axis last: (N, H, W, C).
        X = batch.X[which, :, rows, columns].permute(0, 3, 1, 2)
        y = batch.y[which, rows, columns] if self.masks else batch.y
        return TensorRows(X, y, batch.weight)

    def _places(
        self, n_images: int, size: int, out_size: int, flip: bool, generator: torch.Generator
    ) -> torch.Tensor:
        """Return which rows (or columns) each image is read at, of shape (n_images, out_size)."""
        places = torch.arange(out_size).expand(n_images, out_size)
        if out_size < size:
            start = torch.randint(size - out_size + 1, (n_images, 1), generator=generator)
            places = places + start
        if self.max_shift:
            shift = torch.randint(2 * self.max_shift + 1, (n_images, 1), generator=generator)
            places = (places + shift - self.max_shift).clamp(0, size - 1)
        if flip:
            mirrored = torch.rand((n_images, 1), generator=generator) < 0.5
            places = torch.where(mirrored, size - 1 - places, places)
        return places
