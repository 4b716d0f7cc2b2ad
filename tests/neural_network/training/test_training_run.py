"""The loop against a hand-written torch loop, and against skorch's and scikit-learn's callbacks."""

import numpy as np
import pytest
import torch
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_iris, make_classification, make_regression
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, EpochScoring, LRScheduler
from torch.nn import functional

from sklearn_trainkit.exceptions import DivergenceError, DivergenceWarning
from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.neural_network import MLPNetClassifier, MLPNetRegressor
from sklearn_trainkit.preprocessing import StandardScaler
from sklearn_trainkit.utils._random_streams import stream_seeds

X, y = make_classification(
    150, 8, n_informative=5, n_classes=3, random_state=0, n_clusters_per_class=1
)
X = X.astype(np.float32)
PLAIN = {"lr_schedule": "constant", "label_smoothing": 0.0}


def hand_written_losses(net, n_epochs, batch_size, clip=None):
    """Train a fresh copy of the net's module with the same seeds; return module and losses."""
    seeds = stream_seeds(net.random_state)
    torch.manual_seed(seeds.weights)
    module = net._architecture.make(net)
    optimizer = torch.optim.Adam(module.parameters(), lr=net.lr)
    order = torch.Generator().manual_seed(seeds.order)
    X_, y_ = torch.from_numpy(X), torch.from_numpy(y)
    losses = []
    for _ in range(n_epochs):
        total = 0.0
        for index in torch.randperm(len(X_), generator=order).split(batch_size):
            optimizer.zero_grad()
            loss = functional.cross_entropy(module(X_[index]), y_[index])
            loss.backward()
            if clip is not None:
                clip(module.parameters())
            optimizer.step()
            total += loss.item() * len(index)
        losses.append(total / len(X_))
    return module, losses


@pytest.mark.parametrize(
    ("params", "clip"),
    [
        ({}, None),
        ({"clip_norm": 0.1}, lambda p: torch.nn.utils.clip_grad_norm_(p, 0.1)),
        ({"clip_value": 0.01}, lambda p: torch.nn.utils.clip_grad_value_(p, 0.01)),
    ],
    ids=["plain", "clip_norm", "clip_value"],
)
def test_training_equals_a_hand_written_loop(params, clip):
    net = MLPNetClassifier(
        (16, 8), optimizer="adam", batch_size=32, max_epochs=5, random_state=3, **PLAIN, **params
    ).fit(X, y)
    module, losses = hand_written_losses(net, 5, 32, clip)
    np.testing.assert_allclose(net.history[:, "train_loss"], losses, rtol=1e-5)
    with torch.no_grad():
        expected = torch.softmax(module(torch.from_numpy(X)), 1).numpy()
    np.testing.assert_allclose(net.predict_proba(X), expected, rtol=1e-4, atol=1e-6)
    assert net.n_steps_ == 5 * 5


