"""The recurrent estimators as a scikit-learn user meets them."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch.utils.data import TensorDataset

from sklearn_trainkit.callbacks import GradientFlow
from sklearn_trainkit.exceptions import DivergenceError
from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.neural_network import RecurrentNetClassifier, RecurrentNetRegressor
from sklearn_trainkit.neural_network.base._start_fit import checkpoint_file
from sklearn_trainkit.preprocessing import StandardScaler

N, T, C = 60, 8, 2
RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(2, T + 1, N)
LENGTHS[0] = T
FULL = RNG.normal(size=(N, T, C))
PADDED = np.where((np.arange(T) < LENGTHS[:, None])[..., None], FULL, np.nan)
LIST = [x[:length] for x, length in zip(FULL, LENGTHS, strict=True)]
LABELS = np.array(["down", "up"])[(np.nansum(PADDED[..., 0], axis=1) > 0).astype(int)]
TARGETS = np.nansum(PADDED, axis=(1, 2))
STEPS = np.where(np.isnan(PADDED[..., 0]), np.nan, np.nancumsum(PADDED[..., 0], axis=1))
FAST = {"hidden_units": (6,), "max_epochs": 4, "batch_size": 16, "random_state": 0}
NETS = [
    pytest.param(RecurrentNetClassifier(**FAST), LABELS, id="classifier"),
    pytest.param(RecurrentNetRegressor(**FAST), TARGETS, id="regressor"),
    pytest.param(RecurrentNetRegressor(return_sequences=True, **FAST), STEPS, id="steps"),
]


def answers(net, X, **kwargs):
    if hasattr(net, "predict_proba"):
        return net.predict_proba(X, **kwargs)
    return net.predict(X, **kwargs)


@pytest.mark.parametrize(("net", "y"), NETS)
def test_lists_lengths_and_nan_are_the_same_sequences(net, y):
    wanted = clone(net).fit(PADDED, y)
    by_lengths = clone(net).fit(FULL, y, lengths=LENGTHS)
    for X, fitted, kwargs in (
        (LIST, clone(net).fit(LIST, y), {}),
        (FULL, by_lengths, {"lengths": LENGTHS}),
        (torch.from_numpy(PADDED), clone(net).fit(torch.from_numpy(PADDED), y), {}),
    ):
        assert_array_equal(answers(fitted, X, **kwargs), answers(wanted, PADDED))
        assert_allclose(fitted.score(X, y, **kwargs), wanted.score(PADDED, y))
    assert wanted.n_features_in_ == C


@pytest.mark.parametrize(("net", "y"), NETS)
def test_padding_and_neighbours_change_no_prediction(net, y):
    net = clone(net).set_params(bidirectional=True, norm="layer", skip="add").fit(PADDED, y)
    wider = np.concatenate([PADDED, np.full((N, 3, C), np.nan)], axis=1)
    together = answers(net, wider)
    for index, length in enumerate(LENGTHS[:10]):
        alone = answers(net, FULL[index : index + 1, :length])[0]
        batch = together[index]
        assert_allclose(batch[:length] if y is STEPS else batch, alone, atol=1e-12)


def test_other_numbers_of_steps_are_fine_other_numbers_of_features_are_not():
    net = RecurrentNetClassifier(**FAST).fit(FULL, LABELS)
    assert net.predict(FULL[:, :3]).shape == (N,)
    assert net.predict(np.tile(FULL, (1, 3, 1))).shape == (N,)
    with pytest.raises(ValueError, match=r"X has sequences of 1 features a step.*of 2 features"):
        net.predict(FULL[..., :1])


def test_flat_rows_are_the_same_sequences_behind_two_dimensional_steps():
    wanted = RecurrentNetClassifier(**FAST).fit(PADDED, LABELS)
    flat = RecurrentNetClassifier(sequence_shape=(-1, C), **FAST)
    rows = PADDED.reshape(N, T * C)
    assert_array_equal(clone(flat).fit(rows, LABELS).predict_proba(rows), answers(wanted, PADDED))
    pipeline = make_pipeline(FunctionTransformer(), flat).fit(pd.DataFrame(rows), LABELS)
    assert_array_equal(pipeline.predict_proba(pd.DataFrame(rows)), answers(wanted, PADDED))
    named = clone(flat).fit(pd.DataFrame(rows).add_prefix("t"), LABELS)
    assert named.feature_names_in_[0] == "t0"
    assert named.n_features_in_ == T * C
    cut = clone(flat).fit(FULL.reshape(N, -1), LABELS, lengths=LENGTHS)
    assert_array_equal(cut.predict_proba(rows), answers(wanted, PADDED))


def test_features_are_standardized_by_their_true_steps():
    net = RecurrentNetRegressor(**FAST).fit(PADDED, TARGETS)
    layer = net.module_.standardization
    assert_allclose(layer.mean, np.nanmean(PADDED, axis=(0, 1)))
    assert_allclose(layer.scale, np.nanstd(PADDED, axis=(0, 1)))
    scaled = RecurrentNetRegressor(**FAST).fit(PADDED * 1e3 - 7, TARGETS)
    assert_allclose(scaled.predict(PADDED * 1e3 - 7), net.predict(PADDED), rtol=1e-6)
    plain = RecurrentNetRegressor(standardize_X=False, **FAST).fit(PADDED, TARGETS)
    assert plain.module_.standardization is None


def test_uint8_and_memory_maps_are_cast_batch_by_batch(tmp_path):
    np.save(tmp_path / "x.npy", PADDED.astype(np.float32))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    wanted = RecurrentNetClassifier(**FAST).fit(np.array(mapped), LABELS)
    net = RecurrentNetClassifier(**FAST).fit(mapped, LABELS)
    assert_array_equal(net.predict_proba(mapped), wanted.predict_proba(mapped))
    small = (FULL * 20 + 100).astype(np.uint8)
    net = RecurrentNetClassifier(**FAST).fit(small, LABELS)
    wanted = RecurrentNetClassifier(**FAST).fit(small.astype(np.float32), LABELS)
    assert_array_equal(net.predict_proba(small), wanted.predict_proba(small))


# Targets of each step


def test_step_targets_come_back_in_their_shape_with_nan_after_the_end():
    net = RecurrentNetRegressor(return_sequences=True, **FAST)
    predicted = clone(net).fit(PADDED, STEPS).predict(PADDED)
    assert predicted.shape == (N, T)
    assert_array_equal(np.isnan(predicted), np.isnan(STEPS))
    double = np.stack([STEPS, -3 * STEPS + 1], axis=2)
    fitted = clone(net).fit(PADDED, double)
    predicted = fitted.predict(PADDED)
    assert predicted.shape == (N, T, 2)
    assert_array_equal(np.isnan(predicted), np.isnan(double))
    assert_allclose(fitted.y_mean_, np.nanmean(double, axis=(0, 1)))
    assert_allclose(fitted.y_scale_, np.nanstd(double, axis=(0, 1)))
    there = ~np.isnan(STEPS)
    assert_allclose(fitted.score(PADDED, double), r2_score(double[there], predicted[there]))
    weight = np.arange(N) + 1.0
    assert_allclose(
        fitted.score(PADDED, double, weight),
        r2_score(double[there], predicted[there], sample_weight=np.repeat(weight, LENGTHS)),
    )


def test_step_targets_are_learnt():
    net = RecurrentNetRegressor(
        (16,), return_sequences=True, max_epochs=60, lr=0.02, batch_size=16, random_state=0
    )
    assert net.fit(PADDED, STEPS).score(PADDED, STEPS) > 0.95


def test_step_targets_as_lists_and_with_early_stopping():
    y = [steps[:length] for steps, length in zip(STEPS, LENGTHS, strict=True)]
    net = RecurrentNetRegressor(return_sequences=True, **FAST)
    as_list = clone(net).fit(LIST, y)
    assert_array_equal(as_list.predict(LIST), clone(net).fit(PADDED, STEPS).predict(PADDED))
    assert_allclose(as_list.score(LIST, y), as_list.score(PADDED, STEPS))
    stopped = clone(net).set_params(early_stopping=True).fit(PADDED, STEPS)
    assert {"valid_loss", "valid_r2"} <= set(stopped.history[-1])
    given = clone(net).set_params(early_stopping=True)
    given.fit(LIST, y, X_val=FULL[:9, :5], y_val=FULL[:9, :5, 0].cumsum(1))
    scores = given.history[:, "valid_r2"]
    own = given.score(FULL[:9, :5], FULL[:9, :5, 0].cumsum(1))
    assert_allclose(scores[given.best_epoch_ - 1], own)


def test_a_batch_of_one_length_has_the_loss_of_torch():
    y = FULL[..., 0].cumsum(axis=1)
    net = RecurrentNetRegressor(
        return_sequences=True, standardize_y=False, **{**FAST, "batch_size": -1, "max_epochs": 1}
    )
    run = net.start_fit(FULL, y)
    with torch.no_grad():
        output = net.module_(torch.from_numpy(FULL))[..., 0]
    wanted = torch.nn.functional.mse_loss(output, torch.from_numpy(y))
    run.train()
    assert_allclose(net.history[0]["train_loss"], wanted)


# What the engine has, holds here


@pytest.mark.parametrize(("net", "y"), NETS)
def test_a_weight_of_two_is_the_sequence_given_twice(net, y):
    net = clone(net).set_params(batch_size=-1)
    weight = np.arange(N) % 3
    index = np.repeat(np.arange(N), weight)
    weighted = clone(net).fit(PADDED, y, sample_weight=weight)
    repeated = clone(net).fit(PADDED[index], y[index])
    assert_allclose(answers(weighted, PADDED), answers(repeated, PADDED), rtol=1e-6)


@pytest.mark.parametrize(("net", "y"), NETS)
def test_random_state_and_the_global_seed(net, y):
    net = clone(net).set_params(dropout=0.3, hidden_units=(6, 6))
    torch.manual_seed(1)
    first = answers(clone(net).fit(PADDED, y), PADDED)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second = answers(clone(net).fit(PADDED, y), PADDED)
    assert torch.equal(torch.get_rng_state(), state)
    assert_array_equal(first, second)
    assert not np.array_equal(answers(net.set_params(random_state=5).fit(PADDED, y), PADDED), first)


@pytest.mark.parametrize(("net", "y"), NETS)
def test_stepping_and_partial_fit_are_fit_taken_apart(net, y):
    whole = clone(net).set_params(lr_schedule="constant").fit(PADDED, y)
    stepped = clone(net).set_params(lr_schedule="constant")
    run = stepped.start_fit(FULL, y, lengths=LENGTHS)
    while run.advance():
        answers(stepped, PADDED)
    run.finish()
    by_parts = clone(net)
    for _ in range(4):
        by_parts.partial_fit(FULL, y, lengths=LENGTHS)
    for other in (stepped, by_parts):
        assert_array_equal(answers(other, PADDED), answers(whole, PADDED))


@pytest.mark.parametrize(("net", "y"), NETS)
def test_pickles_predict_and_train_on_alike(net, y):
    net = clone(net).set_params(dropout=0.3).fit(PADDED, y)
    twin = pickle.loads(pickle.dumps(net))
    for each in (net, twin):
        each.partial_fit(PADDED, y)
    assert_array_equal(answers(twin, PADDED), answers(net, PADDED))


@pytest.mark.parametrize(("net", "y"), NETS)
def test_warm_start_goes_on_with_sequences_of_other_lengths(net, y):
    net = clone(net).set_params(warm_start=True).fit(PADDED, y)
    cut = y[:, :4] if y is STEPS else y
    net.fit(PADDED[:, :4], cut)
    assert len(net.history) == 8


@pytest.mark.parametrize(("net", "y"), NETS)
def test_a_fit_cut_short_goes_on_from_its_checkpoint(net, y, tmp_path, monkeypatch):
    wanted = clone(net).fit(LIST, y)
    net = clone(net).set_params(checkpoint_dir=tmp_path)
    monkeypatch.setattr(
        "sklearn_trainkit.neural_network.training._checkpoint._SECONDS_BETWEEN_WRITES", 0.0
    )
    file = checkpoint_file(net, LIST, y, None, None, None, None)
    run = clone(net).start_fit(LIST, y)
    run.advance()
    file.write(run.state_dict())
    resumed = clone(net).fit(LIST, y)
    assert_array_equal(answers(resumed, LIST), answers(wanted, LIST))


def test_class_weights_and_multilabel_targets():
    both = np.column_stack([LABELS == "up", TARGETS > 1]).astype(int)
    net = RecurrentNetClassifier(**FAST).fit(PADDED, both)
    assert net.predict(PADDED).shape == (N, 2)
    balanced = RecurrentNetClassifier(class_weight="balanced", **FAST).fit(PADDED, LABELS)
    share = np.where(LABELS == "up", np.mean(LABELS == "up"), np.mean(LABELS == "down"))
    weighted = RecurrentNetClassifier(**FAST).fit(PADDED, LABELS, 1 / share)
    assert_allclose(balanced.predict_proba(PADDED), weighted.predict_proba(PADDED))


def test_gradient_flow_names_the_recurrent_weights():
    net = RecurrentNetRegressor(callbacks=[GradientFlow(warn=False)], **FAST).fit(PADDED, TARGETS)
    names = [layer.layer for layer in net.history[-1]["gradient_flow"]]
    assert names == [
        "layers.0.forwards.weight_ih_l0",
        "layers.0.forwards.weight_hh_l0",
        "output.weight",
    ]


def test_early_stopping_sets_a_stratified_part_aside():
    net = RecurrentNetClassifier(early_stopping=True, validation_fraction=0.25, random_state=0)
    rare = np.where(np.arange(N) < 12, "rare", "common")
    run = net.start_fit(LIST, rare)
    assert np.bincount(run._valid.rows.y.numpy()).tolist() == [12, 3]


# In the company of scikit-learn


@pytest.mark.parametrize(("net", "y"), NETS)
def test_lists_pass_through_cross_validation(net, y):
    if y is STEPS:
        y = [steps[:length] for steps, length in zip(y, LENGTHS, strict=True)]
    from_list = cross_val_score(net, LIST, y, cv=3, error_score="raise")
    from_array = cross_val_score(net, PADDED, STEPS if isinstance(y, list) else y, cv=3)
    assert_allclose(from_list, from_array)


def test_lengths_are_routed():
    fast = FAST | {"max_epochs": 1}
    with config_context(enable_metadata_routing=True):
        net = RecurrentNetClassifier(**fast)
        net.set_fit_request(lengths=True).set_score_request(lengths=True)
        scores = cross_val_score(net, FULL, LABELS, params={"lengths": LENGTHS}, cv=3)
        wanted = cross_val_score(net, PADDED, LABELS, cv=3)
        assert_array_equal(scores, wanted)
        search = GridSearchCV(net, {"cell": ["gru", "lstm"]}, cv=3, error_score="raise")
        search.fit(FULL, LABELS, lengths=LENGTHS)
        plain = GridSearchCV(net, {"cell": ["gru", "lstm"]}, cv=3).fit(PADDED, LABELS)
        assert search.best_score_ == plain.best_score_
    predicted = cross_val_predict(RecurrentNetClassifier(**fast), LIST, LABELS, cv=3)
    assert predicted.shape == (N,)


@pytest.mark.parametrize("pruner", ["median", None])
def test_a_search_prunes_and_scales_by_feature(pruner):
    pipeline = Pipeline(
        [("scaler", StandardScaler(channel_axis=-1)), ("net", RecurrentNetClassifier(**FAST))]
    )
    space = {"net__cell": ["gru", "tanh"], "net__lr": (1e-3, 1e-1)}
    search = OptunaSearchCV(
        pipeline, space, n_trials=6, pruner=pruner, cv=2, random_state=0, error_score="raise"
    )
    search.fit(PADDED, LABELS)
    assert search.best_score_ > 0.5
    assert search.predict(PADDED[:, :5]).shape == (N,)


def test_a_search_takes_lists_of_sequences():
    net = RecurrentNetRegressor(return_sequences=True, **FAST)
    y = [steps[:length] for steps, length in zip(STEPS, LENGTHS, strict=True)]
    search = OptunaSearchCV(
        net, {"lr": (1e-3, 1e-1)}, n_trials=3, cv=2, random_state=0, error_score="raise"
    )
    search.fit(LIST, y)
    assert np.isfinite(search.best_score_)


# Exploding gradients


def test_clipping_by_norm_rescues_an_exploding_recurrence():
    X = np.random.default_rng(0).normal(size=(128, 60, 1)).astype(np.float32)
    y = X[:, -5:, 0].sum(axis=1)

    def amplifying(weight):
        torch.nn.init.orthogonal_(weight, 1.2)

    net = RecurrentNetRegressor(
        (32,),
        cell="tanh",
        init=amplifying,
        optimizer="sgd",
        lr=0.3,
        lr_schedule="constant",
        batch_size=32,
        max_epochs=15,
        random_state=0,
    )
    with pytest.raises(DivergenceError, match="clip_norm=None"):
        clone(net).set_params(clip_norm=None).fit(X, y)
    losses = clone(net).set_params(clip_norm=1.0).fit(X, y).history[:, "train_loss"]
    assert losses[-1] < 0.2 * losses[0]


# Bad input

BAD_PARAMETERS = [
    ({"cell": "rnn"}, "'cell' parameter.*'rnn'"),
    ({"pooling": "sum"}, "'pooling' parameter.*'sum'"),
    ({"skip": "concat"}, "'skip' parameter.*'concat'"),
    ({"norm": "batch"}, "norm='batch' does not suit sequences"),
    ({"norm": "group"}, "norm='group' does not suit sequences"),
    ({"norm": "lyaer"}, "'norm' parameter.*'lyaer'"),
    ({"hidden_units": ()}, r"hidden_units must have at least one layer.*\(\)"),
    ({"hidden_units": (8, -1)}, r"hidden_units must be a sequence of positive ints.*\(8, -1\)"),
    ({"dropout": [0.1, 0.2]}, "has 2 rates for 1 hidden layers"),
    ({"sequence_shape": (3, 2)}, r"sequence_shape=\(3, 2\) does not fit X of shape \(60, 8, 2\)"),
    ({"sequence_shape": "ab"}, "'sequence_shape' parameter"),
]


@pytest.mark.parametrize(("params", "message"), BAD_PARAMETERS)
def test_bad_parameters_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        RecurrentNetClassifier(**{**FAST, **params}).fit(FULL, LABELS)


def with_value(where, value):
    X = FULL.copy()
    X[where] = value
    return X


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (with_value((3, 2), np.nan), "step 2 of sample 3 is NaN and steps after it are not"),
        (with_value((3, -1, 0), np.nan), "step 7 of sample 3 is NaN in some features"),
        (with_value((3,), np.nan), "sample 3 is NaN, so the sequence has no steps at all"),
        (with_value((3, 2), np.inf), "Input X contains infinity"),
        (FULL.reshape(N, -1), r"X has shape \(60, 16\), but a recurrent network takes"),
        (FULL[..., None], r"X has shape \(60, 8, 2, 1\)"),
        ([*LIST[:-1], LIST[-1][:, :1]], r"X\[59\] has shape \(\d, 1\).*\(n_steps, 2\)"),
        (FULL[:5], "inconsistent numbers of samples"),
    ],
)
def test_bad_sequences_are_named_in_fit_and_predict(X, message):
    with pytest.raises(ValueError, match=message):
        RecurrentNetClassifier(**FAST).fit(X, LABELS)
    if len(X) == N:
        net = RecurrentNetClassifier(**FAST).fit(FULL, LABELS)
        with pytest.raises(ValueError, match=message):
            net.predict(X)


def test_bad_targets_are_named():
    with pytest.raises(ValueError, match="return_sequences=True needs y with the steps of X"):
        RecurrentNetRegressor(return_sequences=True, **FAST).fit(PADDED, STEPS[:, :-1])
    with pytest.raises(ValueError, match="a target for each step"):
        RecurrentNetRegressor(return_sequences=True, **FAST).fit(PADDED, TARGETS)
    with pytest.raises(ValueError, match="requires y to be passed"):
        RecurrentNetRegressor(**FAST).fit(PADDED, None)
    with pytest.raises(ValueError, match="return_sequences=True"):
        RecurrentNetRegressor(**FAST).fit(PADDED, STEPS[..., None])
    with pytest.raises(TypeError, match=r"takes arrays\. Got a torch Dataset"):
        RecurrentNetClassifier(**FAST).fit(TensorDataset(torch.from_numpy(FULL)), LABELS)
