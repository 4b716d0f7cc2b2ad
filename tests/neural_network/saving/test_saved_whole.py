"""A fitted network comes back from pickles, copies and skops as it was, and can be trained on."""

import copy
import pickle

import cloudpickle
import joblib
import numpy as np
import pytest
import skops.io
from skorch.callbacks import EarlyStopping
from torch import nn

from sklearn_trainkit.callbacks import GradientFlow
from sklearn_trainkit.neural_network import MLPNetClassifier, NetClassifier
from tests.neural_network.every_net import KINDS, LABELS, ROWS, answers, make_net


def through_skops(fitted):
    content = skops.io.dumps(fitted)
    return skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))


def through_joblib(fitted, folder):
    joblib.dump(fitted, folder / "net")
    return joblib.load(folder / "net")


WAYS = {
    "pickle": lambda fitted, folder: pickle.loads(pickle.dumps(fitted)),
    "joblib": through_joblib,
    "cloudpickle": lambda fitted, folder: cloudpickle.loads(cloudpickle.dumps(fitted)),
    "deepcopy": lambda fitted, folder: copy.deepcopy(fitted),
    "skops": lambda fitted, folder: through_skops(fitted),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_net_comes_back_and_trains_on_as_it_would_have(kind, way, tmp_path):
    net, X, y = make_net(kind, early_stopping=True)
    net.fit(X, y).set_params(early_stopping=False)
    again = WAYS[way](net, tmp_path)
    for _ in range(2):
        np.testing.assert_array_equal(answers(again, X), answers(net, X))
        assert again.history[:, "train_loss"] == net.history[:, "train_loss"]
        again.partial_fit(X, y)
        net.partial_fit(X, y)
    assert again.set_params(warm_start=True, lr=0.1).fit(X, y) is again


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "net",
    [
        NetClassifier(nn.Linear(4, 3)),
        NetClassifier(nn.Linear, module__in_features=4, module__out_features=3),
        MLPNetClassifier(
            (4,), activation=nn.Tanh, callbacks=[("stop", EarlyStopping("train_loss"))]
        ),
        MLPNetClassifier(
            (4,), callbacks=[GradientFlow(warn=False)], optimizer_params={"eps": 1e-3}
        ),
        MLPNetClassifier((4,), dtype="float64", random_state=np.random.RandomState(0)),
    ],
    ids=["instance", "class", "callback", "gradient flow", "float64"],
)
def test_parameters_that_are_objects_are_no_changes_afterwards(net, way, tmp_path):
    net.set_params(max_epochs=1).fit(ROWS, LABELS)
    again = WAYS[way](net, tmp_path)
    np.testing.assert_array_equal(answers(again, ROWS), answers(net, ROWS))
    again.partial_fit(ROWS, LABELS)


def test_a_copy_needs_no_pickle_of_a_lambda():
    net = MLPNetClassifier((4,), activation=lambda: nn.Tanh(), max_epochs=1).fit(ROWS, LABELS)
    again = copy.deepcopy(net).partial_fit(ROWS, LABELS)
    assert again.predict(ROWS).shape == (24,)


def test_a_net_that_an_earlier_version_pickled_is_trained_on_and_saved(tmp_path):
    net = MLPNetClassifier((4,), max_epochs=1).fit(ROWS, LABELS)
    del net._made_with
    again = pickle.loads(pickle.dumps(net)).partial_fit(ROWS, LABELS)
    again.save_params(f_params=tmp_path / "w")
    other = MLPNetClassifier((4,))
    other.load_params(f_params=tmp_path / "w")
    np.testing.assert_array_equal(answers(other, ROWS), answers(again, ROWS))
