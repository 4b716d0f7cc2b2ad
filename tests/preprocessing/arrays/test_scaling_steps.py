"""Steps reach every element of any layout, and no infinite value slips through."""

import numpy as np
import pytest

from sklearn_trainkit.preprocessing.arrays._scaling_steps import Step, apply_steps

pytestmark = pytest.mark.usefixtures("both_loops")

VIEWS = {
    "C order": lambda X: X,
    "F order": np.asfortranarray,
    "every second row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "rows of an F-ordered table": lambda X: np.asfortranarray(np.vstack([X, X]))[: len(X)],
    "columns of a wider table": lambda X: np.hstack([X, X])[:, : X.shape[1]],
    "reversed": lambda X: X[::-1].copy()[::-1],
}
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def standardize(X, low=None, **options):
    mean, scale = np.arange(X.shape[1]) / 4, 1.0 + np.arange(X.shape[1])

    def steps(dtype):
        found = [Step(np.subtract, mean.astype(dtype)), Step(np.divide, scale.astype(dtype))]
        return found if low is None else [*found, Step(np.maximum, low), Step(np.minimum, -low)]

    options = {"output_dtype": X.dtype, "compute_dtype": X.dtype, **options}
    result = apply_steps(X, (1,), steps, **options)
    return result, (X.astype(np.float64) - mean) / scale


@pytest.mark.parametrize("shape", [(5, 4), (30_001, 3), (40, 3_000), (3, 70_000)])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("n_threads", [1, 3])
def test_every_memory_layout(shape, view, n_threads):
    X = VIEWS[view](np.random.default_rng(0).normal(size=shape[::-1]).astype(np.float32).T)
    for dtype in FLOATS:
        result, expected = standardize(X, output_dtype=dtype, n_threads=n_threads)
        assert result.dtype == dtype
        np.testing.assert_allclose(result, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("shape", [(5, 4), (30_001, 3), (30, 3_000)])
@pytest.mark.parametrize("view", VIEWS)
def test_in_place_whatever_the_layout(shape, view):
    X = VIEWS[view](np.random.default_rng(0).normal(size=shape))
    expected = standardize(X)[1]
    result, _ = standardize(X, in_place=True)
    assert result is X
    np.testing.assert_allclose(X, expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("low", [None, -1.0])
@pytest.mark.parametrize("view", VIEWS)
def test_an_infinity_is_found_wherever_it_is(value, dtype, low, view):
    clean = np.random.default_rng(0).normal(size=(9_001, 3)).astype(dtype)
    clean[77] = np.nan
    for row in (0, 76, 77, 5_000, 9_000):
        X = clean.copy()
        X[row, 1] = value
        with pytest.raises(ValueError, match="infinity"):
            standardize(VIEWS[view](X), low=low)


@pytest.mark.parametrize("dtype", FLOATS)
def test_squares_that_overflow_are_no_infinity(dtype):
    X = np.full((9_000, 3), np.finfo(dtype).max / 8, dtype=dtype)
    result, expected = standardize(X)
    np.testing.assert_allclose(result, expected, rtol=1e-6)
    assert np.isfinite(result).all()


def test_infinities_pass_if_nobody_asks():
    X = np.full((9_000, 3), np.inf)
    assert np.isinf(standardize(X, check_finite=False)[0]).all()
