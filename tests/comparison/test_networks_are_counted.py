"""Our networks are watched: what they do in a search is what the comparison counts."""

import numpy as np
import optuna
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sklearn_trainkit.callbacks import TrainingMeter, TrainingSpent
from sklearn_trainkit.comparison import compare_searches, summarize_runs
from sklearn_trainkit.model_selection import OptunaSearchCV, PauseAndResumePruner
from sklearn_trainkit.neural_network import MLPNetClassifier
from sklearn_trainkit.preprocessing import MinMaxScaler, StandardScaler


def make_grid(space, **net_params):
    net = MLPNetClassifier(hidden_units=(8,), max_epochs=3, batch_size=20, **net_params)
    return GridSearchCV(Pipeline([("scaler", StandardScaler()), ("net", net)]), space)


def run_comparison(searcher):
    table = compare_searches({"grid": searcher}, *load_iris(return_X_y=True), cv=2, test_size=0.2)
    [run] = summarize_runs(table).to_dict("records")
    return table, run


def test_fits_epochs_and_gradient_steps_are_exact():
    scalers = [StandardScaler(), MinMaxScaler(), "passthrough"]
    table, run = run_comparison(make_grid({"scaler": scalers}))
    assert run["error"] == ""
    assert run["counted_by"] == "watching"
    assert (run["fits"], run["epochs"]) == (3 * 2 + 1, (3 * 2 + 1) * 3)
    # 120 training rows: 60 in an inner fold is 3 batches of 20; the refit has 6.
    assert run["steps"] == 3 * 2 * 3 * 3 + 3 * 6
    assert table["epochs"].tolist() == [6, 12, 18]
    assert table["steps"].tolist() == [18, 36, 54]


@pytest.mark.filterwarnings("ignore:Scoring failed")
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_a_diverging_network_counts_with_the_epochs_it_had():
    space = {"net__optimizer": ["sgd"], "net__lr": [1e20, 0.1]}
    table, run = run_comparison(make_grid(space))
    assert run["fits"] == 2 * 2 + 1
    assert table["status"].tolist() == ["failed", "complete"]
    assert 3 * 3 <= run["epochs"] < 3 * 5
    assert np.isfinite(run["test_score"])


def test_a_budget_of_epochs_stops_networks_within_a_fit():
    searcher = make_grid({"net__lr": [0.1, 0.01, 0.001]})
    table = compare_searches(
        {"grid": searcher}, *load_iris(return_X_y=True), cv=2, test_size=0.2, budget={"epochs": 8}
    )
    [run] = summarize_runs(table).to_dict("records")
    assert run["error"] == ""
    assert table["trial"].tolist() == [0]  # 6 epochs; the second trial is cut off after 2 more
    assert run["epochs"] == 8 + 3


@pytest.mark.parametrize(
    "pruner",
    [
        None,
        optuna.pruners.MedianPruner(n_startup_trials=2),
        PauseAndResumePruner(),
        PauseAndResumePruner(max_in_memory=1),
    ],
    ids=["whole fits", "per epoch", "pause and resume", "weights on disk"],
)
def test_every_evaluator_of_our_searcher_is_counted_alike(pruner):
    meter = TrainingMeter()
    net = MLPNetClassifier(hidden_units=(8,), max_epochs=9, batch_size=25, random_state=0)
    pipeline = Pipeline([("scaler", StandardScaler()), ("net", net.set_callbacks(meter))])
    space = {"net__lr": optuna.distributions.FloatDistribution(1e-4, 0.1, log=True)}
    search = OptunaSearchCV(
        pipeline, space, n_trials=8, pruner=pruner, cv=2, random_state=0, evaluator="auto"
    ).fit(*load_iris(return_X_y=True))
    epochs = search.cv_results_.get("n_epochs", np.full(8, 9)).sum()
    if pruner is not None:
        assert epochs < 8 * 9  # some were stopped, or the case would test nothing
    # Two folds of 75 rows (3 steps an epoch) for each trial, and a refit on 150 (6 steps).
    assert meter.spent() == TrainingSpent(
        n_fits=8 * 2 + 1, n_epochs=2 * epochs + 9, n_steps=2 * epochs * 3 + 9 * 6
    )
