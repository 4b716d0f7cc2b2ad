"""Steps and pixels have labels in one way: a mark is none, weights of classes are the loss's."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_trainkit.neural_network import RecurrentNetClassifier, UNetSegmenter
from tests.neural_network.every_net import IMAGES, SEQUENCES

rng = np.random.default_rng(0)
MARK = {"random_state": 0, "ignore_index": -1}
NETS = {
    "steps": (RecurrentNetClassifier((3,), return_sequences=True, **MARK), SEQUENCES),
    "pixels": (UNetSegmenter((2, 3), **MARK), IMAGES),
}
CODES = {"steps": rng.integers(-1, 3, (24, 5)), "pixels": rng.integers(-1, 3, (24, 8, 8))}


def case(name, **params):
    net, X = NETS[name]
    return copy.deepcopy(net).set_params(**params), X, CODES[name]


@pytest.mark.parametrize("name", NETS)
def test_a_mark_among_the_classes_is_none_of_them(name):
    net, X, y = case(name)
    for classes in ([0, 1, 2], [-1, 0, 1, 2], [2, 1, 0, -1], None):
        net.partial_fit(X, y, classes=classes)
        assert_array_equal(net.classes_, [0, 1, 2])
    with pytest.raises(ValueError, match=r"classes=\[0, 1\] are not those of the first call"):
        net.partial_fit(X, y, classes=[-1, 0, 1])


@pytest.mark.parametrize("name", NETS)
def test_one_class_beside_the_mark_is_too_few(name):
    net, X, y = case(name)
    with pytest.raises(ValueError, match="2 classes in y beside ignore_index=-1"):
        net.fit(X, np.minimum(y, 0))


@pytest.mark.parametrize("name", NETS)
def test_places_without_a_label_have_the_code_after_the_last(name):
    net, X, y = case(name, max_epochs=1)
    codes = net.start_fit(X, y).loader.rows.y.numpy()
    assert_array_equal(codes, np.where(y < 0, 3, y))


@pytest.mark.parametrize("name", NETS)
def test_the_loss_weighs_places_by_their_classes(name):
    net, X, y = case(name, max_epochs=1, class_weight="balanced")
    run = net.start_fit(X, y)
    counts = np.bincount(y[y >= 0])
    assert_allclose(net._targets.place_factors(net), counts.sum() / (3 * counts), rtol=1e-6)
    assert run.loader.rows.weight is None
    assert net.set_params(class_weight=None)._targets.place_factors(net) is None
