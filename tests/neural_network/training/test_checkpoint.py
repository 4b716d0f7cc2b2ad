"""A fit that is cut short goes on where it was, bit for bit."""

import errno
import os

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_classification
from skorch.callbacks import Callback
from skorch.callbacks import EpochScoring as SkorchEpochScoring
from torch import nn

from sklearn_trainkit.callbacks import EpochScoring, GradientClipping, GradientFlow
from sklearn_trainkit.neural_network import MLPNetClassifier, NetClassifier
from sklearn_trainkit.neural_network.base._start_fit import checkpoint_file
from sklearn_trainkit.neural_network.training import _checkpoint
from sklearn_trainkit.neural_network.training._checkpoint import CheckpointFile
from sklearn_trainkit.neural_network.training._training_run import TrainingRun

X, y = make_classification(150, 8, n_informative=5, random_state=0)


class PowerCut(Exception):
    pass


@pytest.fixture
def cut_after(monkeypatch):
    """Make trainings break off before an epoch."""
    advance = TrainingRun.advance

    def set_limit(n_epochs):
        def advance_or_break_off(run, **options):
            if n_epochs is not None and run.epoch >= n_epochs:
                raise PowerCut
            return advance(run, **options)

        monkeypatch.setattr(TrainingRun, "advance", advance_or_break_off)

    return set_limit


@pytest.fixture(autouse=True)
def _write_every_epoch(monkeypatch):
    monkeypatch.setattr(_checkpoint, "_SECONDS_BETWEEN_WRITES", 0.0)


DROPOUT_MODULE = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))
NETS = {
    "schedule and dropout": lambda **kw: MLPNetClassifier(
        (16,), dropout=0.3, norm="batch", lr_schedule="one_cycle", **kw
    ),
    "early stopping and plateau": lambda **kw: MLPNetClassifier(
        (32,), lr=0.1, early_stopping=True, patience=4, lr_schedule="plateau", **kw
    ),
    "a foreign module": lambda **kw: NetClassifier(DROPOUT_MODULE, **kw),
}


@pytest.mark.parametrize("case", NETS)
def test_an_interrupted_fit_goes_on_bit_for_bit(tmp_path, cut_after, case):
    params = {"max_epochs": 12, "random_state": 0, "checkpoint_dir": tmp_path}
    whole = NETS[case](**{**params, "checkpoint_dir": None}).fit(X, y)
    params["callbacks"] = [GradientFlow(warn=False)]
    cut_after(5)
    with pytest.raises(PowerCut):
        NETS[case](**params).fit(X, y)
    cut_after(None)
    torch.manual_seed(123)
    resumed = NETS[case](**params)
    run = resumed.start_fit(X, y)
    run.train(checkpoint_file(resumed, X, y, None, None, None, None))
    assert len(list(tmp_path.glob("*.pt"))) == 1
    assert resumed.history[0]["gradient_flow"][0].grad_norm > 0
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))
    assert resumed.history[:, "train_loss"] == whole.history[:, "train_loss"]


class HalvesRate(Callback):
    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 3:
            net.set_params(lr=net.lr / 2)


def test_what_is_the_best_is_known_after_an_interruption(tmp_path, cut_after):
    def make(**params):
        scores = [
            EpochScoring("accuracy", lower_is_better=False, name="ours"),
            SkorchEpochScoring("neg_log_loss", lower_is_better=False, name="skorchs"),
        ]
        flow = GradientFlow(warn=False)
        rest = {"lr": 0.1, "lr_schedule": "cosine", "early_stopping": True, "patience": 12}
        callbacks = [*scores, flow, HalvesRate()]
        return MLPNetClassifier(
            (8,), max_epochs=12, random_state=0, callbacks=callbacks, **rest, **params
        )

    whole = make().fit(X, y)
    cut_after(5)
    with pytest.raises(PowerCut):
        make(checkpoint_dir=tmp_path).fit(X, y)
    cut_after(None)
    resumed = make(checkpoint_dir=tmp_path).fit(X, y)
    best = ["train_loss_best", "valid_loss_best", "ours_best", "skorchs_best"]
    assert not all(resumed.history[5, best])
    for name in [*best, "ours", "skorchs", "train_loss", "lr"]:
        assert resumed.history[:, name] == whole.history[:, name]
    (flow,), (whole_flow,) = (
        [each for _, each in net.callbacks_ if isinstance(each, GradientFlow)]
        for net in (resumed, whole)
    )
    assert flow.epochs_ == whole_flow.epochs_


def test_what_is_the_best_is_known_to_a_fit_that_goes_on():
    net = MLPNetClassifier((8,), max_epochs=4, warm_start=True, random_state=0)
    net.fit(X, y).set_params(lr=10.0, on_divergence="raise").fit(X, y)
    for name in ("train_loss",):
        losses = net.history[:, name]
        flags = [loss < min(losses[:row], default=np.inf) for row, loss in enumerate(losses)]
        assert net.history[:, f"{name}_best"] == flags
    assert not net.history[4, "train_loss_best"]


def test_a_finished_fit_is_not_run_again(tmp_path, cut_after):
    params = {"max_epochs": 3, "random_state": 0, "checkpoint_dir": str(tmp_path)}
    first = MLPNetClassifier(**params).fit(X, y)
    cut_after(0)
    again = MLPNetClassifier(**params).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), first.predict_proba(X))


def test_other_data_and_parameters_have_files_of_their_own(tmp_path):
    params = {"max_epochs": 2, "random_state": 0, "checkpoint_dir": tmp_path}
    for net, rows in [
        (MLPNetClassifier(**params), slice(None)),
        (MLPNetClassifier(**params), slice(100)),
        (MLPNetClassifier(lr=0.1, **params), slice(None)),
        (MLPNetClassifier(callbacks=[GradientClipping(norm=1e-6)], **params), slice(None)),
    ]:
        net.fit(X[rows], y[rows])
    assert len(list(tmp_path.glob("*.pt"))) == 4


