"""The dense estimators as a scikit-learn user meets them."""

import copy
import io
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, make_classification
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from skorch import NeuralNetClassifier, NeuralNetRegressor

from sklearn_trainkit.neural_network import MLPNetClassifier, MLPNetRegressor
from sklearn_trainkit.preprocessing import MinMaxScaler, StandardScaler

X, y = make_classification(120, 6, n_informative=4, n_classes=3, random_state=1)
X32 = X.astype(np.float32)
FAST = {"hidden_units": (16,), "max_epochs": 5, "random_state": 0}


def test_they_are_skorch_nets_with_scikit_learns_parameters():
    assert issubclass(MLPNetClassifier, NeuralNetClassifier)
    assert issubclass(MLPNetRegressor, NeuralNetRegressor)
    net = clone(MLPNetClassifier((8, 4), norm="group").set_params(lr=0.1))
    assert (net.hidden_units, net.norm, net.lr) == ((8, 4), "group", 0.1)
    assert repr(net) == "MLPNetClassifier(hidden_units=(8, 4), lr=0.1, norm='group')"


@pytest.mark.parametrize(
    "data",
    [X, X32, X.tolist(), pd.DataFrame(X), np.asfortranarray(X32), torch.from_numpy(X32)],
    ids=["float64", "float32", "list", "frame", "fortran", "tensor"],
)
def test_inputs_of_every_kind_train_and_predict(data):
    net = MLPNetClassifier(dtype="float32", **FAST).fit(data, y)
    expected = MLPNetClassifier(**FAST).fit(X32, y).predict_proba(X32)
    np.testing.assert_array_equal(net.predict_proba(data), expected)


def test_dtype_auto_keeps_float64_and_takes_float32_for_the_rest():
    assert MLPNetClassifier(**FAST).fit(X, y).predict_proba(X).dtype == np.float64
    assert MLPNetClassifier(**FAST).fit(X32, y).predict_proba(X).dtype == np.float32
    digits = load_digits().data[:50].astype(np.uint8)
    assert MLPNetClassifier(**FAST).fit(digits, np.arange(50) % 2).dtype_ == "float32"


@pytest.mark.parametrize(
    "labels",
    [np.array(["x", "y", "z"])[y], pd.Series(y).map({0: "a", 1: "b", 2: "c"}), y - 7, y == 1],
    ids=["str", "series", "negative", "bool"],
)
def test_labels_of_every_kind_come_back(labels):
    net = MLPNetClassifier(**FAST).fit(X, labels)
    np.testing.assert_array_equal(net.classes_, np.unique(labels))
    predicted = net.predict(X)
    assert set(predicted) <= set(np.asarray(labels))
    np.testing.assert_array_equal(net.classes_[net.predict_proba(X).argmax(1)], predicted)


@pytest.mark.parametrize("n_targets", [None, 1, 3])
def test_targets_come_back_in_the_shape_they_were_given(n_targets):
    A, b = load_diabetes(return_X_y=True)
    targets = b if n_targets is None else np.column_stack([b * (i + 1) for i in range(n_targets)])
    net = MLPNetRegressor(max_epochs=30, random_state=0).fit(A, targets)
    assert net.predict(A).shape == targets.shape
    assert net.score(A, targets) > 0.4
    assert not hasattr(net, "predict_proba")


def test_a_one_dimensional_target_is_never_broadcast():
    A, b = load_diabetes(return_X_y=True)
    one, column = (MLPNetRegressor(**FAST).fit(A, t) for t in (b, b[:, None]))
    np.testing.assert_array_equal(one.predict(A), column.predict(A)[:, 0])


def test_predictions_are_in_the_units_of_the_target():
    A, b = load_diabetes(return_X_y=True)
    net = MLPNetRegressor(max_epochs=30, random_state=0).fit(A, b)
    scaled = MLPNetRegressor(max_epochs=30, random_state=0).fit(A, 1e6 * b - 3e7)
    np.testing.assert_allclose(scaled.predict(A), 1e6 * net.predict(A) - 3e7, rtol=1e-3)


@pytest.mark.parametrize("net", [MLPNetClassifier(**FAST), MLPNetRegressor(**FAST)])
def test_a_weight_of_two_is_the_row_given_twice(net):
    weight = np.arange(len(y)) % 3
    index = np.repeat(np.arange(len(y)), weight)
    net.set_params(batch_size=-1)
    weighted = clone(net).fit(X, y, sample_weight=weight)
    repeated = clone(net).fit(X[index], y[index])
    np.testing.assert_allclose(weighted._output(X), repeated._output(X), rtol=1e-6)


