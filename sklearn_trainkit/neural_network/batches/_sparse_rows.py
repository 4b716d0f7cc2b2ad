"""Rows of sparse matrices, made dense at once if they are few, else a batch at a time."""

from typing import Any

import numpy as np
import torch

from sklearn_trainkit.neural_network.batches._source_rows import DatasetSource

__all__ = ["SparseSource", "dense_rows"]

# Up to this size dense rows are kept: they train as fast as an array does.
_DENSE_BYTES = 1 << 26


def dense_rows(X: Any) -> "np.ndarray | SparseSource":
    """Return a sparse matrix as an array, or as a source of dense batches if that would be large.

    Parameters
    ----------
    X : scipy.sparse matrix or array in CSR format

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> dense_rows(csr_array(np.eye(2)))
    array([[1., 0.],
           [0., 1.]])
    """
    if X.shape[0] * X.shape[1] * X.dtype.itemsize <= _DENSE_BYTES:
        return np.ascontiguousarray(X.toarray())
    return SparseSource(X)


class SparseSource(DatasetSource):
    """The rows of a sparse matrix, gathered by index as dense batches.

    Parameters
    ----------
    matrix : scipy.sparse matrix or array in CSR format
    """

    def __init__(self, matrix: Any) -> None:
        self._matrix = matrix
        self.shape = tuple(matrix.shape)
        self.dtype = torch.from_numpy(np.empty(0, matrix.dtype)).dtype

    def __getitem__(self, index: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(self._matrix[index.numpy()].toarray()))
