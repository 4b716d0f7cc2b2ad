"""Values per feature are laid out to match memory, and gathered from it."""

import numpy as np
import pytest

from sklearn_trainkit.preprocessing.arrays._memory_layout import MemoryLayout, aligned_empty_like

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


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_is_laid_out_is_gathered_again(name):
    shape, order, axes = LAYOUTS[name]
    layout = MemoryLayout(shape, order, axes)
    of_memory = features_in_memory(shape, order, axes).reshape(layout.shape)
    numbers = np.arange(float(layout.n_features))
    np.testing.assert_array_equal(np.broadcast_to(layout.spread(numbers), layout.shape), of_memory)
    runs = layout.along_runs(numbers, layout.shape)
    assert len(runs) == layout.n_runs(layout.shape)
    np.testing.assert_array_equal(np.repeat(runs, layout.run), of_memory.reshape(-1))
    np.testing.assert_array_equal(layout.gather_runs(np.maximum, runs, layout.shape), numbers)
    if order[0] == 0:  # the pattern repeats with every row
        row = layout.along_row(numbers, 2)
        np.testing.assert_array_equal(row, of_memory.reshape(-1)[: 2 * layout.period])
        times = 2 * layout.period / layout.n_features
        np.testing.assert_allclose(layout.gather_row(np.add, row), numbers * times)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_new_arrays_start_on_a_cache_line_in_the_memory_order_of_the_old(dtype):
    for axes in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        X = np.empty((3, 5, 7)).transpose(axes)
        new = aligned_empty_like(X, np.dtype(dtype))
        assert new.shape == X.shape
        assert new.dtype == dtype
        assert np.argsort(new.strides).tolist() == np.argsort(X.strides).tolist()
        assert new.ctypes.data % 64 == 0
