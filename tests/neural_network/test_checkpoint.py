"""A fit that is cut short goes on where it was, bit for bit."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification
from skorch.callbacks import Callback
from torch import nn

from sklearn_trainkit.callbacks import GradientFlow
from sklearn_trainkit.neural_network import MLPNetClassifier, NetClassifier, _checkpoint

X, y = make_classification(150, 8, n_informative=5, random_state=0)


class PowerCut(Exception):
    pass


class CutAfter(Callback):
    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) > self.n_epochs:
            raise PowerCut


@pytest.fixture(autouse=True)
def _write_every_epoch(monkeypatch):
    monkeypatch.setattr(_checkpoint, "_SECONDS_BETWEEN_WRITES", 0.0)


DROPOUT_MODULE = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))
NETS = {
    "schedule and dropout": lambda **kw: MLPNetClassifier(
        (16,), dropout=0.3, norm="batch", lr_schedule="one_cycle", **kw
    ),
    "early stopping and plateau": lambda **kw: MLPNetClassifier(
        (32,), lr=0.1, early_stopping=True, patience=4, lr_schedule="plateau", **kw
    ),
    "a foreign module": lambda **kw: NetClassifier(DROPOUT_MODULE, **kw),
}


@pytest.mark.parametrize("case", NETS)
def test_an_interrupted_fit_goes_on_bit_for_bit(tmp_path, case):
    params = {"max_epochs": 12, "random_state": 0, "checkpoint_dir": tmp_path}
    whole = NETS[case](**{**params, "checkpoint_dir": None}).fit(X, y)
    cut = NETS[case](**params, callbacks=[CutAfter(5), GradientFlow()])
    with pytest.raises(PowerCut):
        cut.fit(X, y)
    torch.manual_seed(123)
    resumed = NETS[case](**params).fit(X, y)
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))
    assert resumed.history[:, "train_loss"] == whole.history[:, "train_loss"]


def test_a_finished_fit_is_not_run_again(tmp_path):
    params = {"max_epochs": 3, "random_state": 0, "checkpoint_dir": str(tmp_path)}
    first = MLPNetClassifier(**params).fit(X, y)
    again = MLPNetClassifier(**params, callbacks=[CutAfter(-1)]).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), first.predict_proba(X))


def test_other_data_and_parameters_have_files_of_their_own(tmp_path):
    params = {"max_epochs": 2, "random_state": 0, "checkpoint_dir": tmp_path}
    for net, rows in [
        (MLPNetClassifier(**params), slice(None)),
        (MLPNetClassifier(**params), slice(100)),
        (MLPNetClassifier(lr=0.1, **params), slice(None)),
    ]:
        net.fit(X[rows], y[rows])
    assert len(list(tmp_path.glob("*.pt"))) == 3


def test_a_checkpoint_needs_a_fixed_seed(tmp_path):
    with pytest.raises(ValueError, match="needs an int random_state"):
        MLPNetClassifier(checkpoint_dir=tmp_path).fit(X, y)
