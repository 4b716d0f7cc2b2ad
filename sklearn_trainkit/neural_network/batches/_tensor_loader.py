"""Whole batches of tensors by index, in place of a Dataset and a DataLoader row by row."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
from skorch.dataset import Dataset as SkorchDataset

# Rows are gathered for several batches at once, then sliced: this many bytes of X at a time.
_GATHER_BYTES = 1 << 21


class TensorRows(NamedTuple):
    """Rows of a training or validation part, on the training device.

    Attributes
    ----------
    X : Tensor, shape (n, ...)
    y : Tensor, shape (n,) for class codes or (n, n_targets)
    weight : Tensor, shape (n,), or None
        Sample weights with mean 1.
    """

    X: torch.Tensor
    y: torch.Tensor
    weight: torch.Tensor | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.X)

    @property
    def device(self) -> torch.device:
        """Where the rows are."""
        return self.X.device

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.X.shape[1:])

    @property
    def row_bytes(self) -> int:
        """Bytes of one sample."""
        return self.X[:1].nbytes

    def take(self, index: torch.Tensor) -> "TensorRows":
        """Return the rows of ``index``, copied."""
        weight = None if self.weight is None else self.weight[index]
        return TensorRows(self.X[index], self.y[index], weight)

    def part(self, start: int, stop: int) -> "TensorRows":
        """Return rows ``start`` to ``stop``, not copied."""
        weight = None if self.weight is None else self.weight[start:stop]
        return TensorRows(self.X[start:stop], self.y[start:stop], weight)

    def with_targets(self, y: torch.Tensor) -> "TensorRows":
        """Return the same rows with other targets."""
        return self._replace(y=y)


class Rows(Protocol):
    """What loaders and data sets need of rows, wherever these are kept."""

    @property
    def X(self) -> torch.Tensor:  # noqa: N802
        """All samples."""

    @property
    def y(self) -> torch.Tensor:
        """All targets."""

    @property
    def weight(self) -> torch.Tensor | None:
        """All sample weights."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""

    @property
    def device(self) -> torch.device:
        """Where batches go."""

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""

    @property
    def row_bytes(self) -> int:
        """Bytes of one sample."""

    def take(self, index: torch.Tensor) -> TensorRows:
        """Return the rows of ``index``."""

    def part(self, start: int, stop: int) -> TensorRows:
        """Return rows ``start`` to ``stop``."""

    def with_targets(self, y: torch.Tensor) -> "Rows":
        """Return the same rows with other targets."""


class TrainingSamples(torch.Tensor):
    """Samples that a callback is shown: ``predict`` answers for them in training units."""

    # What is computed from them are plain tensors.
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]


class RowsDataset(SkorchDataset):
    """A data set over :class:`TensorRows`, for skorch callbacks that ask for one.

    Its targets are in training units: class codes, standardized values. The networks' ``predict``
    answers in the same units when it is handed such a data set, or its samples.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    @property
    def X(self) -> torch.Tensor:  # noqa: N802
        """All samples."""
        return self.rows.X.as_subclass(TrainingSamples)

    @property
    def y(self) -> torch.Tensor:
        """All targets."""
        return self.rows.y

    def __len__(self) -> int:
        return self.rows.n_rows

    def __getitem__(self, i: int | slice) -> tuple[torch.Tensor, torch.Tensor]:
        if isinstance(i, slice):
            return self.rows.take(torch.arange(len(self))[i])[:2]
        batch = self.rows.take(torch.tensor([i]))
        return batch.X[0], batch.y[0]


# predict answers for these in training units.
IN_TRAINING_UNITS = (RowsDataset, TrainingSamples)


def batch_bounds(n_rows: int, batch_size: int) -> list[tuple[int, int]]:
    """Return the start and stop of each batch.

    A single row left over at the end joins the batch before it: batch normalization has no
    variance over one row, and its gradient would weigh as much as a whole batch's.

    Examples
    --------
    >>> batch_bounds(10, 4), batch_bounds(9, 4), batch_bounds(1, 4)
    ([(0, 4), (4, 8), (8, 10)], [(0, 4), (4, 9)], [(0, 1)])
    """
    starts = list(range(0, n_rows, batch_size))
    if len(starts) > 1 and batch_size > 1 and n_rows - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], n_rows], strict=True))


class TensorLoader:
    """Iterate over rows in batches, in a new random order each time or in their own.

    Parameters
    ----------
    rows : TensorRows, or what offers its rows in the same way
    batch_size : int
    generator : Generator or None, default=None
        Draws the order of each epoch (on the CPU); None keeps the rows' own order.
    """

    def __init__(
        self, rows: Rows, batch_size: int, generator: torch.Generator | None = None
    ) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.bounds = batch_bounds(rows.n_rows, batch_size)
        self._generator = generator
        gathered_bytes = max(1, rows.row_bytes) * batch_size
        self._batches_per_gather = max(1, _GATHER_BYTES // gathered_bytes)

    def __len__(self) -> int:
        return len(self.bounds)

    def draw_order(self) -> torch.Tensor:
        """Return the order of the rows in the next epoch."""
        order = torch.randperm(self.rows.n_rows, generator=self._generator)
        return order.to(self.rows.device)

    def __iter__(self) -> Iterator[TensorRows]:
        if self._generator is None:
            for start, stop in self.bounds:
                yield self.rows.part(start, stop)
            return
        order = self.draw_order()
        for first in range(0, len(self.bounds), self._batches_per_gather):
            bounds = self.bounds[first : first + self._batches_per_gather]
            offset = bounds[0][0]
            gathered = self.rows.take(order[offset : bounds[-1][1]])
            for start, stop in bounds:
                yield gathered.part(start - offset, stop - offset)
