"""Compiled loops give what numpy's operations give, and only where numba is installed."""

import subprocess
import sys

import numpy as np
import pytest

from sklearn_trainkit.preprocessing import MinMaxScaler, StandardScaler
from sklearn_trainkit.preprocessing.arrays import _choose_loops, _scaling_steps
from tests.preprocessing.conftest import without_numba

LAYOUTS = {
    "C order": np.ascontiguousarray,
    "F order": np.asfortranarray,
    "every second row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "read-only": lambda X: _frozen(X),
}
SCALERS = [
    StandardScaler(),
    MinMaxScaler(),
    MinMaxScaler((-1, 1)),
    MinMaxScaler((-1, 1), clip=True),
]


def _frozen(X):
    X = X.copy(order="K")
    X.flags.writeable = False
    return X


def make_table(dtype, missing, shape=(3_001, 37)):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=shape) * rng.uniform(0.1, 9, shape[1]) + 7).astype(dtype)
    if missing:
        X[rng.random(shape) < 0.1] = np.nan
    return X


@pytest.fixture
def numpy_only(monkeypatch):
    """Return a function that runs a call without compiled loops."""

    def run(call):
        with monkeypatch.context() as patch:
            patch.setattr(_choose_loops, "_load", without_numba)
            return call()

    return run


@pytest.fixture(autouse=True)
def loops_for_all(monkeypatch):
    pytest.importorskip("numba", reason="numba is not installed")
    monkeypatch.setattr(_choose_loops, "_WORTHWHILE_ELEMENTS", 1)


@pytest.fixture(params=[False, True], ids=["through cache", "past cache"])
def past_cache(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(_scaling_steps, "_PAST_CACHE_BYTES", 1)


def assert_same_bits(found, expected):
    np.testing.assert_array_equal(found, expected)
    known = expected == expected
    np.testing.assert_array_equal(np.signbit(found[known]), np.signbit(expected[known]))


@pytest.mark.usefixtures("past_cache")
@pytest.mark.parametrize("scaler", SCALERS, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scaling_gives_the_same_bits(numpy_only, scaler, layout, missing, dtype):
    X = LAYOUTS[layout](make_table(dtype, missing))
    fitted = numpy_only(lambda: scaler.fit(X))
    for method in (fitted.transform, fitted.inverse_transform):
        assert_same_bits(method(X), numpy_only(lambda m=method: m(X)))


@pytest.mark.usefixtures("past_cache")
@pytest.mark.parametrize("shape", [(9_001, 1), (700, 50), (300, 129), (90, 500), (7, 5_003)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_every_part_of_a_cache_line(numpy_only, shape, order, n_jobs, monkeypatch):
    monkeypatch.setattr("sklearn_trainkit.preprocessing._dense_scaler.BLOCK_ELEMENTS", 1)
    # float32 far from zero has a mean in two parts; zeros of both signs stay what they are.
    far = np.asarray(make_table(np.float32, False, shape) + np.float32(1e6), order=order)
    zeros = np.asarray(np.where(far > np.median(far), 0.0, -0.0), order=order)
    for X in (far, zeros):
        for scaler in (StandardScaler(n_jobs=n_jobs), MinMaxScaler((-1, 1), n_jobs=n_jobs)):
            fitted = numpy_only(lambda s=scaler, X=X: s.fit(X))
            for method in (fitted.transform, fitted.inverse_transform):
                assert_same_bits(method(X), numpy_only(lambda m=method, X=X: m(X)))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3_001, 37), (40_000, 3), (70, 1_500), (9, 9_001)])
def test_statistics_against_long_double(layout, missing, dtype, shape):
    X = LAYOUTS[layout](make_table(dtype, missing, shape))
    exact = X.astype(np.longdouble)
    mean, deviation = np.nanmean(exact, axis=0), np.nanstd(exact, axis=0)
    scaler = StandardScaler().fit(X)
    np.testing.assert_array_equal(
        np.broadcast_to(scaler.n_samples_seen_, mean.shape), np.sum(X == X, axis=0)
    )
    np.testing.assert_allclose(scaler.mean_.astype(float), mean.astype(float), rtol=1e-14)
    np.testing.assert_allclose(scaler.scale_.astype(float), deviation.astype(float), rtol=1e-14)
    limits = MinMaxScaler().fit(X)
    np.testing.assert_array_equal(limits.data_min_, np.nanmin(X, axis=0))
    np.testing.assert_array_equal(limits.data_max_, np.nanmax(X, axis=0))


@pytest.mark.usefixtures("past_cache")
@pytest.mark.parametrize("channel_axis", [1, -1, (1, 2, 3)])
@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler()], ids=str)
def test_images_per_channel_and_per_pixel(numpy_only, scaler, channel_axis):
    X = np.random.default_rng(0).normal(2, 3, size=(60, 3, 12, 13)).astype(np.float32)
    scaler.set_params(channel_axis=channel_axis)
    axes = {1: (0, 2, 3), -1: (0, 1, 2), (1, 2, 3): 0}[channel_axis]
    fitted = scaler.fit(X)
    if isinstance(scaler, StandardScaler):
        expected = X.astype(np.float64).mean(axis=axes).reshape(-1)
        np.testing.assert_allclose(fitted.mean_, expected, rtol=1e-13)
    else:
        np.testing.assert_array_equal(fitted.data_min_, X.min(axis=axes).reshape(-1))
    np.testing.assert_array_equal(fitted.transform(X), numpy_only(lambda: fitted.transform(X)))