def test_balanced_class_weight_is_the_same_as_sample_weights():
    from sklearn.utils.class_weight import compute_sample_weight

    rare = np.where((y == 2) & (np.arange(len(y)) % 4 > 0), 0, y)
    a = MLPNetClassifier(class_weight="balanced", **FAST).fit(X, rare)
    b = MLPNetClassifier(**FAST).fit(X, rare, compute_sample_weight("balanced", rare))
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X))


def test_random_state_repeats_a_fit_and_another_one_does_not():
    first, second, third = (
        MLPNetClassifier(dropout=0.2, max_epochs=3, random_state=seed).fit(X, y).predict_proba(X)
        for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)


def test_partial_fit_is_one_epoch_and_equals_fit():
    whole = MLPNetClassifier(lr_schedule="constant", **FAST).fit(X, y)
    net = MLPNetClassifier(**FAST)  # whose end partial_fit cannot know: it keeps lr constant
    for _ in range(5):
        net.partial_fit(X, y, classes=[0, 1, 2])
    np.testing.assert_array_equal(net.predict_proba(X), whole.predict_proba(X))
    with pytest.raises(ValueError, match=r"y has labels that are not among the classes.*\[9\]"):
        net.partial_fit(X[:3], [0, 1, 9])


def test_warm_start_goes_on():
    net = MLPNetClassifier(warm_start=True, **FAST).fit(X, y)
    loss = net.history[-1]["train_loss"]
    net.fit(X, y)
    assert len(net.history) == 10
    assert net.history[5]["train_loss"] < loss


@pytest.mark.parametrize("copier", [lambda n: pickle.loads(pickle.dumps(n)), copy.deepcopy])
@pytest.mark.parametrize("fitted", [False, True])
def test_pickles_and_copies(copier, fitted):
    net = MLPNetClassifier(dropout=0.5, norm="batch", **FAST)
    if fitted:
        net.fit(X, y)
    twin = copier(net)
    assert twin.get_params() == net.get_params()
    if fitted:
        np.testing.assert_array_equal(twin.predict_proba(X), net.predict_proba(X))
        for each in (net, twin):  # and they train on alike
            each.partial_fit(X, y)
        np.testing.assert_array_equal(twin.predict_proba(X), net.predict_proba(X))


def test_skorchs_save_and_load_params_work():
    net = MLPNetClassifier(**FAST).fit(X, y)
    stored = io.BytesIO()
    net.save_params(f_params=stored)
    other = MLPNetClassifier(**{**FAST, "random_state": 5}).fit(X, y)
    stored.seek(0)
    other.load_params(f_params=stored)
    np.testing.assert_array_equal(other.predict_proba(X), net.predict_proba(X))


def test_batch_norm_survives_a_single_row_left_over():
    net = MLPNetClassifier((8,), norm="batch", batch_size=17, max_epochs=2).fit(X[:86], y[:86])
    assert np.isfinite(net.predict_proba(X)).all()


def test_early_stopping_sets_a_stratified_part_aside():
    labels = np.where(np.arange(120) < 12, "rare", "common")
    net = MLPNetClassifier(early_stopping=True, validation_fraction=0.25, random_state=0)
    run = net.start_fit(X, labels)
    assert np.bincount(run._valid.rows.y.numpy()).tolist() == [27, 3]


def test_they_work_in_pipelines_and_searches():
    net = MLPNetClassifier(lr=0.01, max_epochs=6, random_state=0)
    pipeline = make_pipeline(StandardScaler(), net)
    assert cross_val_score(pipeline, X, y, cv=3).mean() > 0.6
    grid = {
        "standardscaler": [StandardScaler(), MinMaxScaler(), "passthrough"],
        "mlpnetclassifier__norm": [None, "layer"],
    }
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.6