def test_equal_parameters_written_otherwise_share_a_file(tmp_path):
    params = {"random_state": 0, "checkpoint_dir": tmp_path}
    for units, epochs in [((4,), 2), ([4], np.int64(2))]:
        MLPNetClassifier(units, max_epochs=epochs, **params).fit(X, y)
    assert len(list(tmp_path.glob("*.pt"))) == 1


def test_a_module_instance_is_known_by_its_weights_not_its_address():
    module = nn.Linear(8, 2)
    nets = [NetClassifier(each, random_state=0, checkpoint_dir="x") for each in (module, module)]
    nets[1] = clone(nets[1])
    files = {checkpoint_file(net, X, y).path for net in nets}
    assert len(files) == 1


def test_what_cannot_be_resumed_says_so(tmp_path):
    with pytest.raises(ValueError, match="does not go with warm_start=True"):
        MLPNetClassifier(checkpoint_dir=tmp_path, warm_start=True, random_state=0).fit(X, y)
    net = MLPNetClassifier(max_epochs=1, checkpoint_dir=tmp_path, random_state=0).fit(X, y)
    (path,) = tmp_path.glob("*.pt")
    path.write_bytes(b"torn")
    with pytest.raises(ValueError, match="cannot be read; delete it"):
        net.fit(X, y)


def test_a_checkpoint_needs_a_fixed_seed(tmp_path):
    with pytest.raises(ValueError, match="needs an int random_state"):
        MLPNetClassifier(checkpoint_dir=tmp_path).fit(X, y)


def small_net(folder):
    return MLPNetClassifier((4,), max_epochs=2, random_state=0, checkpoint_dir=folder)


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "foreign", "folder"])
def test_a_damaged_checkpoint_is_noticed_and_named(tmp_path, damage):
    small_net(tmp_path).fit(X, y)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    places = range(0, len(content), 97) if damage == "flipped" else [0]
    for place in places:
        if damage == "flipped":
            flipped = bytes([content[place] ^ 1])
            path.write_bytes(content[:place] + flipped + content[place + 1 :])
        elif damage == "folder":
            path.unlink()
            path.mkdir()
        else:
            path.write_bytes({"cut": content[:-7], "empty": b"", "foreign": b"GIF89a\n"}[damage])
        with pytest.raises(ValueError, match="cannot be read; delete it") as raised:
            CheckpointFile(tmp_path, path.stem).read(torch.device("cpu"))
        assert str(path) in str(raised.value)


@pytest.fixture
def disk(monkeypatch):
    """A disk that is full for the writes whose numbers are in the set."""
    full, count, replace = set(), iter(range(100)), os.replace

    def replace_or_refuse(*args):
        if next(count) in full:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(*args)

    monkeypatch.setattr(os, "replace", replace_or_refuse)
    return full


def test_a_full_disk_ends_no_training_but_is_said_with_the_path(tmp_path, disk):
    disk |= {0, 1}
    net = small_net(tmp_path)
    with (
        pytest.warns(UserWarning, match="The training goes on") as warned,
        pytest.raises(OSError, match=r"checkpoint cannot be written \(No space.*can be used") as e,
    ):
        net.fit(X, y)
    assert len(warned) == 1
    assert str(tmp_path) in str(e.value)
    assert list(tmp_path.iterdir()) == []
    np.testing.assert_array_equal(
        net.predict(X), clone(net).set_params(checkpoint_dir=None).fit(X, y).predict(X)
    )


def test_a_disk_with_room_again_gets_its_checkpoint(tmp_path, disk):
    disk |= {0}
    with pytest.warns(UserWarning, match="The training goes on"):
        small_net(tmp_path).fit(X, y)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_directory_that_takes_no_files_ends_the_fit_before_its_training(tmp_path, cut_after):
    cut_after(0)
    file = tmp_path / "file"
    file.write_text("")
    for folder in (file, file / "below"):
        with pytest.raises(
            OSError, match="checkpoint_dir must be a directory that files"
        ) as raised:
            small_net(folder).fit(X, y)
        assert str(folder) in str(raised.value)


def test_leftovers_of_dead_processes_are_swept_before_the_training(tmp_path):
    for name in (f"{'0' * 40}.4194305.partial", ".unfinished-4194305-x.pt"):
        (tmp_path / name).write_bytes(b"half")
    small_net(tmp_path).fit(X, y)
    assert [path.suffix for path in tmp_path.iterdir()] == [".pt"]


def test_code_of_the_user_is_told_apart_by_what_it_does(tmp_path):
    def halve(n_features, n_outputs):
        return nn.Linear(n_features, n_outputs)

    def with_relu(n_features, n_outputs):
        return nn.Sequential(nn.Linear(n_features, n_outputs), nn.ReLU())

    params = {"random_state": 0, "checkpoint_dir": tmp_path}
    modules = [halve, with_relu, lambda n_features, n_outputs: nn.Linear(n_features, n_outputs)]
    files = [checkpoint_file(NetClassifier(each, **params), X, y).path for each in modules]
    assert files[0] != files[1]
    assert files[0] == files[2]
    later = [nn.Sequential(*DROPOUT_MODULE[:3], nn.LeakyReLU(slope)) for slope in (0.1, 0.2)]
    paths = {checkpoint_file(NetClassifier(each, **params), X, y).path for each in later}
    assert len(paths) == 2
    assert checkpoint_file(NetClassifier(halve, **params), np.asfortranarray(X), y).path == files[0]
