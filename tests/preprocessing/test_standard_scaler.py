"""StandardScaler against scikit-learn's, the formula by hand, and every shape."""

import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.callback.tests._utils import RecordingCallback
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler as SklearnStandardScaler

from sklearn_trainkit.exceptions import DriftWarning
from sklearn_trainkit.preprocessing import MinMaxScaler, StandardScaler, smooth_clip

pytestmark = pytest.mark.usefixtures("both_loops")


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(5, 3, size=(3_000, 6))


def by_hand(X, axes):
    others = tuple(axis for axis in range(X.ndim) if axis not in axes)
    wide = X.astype(np.float64)
    mean = np.nanmean(wide, axis=others, keepdims=True)
    return (wide - mean) / np.nanstd(wide, axis=others, keepdims=True)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int32, np.uint8])
@pytest.mark.parametrize("n_rows", [1, 2, 100, 3_000])
@pytest.mark.parametrize("with_mean", [True, False])
@pytest.mark.parametrize("with_std", [True, False])
def test_agrees_with_sklearn(X, n_rows, dtype, order, with_mean, with_std):
    X = np.asarray((X[:n_rows] * 8).clip(0).astype(dtype), order=order)
    theirs = SklearnStandardScaler(with_mean=with_mean, with_std=with_std).fit(X)
    ours = StandardScaler(with_mean=with_mean, with_std=with_std).fit(X)
    for name in ("mean_", "var_", "scale_"):
        if getattr(theirs, name) is None:
            assert getattr(ours, name) is None
        else:
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-11)
    assert ours.n_samples_seen_ == theirs.n_samples_seen_
    expected = theirs.transform(X)
    result = ours.transform(X)
    assert result.dtype == expected.dtype
    tolerance = {2: 2e-2, 4: 2e-6, 8: 1e-12}[result.dtype.itemsize]
    np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)
    original, reference = ours.inverse_transform(expected), theirs.inverse_transform(expected)
    np.testing.assert_allclose(original, reference, rtol=tolerance, atol=50 * tolerance)


@pytest.mark.parametrize(
    ("shape", "channel_axis", "axes"),
    [
        ((20, 3, 8, 9), 1, (1,)),
        ((20, 3, 8, 9), (1,), (1,)),
        ((20, 8, 9, 3), -1, (3,)),
        ((50, 3, 32, 32), 1, (1,)),
        ((20, 3, 8, 9), (1, 2, 3), (1, 2, 3)),
        ((20, 3, 8, 9), (-1, 1), (1, 3)),
        ((30, 12, 5), 2, (2,)),
        ((30, 5), 1, (1,)),
        ((9, 2, 3, 4, 5), 1, (1,)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_shape(shape, channel_axis, axes, dtype, order):
    X = np.asarray(np.random.default_rng(0).normal(3, 2, shape).astype(dtype), order=order)
    scaler = StandardScaler(channel_axis=channel_axis).fit(X)
    result = scaler.transform(X)
    assert result.shape == X.shape
    assert result.dtype == dtype
    np.testing.assert_allclose(
        result, by_hand(X, axes), atol=1e-5 if dtype == np.float32 else 1e-12
    )
    np.testing.assert_allclose(scaler.inverse_transform(result), X, rtol=1e-4, atol=1e-5)
    assert scaler.n_features_in_ == np.prod(scaler.feature_shape_) == len(scaler.mean_)
    again = pickle.loads(pickle.dumps(scaler))
    np.testing.assert_array_equal(again.transform(X), result)


def test_padding_of_sequences_is_left_alone():
    X = np.random.default_rng(0).normal(3, 2, (40, 12, 3))
    for row, length in enumerate(np.arange(40) % 12 + 1):
        X[row, length:] = np.nan
    result = StandardScaler(channel_axis=-1).fit_transform(X)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(X))
    np.testing.assert_allclose(np.nanmean(result, axis=(0, 1)), 0, atol=1e-14)
    np.testing.assert_allclose(np.nanstd(result, axis=(0, 1)), 1, rtol=1e-13)


def test_images_in_batches_equal_images_at_once():
    X = np.random.default_rng(0).normal(3, 2, (60, 3, 8, 8))
    whole = StandardScaler(channel_axis=1).fit(X)
    batched = StandardScaler(channel_axis=1)
    for batch in np.array_split(X, 7):
        batched.partial_fit(batch)
    np.testing.assert_allclose(batched.mean_, whole.mean_, rtol=1e-14)
    np.testing.assert_allclose(batched.var_, whole.var_, rtol=1e-13)


def test_weights_by_channel_count_for_every_pixel():
    X = np.random.default_rng(0).normal(3, 2, (10, 3, 4, 4))
    weight = np.arange(1.0, 11.0)
    scaler = StandardScaler(channel_axis=1).fit(X, sample_weight=weight)
    expected = np.average(X.mean(axis=(2, 3)), axis=0, weights=weight)
    np.testing.assert_allclose(scaler.mean_, expected)
    assert scaler.feature_shape_ == (3,)


def test_a_batch_without_values_leaves_a_feature_as_it_was(X):
    scaler = StandardScaler().fit(X[:100])
    mean, variance = scaler.mean_.copy(), scaler.var_.copy()
    empty = X[:10].copy()
    empty[:, 2] = np.nan
    scaler.partial_fit(empty)
    assert scaler.mean_[2] == mean[2]
    assert scaler.var_[2] == variance[2]
    first_empty = StandardScaler().partial_fit(empty).partial_fit(X[:100])
    np.testing.assert_allclose(first_empty.mean_[2], mean[2], rtol=1e-15)
    np.testing.assert_array_equal(first_empty.n_samples_seen_, [110, 110, 100, 110, 110, 110])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.1, 1e6 + 0.1, -3.3e-7, 0.0])
