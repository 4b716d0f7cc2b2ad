"""Stacked batches against the batches of each loader."""

import pytest
import torch

from sklearn_trainkit.neural_network.batches._tensor_loader import TensorLoader, TensorRows
from sklearn_trainkit.neural_network.modules._mlp_module import MLPModule
from sklearn_trainkit.neural_network.stacking import _stacked_batches
from sklearn_trainkit.neural_network.stacking._stacked_batches import (
    StackedLoader,
    networks_side_by_side,
)


def loaders(sizes, batch_sizes, weighted):
    made = []
    for seed, (n, batch_size) in enumerate(zip(sizes, batch_sizes, strict=True)):
        weight = torch.rand(n) if weighted else None
        rows = TensorRows(torch.randn(n, 3), torch.arange(n), weight)
        made.append(TensorLoader(rows, batch_size, torch.Generator().manual_seed(seed)))
    return made


@pytest.mark.parametrize("gather_bytes", [1, 200, 1 << 21])
@pytest.mark.parametrize("most", [1, 2, 9])
@pytest.mark.parametrize(
    ("sizes", "batch_sizes"),
    [
        ((12, 12, 12), (4, 4, 4)),
        ((11, 12, 13), (4, 4, 4)),
        ((9, 10, 17), (4, 4, 4)),
        ((10, 10, 3), (5, 3, 3)),
        ((5, 5), (5, 5)),
    ],
)
def test_each_network_gets_its_own_batches(monkeypatch, gather_bytes, most, sizes, batch_sizes):
    monkeypatch.setattr(_stacked_batches, "_GATHER_BYTES", gather_bytes)
    monkeypatch.setattr(_stacked_batches, "_LEAST_STEPS", 1)
    seen = [[] for _ in sizes]
    weighted = most == 2
    torch.manual_seed(0)
    for parts in StackedLoader(loaders(sizes, batch_sizes, weighted), most):
        for first, last, X, y, weight in parts:
            assert last - first <= most
            for row in range(first, last):
                own = None if weight is None else weight[row - first]
                seen[row].append(TensorRows(X[row - first], y[row - first], own))
    torch.manual_seed(0)
    for own, loader in zip(seen, loaders(sizes, batch_sizes, weighted), strict=True):
        expected = list(loader)
        assert len(own) == len(expected)
        for one, other in zip(own, expected, strict=True):
            for part, wanted in zip(one, other, strict=True):
                assert (part is None and wanted is None) or torch.equal(part, wanted)


@pytest.mark.parametrize("batch_sizes", [(4, 4, 4), (4, 5, 6)])
def test_networks_that_share_their_samples_are_served_alike(monkeypatch, batch_sizes):
    own = loaders((11, 11, 11), batch_sizes, weighted=True)
    shared = loaders((11, 11, 11), batch_sizes, weighted=True)
    X = torch.randn(11, 3)
    for one, other in zip(own, shared, strict=True):
        one.rows = TensorRows(X.clone(), other.rows.y, other.rows.weight)
        other.rows = TensorRows(X, other.rows.y, other.rows.weight)
    monkeypatch.setattr(_stacked_batches, "_GATHER_BYTES", 200)
    for steps in zip(StackedLoader(own, 9), StackedLoader(shared, 9), strict=True):
        for one, other in zip(*steps, strict=True):
            assert one[:2] == other[:2]
            assert all(map(torch.equal, one[2:], other[2:]))


def test_equal_batches_come_in_one_part():
    steps = list(StackedLoader(loaders((12, 12, 13), (4, 4, 4), False), 9))
    assert [[(part.first, part.last) for part in step] for step in steps] == [
        [(0, 3)],
        [(0, 3)],
        [(0, 2), (2, 3)],
    ]


@pytest.mark.parametrize(
    ("hidden_units", "batch_size", "at_least", "at_most"),
    [
        ((128, 64), 64, 10, 200),
        ((128, 64), 1024, 2, 3),
        ((256, 128), 1024, 1, 1),
        ((512, 512), 64, 5, 20),
        ((512, 512), 1024, 1, 1),
    ],
)
def test_wide_networks_and_large_batches_go_in_smaller_parts(
    hidden_units, batch_size, at_least, at_most
):
    module = MLPModule(50, 5, hidden_units=hidden_units)
    assert at_least <= networks_side_by_side(module, batch_size) <= at_most
