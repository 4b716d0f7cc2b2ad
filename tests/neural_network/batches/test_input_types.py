"""Numbers that need float64 get it, in whatever form they come; the rest trains in float32."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy.sparse import coo_matrix, csr_array
from sklearn.pipeline import make_pipeline
from skorch.helper import SliceDataset
from torch import nn
from torch.utils.data import TensorDataset

from sklearn_trainkit.neural_network import (
    ConvNetClassifier,
    MLPNetClassifier,
    MLPNetRegressor,
    NetClassifier,
    RecurrentNetClassifier,
    UNetSegmenter,
)
from sklearn_trainkit.neural_network.batches._input_types import float_type
from sklearn_trainkit.preprocessing import MinMaxScaler, StandardScaler

X = 1e8 + np.random.default_rng(0).normal(size=(40, 2))
y = (X[:, 0] > 1e8).astype(int)
TABLE = pd.DataFrame(X, columns=["a", "b"])
DOUBLES = {
    "pandas Float64": TABLE.convert_dtypes(),
    "arrow in pandas": TABLE.astype("double[pyarrow]"),
    "float32 beside float64": TABLE.assign(a=TABLE["a"].astype("float32")),
    "objects": TABLE.astype(object),
    "polars": pl.DataFrame(X, schema=["a", "b"]),
    "arrow": pa.table({"a": X[:, 0], "b": X[:, 1]}),
    "lists": X.tolist(),
    "tuples": tuple(map(tuple, X.tolist())),
    "list of arrays": list(X),
    "list of tensors": list(torch.from_numpy(X)),
    "decimals": [[Decimal(value) for value in row] for row in X.tolist()],
    "big-endian": X.astype(">f8"),
    "big-endian table": pd.DataFrame(X.astype(">f8"), columns=["a", "b"]),
    "long double": X.astype(np.longdouble),
    "tensor": torch.from_numpy(X),
    "sparse": coo_matrix(X),
    "slices of a data set": SliceDataset(TensorDataset(torch.from_numpy(X)), 0),
}


def as_array(data):
    if isinstance(data, (list, tuple)) or hasattr(data, "tolist"):
        return np.array([[float(value) for value in row] for row in data])
    if isinstance(data, pd.DataFrame):
        return data.to_numpy(dtype=np.float64)
    return X


@pytest.mark.parametrize("form", DOUBLES)
@pytest.mark.parametrize(
    "net",
    [
        MLPNetClassifier((3,), max_epochs=1, random_state=0),
        NetClassifier(
            nn.Linear,
            module_params={"in_features": 2, "out_features": 2},
            max_epochs=1,
            random_state=0,
        ),
    ],
    ids=["dense", "own module"],
)
def test_doubles_of_every_form_are_doubles(net, form):
    data, array = DOUBLES[form], as_array(DOUBLES[form])
    expected = net.fit(array, y, X_val=array, y_val=y).predict_proba(array)
    net.fit(data, y, X_val=data, y_val=y)
    assert net.dtype_ == "float64"
    np.testing.assert_allclose(net.predict_proba(data), expected, rtol=1e-9)
    del net.module_
    assert net.partial_fit(data, y).partial_fit(data, y).dtype_ == "float64"


@pytest.mark.parametrize("form", sorted(DOUBLES.keys() - {"sparse", "slices of a data set"}))
@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler()], ids=["standard", "min max"])
def test_scalers_keep_the_digits_of_every_form(scaler, form):
    model = make_pipeline(scaler, MLPNetRegressor((3,), max_epochs=1, random_state=0))
    array = as_array(DOUBLES[form])
    scaled = scaler.fit_transform(DOUBLES[form])
    assert scaled.dtype == np.float64
    np.testing.assert_allclose(scaled, scaler.fit_transform(array), atol=1e-12)
    assert model.fit(DOUBLES[form], y)[-1].dtype_ == "float64"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (X.astype(np.float32), "float32"),
        (X.astype(">f4"), "float32"),
        ((X / 1e8).astype(np.float16), "float32"),
        (X > 1e8, "float32"),
        (X.astype(np.int16), "float32"),
        (np.array([[2**24, -(2**24)]]), "float32"),
        (np.array([[2**24 + 1]]), "float64"),
        (np.array([[2**53]], dtype=np.uint64), "float64"),
        (np.array([["a"]]), "float64"),
        (csr_array(np.eye(3, dtype=np.int64)), "float32"),
        (csr_array(X), "float64"),
        (pl.DataFrame(X.astype(np.float32)), "float32"),
        (pa.table({"a": X[:, 0].astype(np.float32)}), "float32"),
        (TABLE.astype("Float32"), "float32"),
        (TABLE.astype("float[pyarrow]"), "float32"),
        (TABLE.astype(np.int64), "float64"),
        (TABLE.astype(np.int64) // 10**8, "float32"),
        (TABLE.astype(np.int64).astype("Int64"), "float64"),
        (TABLE.astype(np.float32).astype(pd.SparseDtype(np.float32, 0)), "float32"),
    ],
)
def test_float32_is_taken_where_it_holds_every_number(data, expected):
    assert float_type(data) == expected


def test_bfloat16_tensors_are_read():
    rows = torch.from_numpy(X / 1e8).bfloat16()
    assert MLPNetClassifier((3,), max_epochs=1).fit(rows, y).dtype_ == "float32"


IMAGES = np.random.default_rng(0).normal(1e8, size=(8, 4, 4))


@pytest.mark.parametrize(
    "images", [IMAGES.tolist(), IMAGES.astype(">f8"), list(torch.from_numpy(IMAGES))]
)
def test_images_keep_their_digits(images):
    net = ConvNetClassifier((2,), max_epochs=1).fit(images, [0, 1] * 4)
    masks = UNetSegmenter((2, 4), max_epochs=1).fit(images, IMAGES > 1e8)
    assert net.dtype_ == masks.dtype_ == "float64"


SEQUENCES = [np.full((n, 2), 1e8 + n) for n in (2, 3, 4, 2)]


@pytest.mark.parametrize(
    "form",
    [
        lambda s: s.tolist(),
        lambda s: s.astype(np.longdouble),
        lambda s: s.astype(">f8"),
        lambda s: s.astype(np.int64),
        lambda s: s.astype(np.float32) if len(s) == 2 else s,
        lambda s: pd.DataFrame(s, columns=["a", "b"]).convert_dtypes(),
        pl.DataFrame,
        torch.from_numpy,
    ],
)
def test_sequences_keep_their_digits(form):
    sequences = [form(sequence) for sequence in SEQUENCES]
    net = RecurrentNetClassifier((2,), max_epochs=1)
    assert net.fit(sequences, [0, 1, 0, 1]).dtype_ == "float64"
    assert net.fit(sequences, [0, 1, 0, 1], lengths=[2, 1, 2, 1]).dtype_ == "float64"
    short = [sequence.astype(np.float32) for sequence in SEQUENCES]
    assert net.fit(short, [0, 1, 0, 1]).dtype_ == "float32"
