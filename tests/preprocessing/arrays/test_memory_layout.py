"""Pieces cover the memory once, each with the values of its own features."""

from itertools import pairwise, product

import numpy as np
import pytest

from sklearn_trainkit.preprocessing.arrays._memory_layout import MemoryLayout, aligned_empty_like
from sklearn_trainkit.preprocessing.arrays._memory_pieces import MemoryPieces, segments

LAYOUTS = {
    "wide inner loop of several rows": ((700, 3), (0, 1), (1,)),
    "left-over rows": ((11, 7), (0, 1), (1,)),
    "rows longer than a piece": ((3, 500), (0, 1), (1,)),
    "columns in a piece": ((9, 40), (1, 0), (1,)),
    "columns longer than a piece": ((333, 4), (1, 0), (1,)),
    "channels of small images": ((8, 3, 4, 4), (0, 1, 2, 3), (1,)),
    "channels of large images": ((4, 3, 20, 20), (0, 1, 2, 3), (1,)),
    "channels last": ((8, 5, 5, 3), (0, 1, 2, 3), (3,)),
    "two axes that are not neighbours": ((8, 3, 5, 4), (0, 1, 2, 3), (1, 3)),
    "pixels": ((4, 2, 6, 5), (0, 1, 2, 3), (1, 2, 3)),
    "samples in the middle of memory": ((6, 4, 50), (1, 0, 2), (1,)),
    "samples last in memory": ((60, 2, 3), (2, 1, 0), (1, 2)),
}


def features_in_memory(shape, order, axes):
    """Return the number of the feature of each element, in memory order."""
    kept = [shape[axis] for axis in axes]
    spread = [size if axis in axes else 1 for axis, size in enumerate(shape)]
    numbers = np.arange(np.prod(kept), dtype=float).reshape(spread)
    return np.broadcast_to(numbers, shape).transpose(order).reshape(-1)


@pytest.mark.parametrize("piece", [64, 200, 4_096])
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_element_meets_the_value_of_its_feature(name, piece):
    shape, order, axes = LAYOUTS[name]
    expected = features_in_memory(shape, order, axes)
    pieces = MemoryPieces(MemoryLayout(shape, order, axes), piece)
    placed = pieces.place(np.arange(expected.max() + 1))
    for start, stop in product((0, 5, 37), (len(expected), len(expected) - 9)):
        found = np.full(len(expected), np.nan)
        previous = start
        for begin, end, form, part in pieces.between(start, stop):
            assert begin == previous
            assert 0 < end - begin <= piece
            found[begin:end] = np.broadcast_to(placed[part], form).reshape(-1)
            previous = end
        assert previous == stop
        np.testing.assert_array_equal(found[start:stop], expected[start:stop])


@pytest.mark.parametrize(("shape", "size"), [((10, 4), 9), ((3, 50), 20), ((4, 3, 6), 7)])
def test_segments_follow_each_other_in_memory(shape, size):
    numbers = np.arange(np.prod(shape)).reshape(shape)
    parts = list(segments(shape, (1, shape[0]), size))
    assert parts[0][1] == numbers[1].flat[0]
    assert parts[-1][2] == numbers.size
    assert all(a[2] == b[1] for a, b in pairwise(parts))
    for index, start, stop in parts:
        np.testing.assert_array_equal(numbers[index].reshape(-1), np.arange(start, stop))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_new_arrays_start_on_a_cache_line_in_the_memory_order_of_the_old(dtype):
    for axes in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        X = np.empty((3, 5, 7)).transpose(axes)
        new = aligned_empty_like(X, np.dtype(dtype))
        assert new.shape == X.shape
        assert new.dtype == dtype
        assert np.argsort(new.strides).tolist() == np.argsort(X.strides).tolist()
        assert new.ctypes.data % 64 == 0
