"""MinMaxScaler keeps its range, agrees with scikit-learn's, and takes every shape."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import MinMaxScaler as SklearnMinMaxScaler
from sklearn.preprocessing import StandardScaler as SklearnStandardScaler

from sklearn_trainkit.exceptions import DriftWarning
from sklearn_trainkit.preprocessing import MinMaxScaler, StandardScaler, smooth_clip

pytestmark = pytest.mark.usefixtures("both_loops")

RANGES = [(0, 1), (-1, 1), (0.1, 0.9), (-3, 7.5), (1e-3, 1e3), (-1, 0)]


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(5, 3, size=(3_000, 6))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int32, np.uint8])
@pytest.mark.parametrize("n_rows", [1, 2, 100, 3_000])
@pytest.mark.parametrize("feature_range", RANGES)
def test_agrees_with_sklearn(X, n_rows, dtype, order, feature_range):
    X = np.asarray((X[:n_rows] * 8).clip(0).astype(dtype), order=order)
    theirs = SklearnMinMaxScaler(feature_range).fit(X)
    ours = MinMaxScaler(feature_range).fit(X)
    for name in ("min_", "scale_", "data_min_", "data_max_", "data_range_"):
        expected, result = getattr(theirs, name), getattr(ours, name)
        assert result.dtype == expected.dtype
        np.testing.assert_allclose(result, expected, rtol=4 * np.finfo(expected.dtype).eps)
    assert ours.n_samples_seen_ == theirs.n_samples_seen_
    expected = theirs.transform(X)
    result = ours.transform(X)
    assert result.dtype == expected.dtype
    width = feature_range[1] - feature_range[0]
    rounding = 40 * np.finfo(result.dtype).eps
    np.testing.assert_allclose(result, expected, rtol=rounding, atol=rounding * width)
    original, reference = ours.inverse_transform(expected), theirs.inverse_transform(expected)
    np.testing.assert_allclose(original, reference, rtol=rounding, atol=100 * rounding)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("feature_range", RANGES)
def test_no_training_row_leaves_the_range(feature_range, dtype):
    rng = np.random.default_rng(0)
    low, high = (dtype(bound) for bound in feature_range)
    for _ in range(300):
        X = (rng.normal(size=(30, 3)) * 10 ** rng.uniform(-6, 6) + rng.normal()).astype(dtype)
        result = MinMaxScaler(feature_range).fit_transform(X)
        assert result.min() == low
        assert result.max() <= high
        assert result.max() >= high - 2 * np.spacing(max(abs(low), abs(high)))


def test_sklearn_does_let_training_rows_out():
    rng = np.random.default_rng(0)
    outside = 0
    for _ in range(300):
        X = rng.normal(size=(30, 3)) * 10 ** rng.uniform(-6, 6) + rng.normal()
        result = SklearnMinMaxScaler().fit_transform(X)
        outside += result.min() < 0 or result.max() > 1
    assert outside > 0


def test_rows_fitted_in_float64_stay_in_range_in_float32(X):
    scaler = MinMaxScaler().fit(X)
    result = scaler.transform(X.astype(np.float32))
    assert result.dtype == np.float32
    assert result.min() == 0
    assert result.max() == 1


@pytest.mark.parametrize("value", [0.1, 1e6 + 0.1, 0.0, -3e300])
def test_a_constant_column_becomes_exactly_the_lower_bound(value):
    X = np.full((1_001, 2), value)
    assert (MinMaxScaler().fit_transform(X) == 0).all()
    assert (MinMaxScaler((-1, 1)).fit_transform(X) == -1).all()


def test_near_constant_columns_follow_the_rule_of_the_standard_scaler():
    X = np.array([[0.0, 1.0, 1.0, 5.0], [1e-16, 1.0 + 2e-16, 1.0 + 1e-15, 5.0 + 1e-12]])
    scaler = MinMaxScaler().fit(X)
    np.testing.assert_array_equal(scaler.scale_ == 1, SklearnStandardScaler().fit(X).scale_ == 1)
    np.testing.assert_array_equal(scaler.scale_ == 1, [False, True, False, False])


def test_a_range_wider_than_the_largest_float():
    X = np.array([[-1.7e308], [0.0], [1.7e308]])
    scaler = MinMaxScaler().fit(X)
    np.testing.assert_allclose(scaler.transform(X).ravel(), [0, 0.5, 1])
    np.testing.assert_allclose(scaler.inverse_transform([[0.0], [0.5], [1.0]]), X, atol=1e292)


def test_a_batch_without_values_leaves_a_feature_as_it_was(X):
    empty = X[:10].copy()
    empty[:, 2] = np.nan
    for batches in ([X[:100], empty], [empty, X[:100]]):
        scaler = MinMaxScaler()
        for batch in batches:
            scaler.partial_fit(batch)
        assert scaler.data_min_[2] == X[:100, 2].min()
        assert scaler.data_max_[2] == X[:100, 2].max()


@pytest.mark.parametrize(
    ("shape", "channel_axis", "others"),
    [
        ((20, 3, 8, 9), 1, (0, 2, 3)),
        ((50, 3, 32, 32), 1, (0, 2, 3)),
        ((20, 8, 9, 3), -1, (0, 1, 2)),
        ((20, 3, 8, 9), (1, 2, 3), (0,)),
        ((20, 3, 8, 9), (1, 3), (0, 2)),
        ((30, 12, 5), 2, (0, 1)),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_shape(shape, channel_axis, others, order):
    X = np.asarray(np.random.default_rng(0).normal(3, 2, shape), order=order)
    scaler = MinMaxScaler(channel_axis=channel_axis).fit(X)
    low, high = X.min(axis=others, keepdims=True), X.max(axis=others, keepdims=True)
    result = scaler.transform(X)
    np.testing.assert_allclose(result, (X - low) / (high - low), atol=1e-14)
    np.testing.assert_allclose(scaler.inverse_transform(result), X, atol=1e-13)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(scaler)).transform(X), result)


def test_known_limits_are_not_set_by_a_dark_batch():
    dark = np.random.default_rng(0).integers(0, 30, size=(8, 1, 28, 28), dtype=np.uint8)
    scaler = MinMaxScaler(data_range=(0, 255), channel_axis=1, dtype="float32").fit(dark)
    result = scaler.transform(dark)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, dark / np.float32(255), rtol=1e-6)
    bright = np.full((1, 1, 28, 28), 255, dtype=np.uint8)
    assert (scaler.transform(bright) == 1).all()
    np.testing.assert_allclose(scaler.inverse_transform(result), dark, atol=1e-4)


@pytest.mark.parametrize("data_range", [(1, 0), (0, 0), (0, np.inf), (1,), (0, 1, 2)])
def test_limits_that_are_none_are_named(data_range):
    with pytest.raises(ValueError, match=r"data_range=.* pass \(min, max\)"):
        MinMaxScaler(data_range=data_range).fit([[1.0], [2.0]])


@pytest.mark.parametrize("feature_range", [(1, 0), (1, 1)])
def test_a_reversed_range_is_refused_in_sklearns_words(feature_range):
    with pytest.raises(ValueError, match="Minimum of desired feature range must be smaller"):
        MinMaxScaler(feature_range).fit([[1.0], [2.0]])


def test_clip(X):
    hard = MinMaxScaler(clip=True).fit(X[:100]).transform(X)
    plain = MinMaxScaler().fit(X[:100]).transform(X)
    np.testing.assert_array_equal(hard, plain.clip(0, 1))
    smooth = MinMaxScaler((-1, 1), clip="smooth").fit(X[:100])
    expected = smooth_clip(MinMaxScaler((-1, 1)).fit(X[:100]).transform(X), -1, 1)
    np.testing.assert_allclose(smooth.transform(X), expected, atol=1e-14)
    assert np.abs(smooth.transform(X * 1e9)).max() <= 1.5


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (-3, 3)])
def test_the_smooth_clip_is_the_documented_formula(low, high):
    values = np.array([-np.inf, -1e300, -7.0, low, 0.3 * high, high, high + 1, 9.0, np.nan])
    margin = (high - low) / 4
    expected = [low - margin, low - margin]
    expected.append(low - margin * (low + 7) / (margin + low + 7))
    expected += [low, 0.3 * high, high, high + margin / (margin + 1)]
    expected += [high + margin * (9 - high) / (margin + 9 - high), np.nan]
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(smooth_clip(values, low, high), expected, rtol=1e-13)
    rising = smooth_clip(np.linspace(low - 5, high + 5, 999), low, high)
    assert (np.diff(rising) > 0).all()


def test_drift_is_told_on_request(X):
    scaler = MinMaxScaler(drift_threshold=0.0).fit(pd.DataFrame(X, columns=list("abcdef")))
    moved = pd.DataFrame(X + 0.0, columns=list("abcdef"))
    moved.loc[:29, "c"] = 1e3
    moved.loc[30:59, "c"] = np.nan
    with pytest.warns(DriftWarning, match=r"c \(1\.0%\)"):
        scaler.transform(moved)
    np.testing.assert_allclose(scaler.out_of_range_share_[2], 30 / 2_970)
    np.testing.assert_allclose(
        MinMaxScaler().fit(X).out_of_range_share(moved.to_numpy()), [0, 0, 30 / 2_970, 0, 0, 0]
    )


@pytest.mark.parametrize("order", ["C", "F"])
def test_in_place(X, order):
    X = X.copy(order=order)
    expected = MinMaxScaler().fit_transform(X)
    result = MinMaxScaler(copy=False).fit(X).transform(X)
    assert np.shares_memory(result, X)
    np.testing.assert_array_equal(X, expected)


def test_infinity_is_refused(X):
    scaler = MinMaxScaler().fit(X)
    X[17, 3] = np.inf
    for call in (scaler.transform, scaler.inverse_transform, MinMaxScaler().fit):
        with pytest.raises(ValueError, match="contains infinity"):
            call(X)
    with pytest.raises(ValueError, match="contains infinity"):
        MinMaxScaler(data_range=(0, 1)).fit(X)


def test_factors_set_by_hand_are_used(X):
    scaler = MinMaxScaler().fit(X)
    scaler.scale_, scaler.min_ = np.full(6, 2.0), np.ones(6)
    np.testing.assert_array_equal(scaler.transform(X), X * 2 + 1)
    np.testing.assert_allclose(scaler.inverse_transform(X * 2 + 1), X)


def test_to_sklearn_has_the_exact_class_and_the_same_output(X):
    scaler = MinMaxScaler((-1, 1), data_range=(0, 20), clip=True).fit(X)
    plain = scaler.to_sklearn()
    assert type(plain) is SklearnMinMaxScaler
    np.testing.assert_allclose(plain.transform(X), scaler.transform(X), atol=1e-14)
    with pytest.raises(ValueError, match="clip='smooth' has no counterpart"):
        MinMaxScaler(clip="smooth").to_sklearn()


def test_threads_change_nothing():
    X = np.random.default_rng(0).normal(5, 3, size=(90_000, 7))
    scaler = MinMaxScaler().fit(X)
    np.testing.assert_array_equal(MinMaxScaler(n_jobs=2).fit(X).transform(X), scaler.transform(X))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n_columns", [1, 15])
def test_fits_in_threads_change_nothing(order, n_columns):
    X = np.asarray(np.random.default_rng(0).normal(5, 3, size=(1_200_000, n_columns)), order=order)
    X[::5, 0] = np.nan
    one = MinMaxScaler().fit(X)
    three = MinMaxScaler(n_jobs=3).fit(X)
    np.testing.assert_array_equal(three.data_min_, one.data_min_)
    np.testing.assert_array_equal(three.data_max_, one.data_max_)
    np.testing.assert_array_equal(one.data_max_, np.nanmax(X, axis=0))
    np.testing.assert_array_equal(three.transform(X[:9]), one.transform(X[:9]))
    X[-1, -1] = np.inf
    with pytest.raises(ValueError, match="contains infinity"):
        three.fit(X)


@pytest.mark.parametrize("feature_range", [(0, 1), (-1, 1), (0, 255), (5, 5.5)])
@pytest.mark.parametrize(
    ("dtype", "width"),
    [(np.float32, w) for w in (1e-6, 1e-30, 1e-42)]
    + [(np.float64, w) for w in (2e-16, 1e-30, 1e-200, 1e-310)],
)
def test_a_tiny_range_is_a_range(dtype, width, feature_range):
    X = (np.linspace(0, 1, 11) * width).astype(dtype).reshape(-1, 1)
    scaler = MinMaxScaler(feature_range).fit(X)
    low, high = feature_range
    expected = low + (high - low) * (X.astype(np.longdouble) / X.max().astype(np.longdouble))
    scaled = scaler.transform(X)
    np.testing.assert_allclose(scaled, expected.astype(float), atol=2e-6 * high)
    assert (scaled.min(), scaled.max()) == (low, high)
    back = scaler.inverse_transform(scaled).astype(np.longdouble) / X.max()
    np.testing.assert_allclose(back.astype(float), np.linspace(0, 1, 11)[:, None], atol=2e-3)


@pytest.mark.parametrize("size", [1e-30, 1e-6, 1.0, 1e8, 1e30])
def test_both_scalers_agree_on_what_is_constant(size):
    base = 0.3 * size
    noise = np.spacing(base) * (np.arange(50) % 3)  # what sums in another order differ by
    X = np.column_stack([np.full(50, base), base + noise, base + np.arange(50) * 1e-9 * size])
    for scaler in (MinMaxScaler(), StandardScaler()):
        np.testing.assert_array_equal(scaler.fit(X).scale_ == 1, [True, True, False])
        np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(X)), X, rtol=1e-15)


def test_a_range_that_float32_cannot_tell_gives_no_nan():
    scaler = MinMaxScaler().fit(np.array([[0.0], [1e-50]]))
    assert scaler.transform(np.zeros((1, 1), dtype=np.float32)) == 0