@pytest.mark.parametrize("schedule", ["constant", "one_cycle"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_epoch_by_epoch_is_the_same_as_in_one_go(schedule, dropout):
    params = {"hidden_units": (16,), "max_epochs": 4, "random_state": 0, "norm": "batch"}
    params |= {"lr_schedule": schedule, "dropout": dropout}
    whole = MLPNetClassifier(**params).fit(X, y)
    stepped = MLPNetClassifier(**params)
    run = stepped.start_fit(X, y)
    while run.advance():
        stepped.predict(X)  # looking in between changes nothing
        torch.rand(3)
    run.finish()
    np.testing.assert_array_equal(whole.predict_proba(X), stepped.predict_proba(X))
    assert whole.history[:, "train_loss"] == stepped.history[:, "train_loss"]


def test_early_stopping_restores_the_weights_of_the_best_epoch():
    net = MLPNetClassifier(
        (64,), lr=0.05, max_epochs=60, early_stopping=True, patience=5, random_state=0, **PLAIN
    ).fit(X, y)
    losses = net.history[:, "valid_loss"]
    assert net.best_epoch_ == int(np.argmin(losses)) + 1
    assert len(losses) == net.best_epoch_ + 5
    again = MLPNetClassifier(
        (64,), lr=0.05, max_epochs=net.best_epoch_, early_stopping=True, random_state=0, **PLAIN
    ).fit(X, y)
    np.testing.assert_array_equal(net.predict_proba(X), again.predict_proba(X))


def test_given_validation_rows_are_used_and_none_are_set_aside():
    net = MLPNetClassifier(max_epochs=3, early_stopping=True, random_state=0, **PLAIN)
    net.fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    with torch.no_grad():  # a fit inside no_grad trains all the same
        last = MLPNetClassifier(max_epochs=3, random_state=0, **PLAIN).fit(X[:100], y[:100])
        loss = functional.cross_entropy(
            last.module_(torch.from_numpy(X[100:])), torch.from_numpy(y[100:])
        )
    assert net.history[-1]["valid_loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_the_loss_becoming_nan_raises_at_once_and_says_what_to_do():
    with pytest.raises(DivergenceError, match=r"lr=1e\+30.*clip_norm"):
        MLPNetClassifier((16, 16), optimizer="sgd", lr=1e30, max_epochs=5).fit(X, y)


def test_on_divergence_warn_keeps_sound_weights():
    net = MLPNetClassifier(
        (16, 16), optimizer="sgd", lr=1e30, max_epochs=5, on_divergence="warn", random_state=0
    )
    with pytest.warns(DivergenceWarning, match="weights of epoch 0 are kept"):
        net.fit(X, y)
    assert np.isfinite(net.predict_proba(X)).all()


class Recorder(Callback):
    """A skorch callback that notes every hook."""

    def __init__(self):
        self.seen = []

    def on_train_begin(self, net, **kwargs):
        self.seen.append("train_begin")

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        self.seen.append(("epoch_begin", len(dataset_train)))

    def on_batch_end(self, net, batch=None, training=None, **kwargs):
        self.seen.append(("batch_end", training, len(batch[0]), tuple(kwargs["y_pred"].shape)))

    def on_grad_computed(self, net, named_parameters, **kwargs):
        assert all(p.grad is not None for _, p in named_parameters)
        self.seen.append("grad")

    def on_epoch_end(self, net, **kwargs):
        self.seen.append("epoch_end")

    def on_train_end(self, net, **kwargs):
        self.seen.append("train_end")


def test_skorch_callbacks_hear_every_hook_in_order():
    recorder = Recorder()
    MLPNetClassifier(max_epochs=2, batch_size=100, callbacks=[recorder]).fit(X, y)
    epoch = [
        ("epoch_begin", 150),
        "grad",
        ("batch_end", True, 100, (100, 3)),
        "grad",
        ("batch_end", True, 50, (50, 3)),
        "epoch_end",
    ]
    assert recorder.seen == ["train_begin", *epoch, *epoch, "train_end"]


def test_skorch_epoch_scoring_agrees_with_score():
    labels = np.array(["a", "b", "c"])[y]
    scoring = EpochScoring("accuracy", name="acc", on_train=False, lower_is_better=False)
    net = MLPNetClassifier(
        max_epochs=3, early_stopping=True, patience=3, callbacks=[scoring], random_state=0
    ).fit(X, labels)
    assert net.history[:, "acc"] == pytest.approx(net.history[:, "valid_acc"])


def test_skorch_early_stopping_stops():
    stop = EarlyStopping(monitor="train_loss", patience=2, threshold=10.0, threshold_mode="abs")
    net = MLPNetClassifier(max_epochs=30, callbacks=[stop], random_state=0).fit(X, y)
    assert len(net.history) == 3


def test_scikit_learn_callbacks_see_one_task_an_epoch():
    monitor = ScoringMonitor(scoring="accuracy")
    net = MLPNetClassifier(max_epochs=4, random_state=0).set_callbacks(monitor, ProgressBar())
    net.fit(X, y)
    log = monitor.get_logs().data_as_pandas
    epochs = log[log["task_name"] == "epoch"]
    assert len(epochs) == 4
    assert epochs["accuracy"].iloc[-1] == pytest.approx(net.score(X, y))


def test_fits_neither_read_nor_move_global_seeds():
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    net = MLPNetClassifier(dropout=0.3, max_epochs=3, early_stopping=True, random_state=7)
    first = net.fit(X, y).predict_proba(X)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    np.testing.assert_array_equal(net.fit(X, y).predict_proba(X), first)


def test_lbfgs_fits_a_linear_model_to_the_least_squares_solution():
    A, b = make_regression(80, 4, noise=1.0, random_state=0)
    net = MLPNetRegressor(
        (),
        optimizer="lbfgs",
        optimizer_params={"tolerance_grad": 1e-12, "tolerance_change": 0.0},
        lr=1.0,
        lr_schedule="constant",
        batch_size=-1,
        max_epochs=20,
    ).fit(A, b)
    design = np.column_stack([A, np.ones(80)])
    expected = design @ np.linalg.lstsq(design, b, rcond=None)[0]
    np.testing.assert_allclose(net.predict(A), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_comes_close_to_full(precision):
    params = {"hidden_units": (16,), "max_epochs": 10, "random_state": 0}
    full = MLPNetClassifier(**params).fit(X, y)
    mixed = MLPNetClassifier(precision=precision, **params).fit(X, y)
    assert mixed.predict_proba(X).dtype == np.float32
    np.testing.assert_allclose(mixed.predict_proba(X), full.predict_proba(X), atol=0.05)
    assert not np.array_equal(mixed.predict_proba(X), full.predict_proba(X))


def test_fp16_gradients_are_unscaled_before_they_are_clipped():
    norms = []

    class Norms(Callback):
        def on_grad_computed(self, net, named_parameters, **kwargs):
            grads = [p.grad.flatten() for _, p in named_parameters]
            norms.append(torch.cat(grads).norm().item())

    params = {"hidden_units": (16,), "max_epochs": 1, "random_state": 0, "callbacks": [Norms()]}
    MLPNetClassifier(**params).fit(X, y)
    n_steps = len(norms)
    MLPNetClassifier(precision="fp16", clip_norm=1.0, **params).fit(X, y)
    assert norms[n_steps] == pytest.approx(norms[0], rel=0.01)


def epoch_scores(monitor):
    log = monitor.get_logs().data_as_pandas
    return log[(log["task_name"] == "epoch") & log["accuracy"].notna()]


def test_scikit_learn_callbacks_reach_a_net_inside_a_pipeline_and_inside_searches():
    def pipeline(monitor):
        net = MLPNetClassifier((8,), max_epochs=3, random_state=0).set_callbacks(monitor)
        return make_pipeline(StandardScaler(), net)

    monitor = ScoringMonitor(scoring="accuracy")
    pipeline(monitor).set_callbacks(ProgressBar()).fit(X, y)
    assert len(epoch_scores(monitor)) == 3

    lrs = {"mlpnetclassifier__lr": [0.01, 0.001]}
    searches = [
        lambda estimator: GridSearchCV(estimator, lrs, cv=2),
        lambda estimator: OptunaSearchCV(estimator, lrs, n_trials=2, cv=2, random_state=0),
    ]
    for search in searches:
        monitor = ScoringMonitor(scoring="accuracy")
        search(pipeline(monitor)).set_callbacks(ProgressBar()).fit(X, y)
        assert len(epoch_scores(monitor)) == 3 * (2 * 2 + 1)


def test_a_validation_loss_that_is_not_finite_is_a_divergence():
    A, b = make_regression(60, 4, random_state=0)
    net = MLPNetRegressor((8,), early_stopping=True)
    with pytest.raises(DivergenceError, match="validation loss became"):
        net.fit(A, b, X_val=A[:10] * 1e200, y_val=b[:10])


def test_a_diverged_network_does_not_pass_for_a_fitted_one():
    A, b = make_regression(60, 4, random_state=0)
    net = MLPNetRegressor((8,), optimizer="sgd", lr=1e300, lr_schedule="constant")
    with pytest.raises(DivergenceError):
        net.fit(A, b)
    with pytest.raises(NotFittedError):
        net.predict(A)


def test_skorchs_checkpoint_works_as_it_comes(tmp_path):
    checkpoint = Checkpoint(dirname=tmp_path)
    net = MLPNetClassifier(max_epochs=3, early_stopping=True, callbacks=[checkpoint])
    net.fit(X, y)
    assert (tmp_path / "params.pt").exists()


def test_settings_that_would_fight_are_refused():
    scheduler = LRScheduler("StepLR", step_size=1)
    with pytest.raises(ValueError, match="lr_schedule='one_cycle' and skorch's LRScheduler"):
        MLPNetClassifier(callbacks=[scheduler]).fit(X, y)
    MLPNetClassifier(callbacks=[scheduler], lr_schedule="constant", max_epochs=2).fit(X, y)
    with pytest.raises(ValueError, match="precision='fp16' does not go with optimizer='lbfgs'"):
        MLPNetClassifier(optimizer="lbfgs", precision="fp16").fit(X, y)
    with pytest.raises(ValueError, match="dtype='float64'; use dtype='float32'"):
        MLPNetClassifier(dtype="float64", precision="bf16").fit(X, y)


def test_a_warm_start_without_a_seed_keeps_its_stopping_rows_apart():
    X, y = load_iris(return_X_y=True)
    net = MLPNetClassifier((4,), early_stopping=True, warm_start=True, max_epochs=1)
    first = net.start_fit(X, y)
    first.train()
    again = net.start_fit(X, y)
    assert torch.equal(first._valid.rows.X, again._valid.rows.X)
