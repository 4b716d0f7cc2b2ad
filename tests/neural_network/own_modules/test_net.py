"""Any torch module as an estimator."""

import pickle

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, make_classification, make_regression
from sklearn.model_selection import GridSearchCV
from torch import nn

from sklearn_trainkit.neural_network import MLPNetClassifier, NetClassifier, NetRegressor
from sklearn_trainkit.neural_network.modules._mlp_module import MLPModule

X, y = make_classification(120, 6, n_informative=4, n_classes=3, random_state=1)


class Tiny(nn.Module):
    def __init__(self, n_features, n_outputs, width=8, rate=0.0):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_features, width), nn.ReLU(), nn.Dropout(rate), nn.Linear(width, n_outputs)
        )

    def forward(self, x):
        return self.layers(x)


class Images(nn.Sequential):
    def __init__(self, input_shape, n_outputs):
        super().__init__(
            nn.Conv2d(input_shape[0], 8, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(n_outputs)
        )


def test_widths_come_from_the_data_and_arguments_by_name():
    net = NetClassifier(Tiny, module__width=5, max_epochs=2).fit(X, y)
    assert [tuple(p.shape) for p in net.module_.parameters()] == [(5, 6), (5,), (3, 5), (3,)]
    assert clone(net).get_params()["module__width"] == 5
    by_dict = NetClassifier(Tiny, module_params={"width": 7}, max_epochs=2).fit(X, y)
    assert by_dict.module_.layers[0].out_features == 7


def test_the_engine_is_that_of_the_dense_nets():
    params = {"max_epochs": 4, "weight_decay": 0.1, "random_state": 0}
    dense = MLPNetClassifier((16, 8), **params).fit(X, y)
    own = NetClassifier(
        MLPModule, module__hidden_units=(16, 8), module__activation="gelu", **params
    ).fit(X, y)
    np.testing.assert_array_equal(own.predict_proba(X), dense.predict_proba(X))


def test_torchs_dropout_repeats_and_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    nets = [NetClassifier(Tiny, module__rate=0.5, max_epochs=3, random_state=1) for _ in range(2)]
    runs = [net.start_fit(X, y) for net in nets]
    while not runs[0].done:  # in turns, they draw what they would have drawn alone
        for run in runs:
            run.advance()
    alone = NetClassifier(Tiny, module__rate=0.5, max_epochs=3, random_state=1).fit(X, y)
    for net in nets:
        np.testing.assert_array_equal(net.predict_proba(X), alone.predict_proba(X))
    assert torch.equal(torch.get_rng_state(), state)


def test_an_instance_is_copied_and_goes_on_from_its_weights():
    module = Tiny(6, 3)
    before = [p.clone() for p in module.parameters()]
    net = NetClassifier(module, max_epochs=1, lr=1e-9, optimizer="sgd").fit(X, y)
    for own, trained, start in zip(
        module.parameters(), net.module_.parameters(), before, strict=True
    ):
        assert torch.equal(own, start)
        torch.testing.assert_close(trained, start.double(), atol=1e-6, rtol=0)


def test_inputs_of_more_than_two_dimensions():
    digits = load_digits()
    images = digits.images[:, None].astype(np.float32)
    net = NetClassifier(Images, max_epochs=5, random_state=0).fit(images, digits.target)
    assert net.score(images, digits.target) > 0.9
    assert net.input_shape_ == (1, 8, 8)
    torch.manual_seed(1)  # lazy layers draw their weights from random_state, too
    again = NetClassifier(Images, max_epochs=5, random_state=0).fit(images, digits.target)
    np.testing.assert_array_equal(again.predict_proba(images), net.predict_proba(images))
    with pytest.raises(ValueError, match=r"samples of shape \(1, 8, 7\)|expecting"):
        net.partial_fit(images[..., :7], digits.target)


def test_arguments_of_the_module_can_be_searched():
    net = NetClassifier(Tiny, module__width=4, max_epochs=3, random_state=0)
    search = GridSearchCV(net, {"module__width": [2, 16]}, cv=3).fit(X, y)
    assert search.best_estimator_.module_.layers[0].out_features in (2, 16)


def test_a_regressor_with_several_targets_pickles():
    A, b = make_regression(80, 5, n_targets=2, random_state=0)
    net = NetRegressor(Tiny, module__width=16, max_epochs=50, random_state=0).fit(A, b)
    assert net.score(A, b) > 0.5
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(net)).predict(A), net.predict(A))


class Flat(nn.Linear):
    def __init__(self, n_features):
        super().__init__(n_features, 1)

    def forward(self, x):
        return super().forward(x)[:, 0]


@pytest.mark.parametrize(
    ("net", "error", "message"),
    [
        (NetClassifier(Tiny, module__n_outputs=5), ValueError, r"shape \(2, 3\).*Got \(2, 5\)"),
        (NetRegressor(Flat), ValueError, r"module=Flat.*\(2, 1\).*Got \(2,\)"),
        (NetClassifier(Tiny, module__depth=5), TypeError, r"cannot be built with .*'depth'"),
        (NetClassifier(Tiny(6, 3), module__width=5), TypeError, r"instance of Tiny.*\['width'\]"),
        (
            NetClassifier(dict),
            TypeError,
            "module must be a torch.nn.Module or its class. Got <class 'dict'>",
        ),
        (NetClassifier(3), ValueError, "'module' parameter of NetClassifier"),
    ],
)
def test_modules_that_do_not_fit_are_named(net, error, message):
    with pytest.raises(error, match=message):
        net.fit(X, y)


def test_unknown_arguments_are_refused():
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'width'.*module__width"):
        NetClassifier(Tiny, width=3)


class Inplace(nn.Linear):
    def __init__(self, n_features, n_outputs):
        super().__init__(n_features, n_outputs)

    def forward(self, x):
        x -= 1
        return super().forward(x)


def test_a_module_that_writes_into_its_input_does_not_reach_the_callers_rows():
    data = X.copy()
    net = NetClassifier(Inplace, max_epochs=3, early_stopping=True, random_state=0).fit(data, y)
    first, second = net.predict_proba(data), net.predict_proba(data)
    np.testing.assert_array_equal(data, X)
    np.testing.assert_array_equal(first, second)


def test_foreign_modules_repeat_in_threads_and_leave_the_global_generator_alone():
    def fit(seed):
        net = NetClassifier(Tiny, module__rate=0.5, max_epochs=10, random_state=seed)
        return net.fit(X, y).predict_proba(X)

    alone = [fit(seed) for seed in range(3)]
    state = torch.get_rng_state()
    together = Parallel(3, backend="threading")(delayed(fit)(seed) for seed in range(3))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_module_for_other_widths_and_one_without_parameters_are_named():
    with pytest.raises(ValueError, match=r"module=Tiny cannot take samples of shape \(6,\)"):
        NetClassifier(Tiny, module__n_features=4).fit(X, y)
    with pytest.raises(ValueError, match="has no parameters to train"):
        NetClassifier(nn.Sequential(nn.Flatten(), nn.AdaptiveAvgPool1d(3))).fit(X, y)


def test_batch_norm_of_a_users_module_needs_two_rows():
    module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    with pytest.raises(ValueError, match=r"Batch normalization needs at least 2 .*batch_size=1"):
        NetClassifier(module, batch_size=1, max_epochs=1).fit(*load_iris(return_X_y=True))
