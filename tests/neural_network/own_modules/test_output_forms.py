"""Modules that end in softmax or sigmoid, as layers or functions, against the same without."""

import copy
import io
import pickle
import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.base import clone
from torch import nn
from torch.nn import functional

from sklearn_trainkit.neural_network import NetClassifier, NetRegressor
from sklearn_trainkit.neural_network.own_modules._output_forms import as_logits, forms_of

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4))
Y = X[:, :3].argmax(axis=1)
LABELS = (X[:, :3] > 0.3).astype(int)
SETTINGS = {"max_epochs": 4, "lr": 0.05, "random_state": 0}


class Ends(nn.Module):
    def __init__(self, end):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))
        self.end = end

    def forward(self, X):
        return self.end(self.body(X))


class InEvalOnly(Ends):
    def forward(self, X):
        output = self.body(X)
        return output if self.training else self.end(output)


def softmax_by_hand(logits):
    powers = torch.exp(logits)
    return powers / powers.sum(dim=1, keepdim=True)


CLASS_ENDS = {
    "Softmax": nn.Softmax(-1),
    "LogSoftmax": nn.LogSoftmax(1),
    "nested": nn.Sequential(nn.Identity(), nn.Sequential(nn.Softmax(1))),
    "functional": lambda logits: functional.softmax(logits, dim=1),
    "log of softmax": lambda logits: torch.log(torch.softmax(logits, 1)),
    "log of softmax and a little": lambda logits: torch.log(torch.softmax(logits, 1) + 1e-300),
    "clamped": lambda logits: torch.softmax(logits, 1).clamp(1e-300, 1),
    "reshaped": lambda logits: torch.softmax(logits.T, 0).T.contiguous(),
    "by hand": softmax_by_hand,
    "Sigmoid": nn.Sigmoid(),
    "LogSigmoid": nn.LogSigmoid(),
}
LABEL_ENDS = {
    "Sigmoid": nn.Sigmoid(),
    "nested": nn.Sequential(nn.Sequential(nn.Sigmoid()), nn.Identity()),
    "functional": torch.sigmoid,
    "LogSigmoid": nn.LogSigmoid(),
    "log of sigmoid": lambda logits: torch.log(torch.sigmoid(logits)),
}
CASES = [(Y, name, end) for name, end in CLASS_ENDS.items()]
CASES += [(LABELS, f"labels, {name}", end) for name, end in LABEL_ENDS.items()]


@pytest.mark.parametrize("kind", [Ends, InEvalOnly])
@pytest.mark.parametrize(("y", "name", "end"), CASES, ids=[name for _, name, _ in CASES])
def test_a_module_trains_and_predicts_as_without_its_end(kind, y, name, end):
    expected = NetClassifier(Ends(nn.Identity()), early_stopping=True, **SETTINGS).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net = NetClassifier(kind(end), early_stopping=True, **SETTINGS).fit(X, y)
    assert_allclose(net.predict_proba(X), expected.predict_proba(X), atol=1e-10)
    assert_allclose(net.predict_log_proba(X), expected.predict_log_proba(X), atol=1e-9)
    assert_allclose(net.history_[:, "valid_loss"], expected.history_[:, "valid_loss"], atol=1e-10)
    assert net.history_[:, "valid_acc"] == expected.history_[:, "valid_acc"]
    assert net.score(X, y) == expected.score(X, y)


def test_the_module_gives_what_it_was_written_to_give():
    net = NetClassifier(Ends(nn.Softmax(1)), **SETTINGS).fit(X, Y)
    given = net.module_.eval()(torch.from_numpy(X)).detach()
    assert_allclose(net.predict_proba(X), given)
    assert_allclose(pickle.loads(pickle.dumps(net)).predict_proba(X), given)


def test_weights_from_a_file_know_what_the_module_ends_in(tmp_path):
    net = NetClassifier(Ends(nn.Softmax(1)), **SETTINGS).fit(X, Y)
    net.save_params(tmp_path / "weights.pt")
    other = NetClassifier(Ends(nn.Softmax(1)), **SETTINGS)
    other.load_params(tmp_path / "weights.pt")
    assert_allclose(other.predict_proba(X), net.predict_proba(X))


@pytest.mark.parametrize("ends", [(nn.Softmax(1), nn.Identity()), (nn.Identity(), nn.Softmax(1))])
@pytest.mark.parametrize("way", ["fit", "partial_fit"])
def test_new_weights_of_another_module_are_looked_at_anew(ends, way):
    before, now = map(Ends, ends)
    net = NetClassifier(before, warm_start=True, **SETTINGS).fit(X, Y)
    getattr(net.set_params(module=now).initialize(), way)(X, Y)
    wanted = NetClassifier(now, warm_start=True, **SETTINGS).fit(X, Y)
    getattr(wanted.initialize(), way)(X, Y)
    assert_allclose(net.predict_proba(X), wanted.predict_proba(X))
    assert_allclose(net.predict_proba(X).sum(axis=1), 1)


def test_a_stream_knows_what_the_module_ends_in():
    streams = [NetClassifier(Ends(end), **SETTINGS) for end in (nn.Identity(), nn.Softmax(1))]
    for net in streams:
        net.partial_fit(X, Y).partial_fit(X[:20], Y[:20])
    assert_allclose(streams[1].predict_proba(X), streams[0].predict_proba(X), atol=1e-10)


