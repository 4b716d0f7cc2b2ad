"""Streaming statistics agree with extended-precision references, at least as well as numpy's."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler as SklearnStandardScaler
from sklearn.preprocessing._data import _is_constant_feature

from sklearn_trainkit.preprocessing.arrays._column_moments import ColumnMoments
from sklearn_trainkit.preprocessing.arrays._column_range import column_min_max
from sklearn_trainkit.preprocessing.arrays._feature_blocks import FeatureBlocks, InfiniteValueError

pytestmark = pytest.mark.usefixtures("both_loops")

EXTENDED = np.finfo(np.longdouble).eps < np.finfo(np.float64).eps
RNG = np.random.default_rng(0)


def moments_of(X, axes=(1,)):
    moments = ColumnMoments(int(np.prod([X.shape[axis] for axis in axes])))
    moments.update(X, axes)
    return moments


def reference(X, axes=(1,)):
    others = tuple(axis for axis in range(X.ndim) if axis not in axes)
    wide = X.astype(np.longdouble)
    return np.nanmean(wide, axis=others).ravel(), np.nanstd(wide, axis=others).ravel()


def layouts(X):
    return {
        "C": X,
        "F": np.asfortranarray(X),
        "strided": np.repeat(X, 2, axis=0)[::2],
        "backwards": X[::-1],
    }


@pytest.mark.parametrize("layout", ["C", "F", "strided", "backwards"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("share_missing", [0.0, 0.1])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5003, 7), (1,)),
        ((3, 2000), (1,)),
        ((70_001, 1), (1,)),
        ((40, 3, 17, 19), (1,)),
        ((40, 3, 17, 19), (3,)),
        ((40, 3, 17, 19), (1, 3)),
        ((40, 3, 17, 19), (1, 2, 3)),
        ((50, 30, 4), (2,)),
    ],
)
def test_moments_and_range(shape, axes, dtype, share_missing, layout):
    X = (RNG.standard_normal(shape) * 3 + 5).astype(dtype)
    X[RNG.random(shape) < share_missing] = np.nan
    X = layouts(X)[layout]
    others = tuple(axis for axis in range(X.ndim) if axis not in axes)
    known = (~np.isnan(X)).sum(axis=others).ravel()
    moments = moments_of(X, axes)
    low, high = column_min_max(X, axes)
    np.testing.assert_array_equal(moments.count, known)
    seen = known > 0
    filled_low = np.where(np.isnan(X), np.inf, X).min(axis=others).ravel()
    filled_high = np.where(np.isnan(X), -np.inf, X).max(axis=others).ravel()
    np.testing.assert_array_equal(low[seen], filled_low[seen])
    np.testing.assert_array_equal(high[seen], filled_high[seen])
    with np.errstate(all="ignore"):
        wide = np.where(np.isnan(X), 0, X).astype(np.longdouble)
        mean = wide.sum(axis=others).ravel() / known
        spread = X.astype(np.longdouble) - mean.reshape(
            [s if axis in axes else 1 for axis, s in enumerate(X.shape)]
        )
        variance = np.nansum(spread**2, axis=others).ravel() / known
    np.testing.assert_allclose(moments.mean()[seen], mean[seen].astype(float), rtol=1e-14)
    np.testing.assert_allclose(
        moments.variance()[seen], variance[seen].astype(float), rtol=1e-13, atol=1e-25
    )
    assert np.isnan(moments.mean()[~seen]).all()


@pytest.mark.skipif(not EXTENDED, reason="needs a long double wider than a double")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("mean", "deviation"), [(0, 1), (3, 1), (1e3, 1), (1e6, 1e-2), (-1e8, 1.0), (1e-20, 1e-20)]
)
def test_closer_than_sklearn(mean, deviation, dtype):
    X = (np.random.default_rng(1).standard_normal((200_000, 4)) * deviation + mean).astype(dtype)
    true_mean, true_deviation = reference(X)
    ours = moments_of(X)
    theirs = SklearnStandardScaler().fit(X)
    # Below a few units in the last place, neither is closer than the other.
    ulp = np.finfo(np.float64).eps

    def mean_error(estimate):
        return float(np.max(np.abs(estimate - true_mean) / true_deviation))

    def deviation_error(estimate):
        return float(np.max(np.abs(np.sqrt(estimate) / true_deviation - 1)))

    rounding = ulp * (1 + abs(mean) / deviation)
    assert mean_error(ours.mean()) <= max(mean_error(theirs.mean_), rounding)
    assert deviation_error(ours.variance()) <= max(deviation_error(theirs.var_), 4 * ulp)


@pytest.mark.parametrize("n_chunks", [2, 17, 400])
def test_uneven_chunks_equal_one_pass(n_chunks):
    X = RNG.standard_normal((100_000, 3)) * [1, 1e-2, 1e3] + [0, 1e6, -50]
    X[::9, 2] = np.nan
    whole = moments_of(X)
    parts = ColumnMoments(3)
    cuts = np.sort(RNG.choice(len(X), n_chunks - 1, replace=False))
    for chunk in np.split(X, cuts):
        parts.update(chunk, (1,))
    np.testing.assert_array_equal(parts.count, whole.count)
    gap = np.abs(parts.mean() - whole.mean())
    assert (gap <= 1e-15 * whole.standard_deviation() + np.spacing(whole.mean())).all()
    np.testing.assert_allclose(parts.variance(), whole.variance(), rtol=1e-13)


def test_merged_parts_equal_one_pass():
    X = RNG.standard_normal((9_000, 3)) + np.array([0, 1e6, -50])
    X[:3_000, 0] = np.nan
    whole, left, right = moments_of(X), moments_of(X[:3_000]), moments_of(X[3_000:])
    left.merge(right)
    np.testing.assert_array_equal(left.count, whole.count)
    np.testing.assert_allclose(left.mean(), whole.mean(), rtol=1e-15, atol=1e-16)
    np.testing.assert_allclose(left.variance(), whole.variance(), rtol=1e-13)


@pytest.mark.parametrize(
    ("values", "deviation"),
    [
        ([1e-200, 3e-200], 1e-200),
        ([1e200, 3e200], 1e200),
        ([-1.7e308, 1.7e308], 1.7e308),
        ([5e-324, 15e-324], 5e-324),
        ([1e-300, 1e300], 5e299),
    ],
)
def test_squares_outside_of_float64(values, deviation):
    moments = moments_of(np.repeat(values, 500)[:, np.newaxis])
    np.testing.assert_allclose(moments.standard_deviation(), [deviation], rtol=1e-12)


def test_magnitudes_that_change_on_the_way():
    Z = RNG.standard_normal((40_000, 2)) * 1e-200
    Z[:10_000] = 0
    Z[20_000:] = RNG.standard_normal((20_000, 2)) * 1e-180
    expected = (Z * 1e180).std(axis=0) / 1e180
    np.testing.assert_allclose(moments_of(Z).standard_deviation(), expected, rtol=1e-12)
    Z[38_000:] = RNG.standard_normal((2_000, 2))
    np.testing.assert_allclose(moments_of(Z).variance(), Z.var(axis=0), rtol=1e-12)
    Z[39_000:] *= 1e200
    expected = (Z / 1e200).std(axis=0) * 1e200
    np.testing.assert_allclose(moments_of(Z).standard_deviation(), expected, rtol=1e-12)


@pytest.mark.parametrize("value", [0.1, 1e6 + 0.1, -3.3e-7, 0.0, 1e300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_column_has_its_value_as_mean_and_no_variance(value, dtype):
    if dtype is np.float32 and value > 1e38:
        pytest.skip("beyond float32")
    X = np.full((10_007, 2), value, dtype=dtype)
    moments = ColumnMoments(2)
    for chunk in np.array_split(X, 7):
        moments.update(chunk, (1,))
    np.testing.assert_array_equal(moments.mean(), X[0].astype(float))
    np.testing.assert_array_equal(moments.variance(), [0.0, 0.0])


@pytest.mark.parametrize("mean", [0.0, 1.0, 1e6, 1e9, 1e15])
def test_the_constant_rule_is_sklearns(mean):
    deviations = 10.0 ** np.arange(-12, 3)
    X = RNG.standard_normal((500, len(deviations))) * deviations + mean
    moments = moments_of(X)
    expected = _is_constant_feature(moments.variance(), moments.mean(), 500)
    np.testing.assert_array_equal(moments.is_constant(), expected)


@pytest.mark.parametrize("layout", ["C", "F"])
@pytest.mark.parametrize("bad", [np.inf, -np.inf])
@pytest.mark.parametrize("missing", [False, True])
def test_infinity_is_noticed_anywhere(bad, missing, layout):
    for row in (0, 7_000, 19_999):
        X = RNG.standard_normal((20_000, 5))
        if missing:
            X[::3, 2] = np.nan
        X[row, 2] = bad
        X = layouts(X)[layout]
        with pytest.raises(InfiniteValueError):
            moments_of(X)
        with pytest.raises(InfiniteValueError):
            column_min_max(X, (1,))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.bool_])
def test_integers_are_read_as_they_are(dtype):
    X = RNG.integers(0, 2 if dtype is np.bool_ else 100, size=(300, 3)).astype(dtype)
    np.testing.assert_allclose(moments_of(X).mean(), X.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(moments_of(X).variance(), X.var(axis=0), rtol=1e-13)
    np.testing.assert_array_equal(column_min_max(X, (1,))[1], X.max(axis=0))


@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_cover_every_sample_once(order):
    X = np.asarray(np.arange(10_000.0).reshape(1_000, 10), order=order)
    blocks = FeatureBlocks(X, (1,), block_elements=330)
    visited = np.concatenate([blocks.view[index].ravel() for index in blocks.slices()])
    np.testing.assert_array_equal(np.sort(visited), np.arange(10_000.0))