BAD = [
    ({"norm": "btach"}, "'norm' parameter of MLPNetClassifier must be a str among"),
    ({"skip": "residual"}, "'skip' parameter.*'residual'"),
    ({"activation": "rleu"}, "'activation' parameter.*'rleu'"),
    ({"init": "he"}, "'init' parameter.*'he'"),
    ({"optimizer": "adamm"}, "'optimizer' parameter.*'adamm'"),
    ({"lr_schedule": "cos"}, "'lr_schedule' parameter.*'cos'"),
    ({"lr": 0.0}, "'lr' parameter.*0.0"),
    ({"dropout": 1.0}, "'dropout' parameter.*1.0"),
    ({"batch_size": 0}, "'batch_size' parameter.*0"),
    ({"max_epochs": 0}, "'max_epochs' parameter.*0"),
    ({"clip_norm": -1.0}, "'clip_norm' parameter.*-1"),
    ({"hidden_units": (8, 0)}, r"hidden_units must be a sequence of positive ints.*\(8, 0\)"),
    ({"hidden_units": (8.5,)}, r"hidden_units must be a sequence of positive ints.*\(8.5,\)"),
    ({"norm": "group", "norm_groups": 32}, "norm_groups=32 is more than the 16 channels"),
    ({"norm": "batch", "batch_size": 1}, "Batch normalization needs at least 2 rows"),
    ({"optimizer_params": {"momentun": 0.9}}, r"optimizer='adamw' does not take \['momentun'\]"),
    ({"device": "cuda:77"}, "device='cuda:77' is not available"),
    ({"device": "gpu"}, "device='gpu' is not available"),
    ({"early_stopping": True, "validation_fraction": 0.001}, "validation_fraction=0.001"),
    ({"label_smoothing": 1.0}, "'label_smoothing' parameter.*1.0"),
]


@pytest.mark.parametrize(("params", "message"), BAD)
def test_bad_parameters_are_named_with_their_value(params, message):
    with pytest.raises(ValueError, match=message):
        MLPNetClassifier(**{"hidden_units": (16,), **params}).fit(X, y)


@pytest.mark.parametrize(
    ("data", "target", "message"),
    [
        (np.where(X[0, 0] == X, np.nan, X), y, "Input X contains NaN"),
        (np.where(X[0, 0] == X, np.inf, X), y, "Input X contains infinity"),
        (X[:, 0], y, "Expected 2D array, got 1D array"),
        (X[:, :, None], y, "Found array with dim 3"),
        (X, y[:-1], "inconsistent numbers of samples"),
        (X, np.zeros(120), "needs at least 2 classes in y. Got 1 class"),
        (X, y + 0.5, "Unknown label type"),
        (X[:0], y[:0], "Found array with 0 sample"),
    ],
)
def test_bad_data_is_named_before_training(data, target, message):
    with pytest.raises(ValueError, match=message):
        MLPNetClassifier().fit(data, target)


def test_validation_rows_go_together_and_know_the_classes():
    with pytest.raises(ValueError, match="X_val and y_val go together"):
        MLPNetClassifier().fit(X, y, X_val=X)
    with pytest.raises(ValueError, match=r"y_val has labels.*\[5\]"):
        MLPNetClassifier().fit(X, y, X_val=X[:2], y_val=[1, 5])


def test_before_fit_it_says_so():
    with pytest.raises(NotFittedError):
        MLPNetClassifier().predict(X)
    with pytest.raises(NotFittedError, match="call fit first"):
        MLPNetClassifier().initialize()


def test_a_wrong_number_of_features_is_told():
    net = MLPNetClassifier(**FAST).fit(X, y)
    with pytest.raises(ValueError, match="X has 5 features, but MLPNetClassifier is expecting 6"):
        net.predict(X[:, :5])


def test_multilabel_targets_are_learnt_label_by_label():
    from sklearn.datasets import make_multilabel_classification

    A, indicator = make_multilabel_classification(200, 8, n_classes=4, random_state=0)
    net = MLPNetClassifier(max_epochs=100, label_smoothing=0.0, random_state=0).fit(A, indicator)
    assert (net.predict(A) == indicator).mean() > 0.9
    assert net.predict(A).shape == net.predict_proba(A).shape == (200, 4)
    loss = torch.nn.functional.binary_cross_entropy(
        torch.from_numpy(net.predict_proba(A)), torch.from_numpy(indicator).double()
    )
    assert net.history[-1]["train_loss"] == pytest.approx(loss.item(), rel=0.1)
    with pytest.raises(ValueError, match="indicator matrix with 4 columns"):
        net.partial_fit(A, indicator[:, :3])


@pytest.mark.parametrize("values", [(0, 1, 2), (1, 2), (-1, 1)])
def test_two_dimensional_labels_other_than_indicators_are_refused(values):
    labels = np.random.default_rng(0).choice(values, size=(120, 2))
    with pytest.raises(ValueError, match=r"indicator matrix of zeros and ones|Unknown label"):
        MLPNetClassifier(**FAST).fit(X, labels)


