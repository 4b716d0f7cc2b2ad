import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from sklearn_trainkit.neural_network import MLPNetClassifier, NetClassifier, NetRegressor
from sklearn_trainkit.neural_network.base import _fit_rows
from sklearn_trainkit.neural_network.batches._source_rows import (
    DatasetSource,
    SourceRows,
    dataset_targets,
)

X_FLOAT, Y = (part[:300] for part in load_digits(return_X_y=True))
X_BYTES = X_FLOAT.astype(np.uint8)


class Flat(nn.Sequential):
    def __init__(self, n_outputs):
        super().__init__(nn.Flatten(), nn.Linear(64, n_outputs))


@pytest.fixture
def mapped(tmp_path):
    def write(X):
        path = tmp_path / f"{X.dtype}.npy"
        np.save(path, X)
        return np.load(path, mmap_mode="r")

    return write


def weights(net):
    return [p.detach().numpy() for p in net.module_.parameters()]


def settings(**params):
    return {"max_epochs": 3, "dtype": "float32", "random_state": 0, **params}


@pytest.mark.parametrize("early_stopping", [False, True])
def test_bytes_and_memory_maps_train_the_same_network_as_floats(mapped, early_stopping):
    params = settings(early_stopping=early_stopping)
    wanted = MLPNetClassifier((16,), **params).fit(X_FLOAT.astype(np.float32), Y)
    for X in (X_BYTES, mapped(X_BYTES), mapped(X_FLOAT), mapped(X_FLOAT.astype(np.float32))):
        net = MLPNetClassifier((16,), **params).fit(X, Y)
        for ours, theirs in zip(weights(net), weights(wanted), strict=True):
            assert_array_equal(ours, theirs)
        assert_array_equal(net.predict_proba(X), wanted.predict_proba(X_FLOAT))
        assert net.dtype_ == "float32"


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_a_memory_map_is_read_in_place(mapped, dtype):
    X = mapped(X_FLOAT.astype(dtype))
    run = MLPNetClassifier((16,), early_stopping=True, **settings()).start_fit(X, Y)
    source = run.loader.rows.source
    assert source.data_ptr() == X.ctypes.data
    assert source.dtype == torch.from_numpy(np.empty(0, dtype)).dtype


def test_bytes_are_float32_unless_float64_is_asked_for():
    assert MLPNetClassifier(max_epochs=1).fit(X_BYTES, Y).dtype_ == "float32"
    net = MLPNetClassifier(max_epochs=1, dtype="float64").fit(X_BYTES, Y)
    assert net.dtype_ == "float64"
    assert net.predict_proba(X_BYTES).dtype == np.float64


def test_a_torch_dataset_trains_the_same_network_as_its_arrays():
    images = X_FLOAT.reshape(-1, 8, 8).astype(np.float32)
    dataset = TensorDataset(torch.from_numpy(images), torch.from_numpy(Y))
    wanted = NetClassifier(Flat, **settings()).fit(images, Y)
    for net in (
        NetClassifier(Flat, **settings()).fit(dataset, None),
        NetClassifier(Flat, **settings()).fit(dataset, Y),
    ):
        assert_array_equal(net.predict(dataset), wanted.predict(images))
        assert_array_equal(net.predict_proba(images), wanted.predict_proba(images))


def test_a_dataset_sets_rows_aside_and_has_numbers_as_targets():
    dataset = TensorDataset(torch.from_numpy(X_FLOAT), torch.from_numpy(Y.astype(np.float64)))
    net = NetRegressor(Flat, early_stopping=True, **settings()).fit(dataset, None)
    assert net.history_[-1]["valid_loss"] > 0
    assert net.predict(dataset).shape == (300,)


class Ragged(TensorDataset):
    def __getitem__(self, index):
        sample, target = super().__getitem__(index)
        return (sample[:-1] if index == 7 else sample), target


