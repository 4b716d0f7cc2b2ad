"""Weights travel with all that a prediction needs."""

import io
import os
import re

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, Checkpoint, LoadInitState, TrainEndCheckpoint
from skorch.exceptions import NotInitializedError
from torch import nn

from sklearn_trainkit.neural_network import (
    MLPNetClassifier,
    MLPNetRegressor,
    NetClassifier,
    NetRegressor,
    RecurrentNetRegressor,
)
from tests.neural_network.base.test_warm_start import REFUSED, changed_value, names_of
from tests.neural_network.every_net import (
    IMAGES,
    KINDS,
    LABELS,
    NUMBERS,
    ROWS,
    SEQUENCES,
    Tiny,
    answers,
    make_net,
)


def saved(net, **options):
    file = io.BytesIO()
    net.save_params(f_params=file, **options)
    file.seek(0)
    return file


def loaded(net, file, **options):
    file.seek(0)
    net.load_params(f_params=file, **options)
    return net


def assert_same(net, other, X):
    np.testing.assert_array_equal(answers(other, X), answers(net, X))
    predicted = other.predict(X)
    assert predicted.dtype == net.predict(X).dtype
    np.testing.assert_array_equal(predicted, net.predict(X))


@pytest.mark.parametrize("use_safetensors", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_net_that_was_never_fitted_predicts_the_same_bits(kind, use_safetensors, tmp_path):
    net, X, y = make_net(kind)
    net.fit(X, y)
    for file in (tmp_path / "weights", str(tmp_path / "weights"), io.BytesIO()):
        net.save_params(f_params=file, use_safetensors=use_safetensors)
        if isinstance(file, io.BytesIO):
            file.seek(0)
        other, _, _ = make_net(kind, random_state=9)
        before = torch.get_rng_state()
        other.load_params(f_params=file, use_safetensors=use_safetensors)
        assert torch.equal(torch.get_rng_state(), before)
        assert_same(net, other, X)
        assert other.n_features_in_ == net.n_features_in_
        other.partial_fit(X, y)  # it can be trained further


@pytest.mark.parametrize("kind", KINDS)
def test_a_net_that_was_fitted_on_other_data_becomes_the_saved_one(kind):
    net, X, y = make_net(kind)
    net.fit(X, y)
    other, _, _ = make_net(kind)
    rest = np.arange(len(y)) % 3 > 0  # two of the three classes
    other.fit(X[rest], y[rest] if y.dtype.kind != "f" else y[rest] / 9)
    loaded(other, saved(net))
    assert_same(net, other, X)
    other.set_params(warm_start=True).fit(X, y)


@pytest.mark.parametrize("kind", KINDS)
def test_other_parameters_are_named_or_make_no_difference(kind):
    net, X, y = make_net(kind)
    net.fit(X, y)
    file = saved(net)
    for name in names_of(kind):
        if name not in REFUSED or name == "checkpoint_dir":
            continue
        other, _, _ = make_net(kind)
        other.set_params(**{name: changed_value(net, name)})
        said = None
        try:
            loaded(other, file)
        except ValueError as error:
            said = str(error)
        if said is None:
            np.testing.assert_array_equal(answers(other, X), answers(net, X), name)
        else:
            assert f"{name}=" in said, said
            assert not hasattr(other, "module_")


LABEL_KINDS = {
    "text": np.array(["no", "yes", "maybe"]),
    "long text": np.array(["a" * 3000, "b" * 3000, "ü"]),
    "objects": np.array(["no", "yes", "maybe"], dtype=object),
    "negative": np.array([-7, 0, 7], dtype=np.int16),
    "large": np.array([2**62, 2**62 + 1, -(2**62)]),
    "unsigned": np.array([0, 1, 2**64 - 1], dtype=np.uint64),
    "whole floats": np.array([-1.0, 0.0, 1.0], dtype=np.float32),
    "booleans": np.array([False, True, True]),
}


@pytest.mark.parametrize("use_safetensors", [False, True])
@pytest.mark.parametrize("case", LABEL_KINDS)
def test_labels_of_any_type_come_back(case, use_safetensors):
    y = LABEL_KINDS[case][np.arange(24) % 3]
    net = MLPNetClassifier((4,), max_epochs=1)
    net.fit(ROWS, y)
    file = saved(net, use_safetensors=use_safetensors)
    other = loaded(MLPNetClassifier((4,)), file, use_safetensors=use_safetensors)
    assert other.classes_.dtype == net.classes_.dtype
    assert_same(net, other, ROWS)


def several_targets():
    steps = RecurrentNetRegressor((4,), return_sequences=True, max_epochs=1)
    uneven = [sequence[: 2 + i % 4] for i, sequence in enumerate(SEQUENCES)]
    return {
        "several labels": (
            MLPNetClassifier((4,), max_epochs=1),
            ROWS,
            (ROWS[:, :2] > 0).astype(int),
        ),
        "a column": (MLPNetRegressor((4,), max_epochs=1), ROWS, NUMBERS[:, None]),
        "several targets": (MLPNetRegressor((4,), max_epochs=1), ROWS, ROWS[:, :3] * 9),
        "float32": (MLPNetRegressor((4,), max_epochs=1), ROWS, NUMBERS.astype(np.float32)),
        "float64": (MLPNetRegressor((4,), max_epochs=1), ROWS.astype(float), NUMBERS),
        "targets as they are": (
            MLPNetRegressor((4,), standardize_y=False, max_epochs=1),
            ROWS,
            ROWS[:, 0],
        ),
        "a target each step": (steps, SEQUENCES, SEQUENCES[..., 0] * 50 + 7),
        "sequences of several lengths": (steps, uneven, [s[:, :2] for s in uneven]),
    }


@pytest.mark.parametrize("case", several_targets())
def test_targets_come_back_in_their_form_and_type(case):
    net, X, y = several_targets()[case]
    params = net.get_params()
    net.fit(X, y)
    assert_same(net, loaded(type(net)(**params), saved(net)), X)


def test_feature_names_travel():
    import pandas as pd

    table = pd.DataFrame(ROWS, columns=["größe", "b", "c", "d"])
    net = MLPNetClassifier((4,), max_epochs=1).fit(table, LABELS)
    other = loaded(MLPNetClassifier((4,)).fit(ROWS, LABELS), saved(net))
    assert_same(net, other, table)
    with pytest.raises(ValueError, match="feature names"):
        other.predict(table[["b", "größe", "c", "d"]])
    unnamed = loaded(other, saved(MLPNetClassifier((4,), max_epochs=1).fit(ROWS, LABELS)))
    assert not hasattr(unnamed, "feature_names_in_")


def test_optimizer_loss_and_history_load_as_in_skorch(tmp_path):
    net, X, y = make_net("MLPNetRegressor")
    names = ("f_params", "f_optimizer", "f_criterion", "f_history")
    files = {name: str(tmp_path / name) for name in names}
    net.fit(X, y).save_params(**files)
    other, _, _ = make_net("MLPNetRegressor")
    other.load_params(**files)
    assert other.history == net.history
    for number, state in net.optimizer_.state_dict()["state"].items():
        torch.testing.assert_close(other.optimizer_.state_dict()["state"][number], state)


def test_a_file_is_a_state_dict_to_torch():
    net, _, _ = make_net("MLPNetClassifier")
    net.fit(ROWS, LABELS)
    state = torch.load(saved(net), weights_only=True)
    assert list(state) == list(net.module_.state_dict())
    net.module_.load_state_dict(state)


@pytest.mark.parametrize(
    ("net", "other", "message"),
    [
        (MLPNetRegressor((4,)), MLPNetClassifier((4,)), "of a MLPNetRegressor, which a MLPNetC"),
        (NetRegressor(nn.Linear(4, 1)), MLPNetRegressor(()), "weights of a NetRegressor"),
        (
            MLPNetRegressor((4,), activation=nn.ReLU),
            MLPNetRegressor((4,), activation=nn.Tanh),
            "ReLU in the file and a Tanh here",
        ),
        (
            MLPNetRegressor((4,), activation=lambda: nn.LeakyReLU(0.1)),
            MLPNetRegressor((4,), activation=lambda: nn.LeakyReLU(0.2)),
            "negative_slope",
        ),
        (
            NetRegressor(nn.Sequential(nn.Linear(4, 1), nn.Tanh())),
            NetRegressor(nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())),
            "layer '1' is a Tanh",
        ),
        (
            MLPNetRegressor((4,), dtype="float64"),
            MLPNetRegressor((4,), dtype="float32"),
            "float64 weights, but dtype='float32' here",
        ),
    ],
)
def test_weights_of_another_network_are_refused(net, other, message):
    net.set_params(max_epochs=1).fit(ROWS, NUMBERS)
    with pytest.raises(ValueError, match=message):
        loaded(other, saved(net))
    assert not hasattr(other, "module_")