def test_a_constant_column_becomes_exactly_zero(value, dtype):
    X = np.full((1_001, 2), value, dtype=dtype)
    scaler = StandardScaler()
    for batch in np.array_split(X, 3):
        scaler.partial_fit(batch)
    assert (scaler.transform(X) == 0).all()
    np.testing.assert_array_equal(scaler.scale_, [1, 1])


def test_float32_far_from_zero_keeps_its_digits():
    X = (np.random.default_rng(0).standard_normal((20_000, 2)) * 0.5 + 1e6 + 0.013).astype("f4")
    expected = by_hand(X, (1,))
    assert np.abs(StandardScaler().fit_transform(X) - expected).max() < 1e-5
    assert np.abs(SklearnStandardScaler().fit_transform(X) - expected).max() > 1e-2


@pytest.mark.parametrize("scale", [1e-200, 1e200, 1e307])
def test_subnormal_and_huge_values(scale):
    unit = np.random.default_rng(0).uniform(-8, 8, (500, 2))
    result = StandardScaler().fit_transform(unit * scale)
    np.testing.assert_allclose(result, by_hand(unit, (1,)), rtol=1e-10, atol=1e-12)
    scaler = StandardScaler().fit(unit * scale)
    np.testing.assert_allclose(scaler.inverse_transform(result), unit * scale, rtol=1e-10)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_frames(X, make):
    names = [f"f{i}" for i in range(6)]
    frame = make(dict(zip(names, X.T, strict=True)))
    scaler = StandardScaler().fit(frame)
    np.testing.assert_array_equal(scaler.feature_names_in_, names)
    expected = SklearnStandardScaler().fit_transform(X)
    np.testing.assert_allclose(scaler.transform(frame), expected, atol=1e-12)
    for output in ("pandas", "polars"):
        result = scaler.set_output(transform=output).transform(frame)
        assert list(result.columns) == names
        np.testing.assert_allclose(result.to_numpy(), expected, atol=1e-12)


def test_frames_whose_columns_are_numbered(X):
    frame = pd.DataFrame(X)
    scaler = StandardScaler().fit(frame)
    assert not hasattr(scaler, "feature_names_in_")
    expected = SklearnStandardScaler().fit_transform(X)
    for data in (frame, X, pd.DataFrame(X, columns=range(1, 7))):
        np.testing.assert_allclose(scaler.transform(data), expected, atol=1e-12)
    with pytest.warns(UserWarning, match="fitted without feature names"):
        scaler.transform(pd.DataFrame(X, columns=list("abcdef")))


