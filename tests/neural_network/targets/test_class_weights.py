"""Weights of classes in fit and in partial_fit against formulas, scikit-learn and plain torch."""

import copy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from torch.nn import functional

from sklearn_trainkit.neural_network import (
    ConvNetClassifier,
    MLPNetClassifier,
    MLPNetRegressor,
    NetClassifier,
    RecurrentNetClassifier,
    UNetSegmenter,
)
from sklearn_trainkit.neural_network.targets._class_weights import class_factors, mean_one_factors

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3))
Y = (X[:, 0] + rng.normal(size=60) > 1.2).astype(int)
LABELS = np.stack([Y, (X[:, 1] > 0.5).astype(int)], axis=1)
PLAIN = {
    "optimizer": "sgd",
    "lr": 0.1,
    "lr_schedule": "constant",
    "label_smoothing": 0.0,
    "random_state": 0,
}
LINEAR = MLPNetClassifier((), **PLAIN)


def trained_by_hand(net, X, y, weights, chunks, loss):
    """Plain torch: the loss of each row times its weight, a step for each chunk."""
    begun = clone(net).partial_fit(X[:1], y[:1], np.arange(2), sample_weight=[0.0])
    module = copy.deepcopy(begun.module_)
    optimizer = torch.optim.SGD(module.parameters(), lr=net.lr)
    for rows in chunks:
        optimizer.zero_grad()
        output = module(torch.from_numpy(X[rows]))
        losses = loss(output, torch.from_numpy(y[rows]))
        (losses * torch.from_numpy(weights[rows])).mean().backward()
        optimizer.step()
    return module(torch.from_numpy(X)).detach().numpy()


def cross_entropy(output, target):
    return functional.cross_entropy(output, target, reduction="none")


def binary_cross_entropy(output, target):
    return functional.binary_cross_entropy_with_logits(output, target.double(), reduction="none")


CHUNKS = {
    "one by one": [[i] for i in range(60)],
    "sorted by class": [[i] for i in np.argsort(Y, kind="stable")],
    "uneven": np.split(np.arange(60), [3, 20, 21, 50]),
}


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS)
def test_each_row_of_a_stream_counts_by_its_class_and_its_own_weight(chunks):
    own = rng.uniform(0, 3, size=60)
    net = clone(LINEAR).set_params(class_weight={0: 0.5, 1: 9})
    for rows in chunks:
        net.partial_fit(X[rows], Y[rows], [0, 1], sample_weight=own[rows])
    weights = own * np.where(Y == 1, 9, 0.5)
    expected = trained_by_hand(LINEAR, X, Y, weights, chunks, cross_entropy)
    assert_allclose(net._output(X), expected, atol=1e-12)


def test_each_label_of_a_stream_has_weights_of_its_own():
    class_weight = [{0: 1, 1: 9}, {0: 2, 1: 0.5}]
    net = clone(LINEAR).set_params(class_weight=class_weight)
    chunks = CHUNKS["one by one"]
    for rows in chunks:
        net.partial_fit(X[rows], LABELS[rows], np.arange(2))
    weights = np.stack([own_weights(*pair) for pair in zip(LABELS.T, class_weight, strict=True)], 1)
    expected = trained_by_hand(LINEAR, X, LABELS, weights, chunks, binary_cross_entropy)
    assert_allclose(net._output(X), expected, atol=1e-12)


def own_weights(column, weights):
    return np.where(column == 1, weights[1], weights[0]).astype(float)


@pytest.mark.parametrize("class_weight", [[{1: 9}, {1: 9}], "balanced"])
@pytest.mark.parametrize("way", ["fit", "partial_fit"])
@pytest.mark.parametrize("kind", ["images", "sequences"])
def test_labels_have_weights_where_the_net_standardizes_its_inputs(kind, way, class_weight):
    net, inputs, _ = NETS[kind]
    plain, weighted = clone(net), clone(net).set_params(class_weight=class_weight)
    for each in (plain, weighted):
        for _ in range(10 if way == "partial_fit" else 1):
            getattr(each, way)(inputs, LABELS)
    more = weighted.predict_proba(inputs).mean(axis=0) - plain.predict_proba(inputs).mean(axis=0)
    assert (more > 0).all()


