"""Rows that stay where they are until a batch of them is asked for.

uint8 images, memory maps and torch Datasets are never converted as a whole: a batch is gathered
in its own type and cast on the way to the network.
"""

import warnings
from collections.abc import Sized
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, default_collate

from sklearn_trainkit.neural_network.batches._tensor_loader import TensorRows

# What torch can gather, in the byte order of the machine; other types are converted as a whole.
_CASTABLE = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")


def stays_as_it_is(X: Any) -> bool:
    """Tell whether ``X`` is cast batch by batch: a memory map, or an array of uint8."""
    if isinstance(X, np.memmap):
        return X.dtype.isnative and X.dtype.name in _CASTABLE
    return isinstance(X, np.ndarray) and X.dtype == np.uint8


def is_mapped(array: np.ndarray) -> bool:
    """Tell whether the numbers of ``array`` lie in a file."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return True
        base = base.base
    return False


def shared_tensor(array: np.ndarray) -> torch.Tensor:
    """Return a tensor over the memory of ``array``, read-only or not; nothing writes into it."""
    if array.flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable", category=UserWarning)
        return torch.from_numpy(array)


def dataset_targets(dataset: Any) -> np.ndarray:
    """Return the targets of a torch Dataset of pairs (sample, target).

    ``dataset.targets``, as torchvision's have it, saves reading every sample once, but it is what
    comes before a ``target_transform``.

    Raises
    ------
    ValueError
        If its samples are no pairs.
    """
    if hasattr(dataset, "targets") and getattr(dataset, "target_transform", None) is None:
        return np.asarray(dataset.targets)
    first = dataset[0]
    if not isinstance(first, (tuple, list)) or len(first) < 2:
        raise ValueError(
            f"X={type(dataset).__name__} must have pairs (sample, target) where y=None. Got "
            f"samples of {type(first).__name__} alone; pass y."
        )
    return np.stack([np.asarray(dataset[i][1]) for i in range(len(dataset))])


class SlicedSamples(Dataset):
    """The samples of skorch's ``SliceDataset``, as a torch Dataset of samples alone.

    Parameters
    ----------
    slices : skorch.helper.SliceDataset
    """

    def __init__(self, slices: Any) -> None:
        self._slices = slices

    def __len__(self) -> int:
        return len(self._slices)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.as_tensor(self._slices[index])


class DatasetSource:
    """The samples of a torch Dataset, gathered by index.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        With a length, and samples or pairs (sample, target) of one shape.

    Raises
    ------
    TypeError
        If the data set has no length, or its samples are no tensors, arrays or numbers.
    ValueError
        If it is empty.
    """

    def __init__(self, dataset: Dataset) -> None:
        if not isinstance(dataset, Sized):
            raise TypeError(
                f"X={type(dataset).__name__} must be a torch Dataset with a length, to be split "
                "and shuffled; an IterableDataset is not."
            )
        if not len(dataset):
            raise ValueError(f"X={type(dataset).__name__} must have samples. Got none.")
        self.dataset = dataset
        first = self._sample(0)
        self.dtype = first.dtype
        self.shape = (len(dataset), *first.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def _sample(self, index: int) -> torch.Tensor:
        item = self.dataset[index]
        sample = item[0] if isinstance(item, (tuple, list)) else item
        try:
            return torch.as_tensor(sample)
        except (TypeError, RuntimeError) as error:
            raise TypeError(
                f"X={type(self.dataset).__name__} must have tensors, arrays or numbers as samples. "
                f"Got {type(sample).__name__} for sample {index}."
            ) from error

    def __getitem__(self, index: torch.Tensor) -> torch.Tensor:
        samples = [self._sample(i) for i in index.tolist()]
        for i, sample in zip(index.tolist(), samples, strict=True):
            if sample.shape != self.shape[1:]:
                raise ValueError(
                    f"X={type(self.dataset).__name__} must have samples of one shape. Got "
                    f"{tuple(sample.shape)} for sample {i} and {self.shape[1:]} for the first."
                )
        return default_collate(samples)


def as_source(X: Any) -> "torch.Tensor | DatasetSource":
    """Return what :class:`SourceRows` gathers from."""
    return shared_tensor(X) if isinstance(X, np.ndarray) else X


class SourceRows:
    """Rows of a training or validation part whose samples are gathered and cast on demand.

    The interface of :class:`TensorRows` that loaders need.

    Parameters
    ----------
    source : Tensor or DatasetSource, of n_source samples
    y : Tensor of shape (n, ...)
    weight : Tensor of shape (n,) or None
    dtype : torch.dtype
        Type of the network.
    index : Tensor of shape (n,) or None, default=None
        Which samples of the source; None for all.
    """

    def __init__(
        self,
        source: torch.Tensor | DatasetSource,
        y: torch.Tensor,
        weight: torch.Tensor | None,
        dtype: torch.dtype,
        index: torch.Tensor | None = None,
    ) -> None:
        self.source = source
        self.y = y
        self.weight = weight
        self._dtype = dtype
        self._index = index

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def device(self) -> torch.device:
        """Where batches go."""
        return self.y.device

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.source.shape[1:])

    @property
    def row_bytes(self) -> int:
        """Bytes of one sample once it is cast."""
        return int(np.prod(self.sample_shape)) * self._dtype.itemsize

    @property
    def X(self) -> torch.Tensor:  # noqa: N802
        """All samples, gathered and cast: only for callbacks that ask for them."""
        return self.part(0, self.n_rows).X

    def take(self, index: torch.Tensor) -> TensorRows:
        """Return the rows of ``index``, gathered and cast."""
        places = index.cpu() if self._index is None else self._index[index.cpu()]
        weight = None if self.weight is None else self.weight[index]
        X = self.source[places].to(self.device, self._dtype)
        return TensorRows(X, self.y[index], weight)

    def part(self, start: int, stop: int) -> TensorRows:
        """Return rows ``start`` to ``stop``, gathered and cast."""
        return self.take(torch.arange(start, min(stop, self.n_rows), device=self.device))

    def with_targets(self, y: torch.Tensor) -> "SourceRows":
        """Return the same rows with other targets."""
        return SourceRows(self.source, y, self.weight, self._dtype, self._index)