def test_frames_of_several_kinds_of_columns_agree_with_sklearn():
    frame = pd.DataFrame(
        {"a": [1, 2, 4], "b": [0.5, np.nan, 2], "c": pd.array([1, None, 3], dtype="Float64")}
    )
    np.testing.assert_allclose(
        StandardScaler().fit_transform(frame), SklearnStandardScaler().fit_transform(frame)
    )


def test_a_frame_with_other_columns_is_refused(X):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    scaler = StandardScaler().fit(frame)
    with pytest.raises(ValueError, match="unseen at fit time:\n- z"):
        scaler.transform(frame.rename(columns={"a": "z"}))
    with pytest.raises(ValueError, match="same order"):
        scaler.transform(frame[list("bacdef")])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        scaler.transform(X)
    restored = pickle.loads(pickle.dumps(scaler))
    np.testing.assert_array_equal(restored.transform(frame), scaler.transform(frame))
    with pytest.raises(ValueError, match="same order"):
        restored.transform(frame[list("bacdef")])


@pytest.mark.parametrize(("dtype", "expected"), [("float32", "f4"), (np.float64, "f8")])
@pytest.mark.parametrize("given", [np.float32, np.float64, np.int16])
def test_dtype_of_the_output(X, dtype, expected, given):
    X = X.astype(given)
    result = StandardScaler(dtype=dtype).fit(X).transform(X)
    assert result.dtype == np.dtype(expected)
    np.testing.assert_allclose(result, by_hand(X, (1,)), atol=2e-6)
    assert StandardScaler(dtype=dtype).__sklearn_tags__().transformer_tags.preserves_dtype == []


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n_rows", [10, 3_000])
def test_in_place(X, n_rows, order):
    X = np.asarray(X[:n_rows], order=order).copy(order=order)
    scaler = StandardScaler(copy=False).fit(X)
    expected = StandardScaler().fit(X).transform(X)
    result = scaler.transform(X)
    assert np.shares_memory(result, X)
    np.testing.assert_array_equal(X, expected)
    scaler.inverse_transform(X)
    assert abs(X.mean() - 5) < 0.5
    original = X.copy()
    scaler.transform(X, copy=True)
    np.testing.assert_array_equal(X, original)


def test_infinity_leaves_an_array_in_place_untouched(X):
    scaler = StandardScaler(copy=False).fit(X)
    X[-1, -1] = np.inf
    before = X.copy()
    with pytest.raises(ValueError, match="Input X contains infinity"):
        scaler.transform(X)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("n_rows", [3, 20_000])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_infinity_is_refused_everywhere(n_rows, missing, order):
    X = np.asarray(np.random.default_rng(0).normal(size=(n_rows, 5)), order=order)
    scaler = StandardScaler().fit(X)
    if missing:
        X[::2, 1] = np.nan
    X[-1, 1] = -np.inf
    with np.errstate(all="raise", under="ignore"):
        for call in (scaler.transform, scaler.inverse_transform, StandardScaler().fit):
            with pytest.raises(ValueError, match="contains infinity"):
                call(X)


def test_clip_to_the_fitted_range(X):
    scaler = StandardScaler(clip=True).fit(X[:1_000])
    low, high = X[:1_000].min(axis=0), X[:1_000].max(axis=0)
    np.testing.assert_allclose(
        scaler.inverse_transform(scaler.transform(X)), np.clip(X, low, high), atol=1e-12
    )
    inside = scaler.transform(X[:1_000])
    np.testing.assert_array_equal(inside, StandardScaler().fit(X[:1_000]).transform(X[:1_000]))


def test_clip_set_after_fit_asks_for_another_fit(X):
    with pytest.raises(ValueError, match="fit again, or set clip_limit"):
        StandardScaler().fit(X).set_params(clip=True).transform(X)


def test_clip_to_a_limit(X):
    plain = StandardScaler().fit_transform(X)
    hard = StandardScaler(clip=True, clip_limit=1.5).fit_transform(X)
    np.testing.assert_array_equal(hard, np.clip(plain, -1.5, 1.5))
    smooth = StandardScaler(clip="smooth", clip_limit=1.5).fit_transform(X)
    np.testing.assert_allclose(smooth, smooth_clip(plain, -1.5, 1.5), rtol=1e-13)
    default = StandardScaler(clip="smooth").fit(X).transform(X * 1e6)
    assert np.abs(default).max() < 4.5