@pytest.mark.usefixtures("past_cache")
@pytest.mark.parametrize("scaler", SCALERS, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinity_raises_in_fit_and_transform(scaler, layout, missing, value):
    clean = make_table(np.float32, missing)
    scaler.fit(clean)
    for row, column in [(0, 0), (1, 20), (2_999, 5), (3_000, 36)]:
        X = clean.copy()
        X[row, column] = value
        X = LAYOUTS[layout](X)
        with pytest.raises(ValueError, match="infinity"):
            scaler.transform(X)
    with pytest.raises(ValueError, match="infinity"):
        scaler.fit(X)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler()], ids=str)
def test_nothing_is_compiled_again_for_arrays_that_cannot_be_written_to(scaler, order):
    from sklearn_trainkit.preprocessing.compiled import _loops

    def count_compiled():
        return [len(getattr(_loops, name).signatures) for name in _loops.__all__]

    X = np.asarray(make_table(np.float64, False), order=order)
    scaler.fit(X).inverse_transform(scaler.transform(X))
    before = count_compiled()
    scaler.fit(_frozen(X)).inverse_transform(_frozen(scaler.transform(_frozen(X))))
    assert count_compiled() == before


def test_large_results_are_written_past_the_cache_and_read_by_other_threads():
    X = make_table(np.float32, False, (180_000, 50))
    scaler = StandardScaler(n_jobs=2).fit(X)
    assert X.nbytes >= _scaling_steps._PAST_CACHE_BYTES
    np.testing.assert_allclose(
        scaler.transform(X), (X - scaler.mean_) / scaler.scale_, rtol=1e-5, atol=1e-5
    )


def test_a_column_without_values_stays_missing():
    X = make_table(np.float64, False)
    X[:, 4] = np.nan
    assert np.isnan(StandardScaler().fit(X).mean_[4])
    assert np.isnan(MinMaxScaler().fit(X).data_max_[4])
    scaler = StandardScaler().fit(X)
    X[7, 4] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        scaler.transform(X)


def test_small_tables_never_load_numba_and_large_ones_work_without_it():
    script = """
import sys
import numpy as np
from sklearn_trainkit.preprocessing import StandardScaler
StandardScaler().fit_transform(np.ones((1_000, 10)))
assert "numba" not in sys.modules
sys.modules["numba"] = None  # not installed
X = np.random.default_rng(0).normal(size=(30_000, 40))
assert abs(StandardScaler().fit_transform(X).std() - 1) < 1e-12
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("n_rows", range(1, 10))
def test_ranges_of_rows_that_are_taken_by_fours(n_rows):
    pytest.importorskip("numba", reason="numba is not installed")
    from sklearn_trainkit.preprocessing.compiled._statistics import row_range

    X = np.random.default_rng(n_rows).standard_normal((n_rows, 5))
    X[n_rows // 2, 1], X[:, 4] = np.nan, np.nan
    low, high = np.full(5, np.inf), np.full(5, -np.inf)
    row_range(X, low, high)
    np.testing.assert_array_equal(low, np.fmin(np.fmin.reduce(X), np.inf))
    np.testing.assert_array_equal(high, np.fmax(np.fmax.reduce(X), -np.inf))
