import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from sklearn_trainkit.neural_network.batches._tensor_loader import TensorRows
from sklearn_trainkit.neural_network.modules import _input_standardization
from sklearn_trainkit.neural_network.modules._input_standardization import InputStandardization

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.normal(3.0, 2.0, size=(50, 3, 4, 5))
WEIGHT = GENERATOR.uniform(0, 2, size=50)


def rows(X, weight=None):
    weight = None if weight is None else torch.from_numpy(weight)
    return TensorRows(torch.from_numpy(X), torch.zeros(len(X)), weight)


@pytest.mark.parametrize("chunk_bytes", [1, 1000, 1 << 24])
def test_channels_get_the_moments_of_numpy(monkeypatch, chunk_bytes):
    monkeypatch.setattr(_input_standardization, "_CHUNK_BYTES", chunk_bytes)
    layer = InputStandardization(3).double()
    layer.learn(rows(IMAGES))
    assert_allclose(layer.mean, IMAGES.mean(axis=(0, 2, 3)), rtol=1e-12)
    assert_allclose(layer.scale, IMAGES.std(axis=(0, 2, 3)), rtol=1e-12)
    out = layer(torch.from_numpy(IMAGES)).numpy()
    assert_allclose(out.mean(axis=(0, 2, 3)), 0, atol=1e-12)
    assert_allclose(out.std(axis=(0, 2, 3)), 1, rtol=1e-12)


def test_weights_count_as_repetitions():
    weight = GENERATOR.integers(0, 3, size=50)
    layer, wanted = InputStandardization(3).double(), InputStandardization(3).double()
    layer.learn(rows(IMAGES, weight.astype(np.float64)))
    wanted.learn(rows(np.repeat(IMAGES, weight, axis=0)))
    assert_allclose(layer.mean, wanted.mean, rtol=1e-12)
    assert_allclose(layer.scale, wanted.scale, rtol=1e-12)


def test_rows_that_all_weigh_nothing_count_alike():
    layer, wanted = InputStandardization(3).double(), InputStandardization(3).double()
    layer.learn(rows(IMAGES, np.zeros(50)))
    wanted.learn(rows(IMAGES))
    assert_allclose([*layer.mean, *layer.scale], [*wanted.mean, *wanted.scale], rtol=1e-12)


def test_a_row_counts_by_the_mean_of_the_weights_of_its_labels():
    weight = GENERATOR.integers(1, 4, size=(50, 2)).astype(float)
    layer, wanted = InputStandardization(3).double(), InputStandardization(3).double()
    layer.learn(rows(IMAGES, weight))
    wanted.learn(rows(IMAGES, weight.mean(axis=1)))
    assert_allclose(layer.scale, wanted.scale, rtol=1e-12)


def test_padding_of_sequences_counts_for_nothing_and_stays():
    X = GENERATOR.normal(size=(20, 6, 2))
    X[:10, 4:] = np.nan
    layer = InputStandardization(2, channel_axis=-1).double()
    layer.learn(rows(X))
    assert_allclose(layer.mean, np.nanmean(X, axis=(0, 1)), rtol=1e-12)
    assert_allclose(layer.scale, np.nanstd(X, axis=(0, 1)), rtol=1e-12)
    assert torch.isnan(layer(torch.from_numpy(X))[:10, 4:]).all()


def test_a_constant_channel_becomes_zero_or_its_rounding():
    X = np.full((7, 1, 2, 2), 0.1, dtype=np.float32)
    layer = InputStandardization(1)
    layer.learn(rows(X))
    assert layer.scale.item() == 1.0
    assert_allclose(layer(torch.from_numpy(X)), 0, atol=1e-7)