def test_drift_is_told_on_request_only(X):
    scaler = StandardScaler(drift_threshold=0.2).fit(X)
    scaler.transform(X)
    np.testing.assert_array_equal(scaler.out_of_range_share_, np.zeros(6))
    moved = X.copy()
    moved[:1_500, 3] += 100
    with pytest.warns(DriftWarning, match=r"1 of 6 features.*x3 \(50.0%\)"):
        scaler.transform(moved)
    np.testing.assert_allclose(scaler.out_of_range_share_, [0, 0, 0, 0.5, 0, 0])
    np.testing.assert_allclose(scaler.out_of_range_share(moved), [0, 0, 0, 0.5, 0, 0])
    with pytest.raises(AttributeError, match="drift_threshold"):
        StandardScaler().fit(X).out_of_range_share(X)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("channel_axis", [None, 1])
def test_threads_change_nothing_but_rounding(channel_axis, order):
    X = np.asarray(np.random.default_rng(0).normal(5, 3, size=(90_000, 15)), order=order)
    X[::5, 2] = np.nan
    one = StandardScaler(channel_axis=channel_axis).fit(X)
    two = StandardScaler(channel_axis=channel_axis, n_jobs=2).fit(X)
    np.testing.assert_allclose(two.mean_, one.mean_, rtol=1e-14)
    np.testing.assert_allclose(two.var_, one.var_, rtol=1e-13)
    np.testing.assert_allclose(two.transform(X), one.transform(X), rtol=1e-11, atol=1e-13)
    X[80_000, 1] = np.inf
    for call in (two.transform, two.fit):
        with pytest.raises(ValueError, match="contains infinity"):
            call(X)


def test_to_sklearn_has_the_exact_class_and_the_same_output(X):
    scaler = StandardScaler().fit(pd.DataFrame(X, columns=list("abcdef")))
    plain = scaler.to_sklearn()
    assert type(plain) is SklearnStandardScaler
    np.testing.assert_allclose(
        plain.transform(pd.DataFrame(X, columns=list("abcdef"))),
        scaler.transform(pd.DataFrame(X, columns=list("abcdef"))),
        rtol=1e-12,
        atol=1e-14,
    )
    assert type(StandardScaler().to_sklearn()) is SklearnStandardScaler
    with pytest.raises(ValueError, match="channel_axis=1 has no counterpart"):
        StandardScaler(channel_axis=1).to_sklearn()


@pytest.mark.parametrize("how", ["sparse", "callbacks", "table with callbacks"])
@pytest.mark.parametrize("magnitude", [1e200, 1e-200])
def test_numbers_whose_squares_leave_the_range_are_exact_or_refused(how, magnitude):
    rows = np.random.RandomState(0).rand(20, 3)
    large = rows * [1.0, magnitude, 1.0]
    dense = StandardScaler().fit(large)
    np.testing.assert_allclose(dense.scale_, rows.std(axis=0) * [1.0, magnitude, 1.0])

    def given(X):
        return csr_array(X) if how == "sparse" else pd.DataFrame(X) if "table" in how else X

    scaler = StandardScaler(with_mean=how != "sparse")
    if how != "sparse":
        scaler.set_callbacks(RecordingCallback())
    with pytest.raises(ValueError, match=r"squares of column 1, .* leave the range of float64"):
        scaler.fit(given(large))
    assert not hasattr(scaler, "scale_")
    scaler.partial_fit(given(rows))
    before = {key: np.copy(value) for key, value in vars(scaler).items() if key.endswith("_")}
    with pytest.raises(ValueError, match="squares of column 1"):
        scaler.partial_fit(given(rows * [1.0, 1e200, 1.0]))
    for key, value in before.items():
        np.testing.assert_array_equal(getattr(scaler, key), value)
    zeros = given(np.zeros((4, 3)))
    assert scaler.fit(zeros).scale_.tolist() == [1.0, 1.0, 1.0]


