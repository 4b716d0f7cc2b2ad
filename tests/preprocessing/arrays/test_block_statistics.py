"""numpy and the compiled loops take the same sums and extremes of the same blocks."""

import numpy as np
import pytest

from sklearn_trainkit.preprocessing.arrays._block_statistics import (
    CompiledStatistics,
    NumpyStatistics,
)
from sklearn_trainkit.preprocessing.arrays._feature_blocks import FeatureBlocks

SHAPES = {
    "rows side by side": ((700, 3), (1,), "C"),
    "columns": ((700, 3), (1,), "F"),
    "channels in short runs": ((40, 3, 4, 4), (1,), "C"),
    "channels in long runs": ((12, 3, 15, 15), (1,), "C"),
    "two axes that are not neighbours": ((30, 3, 5, 4), (1, 3), "C"),
}


@pytest.fixture(params=["numpy", "compiled"])
def statistics(request):
    if request.param == "numpy":
        return NumpyStatistics()
    pytest.importorskip("numba", reason="numba is not installed")
    from sklearn_trainkit.preprocessing.compiled import _loops

    return CompiledStatistics(_loops)


def make_blocks(name, dtype):
    shape, axes, order = SHAPES[name]
    X = np.random.default_rng(0).normal(5, 2, shape).astype(dtype)
    X[3] = np.nan
    others = tuple(axis for axis in range(X.ndim) if axis not in axes)
    return X, others, FeatureBlocks(np.asarray(X, order=order), axes, block_elements=400)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SHAPES)
def test_sums_are_those_of_the_deviations(statistics, name, dtype):
    X, others, blocks = make_blocks(name, dtype)
    shift = np.linspace(4.0, 6.0, blocks.n_features)
    kept = [X.shape[axis] if axis not in others else 1 for axis in range(X.ndim)]
    deviations = X.astype(np.float64) - shift.reshape(kept)
    group = [blocks.view[index] for index in blocks.slices()]
    assert len(group) > 1
    found = statistics.sum_deviations(blocks, group, shift, None, True)
    np.testing.assert_array_equal(found.missing, np.isnan(X).sum(axis=others).reshape(-1))
    sums, squares = np.nansum(deviations, axis=others), np.nansum(deviations**2, axis=others)
    np.testing.assert_allclose(found.sums, sums.reshape(-1), rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(found.squares, squares.reshape(-1), rtol=1e-12)
    careless = statistics.sum_deviations(blocks, group, shift, None, False)
    assert np.isnan(careless.sums).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SHAPES)
def test_extremes_leave_out_what_is_missing(statistics, name, dtype):
    X, others, blocks = make_blocks(name, dtype)
    low, high = statistics.extremes(blocks)
    assert low.dtype == high.dtype == dtype
    np.testing.assert_array_equal(low, np.nanmin(X, axis=others).reshape(-1))
    np.testing.assert_array_equal(high, np.nanmax(X, axis=others).reshape(-1))


def test_an_infinite_value_shows_in_the_squares(statistics):
    X = np.ones((50, 2))
    X[7, 1] = np.inf
    blocks = FeatureBlocks(X, (1,))
    found = statistics.sum_deviations(blocks, [X], np.zeros(2), None, True)
    assert np.isfinite(found.squares).tolist() == [True, False]