@pytest.mark.parametrize("cls", [MLPNetClassifier, MLPNetRegressor])
def test_metadata_routing_reaches_every_network(cls):
    with config_context(enable_metadata_routing=True):
        net = cls(early_stopping=True, **FAST)
        net.set_fit_request(X_val=True, y_val=True, sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = Pipeline([("scaler", scaler), ("net", net)], transform_input=["X_val"])
        weight = np.ones(80)
        pipeline.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:], sample_weight=weight)
    assert "valid_loss" in net.history[-1]


def test_target_statistics_leave_the_stopping_rows_out():
    A, b = load_diabetes(return_X_y=True)
    net = MLPNetRegressor(early_stopping=True, validation_fraction=0.5, **FAST)
    run = net.start_fit(A, b)
    kept = run.loader.rows.y.numpy()[:, 0]
    np.testing.assert_allclose([kept.mean(), kept.std()], [0.0, 1.0], atol=1e-9)
    assert net.y_mean_[0] != b.mean()


def test_large_targets_keep_their_digits_for_float32_rows():
    A, b = load_diabetes(return_X_y=True)
    net = MLPNetRegressor(**FAST)
    small = net.fit(A.astype(np.float32), b).score(A, b)
    large = net.fit(A.astype(np.float32), b + 1e8).score(A, b + 1e8)
    assert large == pytest.approx(small, abs=1e-3)
    with pytest.raises(ValueError, match="whose variance is a finite number"):
        net.fit(A, b * 1e200)


def test_a_warm_start_takes_the_parameters_as_they_are_now():
    net = MLPNetClassifier(warm_start=True, lr_schedule="constant", **FAST).fit(X, y)
    net.set_params(lr=1e-6).fit(X, y)
    assert net.history[-1]["lr"] == 1e-6
    assert net.history[-1]["train_loss"] == pytest.approx(net.history[4]["train_loss"], rel=0.05)


def test_partial_fit_takes_a_smaller_last_chunk_and_refuses_other_classes():
    net = MLPNetClassifier(batch_size=64, **FAST)
    net.partial_fit(X[:80], y[:80], classes=[0, 1, 2]).partial_fit(X[80:], y[80:])
    with pytest.raises(ValueError, match=r"classes=\[0, 1\] are not those of the first call"):
        net.partial_fit(X[:10], y[:10] % 2, classes=[0, 1])


def test_a_batch_size_beyond_the_rows_takes_all_of_them_and_warns():
    with pytest.warns(UserWarning, match="batch_size=500 is larger than the 120 training rows"):
        net = MLPNetClassifier(batch_size=500, **FAST).fit(X, y)
    all_rows = MLPNetClassifier(batch_size=-1, **FAST).fit(X, y)
    np.testing.assert_array_equal(net.predict_proba(X), all_rows.predict_proba(X))
    with pytest.warns(UserWarning, match="than the 108 training rows"):  # 12 stop the training
        MLPNetClassifier(batch_size=109, early_stopping=True, **FAST).fit(X, y)
    net = MLPNetClassifier(batch_size=100, **FAST)
    with pytest.warns(UserWarning, match="than the 80 training rows"):
        net.partial_fit(X[:80], y[:80])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.partial_fit(X[80:], y[80:])  # a last chunk may be smaller


@pytest.mark.parametrize("net", [MLPNetClassifier(**FAST), MLPNetRegressor(**FAST)])
def test_partial_fit_and_early_stopping_do_not_go_together(net):
    net.set_params(early_stopping=True)
    with pytest.raises(ValueError, match=r"early_stopping=True.*warm_start=True"):
        net.partial_fit(X, y)
    assert not hasattr(net, "module_")
    before = net.fit(X, y).predict(X)
    with pytest.raises(ValueError, match="early_stopping=True"):
        net.partial_fit(X, y)
    np.testing.assert_array_equal(net.predict(X), before)
    net.set_params(early_stopping=False).partial_fit(X, y)


def test_groups_of_unequal_size_still_leave_most_rows_to_train_on():
    groups = np.where(np.arange(120) < 100, 0, np.arange(120))
    net = MLPNetClassifier(early_stopping=True, validation_fraction=0.1, random_state=0)
    run = net.start_fit(X, y, groups=groups)
    assert run._valid.rows.n_rows <= 20