@pytest.mark.parametrize(
    ("y", "end"),
    [
        (LABELS, nn.Softmax(1)),
        (LABELS, nn.LogSoftmax(1)),
        (Y, nn.Softmax(0)),
        (Y, nn.LogSoftmax(0)),
        (Y, nn.Hardsigmoid()),
    ],
)
def test_ends_that_fit_no_loss_are_warned_of(y, end):
    with pytest.warns(UserWarning, match="trains badly.*logits"):
        NetClassifier(Ends(end), **SETTINGS).fit(X, y)


class Written(nn.Module):
    """A sigmoid that is written out."""

    def forward(self, x):
        return 1 / (1 + torch.exp(-x))


@pytest.mark.parametrize("y", [Y, LABELS], ids=["classes", "labels"])
@pytest.mark.parametrize("end", [Written(), nn.Sequential(nn.Tanh(), nn.Threshold(0.1, 0.2))])
def test_outputs_that_stay_between_0_and_1_are_warned_of(y, end):
    with pytest.warns(UserWarning, match="lie between 0 and 1 as if it ended in a sigmoid, but"):
        NetClassifier(Ends(end), **SETTINGS).fit(X, y)


@pytest.mark.parametrize("seed", range(20))
def test_logits_between_0_and_1_for_some_rows_are_logits(seed):
    torch.manual_seed(seed)
    for end in (nn.Identity(), nn.ReLU(), nn.LayerNorm(1), nn.Softplus(), nn.BatchNorm1d(1)):
        module = nn.Sequential(nn.Linear(4, 1), end)
        rows = torch.randn(3, 4)
        with torch.no_grad():  # all three rows between 0 and 1
            module[0].bias.fill_(0.5)
            module[0].weight.mul_(0.2)
        assert "unit" not in forms_of(module, rows)


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
@pytest.mark.parametrize("how", ["script", "trace"])
def test_modules_of_torchscript_train_as_others_do(how):
    plain = nn.Sequential(nn.Linear(4, 3, dtype=torch.float64))
    same, rows = copy.deepcopy(plain), torch.zeros(2, 4, dtype=torch.float64)
    scripted = torch.jit.script(same) if how == "script" else torch.jit.trace(same, rows)
    weight = scripted.state_dict()["0.weight"].clone()
    nets = [NetClassifier(each, **SETTINGS).fit(X, Y) for each in (plain, scripted)]
    assert_allclose(nets[1].predict_proba(X), nets[0].predict_proba(X), atol=1e-10)
    assert torch.equal(scripted.state_dict()["0.weight"], weight)  # a copy was trained
    inside = NetClassifier(nn.Sequential(scripted), **SETTINGS)
    for net, save in [(nets[1], pickle.dumps), (nets[1], copy.deepcopy), (inside, pickle.dumps)]:
        with pytest.raises(pickle.PicklingError, match=r"NetClassifier cannot .* TorchScript"):
            save(net)
    other = NetClassifier(scripted, **SETTINGS)
    file = io.BytesIO()
    nets[1].save_params(f_params=file)
    file.seek(0)
    other.load_params(f_params=file)  # as the message says
    assert_allclose(other.predict_proba(X), nets[1].predict_proba(X))


def zero_layer(bias):
    layer = nn.Linear(4, 3)
    nn.init.zeros_(layer.weight)
    nn.init.constant_(layer.bias, bias)
    return layer


@pytest.mark.parametrize("module", [zero_layer(0.0), zero_layer(1 / 3), zero_layer(-np.log(3))])
def test_logits_that_happen_to_sum_to_one_are_logits(module):
    assert set(forms_of(module, torch.randn(20, 4))) == {"logits"}


def test_looking_at_outputs_changes_nothing():
    module = Ends(nn.Softmax(1))
    before = copy.deepcopy(module.state_dict())
    rows = torch.randn(20, 4)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    forms_of(nn.Sequential(nn.Dropout(0.5), module), rows)
    assert torch.rand(1) == expected
    torch.testing.assert_close(module.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_probabilities_that_round_to_zero_and_one_stay_finite(dtype):
    sure = torch.tensor([[0.0, 1.0]], dtype=dtype)
    for form in ("softmax", "sigmoid"):
        for several_labels in (False, True):
            assert torch.isfinite(as_logits(sure, form, several_labels)).all()
    for form in ("log_softmax", "log_sigmoid"):
        assert torch.isfinite(as_logits(-sure, form, True)).all()


@pytest.mark.parametrize(
    ("end", "params", "y"),
    [
        (nn.Sigmoid(), {}, X[:, :3]),
        (nn.ReLU(), {}, X[:, :3]),
        (nn.Softmax(1), {}, X[:, :3]),
        (nn.Tanh(), {"standardize_y": False}, 5 * X[:, :3]),
        (nn.Sigmoid(), {"standardize_y": False}, X[:, :3]),
    ],
)
def test_targets_that_a_regressor_cannot_reach_are_warned_of(end, params, y):
    with pytest.warns(UserWarning, match="ends in .* targets from"):
        NetRegressor(Ends(end), **params, **SETTINGS).fit(X, y)


@pytest.mark.parametrize(
    ("end", "params"), [(nn.Identity(), {}), (nn.Sigmoid(), {"standardize_y": False})]
)
def test_targets_that_a_regressor_can_reach_are_not(end, params):
    net = NetRegressor(Ends(end), **params, **SETTINGS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clone(net).fit(X, rng.random((60, 3)))
