"""Searches that have run, of every kind that figures and comparisons read.

Several folders of tests import these fixtures; whoever comes first runs the search.
"""

from functools import cache

import optuna
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_trainkit.comparison import compare_searches
from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.neural_network import MLPNetClassifier


@cache
def run_pruned_search():
    """A search by epochs with pruned trials, choices that are objects, and a log scale."""
    pipe = Pipeline([("scale", StandardScaler()), ("net", MLPNetClassifier((8,), max_epochs=4))])
    space = {
        "scale": [StandardScaler(), MinMaxScaler(), "passthrough"],
        "net__lr": optuna.distributions.FloatDistribution(1e-5, 1e-1, log=True),
        "net__hidden_units": [(4,), (8,)],
    }
    pruner = optuna.pruners.MedianPruner(n_startup_trials=4)
    search = OptunaSearchCV(
        pipe, space, n_trials=14, pruner=pruner, sampler="random", cv=3, random_state=0
    )
    return search.fit(*load_iris(return_X_y=True))


@cache
def run_grid_search():
    pipe = Pipeline([("scale", StandardScaler()), ("model", LogisticRegression(max_iter=500))])
    grid = {"scale": [StandardScaler(), "passthrough"], "model__C": [0.001, 0.1, 10.0]}
    return GridSearchCV(pipe, grid, cv=3).fit(*load_iris(return_X_y=True))


@cache
def run_study():
    """A minimized study without any searcher."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    made = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    def objective(trial):
        a, b = trial.suggest_float("a", 0.0, 1.0), trial.suggest_float("b", 1e-3, 1.0, log=True)
        kind = trial.suggest_categorical("kind", ["p", "q"])
        return (a - 0.3) ** 2 + 0.01 * b + 0.05 * (kind == "q")

    made.optimize(objective, n_trials=40)
    return made


@cache
def run_comparison():
    """Two data sets, two seeds, four strategies: one of them prunes, one is a list by hand."""
    net = MLPNetClassifier((6,), max_epochs=3, batch_size=32)
    space = {"lr": [1e-4, 1e-3, 1e-2, 1e-1], "dropout": [0.0, 0.2, 0.4], "batch_size": [16, 32]}
    by_hand = [{"lr": 1e-3, "dropout": 0.0, "batch_size": 32}]
    by_hand.append({"lr": 1e-2, "dropout": 0.0, "batch_size": 32})
    pruner = optuna.pruners.MedianPruner(n_startup_trials=4)
    searchers = {
        "grid": GridSearchCV(net, {"lr": [1e-4, 1e-3, 1e-2], "dropout": [0.0, 0.2]}),
        "random": RandomizedSearchCV(net, space, n_iter=6),
        "TPE, pruned": OptunaSearchCV(net, space, n_trials=8, pruner=pruner),
        "by hand": OptunaSearchCV(net, space, n_trials=2, enqueue=by_hand),
    }
    X, y = load_iris(return_X_y=True)
    datasets = {"iris": (X, y), "narrow": (X[:, :2], y)}
    return compare_searches(searchers, datasets=datasets, cv=2, seeds=[0, 1])


@pytest.fixture(scope="session")
def pruned_search():
    return run_pruned_search()


@pytest.fixture(scope="session")
def grid_search():
    return run_grid_search()


@pytest.fixture(scope="session")
def study():
    return run_study()


@pytest.fixture(scope="session")
def comparison():
    return run_comparison()


@pytest.fixture
def first_run(comparison):
    return comparison[(comparison["dataset"] == "iris") & (comparison["seed"] == 0)]
