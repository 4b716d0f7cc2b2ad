"""Probabilities of every kind of net: as many events as there are, and their logarithms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import average_precision_score, get_scorer, log_loss, roc_auc_score
from sklearn.neural_network import MLPClassifier
from torch import nn

from sklearn_trainkit.neural_network import (
    ConvNetClassifier,
    MLPNetClassifier,
    NetClassifier,
    RecurrentNetClassifier,
    UNetSegmenter,
)

rng = np.random.default_rng(0)
N = 300
RARE = (np.arange(N) % 25 == 0).astype(int)
LONG = {"max_epochs": 100, "batch_size": -1, "random_state": 0, "weight_decay": 0.0}
NETS = {
    "dense": (MLPNetClassifier((), lr=0.1, **LONG), rng.normal(size=(N, 2))),
    "own": (
        NetClassifier(nn.Linear, module__in_features=2, module__out_features=2, lr=0.1, **LONG),
        rng.normal(size=(N, 2)),
    ),
    "images": (ConvNetClassifier((2,), lr=0.05, **LONG), rng.normal(size=(N, 1, 4, 4))),
    "sequences": (RecurrentNetClassifier((2,), lr=0.1, **LONG), rng.normal(size=(N, 3, 1))),
}


def expected_events(net, X, y, **fit_params):
    probabilities = clone(net).fit(X, y, **fit_params).predict_proba(X)
    return probabilities[:, 1].sum() if y.ndim == 1 else probabilities.sum(axis=0)


@pytest.mark.parametrize("name", NETS)
def test_a_rare_event_is_expected_as_often_as_it_comes(name):
    net, X = NETS[name]
    net = clone(net).set_params(label_smoothing=0.3)
    assert expected_events(net, X, RARE) == pytest.approx(RARE.sum(), rel=0.15)


def test_rare_labels_are_expected_as_often_as_they_come():
    net, X = NETS["dense"]
    both = np.stack([RARE, (np.arange(N) % 20 == 0)], axis=1).astype(int)
    net = clone(net).set_params(max_epochs=300, label_smoothing=0.3)
    assert_allclose(expected_events(net, X, both), both.sum(axis=0), rtol=0.15)


def test_rare_pixels_are_expected_as_often_as_they_come():
    images = rng.normal(size=(40, 4, 4))
    masks = (np.arange(640).reshape(40, 4, 4) % 40 == 0).astype(int)
    net = UNetSegmenter(
        (2, 2), norm="layer", loss="cross_entropy", label_smoothing=0.3, lr=0.05, **LONG
    )
    probabilities = net.fit(images, masks).predict_proba(images)
    assert probabilities[:, 1].sum() == pytest.approx(masks.sum(), rel=0.15)


def test_a_stream_expects_what_it_has_seen():
    net, X = NETS["dense"]
    net = clone(net).set_params(lr=0.03)
    order = np.argsort(RARE, kind="stable")  # a first chunk without the event
    for _ in range(2):
        for rows in np.split(order, 6):
            net.partial_fit(X[rows], RARE[rows], classes=[0, 1])
    assert_allclose(net.criterion_.shares, [0.96, 0.04])


def test_weighted_rows_are_expected_by_their_weight():
    net, X = NETS["dense"]
    weight = np.where(RARE == 1, 7.0, 1.0)
    share = np.average(RARE, weights=weight)
    expected = expected_events(net, X, RARE, sample_weight=weight)
    assert expected == pytest.approx(N * share, rel=0.15)
    by_class = clone(net).set_params(class_weight={1: 7})
    assert_allclose(expected_events(by_class, X, RARE), expected)


def test_log_loss_of_a_rare_class_is_near_that_without_smoothing():
    X = np.random.default_rng(1).normal(size=(2000, 3))
    y = (np.random.default_rng(2).random(2000) < 1 / (1 + np.exp(6 - 2 * X[:, 0]))).astype(int)
    losses = [
        log_loss(
            y, MLPNetClassifier((8,), label_smoothing=s, random_state=0).fit(X, y).predict_proba(X)
        )
        for s in (0.05, 0.0)
    ]
    assert losses[0] < 1.1 * losses[1]


@pytest.mark.parametrize("name", NETS)
def test_log_probabilities_are_the_logarithms_and_finite(name):
    net, X = NETS[name]
    net = clone(net).set_params(max_epochs=2).fit(X, RARE)
    assert_allclose(np.exp(net.predict_log_proba(X)), net.predict_proba(X), rtol=1e-6)
    assert_allclose(net.predict_proba(X).sum(axis=1), 1, rtol=1e-6)
    assert_array_equal(net.predict(X), net.predict_proba(X).argmax(axis=1))
    assert np.isfinite(net.predict_log_proba(1e6 * X)).all()


def test_log_probabilities_of_several_labels():
    X, Y = make_multilabel_classification(60, 5, n_classes=3, random_state=0)
    net = MLPNetClassifier((4,), max_epochs=2, random_state=0).fit(X, Y)
    assert_allclose(np.exp(net.predict_log_proba(X)), net.predict_proba(X))
    assert np.isfinite(net.predict_log_proba(1e7 * X)).all()


def test_streams_of_several_labels_take_classes_as_scikit_learn_does():
    X, Y = make_multilabel_classification(60, 5, n_classes=4, random_state=0)
    theirs = MLPClassifier((8,), random_state=0).partial_fit(X, Y, classes=np.arange(4))
    net = MLPNetClassifier((8,), random_state=0).partial_fit(X, Y, classes=np.arange(4))
    net.partial_fit(X[:1], Y[:1], classes=range(4))
    assert net.predict(X).shape == theirs.predict(X).shape
    assert_array_equal(net.classes_, theirs.classes_)
    with pytest.raises(ValueError, match=r"classes=\[0, 1\] are not those of the first call"):
        net.partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"classes=\[0, 1, 2\] must number the columns of y"):
        MLPNetClassifier((8,)).partial_fit(X, Y, classes=[0, 1, 2])


@pytest.mark.parametrize("n_labels", [2, 3])
@pytest.mark.parametrize("net", [MLPNetClassifier((4,), max_epochs=1), NETS["own"][0]])
def test_scorers_of_probabilities_take_two_labels_as_they_take_three(net, n_labels):
    X, y = make_multilabel_classification(50, 4, n_classes=n_labels, random_state=0)
    if "module" in net.get_params():
        net = NetClassifier(nn.Linear, module__in_features=4, module__out_features=n_labels)
    fitted = clone(net).set_params(max_epochs=1).fit(X, y)
    probabilities = fitted.predict_proba(X)
    for scoring, reference in (
        ("roc_auc", roc_auc_score),
        ("roc_auc_ovr_weighted", lambda *given: roc_auc_score(*given, average="weighted")),
        ("average_precision", average_precision_score),
    ):
        assert_allclose(get_scorer(scoring)(fitted, X, y), reference(y, probabilities))
    assert_array_equal(fitted.classes_, np.arange(n_labels))


def test_labels_that_cannot_be_compared_are_named():
    fitted = MLPNetClassifier((2,)).partial_fit(np.eye(4), [0, 1, 2, 3])
    words = np.array(["0", "1", "2", "3"], dtype=object)
    with pytest.raises(ValueError, match=r"y has labels of another kind than the classes \[0, 1"):
        fitted.partial_fit(np.eye(4), words)
