"""Batches of several networks side by side, each in its own order.

Rows are gathered from each network's own data, some megabytes at a time: the data is not copied as
a whole, and networks that share a tensor of samples go on sharing it. How many networks go side by
side is a rule from measurements (``examples/benchmarks/bench_fold_stacking.py``, see
``docs/fold_stacking.md``): on a CPU stacking saves calls, and costs cache, since what a batch
leaves behind for the backward pass is there once per network.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import nn

from sklearn_trainkit.neural_network.batches._tensor_loader import TensorLoader, TensorRows

# All networks together; a processor's second-level cache holds it.
_GATHER_BYTES = 1 << 21
# Even so, a gathering costs calls per network, and serves at least so many steps.
_LEAST_STEPS = 4
# What the networks of a part keep of one batch; beyond that fewer at a time are faster.
_PART_BYTES = 5 << 20


class StackedBatch(NamedTuple):
    """Batches of one size, for the networks from ``first`` to before ``last``.

    Attributes
    ----------
    X : Tensor of shape (m, N, ...)
    y : Tensor of shape (m, N, ...)
    weight : Tensor of shape (m, N), (m, N, n_outputs) or None
    """

    first: int
    last: int
    X: torch.Tensor
    y: torch.Tensor
    weight: torch.Tensor | None


class _Part(NamedTuple):
    """Networks and rows of a batch, in what was gathered."""

    first: int
    last: int
    start: int
    stop: int


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
        self.n_steps = [len(loader) for loader in loaders]
        samples = [loader.rows.X for loader in loaders if isinstance(loader.rows, TensorRows)]
        self._shares_samples = len(samples) == len(loaders) and all(
            X.data_ptr() == samples[0].data_ptr() and X.shape == samples[0].shape for X in samples
        )
        row_bytes = max(1, loaders[0].rows.row_bytes)
        batch_bytes = row_bytes * sum(loader.batch_size for loader in loaders)
        least = _LEAST_STEPS if len(loaders) > 1 else 1
        self._steps_per_gather = max(least, _GATHER_BYTES // batch_bytes)
        self._plan = self._planned(most)

    def __iter__(self) -> Iterator[list[StackedBatch]]:
        orders = [loader.draw_order() for loader in self._loaders]
        for spans, steps in self._plan:
            X, y, weight = self._gather(
                [order[begin:end] for order, (begin, end) in zip(orders, spans, strict=True)]
            )
            for parts in steps:
                yield [
                    StackedBatch(
                        first,
                        last,
                        X[first:last, start:stop],
                        y[first:last, start:stop],
                        None if weight is None else weight[first:last, start:stop],
                    )
                    for first, last, start, stop in parts
                ]

    def _planned(self, most: int) -> list[tuple[list[tuple[int, int]], list[list[_Part]]]]:
        """Return, for each gathering, the rows of each network and the parts of its steps."""
        plan = []
        for begin in range(0, max(self.n_steps), self._steps_per_gather):
            bounds = [
                loader.bounds[begin : begin + self._steps_per_gather] for loader in self._loaders
            ]
            spans = [(own[0][0], own[-1][1]) if own else (0, 0) for own in bounds]
            starts = [start for start, _ in spans]
            steps = [_parts(step, starts, most) for step in itertools.zip_longest(*bounds)]
            plan.append((spans, steps))
        return plan

    def _gather(self, indices: Sequence[torch.Tensor]) -> TensorRows:
        """Return the rows of each network, filled up to the longest."""
        n_rows = max(len(index) for index in indices)
        pairs = list(zip([loader.rows for loader in self._loaders], indices, strict=True))
        if self._shares_samples:
            # One call for all: a hundred networks would need a hundred.
            filled = _filled(indices, n_rows, zeros=True)
            X = self._loaders[0].rows.X[filled]
            y = _filled([rows.y[index] for rows, index in pairs], n_rows)
            weights = [rows.weight[index] for rows, index in pairs if rows.weight is not None]
        else:
            parts = [rows.take(index) for rows, index in pairs]
            X = _filled([part.X for part in parts], n_rows)
            y = _filled([part.y for part in parts], n_rows)
            weights = [part.weight for part in parts if part.weight is not None]
        return TensorRows(X, y, _filled(weights, n_rows) if weights else None)


def _filled(tensors: Sequence[torch.Tensor], n_rows: int, zeros: bool = False) -> torch.Tensor:
    if len(tensors) == 1:
        return tensors[0].unsqueeze(0)
    if all(len(tensor) == n_rows for tensor in tensors):
        return torch.stack(list(tensors))
    shape = (len(tensors), n_rows, *tensors[0].shape[1:])
    filled = tensors[0].new_zeros(shape) if zeros else tensors[0].new_empty(shape)
    for row, tensor in zip(filled, tensors, strict=True):
        row[: len(tensor)] = tensor
    return filled


def _parts(step: Sequence[tuple[int, int] | None], starts: Sequence[int], most: int) -> list[_Part]:
    """Cut one step into parts.

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
        if bound is not None:
            ends = _cut_evenly(begin, end, most)
            parts += [_Part(*pair, *bound) for pair in itertools.pairwise(ends)]
    return parts


def _cut_evenly(begin: int, end: int, most: int) -> list[int]:
    """Return the ends of pieces of at most ``most``: 0 to 5 by 3 at most is [0, 3, 5]."""
    n_pieces = -(-(end - begin) // most)
    return [begin + -(-(end - begin) * i // n_pieces) for i in range(n_pieces + 1)]


def networks_side_by_side(module: nn.Module, batch_size: int) -> int:
    """Return how many networks like ``module`` a part of a step should have at most."""
    first = next(module.parameters())
    if first.device.type != "cpu":
        return 1 << 30
    kept = batch_size * kept_per_row(module) * first.element_size()
    return max(1, _PART_BYTES // max(1, kept))


def kept_per_row(module: nn.Module) -> int:
    """Return about how many numbers a training step keeps of each row.

    Examples
    --------
    >>> kept_per_row(nn.Sequential(nn.Linear(50, 8), nn.ReLU(), nn.Linear(8, 2)))
    78
    """
    weights = [p for p in module.parameters() if p.ndim > 1]
    inputs = weights[0].shape[1] if weights else 0
    # What comes out of a layer and out of its activation, and the logits' gradient.
    return inputs + sum(2 * weight.shape[0] for weight in weights) + 8
