"""Batches of several networks side by side, each in its own order.

Rows are gathered from each network's own data, some megabytes at a time: the data is not copied as
a whole, and networks that share a tensor of samples go on sharing it.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from sklearn_trainkit.neural_network._tensor_loader import TensorLoader, TensorRows

# All networks together; a processor's second-level cache holds it.
_GATHER_BYTES = 1 << 21


class StackedBatch(NamedTuple):
    """Batches of one size, for the networks from ``first`` to before ``last``.

    Attributes
    ----------
    X : Tensor of shape (m, N, ...)
    y : Tensor of shape (m, N, ...)
    weight : Tensor of shape (m, N) or None
    """

    first: int
    last: int
    X: torch.Tensor
    y: torch.Tensor
    weight: torch.Tensor | None


class StackedLoader:
    """Iterate over the batches of several loaders in step.

    Networks whose batches of a step differ in size (the last of an epoch, where folds differ by a
    row) come in parts, neighbours of one size together; those that have no batch left are left
    out. Order the loaders by their number of rows and there are few parts.

    Parameters
    ----------
    loaders : sequence of TensorLoader
    most : int
        Networks that a part may have.
    """

    def __init__(self, loaders: Sequence[TensorLoader], most: int) -> None:
        self._loaders = list(loaders)
        self._most = most
        self.n_steps = [len(loader) for loader in loaders]
        first = loaders[0].rows.part(0, 1)
        row_bytes = max(1, first.X.nbytes)
        batch_bytes = row_bytes * sum(loader.batch_size for loader in loaders)
        self._steps_per_gather = max(1, _GATHER_BYTES // batch_bytes)

    def __iter__(self) -> Iterator[list[StackedBatch]]:
        orders = [loader.draw_order() for loader in self._loaders]
        for first in range(0, max(self.n_steps), self._steps_per_gather):
            bounds = [
                loader.bounds[first : first + self._steps_per_gather] for loader in self._loaders
            ]
            starts = [own[0][0] if own else 0 for own in bounds]
            gathered = self._gather(
                [
                    order[own[0][0] : own[-1][1]] if own else order[:0]
                    for order, own in zip(orders, bounds, strict=True)
                ]
            )
            for step in itertools.zip_longest(*bounds):
                yield _parts(gathered, step, starts, self._most)

    def _gather(self, indices: Sequence[torch.Tensor]) -> TensorRows:
        """Return the rows of each network, filled up to the longest."""
        n_rows = max(len(index) for index in indices)
        parts = [
            loader.rows.take(index) for loader, index in zip(self._loaders, indices, strict=True)
        ]
        X, y = (_filled([getattr(part, name) for part in parts], n_rows) for name in ("X", "y"))
        weights = [part.weight for part in parts if part.weight is not None]
        return TensorRows(X, y, _filled(weights, n_rows) if weights else None)


def _filled(tensors: Sequence[torch.Tensor], n_rows: int) -> torch.Tensor:
    filled = tensors[0].new_empty((len(tensors), n_rows, *tensors[0].shape[1:]))
    for row, tensor in zip(filled, tensors, strict=True):
        row[: len(tensor)] = tensor
    return filled


def _parts(
    gathered: TensorRows,
    step: Sequence[tuple[int, int] | None],
    starts: Sequence[int],
    most: int,
) -> list[StackedBatch]:
    """Cut one step out of the gathered rows.

    Three networks with the bounds (8, 12), (8, 12), (8, 11) give two parts: networks 0 and 1
    with 4 rows, network 2 with 3.
    """
    local = [
        None if bound is None else (bound[0] - start, bound[1] - start)
        for bound, start in zip(step, starts, strict=True)
    ]
    parts = []
    end = 0
    for bound, run in itertools.groupby(local):
        begin, end = end, end + len(list(run))
        if bound is None:
            continue
        for first, last in itertools.pairwise(_cut_evenly(begin, end, most)):
            rows = slice(first, last), slice(*bound)
            weight = None if gathered.weight is None else gathered.weight[rows]
            parts.append(StackedBatch(first, last, gathered.X[rows], gathered.y[rows], weight))
    return parts


def _cut_evenly(begin: int, end: int, most: int) -> list[int]:
    """Return the ends of pieces of at most ``most``: 0 to 5 by 3 at most is [0, 3, 5]."""
    n_pieces = -(-(end - begin) // most)
    return [begin + -(-(end - begin) * i // n_pieces) for i in range(n_pieces + 1)]