def test_regressors_take_weights_of_a_stream_as_they_are():
    weights = rng.uniform(0, 5, size=60)
    net = MLPNetRegressor((), optimizer="sgd", lr=0.01, standardize_y=False, random_state=0)
    y = X[:, :1] - 2 * X[:, 1:2]
    start = clone(net).partial_fit(X[:1], y[:1])
    module = copy.deepcopy(start.module_)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    for i in range(1, 60):
        start.partial_fit(X[i : i + 1], y[i : i + 1], sample_weight=weights[i : i + 1])
        optimizer.zero_grad()
        residual = module(torch.from_numpy(X[i : i + 1])) - torch.from_numpy(y[i : i + 1])
        (weights[i] * residual.square().mean()).backward()
        optimizer.step()
    assert_allclose(start._output(X), module(torch.from_numpy(X)).detach(), atol=1e-12)


def test_balanced_goes_by_all_rows_seen_so_far():
    net = clone(LINEAR).set_params(class_weight="balanced")
    by_hand = clone(LINEAR)
    for stop in range(1, 61):
        row = slice(stop - 1, stop)
        net.partial_fit(X[row], Y[row], [0, 1])
        seen = Y[:stop]
        weight = stop / (len(np.unique(seen)) * np.sum(seen == Y[stop - 1]))
        by_hand.partial_fit(X[row], Y[row], [0, 1], sample_weight=[weight])
    assert_allclose(net._output(X), by_hand._output(X), atol=1e-12)


def test_a_stream_goes_on_with_the_counts_of_a_fit():
    net = clone(LINEAR).set_params(class_weight="balanced", max_epochs=1).fit(X[:50], Y[:50])
    net.partial_fit(X[50:], Y[50:])
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=Y)
    assert_allclose(net._class_factors[0], expected)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("net", [LINEAR, MLPNetRegressor((), random_state=0)])
def test_rows_of_weight_zero_change_nothing(net, optimizer):
    net = clone(net).set_params(optimizer=optimizer).partial_fit(X, Y)
    before = copy.deepcopy(net.module_.state_dict())
    net.partial_fit(X + 1, Y, sample_weight=np.zeros(60))
    torch.testing.assert_close(net.module_.state_dict(), before, rtol=0, atol=0)


NETS = {
    "dense": (LINEAR, X, Y),
    "own": (NetClassifier(nn.Linear, module__in_features=3, module__out_features=2, **PLAIN), X, Y),
    "images": (ConvNetClassifier((2,), norm="layer", **PLAIN), rng.normal(size=(60, 1, 4, 4)), Y),
    "sequences": (
        RecurrentNetClassifier((2,), clip_norm=None, **PLAIN),
        rng.normal(size=(60, 3, 2)),
        Y,
    ),
    "masks": (
        UNetSegmenter((2, 2), n_blocks=1, norm="layer", loss="cross_entropy", **PLAIN),
        rng.normal(size=(60, 4, 4)),
        np.repeat(Y, 16).reshape(60, 4, 4),
    ),
}


@pytest.mark.parametrize("class_weight", [{1: 9}, "balanced"])
@pytest.mark.parametrize(("net", "inputs", "y"), NETS.values(), ids=NETS)
def test_rare_classes_gain_in_a_stream_of_every_kind_of_net(net, inputs, y, class_weight):
    means = {}
    for given in (None, class_weight):
        means[str(given)] = clone(net).set_params(class_weight=given)
        for i in range(20):
            means[str(given)].partial_fit(inputs[i : i + 1], y[i : i + 1], classes=[0, 1])
        means[str(given)] = means[str(given)].predict_proba(inputs)[:, 1].mean()
    assert means[str(class_weight)] > means["None"] + 0.05


@pytest.mark.parametrize("early_stopping", [False, True])
def test_in_a_fit_the_weights_of_each_label_have_mean_one(early_stopping):
    class_weight = [{0: 1, 1: 9}, {}]
    net = clone(LINEAR).set_params(class_weight=class_weight, early_stopping=early_stopping)
    run = net.start_fit(X, LABELS, sample_weight=rng.uniform(1, 2, size=60))
    weight = run.loader.rows.weight.numpy()
    assert_allclose(weight.mean(axis=0), [1, 1])
    ones = run.loader.rows.y.numpy()[:, 0] == 1
    assert_allclose(
        weight[ones, 0] / weight[ones, 1], 9 * weight[~ones, 0][0] / weight[~ones, 1][0]
    )


def test_balanced_labels_are_expected_half_of_the_time():
    net = MLPNetClassifier((), class_weight="balanced", lr=0.1, weight_decay=0, random_state=0)
    noise = np.zeros((400, 1))
    rare = (np.random.default_rng(0).random((400, 2)) < [0.1, 0.3]).astype(int)
    assert_allclose(net.fit(noise, rare).predict_proba(noise[:1])[0], [0.5, 0.5], atol=0.02)


