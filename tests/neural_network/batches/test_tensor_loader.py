"""Batches: every row once an epoch, in an order that repeats with its generator."""

import pytest
import torch

from sklearn_trainkit.neural_network.batches import _tensor_loader
from sklearn_trainkit.neural_network.batches._tensor_loader import (
    TensorLoader,
    TensorRows,
    batch_bounds,
)


def rows(n, weighted=False):
    X = torch.arange(n, dtype=torch.float32)[:, None].repeat(1, 3)
    return TensorRows(X, torch.arange(n), torch.arange(n) * 10.0 if weighted else None)


@pytest.mark.parametrize("n_rows", [1, 2, 7, 64, 65, 66, 129])
@pytest.mark.parametrize("batch_size", [1, 2, 32, 64])
def test_bounds_cover_all_rows_and_leave_no_single_row(n_rows, batch_size):
    bounds = batch_bounds(n_rows, batch_size)
    assert [i for start, stop in bounds for i in range(start, stop)] == list(range(n_rows))
    if batch_size > 1 and n_rows > 1:
        assert min(stop - start for start, stop in bounds) > 1


@pytest.mark.parametrize("gather_bytes", [1, 200, 1 << 21])
def test_an_epoch_is_a_permutation_and_rows_stay_together(monkeypatch, gather_bytes):
    monkeypatch.setattr(_tensor_loader, "_GATHER_BYTES", gather_bytes)
    loader = TensorLoader(rows(23, weighted=True), 4, torch.Generator().manual_seed(0))
    batches = list(loader)
    y = torch.cat([batch.y for batch in batches])
    assert sorted(y.tolist()) == list(range(23))
    expected = torch.randperm(23, generator=torch.Generator().manual_seed(0))
    assert torch.equal(y, expected)
    for batch in batches:
        assert torch.equal(batch.X[:, 0], batch.y.float())
        assert torch.equal(batch.weight, batch.y * 10.0)
    assert len(loader) == len(batches)


def test_without_a_generator_the_order_is_the_rows_own():
    y = torch.cat([batch.y for batch in TensorLoader(rows(9), 4)])
    assert torch.equal(y, torch.arange(9))
