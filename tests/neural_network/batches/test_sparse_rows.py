"""Sparse rows give what the same rows give as an array, kept dense or made so batch by batch."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from torch import nn

from sklearn_trainkit.model_selection import FoldEnsembleClassifier, OptunaSearchCV
from sklearn_trainkit.model_selection import cross_validate as stacked_cross_validate
from sklearn_trainkit.neural_network import (
    ConvNetClassifier,
    MLPNetClassifier,
    MLPNetRegressor,
    NetClassifier,
    NetRegressor,
    RecurrentNetClassifier,
)
from sklearn_trainkit.neural_network.batches import _sparse_rows
from sklearn_trainkit.preprocessing import SplitBeforeScaling, StandardScaler

rng = np.random.default_rng(0)
X = rng.random((60, 5)) * (rng.random((60, 5)) < 0.4)
y = (X.sum(axis=1) > 1).astype(int)
SETTINGS = {"max_epochs": 2, "batch_size": 16, "early_stopping": True, "random_state": 0}
NETS = {
    "classifier": MLPNetClassifier((4,), **SETTINGS),
    "regressor": MLPNetRegressor((4,), **SETTINGS),
    "own classifier": NetClassifier(nn.Linear(5, 2), **SETTINGS),
    "own regressor": NetRegressor(nn.Linear(5, 1), **SETTINGS),
}


@pytest.fixture(params=["kept dense", "batch by batch"], autouse=True)
def way(request, monkeypatch):
    if request.param == "batch by batch":
        monkeypatch.setattr(_sparse_rows, "_DENSE_BYTES", 0)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(
    "form", [sp.csr_array, sp.csr_matrix, sp.csc_array, sp.coo_array, sp.dok_array]
)
def test_every_method_takes_sparse_rows(name, form):
    net, sparse = clone(NETS[name]), form(X)
    expected, expected_score = (dense := clone(net).fit(X, y)).predict(X), dense.score(X, y)
    np.testing.assert_allclose(net.fit(sparse, y).predict(sparse), expected)
    np.testing.assert_allclose(net.predict(X), expected)
    assert net.score(sparse, y) == pytest.approx(expected_score)
    net.fit(sparse, y, sample_weight=np.ones(60), X_val=sparse, y_val=y)
    net.set_params(early_stopping=False)
    np.testing.assert_allclose(
        clone(net).partial_fit(sparse, y).predict(sparse), clone(net).partial_fit(X, y).predict(X)
    )
    assert net.__sklearn_tags__().input_tags.sparse


def test_large_matrices_are_never_dense_as_a_whole(monkeypatch):
    monkeypatch.setattr(_sparse_rows, "_DENSE_BYTES", 10_000)
    wide = sp.random_array((400, 3_000), density=0.002, format="csr", rng=np.random.default_rng(0))
    n_dense = []
    monkeypatch.setattr(
        sp.csr_array,
        "toarray",
        lambda self, *args, _real=sp.csr_array.toarray: (
            n_dense.append(self.shape[0]) or _real(self, *args)
        ),
    )
    net = MLPNetClassifier((2,), max_epochs=1, batch_size=32)
    net.fit(wide, np.arange(400) % 2)
    assert max(n_dense) <= 100  # several batches are gathered at a time


def test_searches_and_ensembles_take_sparse_rows():
    net, sparse = NETS["classifier"], sp.csr_array(X)
    expected = cross_validate(net, X, y, cv=3)["test_score"]
    for validate in (cross_validate, stacked_cross_validate):
        found = validate(net, sparse, y, cv=3, error_score="raise")["test_score"]
        np.testing.assert_allclose(found, expected)
    search = OptunaSearchCV(net, {"lr": [0.01]}, n_trials=1, cv=3, error_score="raise")
    assert search.fit(sparse, y).best_score_ == pytest.approx(search.fit(X, y).best_score_)
    ensemble = FoldEnsembleClassifier(net, cv=3)
    np.testing.assert_allclose(
        ensemble.fit(sparse, y).predict_proba(sparse), ensemble.fit(X, y).predict_proba(X)
    )


def test_a_default_one_hot_encoder_stands_before_a_net():
    table = np.column_stack([np.repeat(list("abcde"), 12), X[:, 0].astype(str)])
    columns = make_column_transformer((OneHotEncoder(), [0]))
    model = make_pipeline(columns, StandardScaler(with_mean=False), NETS["classifier"])
    assert sp.issparse(model.fit(table, y)[:-1].transform(table))
    assert SplitBeforeScaling(model, random_state=0).fit(table, y).predict(table).shape == (60,)


@pytest.mark.parametrize(
    "net",
    [ConvNetClassifier((2,), image_shape=(1, 5)), RecurrentNetClassifier(sequence_shape=(1, 5))],
)
def test_images_and_sequences_are_not_sparse(net):
    with pytest.raises(TypeError, match=r"Sparse data was passed for X.*toarray"):
        net.fit(sp.csr_array(X), y)


def test_missing_values_are_refused():
    sparse = sp.csr_array(X)
    sparse.data[3] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        NETS["classifier"].fit(sparse, y)
