"""Integers in X for a module that wants integers."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from torch import nn
from torch.utils.data import TensorDataset

from sklearn_trainkit.model_selection import FoldEnsembleClassifier, OptunaSearchCV, cross_validate
from sklearn_trainkit.neural_network import NetClassifier, NetRegressor

codes = np.random.default_rng(0).integers(0, 6, size=(60, 2))
y = codes[:, 0] % 2


class Seen(nn.Module):
    """Notes the types it is handed; looks codes up."""

    def __init__(self, n_outputs, width=4):
        super().__init__()
        self.words = nn.Embedding(6, width)
        self.output = nn.Linear(2 * width, n_outputs)
        self.types = set()

    def forward(self, samples):
        self.types.add(samples.dtype)
        return self.output(self.words(samples).flatten(1))


class OneHot(nn.Module):
    """Has no embedding, and takes nothing but int64."""

    def __init__(self, n_outputs):
        super().__init__()
        self.output = nn.Linear(12, n_outputs)

    def forward(self, samples):
        rows = nn.functional.one_hot(samples, 6).flatten(1)
        return self.output(rows.to(self.output.weight.dtype))


class Casts(nn.Module):
    """Takes codes and numbers in one array, and casts by itself."""

    def __init__(self, n_outputs):
        super().__init__()
        self.words = nn.Embedding(6, 4)
        self.output = nn.Linear(4, n_outputs)
        self.numbers = nn.Linear(1, n_outputs)

    def forward(self, samples):
        return self.output(self.words(samples[:, 0].long())) + self.numbers(samples[:, 1:])


def learnt(module=Seen, **params):
    return NetClassifier(module, max_epochs=40, lr=0.05, random_state=0, **params)


FORMS = {
    "int64": codes,
    "int32": codes.astype("int32"),
    "uint8": codes.astype("uint8"),
    "uint16": codes.astype("uint16"),
    "big-endian": codes.astype(">i8"),
    "fortran": np.asfortranarray(codes),
    "list": codes.tolist(),
    "tensor": torch.from_numpy(codes),
    "frame": pd.DataFrame(codes, columns=["a", "b"]),
    "frame of two types": pd.DataFrame(codes, columns=["a", "b"]).astype({"a": "int8"}),
    "whole floats": codes.astype("float64"),
}


@pytest.mark.parametrize("form", FORMS)
def test_codes_reach_an_embedding_as_integers(form):
    net = learnt().fit(FORMS[form], y)
    expected = learnt().fit(codes, y)
    assert net.module_.types == {torch.int64}
    assert (net.dtype_, net.input_dtype_) == (
        "float64" if form == "whole floats" else "float32",
        "int64",
    )
    np.testing.assert_allclose(
        net.predict_proba(FORMS[form]), expected.predict_proba(codes), atol=1e-4
    )
    assert net.score(FORMS[form], y) == 1.0


def test_a_module_that_takes_nothing_but_integers_gets_them():
    net = learnt(OneHot).fit(codes, y)
    assert net.input_dtype_ == "int64"
    assert net.score(codes, y) == 1.0


def test_a_module_that_casts_by_itself_gets_numbers():
    net = learnt(Casts).fit(codes, y)
    assert net.input_dtype_ == "float32"
    assert net.score(codes, y) == 1.0


def test_a_module_without_codes_sees_floats_and_trains_as_ever():
    module = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    ints = learnt(module).fit(codes, y)
    floats = learnt(module).fit(codes.astype("float32"), y)
    assert ints.input_dtype_ == "float32"
    np.testing.assert_array_equal(ints.predict_proba(codes), floats.predict_proba(codes))


def test_large_codes_are_exact():
    far = np.array([[2**24 + 1], [2**24]] * 10)

    class Parity(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(2, 2)

        def forward(self, samples):
            return self.words(samples[:, 0] % 2)

    net = learnt(Parity).fit(far, far[:, 0] % 2)
    assert net.score(far, far[:, 0] % 2) == 1.0


def test_data_sets_and_memory_maps_of_codes(tmp_path):
    data = TensorDataset(torch.from_numpy(codes), torch.from_numpy(y))
    assert learnt().fit(data, None).score(data, y) == 1.0
    mapped = np.memmap(tmp_path / "codes", dtype="int64", mode="w+", shape=codes.shape)
    mapped[:] = codes
    assert learnt().fit(mapped, y).score(mapped, y) == 1.0


def test_partial_fit_early_stopping_and_regression():
    net = learnt()
    for _ in range(60):
        net.partial_fit(codes, y)
    assert net.score(codes, y) == 1.0
    assert learnt(early_stopping=True).fit(codes, y).module_.types == {torch.int64}
    given = learnt(early_stopping=True).fit(codes, y, X_val=codes.astype("int8"), y_val=y)
    assert given.module_.types == {torch.int64}
    regressor = NetRegressor(Seen, max_epochs=60, lr=0.05, random_state=0)
    assert regressor.fit(codes, codes[:, 1]).score(codes, codes[:, 1]) > 0.99


def test_codes_pass_through_searches_folds_and_pickles():
    net = learnt()
    assert cross_val_score(net, codes, y, cv=3).min() > 0.8
    assert cross_validate(net, codes, y, cv=3)["test_score"].min() > 0.8
    assert GridSearchCV(net, {"module__width": [2, 4]}, cv=2).fit(codes, y).best_score_ > 0.8
    search = OptunaSearchCV(net, {"module__width": [2, 4]}, n_trials=2, cv=2, random_state=0)
    assert search.fit(codes, y).best_score_ > 0.8
    assert FoldEnsembleClassifier(net, cv=2).fit(codes, y).score(codes, y) > 0.8
    fitted = net.fit(codes, y)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(codes), fitted.predict_proba(codes))


def test_an_encoder_in_front_makes_whole_floats():
    table = pd.DataFrame({"fruit": np.array(["fig", "pear", "apple"])[codes[:, 0] % 3], "n": y})
    encoder = make_column_transformer((OrdinalEncoder(), ["fruit", "n"]))
    model = make_pipeline(encoder, learnt())
    assert model.fit(table, y).score(table, y) == 1.0
    assert model[-1].input_dtype_ == "int64"


def test_fractions_for_a_module_of_integers_are_refused():
    net = learnt().fit(codes, y)
    with pytest.raises(ValueError, match=r"takes integers.*2\.5 in X, at \(1, 0\)"):
        net.predict(np.array([[1.0, 2.0], [2.5, 1.0]]))
    with pytest.raises(ValueError, match="takes integers"):
        net.predict(TensorDataset(torch.zeros(3, 2)))


def test_codes_that_the_module_cannot_look_up_are_told_of():
    with pytest.raises(ValueError, match=r"cannot take samples.*index out of range.*the code 1"):
        learnt().fit(codes + 10, y)


def test_a_code_beyond_the_table_in_a_later_batch_is_told_of():
    late = codes.copy()
    late[50:] = 9
    told = "module=Seen does not take all samples of X: X has the code 9 in column 0 or 1, but the"
    told += r" module's embedding 'words' has entries for 0 to 5 only\."
    for part in (late, late[45:]):  # in a batch, among the rows that outputs are judged by
        with pytest.raises(ValueError, match=told):
            learnt().fit(part, y[: len(part)])
    with pytest.raises(ValueError, match=told):
        learnt().set_params(early_stopping=True).fit(codes, y, X_val=late, y_val=y)


@pytest.mark.parametrize("wrong", [6, -1])
@pytest.mark.parametrize("form", [np.asarray, lambda X: pd.DataFrame(X, columns=["city", "day"])])
def test_a_code_beyond_the_table_is_told_of_when_predicting(form, wrong):
    fitted = learnt().fit(form(codes), y)
    later = codes[:5].copy()
    later[3, 1] = wrong
    column = "'day'" if form is not np.asarray else "1"
    for ask in (fitted.predict, fitted.predict_proba, lambda X: fitted.score(X, y[:5])):
        with pytest.raises(ValueError, match=f"the code {wrong} in column {column}, but"):
            ask(form(later))


def test_an_index_error_of_another_kind_is_told_as_it_is():
    class First(nn.Linear):
        def forward(self, samples):
            return super().forward(samples) if len(samples) < 3 else [][len(samples)]

    with pytest.raises(ValueError, match="does not take all samples of X: list index out of range"):
        NetClassifier(First(2, 2), max_epochs=1).fit(codes.astype(float), y)