def test_sparse_input_takes_sklearns_way(X):
    sparse = csr_array(np.where(X > 5, X, 0))
    ours = StandardScaler(with_mean=False).fit(sparse)
    theirs = SklearnStandardScaler(with_mean=False).fit(sparse)
    np.testing.assert_array_equal(
        ours.transform(sparse).toarray(), theirs.transform(sparse).toarray()
    )
    with pytest.raises(ValueError, match="clip=True does not support sparse"):
        StandardScaler(with_mean=False, clip=True, clip_limit=2).fit(sparse).transform(sparse)
    with pytest.raises(ValueError, match=r"drift_threshold=0\.1 does not support sparse"):
        StandardScaler(with_mean=False, drift_threshold=0.1).fit(sparse)


def test_weighted_and_unweighted_batches_mix(X):
    """scikit-learn's truncates the sum of weights to an integer before the second batch."""
    weight = np.linspace(0.5, 2, 100)
    scaler = StandardScaler().partial_fit(X[:100], sample_weight=weight).partial_fit(X[100:300])
    expected = average(X[:300], np.concatenate([weight, np.ones(200)]))
    assert_statistics(scaler, *expected)
    np.testing.assert_allclose(scaler.n_samples_seen_, weight.sum() + 200)


def average(X, weight):
    mean = np.average(X, axis=0, weights=weight)
    return mean, np.average((X - mean) ** 2, axis=0, weights=weight)


def assert_statistics(scaler, mean, variance, rtol=1e-13):
    np.testing.assert_allclose(scaler.mean_, mean, rtol=rtol)
    np.testing.assert_allclose(scaler.var_, variance, rtol=rtol)
    np.testing.assert_allclose(scaler.scale_, np.sqrt(variance), rtol=rtol)


@pytest.mark.parametrize(
    ("dtype", "size"),
    [(np.float32, size) for size in (1e-30, 1.0, 1e30)]
    + [(np.float64, size) for size in (1e-200, 1.0, 1e160, 1e200)],
)
@pytest.mark.parametrize("weight", [1.0, 3e-300, 1e-5, 7e9, 1e300])
def test_equal_weights_equal_none_at_every_magnitude(dtype, size, weight):
    X = (np.random.default_rng(0).normal(0.5, size=(200, 3)) * size).astype(dtype)
    X[::7, 1] = np.nan
    plain, weighted = StandardScaler().fit(X), StandardScaler()
    weighted.partial_fit(X[:50], sample_weight=np.full(50, weight))
    weighted.partial_fit(X[50:], sample_weight=np.full(150, weight))
    np.testing.assert_allclose(weighted.mean_, plain.mean_, rtol=1e-13)
    np.testing.assert_allclose(weighted.scale_, plain.scale_, rtol=1e-13)
    np.testing.assert_allclose(weighted.n_samples_seen_ / weight, plain.n_samples_seen_)
    np.testing.assert_allclose(np.nanstd(weighted.transform(X), axis=0), 1, rtol=1e-5)


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e160])
@pytest.mark.parametrize("channel_axis", [None, 1])
def test_weights_are_repeated_rows_and_zero_is_none(size, channel_axis):
    rng = np.random.default_rng(0)
    X = rng.normal(3, size=(60, 2, 4) if channel_axis else (60, 2)) * size
    weight = rng.integers(0, 4, 60)
    scaler = StandardScaler(channel_axis=channel_axis).fit(X, sample_weight=weight)
    repeated = StandardScaler(channel_axis=channel_axis).fit(np.repeat(X, weight, axis=0))
    np.testing.assert_allclose(scaler.mean_, repeated.mean_, rtol=1e-13)
    np.testing.assert_allclose(scaler.scale_, repeated.scale_, rtol=1e-13)
    X[weight == 0] *= 1e30
    again = StandardScaler(channel_axis=channel_axis).fit(X, sample_weight=weight)
    np.testing.assert_array_equal(again.scale_, scaler.scale_)