def test_samples_of_other_shapes_are_named():
    dataset = Ragged(torch.from_numpy(X_FLOAT), torch.from_numpy(Y))
    with pytest.raises(ValueError, match=r"samples of one shape\. Got \(63,\) for sample 7"):
        NetClassifier(Flat, **settings()).fit(dataset, Y)


class Stream(IterableDataset):
    def __iter__(self):
        yield torch.zeros(3), 0


def test_a_dataset_without_a_length_is_refused():
    with pytest.raises(TypeError, match="X=Stream must be a torch Dataset with a length"):
        NetClassifier(Flat).fit(Stream(), Y)


def test_dense_networks_say_who_takes_a_dataset():
    dataset = TensorDataset(torch.zeros(4, 3), torch.zeros(4))
    with pytest.raises(TypeError, match=r"MLPNetClassifier takes arrays\. Got a torch Dataset"):
        MLPNetClassifier().fit(dataset, Y[:4])


def test_rows_are_gathered_by_index_and_cast():
    source = torch.arange(10, dtype=torch.uint8).reshape(5, 2)
    index = torch.tensor([4, 0, 2])
    rows = SourceRows(source, torch.tensor([7, 8, 9]), None, torch.float32, index)
    batch = rows.take(torch.tensor([2, 0]))
    assert batch.X.tolist() == [[4.0, 5.0], [8.0, 9.0]]
    assert batch.y.tolist() == [9, 7]
    assert rows.part(1, 3).X.tolist() == [[0.0, 1.0], [4.0, 5.0]]
    assert (rows.n_rows, rows.row_bytes, rows.X.dtype) == (3, 8, torch.float32)


def test_a_dataset_of_bare_samples_is_a_source():
    source = DatasetSource([np.zeros((2, 2)), np.ones((2, 2))])
    assert source.shape == (2, 2, 2)
    assert source[torch.tensor([1, 0, 1])][:, 0, 0].tolist() == [1.0, 0.0, 1.0]


def test_large_data_are_split_without_a_copy(monkeypatch):
    X = X_FLOAT.astype(np.float32)
    params = settings(early_stopping=True)
    wanted = MLPNetClassifier((16,), **params).fit(X, Y)
    monkeypatch.setattr(_fit_rows, "_COPIED_BYTES", 0)
    run = MLPNetClassifier((16,), **params).start_fit(X, Y)
    assert run.loader.rows.source.data_ptr() == X.ctypes.data
    run.train()
    for ours, theirs in zip(weights(run.net), weights(wanted), strict=True):
        assert_array_equal(ours, theirs)


class Listed(Dataset):
    """Gives what it was made of."""

    def __init__(self, *samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


def test_datasets_without_targets_or_numbers_are_named():
    bare = Listed(*torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"X=Listed must have pairs.*Got samples of Tensor"):
        NetRegressor(nn.LazyLinear(1)).fit(bare, None)
    with pytest.raises(TypeError, match=r"X=Listed must have tensors.*Got dict for sample 0"):
        NetRegressor(nn.LazyLinear(1)).fit(Listed(({"x": 1}, 0), ({"x": 2}, 1)), None)
    with pytest.raises(ValueError, match=r"X=Listed must have samples"):
        NetRegressor(nn.LazyLinear(1)).fit(Listed(), [])


def test_targets_of_a_dataset_are_those_after_its_target_transform():
    dataset = Listed(*[(torch.ones(3) * i, i % 2) for i in range(6)])
    dataset.targets = list(range(6))
    assert_array_equal(dataset_targets(dataset), range(6))
    dataset.target_transform = lambda target: target % 2
    assert_array_equal(dataset_targets(dataset), [0, 1] * 3)


def test_a_memory_map_of_the_other_byte_order_is_converted(mapped):
    X = X_FLOAT.astype(np.float32)
    wanted = MLPNetClassifier((16,), **settings()).fit(X, Y)
    other = mapped(X.astype(X.dtype.newbyteorder()))
    net = MLPNetClassifier((16,), **settings()).fit(other, Y)
    assert_array_equal(net.predict_proba(other), wanted.predict_proba(X))
