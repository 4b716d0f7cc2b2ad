"""Networks fitted at once against the same networks fitted one by one."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_classification

from sklearn_trainkit.exceptions import DivergenceError
from sklearn_trainkit.neural_network import MLPNetClassifier, NetClassifier, fit_stacked

X, y = make_classification(
    101, 6, n_informative=4, n_classes=3, n_clusters_per_class=1, random_state=0
)
NET = MLPNetClassifier((8,), batch_size=16, max_epochs=4)


def assert_as_if_alone(nets, subsets=None):
    fitted = fit_stacked([clone(net) for net in nets], X, y, subsets=subsets)
    for index, net in enumerate(nets):
        rows = slice(None) if subsets is None else subsets[index]
        alone = clone(net).fit(X[rows], y[rows])
        np.testing.assert_allclose(
            fitted[index].predict_proba(X), alone.predict_proba(X), rtol=0, atol=1e-10
        )


def test_seeds_of_one_configuration():
    assert_as_if_alone([clone(NET).set_params(random_state=seed) for seed in range(6)])


def test_candidates_of_one_shape():
    grid = [
        {"lr": 0.1, "random_state": 0},
        {"lr": 0.01, "weight_decay": 0.1, "random_state": 0},
        {"clip_norm": 0.01, "random_state": 1},
        {"label_smoothing": 0.2, "clip_value": 0.1, "random_state": 1, "lr_schedule": "cosine"},
    ]
    assert_as_if_alone([clone(NET).set_params(**params) for params in grid])


def test_bags_of_rows():
    rng = np.random.default_rng(0)
    bags = [rng.integers(0, len(X), 80) for _ in range(4)]
    assert_as_if_alone([clone(NET).set_params(random_state=0)] * 4, bags)


def test_networks_of_several_shapes_and_kinds():
    nets = [
        clone(NET).set_params(random_state=0),
        clone(NET).set_params(hidden_units=(4, 4), random_state=0),
        clone(NET).set_params(hidden_units=(4, 4), skip="add", random_state=0),
        clone(NET).set_params(hidden_units=(4, 4), random_state=1),
        clone(NET).set_params(optimizer="lbfgs", random_state=0),
        NetClassifier(torch.nn.Sequential(torch.nn.Dropout(0.1), torch.nn.Linear(6, 3))),
    ]
    nets[-1].set_params(max_epochs=2, random_state=0)
    assert_as_if_alone(nets)


def test_divergence_is_raised_and_numbers_that_do_not_match_are_refused():
    nets = [clone(NET).set_params(optimizer="sgd", lr=lr, random_state=0) for lr in (0.1, 1e30)]
    with pytest.raises(DivergenceError):
        fit_stacked(nets, X, y)
    nets[0].predict(X)
    with pytest.raises(ValueError, match="subsets has 1 entries for 2"):
        fit_stacked(nets, X, y, subsets=[np.arange(10)])
    with pytest.raises(ValueError, match="'lr' parameter"):
        fit_stacked([clone(NET).set_params(lr=-1.0)], X, y)


@pytest.mark.parametrize("warm_first", [True, False])
def test_a_warm_start_keeps_its_momentum_beside_a_fresh_network(warm_first):
    def nets():
        net = clone(NET).set_params(optimizer="sgd", optimizer_params={"momentum": 0.9}, lr=0.05)
        warm = clone(net).set_params(warm_start=True, random_state=0).fit(X, y)
        both = [warm, net.set_params(random_state=1)]
        return both if warm_first else both[::-1]

    for together, alone in zip(fit_stacked(nets(), X, y), nets(), strict=True):
        expected = alone.fit(X, y).predict_proba(X)
        np.testing.assert_allclose(together.predict_proba(X), expected, rtol=0, atol=1e-10)


def test_the_same_network_twice_is_refused():
    net = clone(NET)
    with pytest.raises(ValueError, match="same object twice"):
        fit_stacked([net, clone(NET), net], X, y)


def test_checkpoints_are_written(tmp_path):
    nets = [clone(NET).set_params(random_state=seed) for seed in range(3)]
    nets[1].set_params(checkpoint_dir=str(tmp_path))
    assert_as_if_alone(nets[:1] + nets[2:])
    fit_stacked(nets, X, y)
    assert list(tmp_path.iterdir())


def test_one_that_fails_beside_the_stack_leaves_the_others_their_fit():
    wild = {"optimizer": "sgd", "lr": 1e30, "activation": "relu", "dtype": "float32"}
    nets = [clone(NET).set_params(random_state=0, hidden_units=(5,), **wild)]
    nets += [clone(NET).set_params(random_state=0), clone(NET).set_params(hidden_units=(4,))]
    with pytest.raises(DivergenceError):
        fit_stacked(nets, X, y)
    assert not hasattr(nets[0], "module_")
    assert [len(net.history_) for net in nets[1:]] == [4, 4]