@pytest.mark.parametrize("weight", [1e-12, 1.0, 1e20])
def test_what_counts_as_constant_does_not_depend_on_the_unit_of_weights(weight):
    X = np.column_stack([np.full(50, 0.3), 0.3 + np.arange(50) * 1e-6])
    scaler = StandardScaler().fit(X, sample_weight=np.full(50, weight))
    assert (scaler.transform(X)[:, 0] == 0).all()
    np.testing.assert_allclose(scaler.transform(X)[:, 1].std(), 1)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.zeros(10), "at least one non-zero number"),
        (np.linspace(-1, 1, 10), "Negative values"),
        (np.full(10, np.nan), "sample_weight contains NaN"),
        (np.ones(9), "sample_weight.shape"),
    ],
)
def test_weights_that_mean_nothing_are_refused(weight, message):
    with pytest.raises(ValueError, match=message):
        StandardScaler().fit(np.zeros((10, 1)), sample_weight=weight)


def test_a_weighted_fit_goes_on_from_a_pickle():
    X = np.random.default_rng(0).normal(5, 2, size=(100, 2))
    weight = np.linspace(0.5, 2, 100)
    scaler = StandardScaler().partial_fit(X[:50], sample_weight=weight[:50])
    scaler = pickle.loads(pickle.dumps(scaler)).partial_fit(X[50:], sample_weight=weight[50:])
    assert_statistics(scaler, *average(X, weight))


def test_statistics_set_by_hand_are_used(X):
    scaler = StandardScaler().fit(X)
    scaler.mean_ = np.zeros(6)
    scaler.scale_ = np.full(6, 2.0)
    np.testing.assert_array_equal(scaler.transform(X), X / 2)


def test_pickles_and_dumps_carry_on(X, tmp_path):
    scaler = StandardScaler().partial_fit(X[:1_000])
    joblib.dump(scaler, tmp_path / "scaler.joblib")
    for restored in (pickle.loads(pickle.dumps(scaler)), joblib.load(tmp_path / "scaler.joblib")):
        restored.partial_fit(X[1_000:])
        np.testing.assert_allclose(restored.mean_, X.mean(axis=0), rtol=1e-14)


@pytest.mark.parametrize(
    ("parameters", "shape", "message"),
    [
        ({}, (4, 3, 2), "Found array with dim 3"),
        ({"channel_axis": 0}, (4, 3, 2), "axis 0, which holds the samples"),
        ({"channel_axis": 3}, (4, 3, 2), r"channel_axis=3 names axis 3, but X has 3 dimensions"),
        ({"channel_axis": (1, -2)}, (4, 3, 2), "more than once"),
        ({"channel_axis": ("a",)}, (4, 3, 2), "pass None, an int, or a tuple of int"),
        ({"channel_axis": 1.5}, (4, 3, 2), "The 'channel_axis' parameter"),
        ({"clip": "hard"}, (4, 3), "The 'clip' parameter"),
        ({"clip_limit": -1.0}, (4, 3), "The 'clip_limit' parameter"),
        ({"dtype": "int8"}, (4, 3), "The 'dtype' parameter"),
        ({"drift_threshold": 2}, (4, 3), "The 'drift_threshold' parameter"),
        ({}, (0, 3), "Found array with 0 sample"),
        ({"channel_axis": 1}, (0, 3, 2), "Found array with 0 sample"),
    ],
)
def test_bad_input_is_named(parameters, shape, message):
    with pytest.raises(ValueError, match=message):
        StandardScaler(**parameters).fit(np.ones(shape))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([["a", 1.0]], "could not convert string to float: 'a'"),
        (np.ones((2, 2), dtype=complex), "Complex data not supported"),
        (np.ones(3), "Expected 2D array, got 1D array"),
    ],
)
def test_bad_values_are_refused_in_sklearns_words(X, message):
    with pytest.raises(ValueError, match=message):
        StandardScaler().fit(X)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler()])
def test_columns_without_numbers_are_named(make, scaler):
    frame = make({"width": [1.0, 2.0], "colour": ["red", "blue"], "n": [1, 2]})
    with pytest.raises(ValueError, match=r"Columns that do not hold numbers: 'colour'\. Encode"):
        scaler.fit(frame)


def test_another_number_of_features_is_refused(X):
    with pytest.raises(ValueError, match="X has 5 features, but StandardScaler is expecting 6"):
        StandardScaler().fit(X).transform(X[:, :5])
    images = StandardScaler(channel_axis=1).fit(np.ones((2, 3, 4, 4)))
    with pytest.raises(ValueError, match=r"X has 4 features \(shape \(4,\) along channel_axis=1"):
        images.transform(np.ones((2, 4, 4, 4)))


