"""Callbacks are shown samples and targets in training units, and answered in these."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_trainkit.neural_network import (
    RecurrentNetClassifier,
    RecurrentNetRegressor,
    UNetSegmenter,
    dice_scorer,
    iou_scorer,
)
from sklearn_trainkit.neural_network.batches._tensor_loader import RowsDataset
from tests.neural_network.every_net import IMAGES, KINDS, SEQUENCES, make_net

STEPS = {"hidden_units": (4,), "return_sequences": True, "max_epochs": 2, "random_state": 0}
rng = np.random.default_rng(0)
PADDED = SEQUENCES.copy()
PADDED[::3, 3:] = np.nan
THERE = ~np.isnan(PADDED[..., 0])
CODES = rng.integers(0, 3, (24, 5))


def cases():
    for kind in KINDS:
        yield kind, *make_net(kind)
    unlabelled = {"ignore_index": -1}
    marked = np.where(rng.random((24, 5)) < 0.3, -1, 3 + CODES)
    yield "steps", RecurrentNetClassifier(**STEPS), PADDED, np.array(["a", "b", "c"])[CODES]
    yield "marked steps", RecurrentNetClassifier(**STEPS, **unlabelled), PADDED, marked
    yield "numbers of steps", RecurrentNetRegressor(**STEPS), PADDED, 100.0 + 7 * CODES
    pixels = np.where(IMAGES[:, 0] > 1, -1, 3 + (IMAGES[:, 0] > 0))
    yield "marked pixels", UNetSegmenter((2, 4), max_epochs=2, **unlabelled), IMAGES, pixels


CASES = {name: rest for name, *rest in cases()}


@pytest.fixture(scope="module", params=CASES)
def fitted(request):
    net, X, y = CASES[request.param]
    run = net.start_fit(X, y)
    run.train()
    return net, X, y, RowsDataset(run.loader.rows)


def test_predictions_for_training_samples_are_codes(fitted):
    net, X, _, data = fitted
    there = THERE if X is PADDED else np.ones(len(X), bool)
    answers = net.predict(X)
    if X is PADDED and isinstance(net, RecurrentNetClassifier) and net.return_sequences:
        answers = np.ma.masked_array(answers, ~THERE)
    codes = net._targets.encode(net, answers, "y")
    for shown in (data, data.X):
        guess = net.predict(shown)
        assert_allclose(guess[there].reshape(codes[there].shape), codes[there], atol=1e-5)


def test_scores_by_training_targets_are_those_by_the_users(fitted):
    net, X, y, data = fitted
    wanted = net.score(X, y)
    scores = [net.score(shown, data.y) for shown in (data, data.X)]
    if isinstance(net, UNetSegmenter):
        scores += [dice_scorer(net, shown, data.y) for shown in (data, data.X)]
        assert_allclose(iou_scorer(net, data.X, data.y), iou_scorer(net, X, y))
    assert_allclose(scores, wanted, atol=1e-6)


def test_probabilities_for_training_samples_are_those_for_the_users(fitted):
    net, X, _, data = fitted
    if not hasattr(net, "predict_proba"):
        return
    wanted = net.predict_proba(X)
    for shown in (data, data.X):
        found = net.predict_proba(shown)
        found = np.where(np.isnan(wanted), np.nan, found)  # after the end there is no answer
        assert_array_equal(found, wanted)


def test_codes_in_the_units_of_earlier_targets_become_present_ones(fitted):
    net, _, _, data = fitted
    again = net._targets.in_present_units(net, data.rows, net._targets.units(net))
    assert_allclose(again.y, data.y, rtol=1e-5)