def test_rows_that_stop_a_training_have_the_weights_of_their_classes():
    net = clone(LINEAR).set_params(class_weight={0: 1, 1: 9}, max_epochs=1)
    net.fit(X, Y, X_val=X[:30], y_val=Y[:30])
    losses = -np.log(net.predict_proba(X[:30])[np.arange(30), Y[:30]])
    expected = np.average(losses, weights=np.where(Y[:30] == 1, 9, 1))
    assert net.history_[-1, "valid_loss"] == pytest.approx(expected)


def test_pixels_are_counted_by_the_weights_of_their_images():
    net, images, masks = NETS["masks"]
    weight = np.arange(60) % 3
    index = np.repeat(np.arange(60), weight)
    once = clone(net).set_params(class_weight="balanced", max_epochs=1)
    twice = clone(once).fit(images[index], masks[index])
    once.fit(images, masks, sample_weight=weight)
    assert_allclose(once.criterion_.class_weight, twice.criterion_.class_weight)


@pytest.mark.parametrize("seen", [[3, 1], [5, 0], [2.5, 7.5]])
def test_balanced_is_scikit_learns(seen):
    y = np.array([0, 1])
    factors = class_factors("balanced", [y], np.array([seen], dtype=float))
    present = np.flatnonzero(seen)
    expected = compute_class_weight(
        "balanced", classes=y[present], y=y[present], sample_weight=np.array(seen)[present]
    )
    assert_allclose(factors[0, present], expected)


def test_factors_of_a_fit_have_mean_one_over_its_rows():
    counts = np.array([[6.0, 2.0], [0.0, 8.0]])
    factors = mean_one_factors(np.array([[1.0, 9.0], [1.0, 3.0]]), counts, None)
    assert_allclose((factors * counts).sum(axis=1), counts.sum(axis=1))
    assert_allclose(factors[0, 1] / factors[0, 0], 9)


@pytest.mark.parametrize("scale", [1e-300, 1e307])
def test_only_the_ratios_of_the_weights_matter_in_a_fit(scale):
    nets = [clone(LINEAR).set_params(class_weight={0: s, 1: 9 * s}) for s in (scale, 1.0)]
    expected = nets[1].fit(X, Y).predict_proba(X)
    assert_allclose(nets[0].fit(X, Y).predict_proba(X), expected)


BAD = [
    ({5: 2.0}, Y, r"names \[5\], not among the classes \[0, 1\], and leaves \[0, 1\] out"),
    ({"1": 2.0}, Y, r"names \['1'\], not among the classes"),
    ({0: 1, 1: -1}, Y, "finite weights of at least 0.*-1"),
    ({0: 1, 1: np.inf}, Y, "finite weights of at least 0"),
    ({0: 1, 1: "9"}, Y, "finite weights of at least 0"),
    ({0: 0, 1: 0}, Y, "not 0 for all classes in y"),
    ([{0: 1, 1: 2}], Y, "class_weight is a list, which is for several labels a row"),
    ({0: 1, 1: 2}, LABELS, "must be a list of 2 dicts, one for each label"),
    ([{0: 1, 1: 2}], LABELS, "must be a list of 2 dicts, one for each label"),
    ([{0: 1}, "balanced"], LABELS, "must be a dict from labels to weights, a list of such dicts"),
    ([{0: 1, 2: 3}, {}], LABELS, r"names \[2\], not among the classes \[0, 1\]"),
    ("even", Y, "class_weight"),
]


@pytest.mark.parametrize(("class_weight", "y", "message"), BAD)
def test_weights_that_do_not_fit_are_named(class_weight, y, message):
    with pytest.raises(ValueError, match=message):
        clone(LINEAR).set_params(class_weight=class_weight).fit(X, y)


def test_a_class_that_no_row_has_may_be_named():
    net = clone(LINEAR).set_params(class_weight={0: 1, 1: 2, 7: 5}).fit(X, Y)
    assert_array_equal(net.classes_, [0, 1])


@pytest.mark.parametrize("y", [Y.astype(bool), Y.astype(float), np.array(["no", "yes"])[Y]])
def test_labels_of_any_kind_have_weights(y):
    keys = np.unique(y).tolist()
    weighted = clone(LINEAR).set_params(class_weight={keys[0]: 1, keys[1]: 9}).fit(X, y)
    expected = clone(LINEAR).set_params(class_weight={0: 1, 1: 9}).fit(X, Y)
    assert_allclose(weighted.predict_proba(X), expected.predict_proba(X))
