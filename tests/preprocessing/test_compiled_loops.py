"""Compiled loops give what numpy's operations give, and only where numba is installed."""

import subprocess
import sys

import numpy as np
import pytest

from sklearn_trainkit.preprocessing import MinMaxScaler, StandardScaler, _compiled
from tests.preprocessing.conftest import without_numba

LAYOUTS = {
    "C order": np.ascontiguousarray,
    "F order": np.asfortranarray,
    "every second row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "read-only": lambda X: _frozen(X),
}
SCALERS = [StandardScaler(), MinMaxScaler(), MinMaxScaler((-1, 1), clip=True)]


def _frozen(X):
    X = X.copy()
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
            patch.setattr(_compiled, "_load", without_numba)
            return call()

    return run


@pytest.fixture(autouse=True)
def loops_for_all(monkeypatch):
    pytest.importorskip("numba", reason="numba is not installed")
    monkeypatch.setattr(_compiled, "_WORTHWHILE_ELEMENTS", 1)


@pytest.mark.parametrize("scaler", SCALERS, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scaling_gives_the_same_bits(numpy_only, scaler, layout, missing, dtype):
    X = LAYOUTS[layout](make_table(dtype, missing))
    fitted = numpy_only(lambda: scaler.fit(X))
    for method in (fitted.transform, fitted.inverse_transform):
        np.testing.assert_array_equal(method(X), numpy_only(lambda m=method: m(X)))


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


@pytest.mark.parametrize("scaler", SCALERS, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("missing", [False, True])
def test_an_infinity_raises_in_fit_and_transform(scaler, layout, missing):
    X = make_table(np.float32, missing)
    scaler.fit(X)
    X[2_999, 5] = -np.inf
    X = LAYOUTS[layout](X)
    with pytest.raises(ValueError, match="infinity"):
        scaler.transform(X)
    with pytest.raises(ValueError, match="infinity"):
        scaler.fit(X)


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