def test_what_is_written_otherwise_is_no_other_network():
    net = MLPNetClassifier((6,), activation="relu", max_epochs=1).fit(ROWS, LABELS)
    for params in (
        {"hidden_units": [6], "activation": nn.ReLU},
        {"hidden_units": 6, "activation": nn.ReLU},
    ):
        assert_same(net, loaded(MLPNetClassifier(**params), saved(net)), ROWS)


class WithBuffer(nn.Module):
    """A module that counts, and keeps what it has seen."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.n_calls = 0
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, x):
        self.n_calls += 1
        if self.training:
            self.seen += 1
        return self.linear(x) + self.seen


def test_buffers_and_counters_of_an_own_module():
    net = NetClassifier(WithBuffer, max_epochs=1).fit(ROWS, LABELS)
    assert_same(net, loaded(NetClassifier(WithBuffer), saved(net)), ROWS)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Linear(4, 3),
        lambda: NetClassifier(nn.Linear, module__in_features=4, module__out_features=3).module,
    ],
)
def test_a_module_of_known_sizes_is_initialized_without_data(make):
    params = (
        {}
        if isinstance(make(), nn.Module)
        else {"module__in_features": 4, "module__out_features": 3}
    )
    saved_net = NetClassifier(make(), max_epochs=1, **params).fit(ROWS, LABELS)
    net = NetClassifier(make(), **params).initialize()
    with pytest.raises(NotFittedError, match="classes"):
        net.predict(ROWS)
    loaded(net, saved(saved_net))
    assert_same(saved_net, net, ROWS)
    with pytest.raises(NotInitializedError, match="n_features"):
        NetClassifier(Tiny).initialize()
    with pytest.raises(NotInitializedError, match="load_params"):
        MLPNetClassifier().initialize()


def test_weights_of_plain_skorch_are_taken_up_by_training_on(tmp_path):
    plain = NeuralNetClassifier(nn.Linear, module__in_features=4, module__out_features=3)
    plain.initialize().save_params(f_params=tmp_path / "plain.pt")
    with pytest.raises(NotInitializedError, match="never been fitted"):
        MLPNetClassifier(()).load_params(f_params=tmp_path / "plain.pt")
    net = NetClassifier(nn.Linear(4, 3), lr=1e-12, weight_decay=0.0)
    with pytest.warns(UserWarning, match=r"plain\.pt holds weights alone"):
        net.load_params(f_params=tmp_path / "plain.pt")
    with pytest.raises(NotFittedError):
        net.predict(ROWS)
    net.partial_fit(ROWS.astype(float), LABELS)
    torch.testing.assert_close(net.module_.weight, plain.module_.weight.double(), atol=1e-6, rtol=0)
    fitted = NetClassifier(nn.Linear(4, 3), max_epochs=1).fit(ROWS, LABELS)
    fitted.load_params(f_params=tmp_path / "plain.pt")
    torch.testing.assert_close(fitted.module_.weight, plain.module_.weight)


@pytest.mark.parametrize("use_safetensors", [False, True])
def test_a_damaged_file_is_noticed_and_named(tmp_path, use_safetensors):
    net, X, y = make_net("MLPNetRegressor")
    path = tmp_path / "weights"
    net.fit(X, y).save_params(f_params=path, use_safetensors=use_safetensors)
    content = path.read_bytes()
    expected = net.predict(X)
    noticed = 0
    for place in range(0, len(content), 61):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        other, _, _ = make_net("MLPNetRegressor")
        try:
            other.load_params(f_params=path, use_safetensors=use_safetensors)
        except ValueError as error:
            noticed += str(path) in str(error)
        else:
            np.testing.assert_array_equal(other.predict(X), expected)
    assert noticed > 10
    for torn in (b"", content[:-50], b"GIF89a"):
        path.write_bytes(torn)
        with pytest.raises(ValueError, match="cannot be read"):
            net.load_params(f_params=path, use_safetensors=use_safetensors)


@pytest.mark.parametrize("part", ["f_optimizer", "f_criterion", "f_history"])
def test_damaged_files_beside_the_weights_are_named(tmp_path, part):
    net, X, y = make_net("MLPNetClassifier")
    path, weights = tmp_path / "part", tmp_path / "weights"
    net.fit(X, y).save_params(weights, **{part: path})
    content = path.read_bytes()
    middle = 3 * len(content) // 4
    for torn in (content[:middle] + b"\xff" + content[middle + 1 :], content[:-50], b"", b"GIF"):
        path.write_bytes(torn)
        with pytest.raises(ValueError, match=rf"{re.escape(str(path))} cannot be read"):
            net.load_params(**{part: path})
    with pytest.raises(ValueError, match=re.escape(str(weights))):
        net.load_params(**{part: weights})


def test_the_form_of_a_checkpoints_files_need_not_be_said(tmp_path):
    files = {"dirname": str(tmp_path), "use_safetensors": True, "f_optimizer": None}
    keep = Checkpoint(monitor=None, **files)
    net, X, y = make_net("MLPNetClassifier", callbacks=[keep])
    net.fit(X, y)
    other, _, _ = make_net("MLPNetClassifier")
    other.load_params(checkpoint=keep)
    assert_same(net, other, X)


def test_safetensors_accepts_no_pickle(tmp_path):
    net = MLPNetRegressor((4,), max_epochs=1).fit(ROWS, NUMBERS)
    net.save_params(f_params=tmp_path / "w")
    with pytest.raises(ValueError, match="use_safetensors=False"):
        net.load_params(f_params=tmp_path / "w", use_safetensors=True)


@pytest.mark.parametrize("use_safetensors", [False, True])
@pytest.mark.parametrize("kind", ["MLPNetRegressor", "UNetSegmenter"])
def test_files_of_skorchs_checkpoints_restore_elsewhere(tmp_path, kind, use_safetensors):
    options = {"f_optimizer": None} if use_safetensors else {}
    keep = Checkpoint(
        dirname=str(tmp_path),
        monitor="train_loss_best",
        load_best=True,
        use_safetensors=use_safetensors,
        **options,
    )
    end = TrainEndCheckpoint(
        dirname=str(tmp_path), use_safetensors=use_safetensors, f_criterion=None, **options
    )
    net, X, y = make_net(kind, callbacks=[keep, end])
    net.fit(X, y)
    for checkpoint in (keep, end.checkpoint_):
        other, _, _ = make_net(kind)
        other.load_params(checkpoint=checkpoint, use_safetensors=use_safetensors)
        assert_same(net, other, X)
        assert len(other.history) == 2
    without = Checkpoint(
        dirname=str(tmp_path),
        f_history=None,
        **({"f_optimizer": None, "use_safetensors": True} if use_safetensors else {}),
    )
    other, _, _ = make_net(kind)
    other.load_params(checkpoint=without, use_safetensors=use_safetensors)
    assert_same(net, other, X)


def test_a_training_goes_on_from_a_checkpoint_in_the_units_of_its_targets(tmp_path):
    end = TrainEndCheckpoint(dirname=str(tmp_path))
    params = {
        "hidden_units": (),
        "lr": 1e-12,
        "weight_decay": 0.0,
        "batch_size": -1,
        "random_state": 0,
    }
    first = MLPNetRegressor(callbacks=[end], max_epochs=1, **{**params, "lr": 0.1}).fit(
        ROWS, NUMBERS
    )
    again = MLPNetRegressor(callbacks=[LoadInitState(end)], max_epochs=1, **params)
    again.fit(ROWS, NUMBERS * 5 - 100)  # other mean and scale than those of the checkpoint
    np.testing.assert_allclose(again.predict(ROWS), first.predict(ROWS), rtol=1e-5)
    residual = (NUMBERS * 5 - 100 - first.predict(ROWS)) / first.y_scale_
    assert again.history[-1, "train_loss"] == pytest.approx(np.mean(residual**2), rel=1e-4)


def test_a_training_goes_on_from_a_checkpoint_with_its_classes(tmp_path):
    end = TrainEndCheckpoint(dirname=str(tmp_path))
    labels = np.where(LABELS == "cat", "zebra", LABELS)
    MLPNetClassifier((), max_epochs=1, callbacks=[end], random_state=0).fit(ROWS, LABELS)
    other = MLPNetClassifier((), callbacks=[LoadInitState(end)], max_epochs=1, random_state=0)
    with pytest.raises(ValueError, match="zebra"):
        other.fit(ROWS, labels)
    wider = MLPNetClassifier((), callbacks=[LoadInitState(end)], max_epochs=1, random_state=0)
    with pytest.raises(ValueError, match="in the middle of a training"):
        wider.fit(ROWS[:, :3], LABELS)


class SavesInTheMiddle(Callback):
    def __init__(self, file):
        self.file = file

    def on_batch_end(self, net, **kwargs):
        self.file.seek(0)
        net.save_params(f_params=self.file)
        self.file.truncate()


def test_weights_saved_in_the_middle_of_a_training():
    file = io.BytesIO()
    net = MLPNetRegressor((4,), max_epochs=1, callbacks=[SavesInTheMiddle(file)]).fit(ROWS, NUMBERS)
    assert_same(net, loaded(MLPNetRegressor((4,)), file), ROWS)


def test_a_full_disk_leaves_the_earlier_weights(tmp_path, monkeypatch):
    net = MLPNetRegressor((4,), max_epochs=1).fit(ROWS, NUMBERS)
    net.save_params(f_params=tmp_path / "w")
    before = (tmp_path / "w").read_bytes()

    def refuse(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with (
        pytest.warns(UserWarning, match="cannot be written"),
        pytest.raises(OSError, match=r"file of weights cannot be written.*/w'"),
    ):
        net.partial_fit(ROWS, NUMBERS).save_params(f_params=tmp_path / "w")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [before]


def test_nothing_to_save_says_so(tmp_path):
    with pytest.raises(NotInitializedError, match="call fit first"):
        MLPNetClassifier().save_params(f_params=tmp_path / "w")
    with pytest.raises(FileNotFoundError):
        MLPNetClassifier().load_params(f_params=tmp_path / "w")


def test_flat_images_are_read_in_the_shape_that_they_were_saved_in():
    flat = IMAGES.reshape(24, 64)
    net, _, y = make_net("UNetSegmenter", image_shape=(8, 8))
    net.fit(flat, y)
    other, _, _ = make_net("UNetSegmenter", image_shape=(4, 16))
    with pytest.raises(ValueError, match="image_shape="):
        loaded(other, saved(net))


def test_unlabelled_pixels_stay_unlabelled_where_a_training_goes_on_from_a_checkpoint(tmp_path):
    end = TrainEndCheckpoint(dirname=str(tmp_path))
    masks = np.where(IMAGES[:, 0] > 0, 7, 3)
    net, X, _ = make_net("UNetSegmenter", callbacks=[end])
    net.fit(X, masks)
    sparse = np.where(IMAGES[:, 0] > 1, 255, np.where(masks == 7, 7, 3))
    other, _, _ = make_net("UNetSegmenter", callbacks=[LoadInitState(end)], ignore_index=255)
    other.fit(X, sparse)
    assert other.classes_.tolist() == [3, 7]
    again, _, _ = make_net("UNetSegmenter", callbacks=[LoadInitState(end)], ignore_index=255)
    with pytest.raises(ValueError, match=r"\[8\]"):
        again.fit(X, np.where(sparse == 7, 8, sparse))


def test_a_full_disk_under_skorchs_checkpoint_is_said(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    keep = Checkpoint(dirname=str(tmp_path), monitor=None)
    net = MLPNetRegressor((4,), max_epochs=1, callbacks=[keep])
    with pytest.warns(UserWarning, match="cannot be written") as warned:
        net.fit(ROWS, NUMBERS)
    for name in ("params.pt", "optimizer.pt", "criterion.pt", "history.json"):
        assert any(name in str(each.message) for each in warned)
    assert list(tmp_path.iterdir()) == []


def test_a_part_without_a_state_says_so(tmp_path):
    net = MLPNetRegressor((4,), max_epochs=1).fit(ROWS, NUMBERS)
    with pytest.raises(AttributeError, match="f_other: MLPNetRegressor has no other"):
        net.save_params(f_other=tmp_path / "w")
