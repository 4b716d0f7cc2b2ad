import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_diabetes, load_digits, make_multilabel_classification
from skorch.callbacks import EpochScoring as SkorchEpochScoring

from sklearn_trainkit.callbacks import EpochScoring
from sklearn_trainkit.neural_network import MLPNetClassifier, MLPNetRegressor

DIGITS = tuple(part[:300] for part in load_digits(return_X_y=True))
DIABETES = load_diabetes(return_X_y=True)


def scores(callback, net, X, y):
    net.set_params(max_epochs=3, early_stopping=True, callbacks=[callback], random_state=0)
    net.fit(X, y)
    return [record[callback.name_] for record in net.history_], net


@pytest.mark.parametrize(
    ("scoring", "net", "data"),
    [
        ("accuracy", MLPNetClassifier(), DIGITS),
        ("neg_log_loss", MLPNetClassifier(), DIGITS),
        ("f1_macro", MLPNetClassifier(), DIGITS),
        ("r2", MLPNetRegressor(), DIABETES),
        ("r2", MLPNetRegressor(), (DIABETES[0], np.stack([DIABETES[1], DIABETES[0][:, 0]], 1))),
        ("neg_mean_absolute_error", MLPNetRegressor(), DIABETES),
        ("accuracy", MLPNetClassifier(), make_multilabel_classification(random_state=0)),
    ],
)
def test_scores_are_those_of_skorch(scoring, net, data):
    options = {"scoring": scoring, "lower_is_better": False}
    ours, _ = scores(EpochScoring(**options), net, *data)
    theirs, _ = scores(SkorchEpochScoring(**options), net, *data)
    assert len(ours) == 3
    assert_allclose(ours, theirs, rtol=1e-5)


def test_training_rows_and_best_scores():
    callback = EpochScoring("accuracy", lower_is_better=False, on_train=True, name="train_acc")
    ours, net = scores(callback, MLPNetClassifier(), *DIGITS)
    callback = SkorchEpochScoring(
        "accuracy", lower_is_better=False, on_train=True, name="train_acc"
    )
    theirs, reference = scores(callback, MLPNetClassifier(), *DIGITS)
    assert ours == theirs
    assert net.history_[:, "train_acc_best"] == reference.history_[:, "train_acc_best"]


@pytest.mark.parametrize("on_train", [False, True])
@pytest.mark.parametrize("cls", [EpochScoring, SkorchEpochScoring])
def test_scoring_an_epoch_records_no_batches(cls, on_train):
    callback = cls("accuracy", lower_is_better=False, on_train=on_train)
    _, net = scores(callback, MLPNetClassifier(), *DIGITS)
    assert len(net.history_[-1, "batches"]) == 1