def test_works_in_a_pipeline_on_the_fast_way(X):
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, X[:, 0] > 5)
    assert model.score(X, X[:, 0] > 5) > 0.95
    assert "_moments" in model[0].__dict__
    assert clone(model[0]).get_params() == StandardScaler().get_params()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("value", [1e300, -1e-310, 5.0])
def test_one_row_is_constant_whatever_its_size(value, order):
    row = np.array([[value, np.nan, 0.0]], order=order)
    scaler = StandardScaler().fit(row)
    np.testing.assert_array_equal(scaler.mean_, [value, np.nan, 0.0])
    np.testing.assert_array_equal(scaler.var_, [0.0, np.nan, 0.0])
    np.testing.assert_array_equal(scaler.n_samples_seen_, [1, 0, 1])
    np.testing.assert_array_equal(scaler.transform(row), [[0.0, np.nan, 0.0]])
    scaler.partial_fit([[value, 2.0, 4.0]])
    np.testing.assert_array_equal(scaler.mean_, [value, 2.0, 2.0])
    np.testing.assert_array_equal(scaler.scale_, [1.0, 1.0, 2.0])


def test_infinity_in_one_row_is_refused():
    with pytest.raises(ValueError, match="infinity"):
        StandardScaler().fit([[1.0, np.inf]])


@pytest.mark.parametrize("make", [StandardScaler, MinMaxScaler])
def test_small_calls_see_statistics_changed_in_place(make, X):
    scaler = make().fit(X)
    before = scaler.transform(X[:1]).copy()
    name = "mean_" if make is StandardScaler else "data_min_"
    getattr(scaler, name)[0] += 1
    after = scaler.transform(X[:1])
    assert after[0, 0] != before[0, 0]
    np.testing.assert_array_equal(after[0, 1:], before[0, 1:])


@pytest.mark.parametrize("make", [StandardScaler, MinMaxScaler])
def test_small_calls_see_parameters_changed_after_fit(make, X):
    scaler = make().fit(X)
    unclipped = scaler.transform(X[:1] + 1e6)
    scaler.set_params(clip=True, **({"clip_limit": 2.0} if make is StandardScaler else {}))
    assert (scaler.transform(X[:1] + 1e6) < unclipped).all()
    again = pickle.loads(pickle.dumps(scaler))
    np.testing.assert_array_equal(again.transform(X[:1]), scaler.transform(X[:1]))


@pytest.mark.parametrize("make", [StandardScaler, MinMaxScaler])
def test_names_of_features_come_and_go_with_the_data(make, X):
    names = [f"f{i}" for i in range(X.shape[1])]
    scaler = make().fit(pd.DataFrame(X, columns=names))
    assert scaler.feature_names_in_.tolist() == names
    assert scaler.feature_names_in_.dtype == object
    assert not hasattr(scaler.fit(X), "feature_names_in_")
    assert not hasattr(scaler.fit(pd.DataFrame(X)), "feature_names_in_")  # numbered columns
    mixed = pd.DataFrame(X, columns=[0, *names[1:]])
    with pytest.raises(TypeError, match="string names"):
        scaler.fit(mixed)


@pytest.mark.parametrize("size", [1e-200, 1e160, 1e200])
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_sparse_columns_whose_squares_are_no_numbers_are_refused(X, size):
    columns = csr_array(X[:20, :3] * [1, size, 0])
    with pytest.raises(ValueError, match=r"column 1, of numbers up to 1e.* range of float64"):
        StandardScaler(with_mean=False).fit(columns)
    dense = StandardScaler(with_mean=False).fit(columns.toarray())
    assert dense.scale_[1] / size == pytest.approx(X[:20, 1].std())


@pytest.mark.parametrize("size", [1e-100, 1e-20, 1.0, 1e100])
def test_sparse_columns_of_other_magnitudes_are_not(X, size):
    columns = X[:20, :3] * [size, 0, 0] + [0, size, 0]
    StandardScaler(with_mean=False).fit(csr_array(columns))
