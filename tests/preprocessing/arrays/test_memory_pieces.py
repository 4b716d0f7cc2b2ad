"""Pieces cover the memory once, each with the values of its own features."""

from itertools import pairwise, product

import numpy as np
import pytest

from sklearn_trainkit.preprocessing.arrays._memory_layout import MemoryLayout
from sklearn_trainkit.preprocessing.arrays._memory_pieces import MemoryPieces, segments
from tests.preprocessing.arrays.test_memory_layout import LAYOUTS, features_in_memory


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
