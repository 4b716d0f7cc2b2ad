"""Steps without a target have no part in anything; against plain torch and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.neural_network import RecurrentNetRegressor

rng = np.random.default_rng(0)
X = rng.normal(size=(20, 6, 2))
LENGTHS = rng.integers(3, 7, 20)
THERE = np.arange(6) < LENGTHS[:, None]
PADDED = np.where(THERE[..., None], X, np.nan)
FULL = np.stack([X[..., 0].cumsum(axis=1), 5 + X.sum(axis=2)], axis=2)
KNOWN = rng.random(FULL.shape) < 0.6
FAST = {
    "hidden_units": (4,), "return_sequences": True, "max_epochs": 3, "random_state": 0,
    "lr": 0.02,
}  # fmt: skip


def net(**params):
    return RecurrentNetRegressor(**{**FAST, **params})


def targets(n_targets):
    known = KNOWN & THERE[..., None]
    y, known = np.where(KNOWN, FULL, np.nan), known
    return (y[..., 0], known[..., 0]) if n_targets == 1 else (y, known)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
@pytest.mark.parametrize("n_targets", [1, 2])
def test_the_loss_is_torchs_over_what_is_known(loss, n_targets):
    y, known = targets(n_targets)
    estimator = net(loss=loss, batch_size=-1, max_epochs=1)
    run = estimator.start_fit(PADDED, y)
    output = estimator.module_(torch.from_numpy(PADDED)).detach().numpy()
    columns, known = (each if n_targets == 2 else each[..., None] for each in (y, known))
    mean = np.array([columns[..., j][known[..., j]].mean() for j in range(n_targets)])
    scale = np.array([columns[..., j][known[..., j]].std() for j in range(n_targets)])
    assert_allclose(estimator.y_mean_, mean)
    assert_allclose(estimator.y_scale_, scale)
    function = {
        "squared_error": torch.nn.functional.mse_loss,
        "absolute_error": torch.nn.functional.l1_loss,
        "huber": torch.nn.functional.huber_loss,
    }[loss]
    wanted = function(
        torch.from_numpy(output[known]), torch.from_numpy(((columns - mean) / scale)[known])
    )
    run.train()
    assert estimator.history_[-1, "train_loss"] == pytest.approx(wanted.item())


@pytest.mark.parametrize("n_targets", [1, 2])
def test_a_weight_of_two_is_the_sequence_given_twice(n_targets):
    y, _ = targets(n_targets)
    y[4] = np.nan
    params = {"batch_size": -1, "standardize_X": False}
    once = net(**params).fit(PADDED, y, np.r_[2.0, np.ones(19)])
    twice = net(**params).fit(PADDED[[0, *range(20)]], y[[0, *range(20)]])
    assert_allclose(once.predict(PADDED), twice.predict(PADDED), rtol=1e-6)


@pytest.mark.parametrize("n_targets", [1, 2])
def test_score_and_validation_leave_them_out(n_targets):
    y, known = targets(n_targets)
    estimator = net(early_stopping=True).fit(PADDED[5:], y[5:], X_val=PADDED[:5], y_val=y[:5])
    predicted = estimator.predict(PADDED)
    assert (np.isnan(predicted) == ~(THERE if n_targets == 1 else THERE[..., None])).all()
    weight = rng.uniform(0.5, 2, 20)
    columns = [(y, predicted, known)] if n_targets == 1 else [
        (y[..., j], predicted[..., j], known[..., j]) for j in range(2)
    ]  # fmt: skip
    pixels = np.repeat(weight, 6).reshape(20, 6)
    wanted = np.mean([r2_score(t[k], p[k], sample_weight=pixels[k]) for t, p, k in columns])
    assert estimator.score(PADDED, y, sample_weight=weight) == pytest.approx(wanted)
    if n_targets == 1:
        known = known[:5]
        wanted = r2_score(y[:5][known], predicted[:5][known])
        recorded = estimator.history_[estimator.best_epoch_ - 1, "valid_r2"]
        assert recorded == pytest.approx(wanted)


def test_what_would_stand_there_changes_nothing():
    y, _ = targets(1)
    lists = [each[:n] for each, n in zip(y, LENGTHS, strict=True)]
    parts = [each[:n] for each, n in zip(X, LENGTHS, strict=True)]
    wanted = net().fit(PADDED, y).predict(PADDED)
    assert_allclose(net().fit(parts, lists).predict(PADDED), wanted)
    assert_allclose(net().fit(X, y, lengths=LENGTHS).predict(PADDED), wanted)


def test_missing_values_of_tables_and_lists_are_nan():
    y, _ = targets(1)
    wanted = net().fit(X, y).predict(X)
    table = pd.DataFrame(y).astype("Float64")
    lists = [[None if np.isnan(v) else v for v in row] for row in y]
    for other in (table, table.astype("float64[pyarrow]"), lists):
        assert_allclose(net().fit(X, other).predict(X), wanted)


def test_chunks_and_batches_without_targets_have_no_gradient():
    y, _ = targets(1)
    estimator = net(optimizer="sgd", weight_decay=0.0).partial_fit(PADDED, y)
    before = estimator.predict(PADDED)
    estimator.partial_fit(PADDED[:4], np.full((4, 6), np.nan))
    assert_allclose(estimator.predict(PADDED), before)
    y[:10] = np.nan
    assert np.isfinite(net(batch_size=2).fit(PADDED, y).history_[:, "train_loss"]).all()


def test_searches_and_cross_validation_take_them():
    y, _ = targets(1)
    scores = cross_val_score(net(), PADDED, y, cv=KFold(2), error_score="raise")
    assert np.isfinite(scores).all()
    grid = GridSearchCV(net(), {"lr": [0.02]}, cv=KFold(2), error_score="raise").fit(PADDED, y)
    search = OptunaSearchCV(net(), {"lr": [0.02]}, n_trials=1, cv=KFold(2)).fit(PADDED, y)
    assert grid.best_score_ == search.best_score_ == pytest.approx(scores.mean())


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full((20, 6), np.nan), "NaN at all steps"),
        (np.stack([FULL[..., 0], np.full((20, 6), np.nan)], axis=2), "NaN at all steps"),
        (np.full((20, 6), np.inf), "infinity at step 0 of sample 0"),
    ],
)
def test_what_cannot_be_trained_on_is_said(y, message):
    with pytest.raises(ValueError, match=message):
        net().fit(PADDED, y)


def test_a_validation_part_without_targets_is_said():
    y, _ = targets(1)
    nothing = np.full((5, 6), np.nan)
    with pytest.raises(ValueError, match="None of the 5 validation sequences"):
        net(early_stopping=True).fit(PADDED, y, X_val=PADDED[:5], y_val=nothing)
    with pytest.raises(ValueError, match="must have a target at some step"):
        net().fit(PADDED, y).score(PADDED[:5], nothing)


@pytest.mark.parametrize("n_targets", [1, 2])
def test_what_numpy_masks_was_not_measured_either(n_targets):
    y, _ = targets(n_targets)
    masked = np.ma.masked_invalid(y)
    wanted = net().fit(PADDED, y)
    assert_allclose(net().fit(PADDED, masked).predict(PADDED), wanted.predict(PADDED))
    assert wanted.score(PADDED, masked) == wanted.score(PADDED, y)


def standardized_error(estimator, X, y):
    return np.nanmean(((estimator.predict(X) - y) / estimator.y_scale_) ** 2)


def test_the_loss_of_a_warm_start_is_the_mean_over_the_targets_that_it_has():
    y, _ = targets(1)
    estimator = net(warm_start=True, batch_size=-1, max_epochs=1, lr=1e-9).fit(PADDED, y)
    y[:, 1:] = np.nan
    estimator.fit(PADDED, y)
    wanted = standardized_error(estimator, PADDED, y)
    assert estimator.history_[-1, "train_loss"] == pytest.approx(wanted, rel=1e-6)


def test_the_validation_loss_is_the_mean_over_the_targets_of_its_rows():
    y, _ = targets(1)
    longer, y_longer = np.tile(X, (1, 3, 1)), np.tile(FULL[..., 0], (1, 3))
    estimator = net(early_stopping=True, max_epochs=1)
    estimator.fit(PADDED, y, X_val=longer, y_val=y_longer)
    wanted = standardized_error(estimator, longer, y_longer)
    assert estimator.history_[-1, "valid_loss"] == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("standardize_y", [True, False])
def test_targets_of_sequences_without_weight_are_none(standardize_y):
    y, _ = targets(1)
    y[4:] = np.nan
    weight = np.where(np.arange(20) < 4, 0.0, 1.0)
    with pytest.raises(ValueError, match="sample_weight is zero for every sequence that has a t"):
        net(standardize_y=standardize_y).fit(PADDED, y, weight)


@pytest.mark.parametrize("n_targets", [1, 2])
def test_what_numpy_masks_in_a_list_was_not_measured(n_targets):
    y, _ = targets(n_targets)
    parts = [part[:n] for part, n in zip(X, LENGTHS, strict=True)]
    lists = [part[:n] for part, n in zip(np.ma.masked_invalid(y), LENGTHS, strict=True)]
    wanted = net().fit(PADDED, y).predict(PADDED)
    assert_allclose(net().fit(parts, lists).predict(PADDED), wanted)