def test_groups_stay_together_in_the_validation_part():
    groups = np.repeat(np.arange(30), 4)
    net = MLPNetClassifier(early_stopping=True, validation_fraction=0.2, random_state=0)
    run = net.start_fit(X32, y, groups=groups)
    held_out = run._valid.rows.X.numpy()
    inside = np.array([(held_out == row).all(1).any() for row in X32])
    for group in range(30):
        assert inside[groups == group].all() or not inside[groups == group].any()
    assert 0.1 < inside.mean() < 0.3
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        net.fit(X, y, groups=groups[:-1])


def test_weights_travel_through_safetensors(tmp_path):
    net = MLPNetClassifier(norm="batch", **FAST).fit(X, y)
    net.save_params(f_params=tmp_path / "weights.safetensors", use_safetensors=True)
    other = MLPNetClassifier(norm="batch", **{**FAST, "random_state": 9}).fit(X, y)
    other.load_params(f_params=tmp_path / "weights.safetensors", use_safetensors=True)
    np.testing.assert_array_equal(other.predict_proba(X), net.predict_proba(X))


def test_a_pickled_net_does_not_grow_with_the_training_data():
    sizes = [
        len(pickle.dumps(MLPNetClassifier(**FAST).fit(np.tile(X, (n, 1)), np.tile(y, n))))
        for n in (1, 20)
    ]
    assert sizes[1] < 1.05 * sizes[0]


def test_a_pipeline_scales_the_stopping_rows_without_the_scaler_seeing_them():
    seen = {}

    class Spy(MLPNetClassifier):
        def start_fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, groups=None):
            seen.update(X=X, X_val=X_val)
            return super().start_fit(X, y, sample_weight, X_val=X_val, y_val=y_val)

    with config_context(enable_metadata_routing=True):
        net = Spy(early_stopping=True, **FAST).set_fit_request(X_val=True, y_val=True)
        steps = [("scaler", StandardScaler()), ("net", net)]
        pipeline = Pipeline(steps, transform_input=["X_val"])
        pipeline.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
    mean, std = X[:80].mean(0), X[:80].std(0)
    np.testing.assert_allclose(seen["X_val"], (X[80:] - mean) / std)
    np.testing.assert_allclose(seen["X"], (X[:80] - mean) / std)


@pytest.mark.parametrize("make_net", [MLPNetClassifier, MLPNetRegressor])
def test_all_of_the_portfolio_trains(make_net):
    portfolio = make_net().get_portfolio()
    assert len({repr(entry) for entry in portfolio}) == len(portfolio)
    data = np.concatenate([X32, X32])  # batches have up to 128 rows
    targets = np.concatenate([y, y]) if make_net is MLPNetClassifier else data[:, 0]
    for entry in portfolio:
        net = make_net(random_state=0, max_epochs=12).set_params(**entry).fit(data, targets)
        assert net.score(data, targets) > 0.5  # of three classes
    portfolio[0]["lr"] = -1.0
    assert make_net().get_portfolio()[0]["lr"] > 0


@pytest.mark.parametrize("make_net", [MLPNetClassifier, MLPNetRegressor])
def test_each_optimizer_has_a_part_of_the_portfolio(make_net):
    optimizers = [entry["optimizer"] for entry in make_net().get_portfolio()]
    assert {name: optimizers.count(name) >= 4 for name in set(optimizers)} == dict.fromkeys(
        ["adam", "adamw", "rmsprop", "sgd"], True
    )


def test_early_stopping_trains_on_every_class_for_every_seed():
    X = np.random.default_rng(0).normal(size=(40, 2))
    y = np.array(["a"] * 20 + ["b"] * 19 + ["c"])
    for seed in range(12):
        net = MLPNetClassifier((2,), max_epochs=1, early_stopping=True, random_state=seed)
        assert list(net.fit(X, y).classes_) == ["a", "b", "c"]
        assert "valid_loss" in net.history_[0]


def test_more_classes_than_rows_set_aside_are_no_obstacle():
    X = np.random.default_rng(0).normal(size=(30, 2))
    for seed in range(5):
        net = MLPNetClassifier((2,), max_epochs=1, early_stopping=True, random_state=seed)
        assert len(net.fit(X, np.arange(30) % 10).classes_) == 10


def test_rows_of_weight_zero_are_not_set_aside():
    X = np.random.default_rng(0).normal(size=(40, 2))
    y, weight = np.arange(40) % 2, np.zeros(40)
    weight[:6] = 1
    for seed in range(6):
        net = MLPNetClassifier((2,), max_epochs=1, early_stopping=True, random_state=seed)
        assert np.isfinite(net.fit(X, y, weight).history_[0, "valid_loss"])
