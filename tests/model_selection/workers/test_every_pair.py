"""Whoever is next, however it runs: every pair gives the same, again and again."""

import joblib
import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.datasets import make_classification
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_trainkit.model_selection import OptunaSearchCV, PauseAndResumePruner, RacingPruner
from sklearn_trainkit.neural_network import MLPNetClassifier

X, y = make_classification(n_samples=48, n_features=4, flip_y=0.3, random_state=0)
NET = MLPNetClassifier((3,), dropout=0.1, max_epochs=4, batch_size=16)
PIPE = Pipeline([("scale", StandardScaler()), ("net", NET)])
SPACE = {"net__lr": loguniform(1e-3, 1)}
# Who is next.
SCHEDULES = {
    "steady": {},
    "pruned": {"pruner": "successive_halving"},
    "pausing": {"pruner": PauseAndResumePruner(2)},
    "racing": {"pruner": RacingPruner(2, 2)},
    "together": {"trials_per_stack": 3},
}
# How it runs.
WORKERS = ["inline", "threading", "loky", "dask", "ray"]


@pytest.fixture(params=WORKERS)
def workers(request):
    """Return the name of a kind of workers that are there, two of them but for "inline"."""
    if request.param in ("dask", "ray"):
        request.getfixturevalue(request.param)
    return request.param


def fit(workers, schedule, **settings):
    settings = {"n_trials": 8, "cv": 2, "scoring": "neg_log_loss", "random_state": 0} | settings
    search = OptunaSearchCV(PIPE, SPACE, **settings, **SCHEDULES[schedule])
    if workers == "inline":
        return search.fit(X, y)
    with joblib.parallel_config(workers, n_jobs=2):
        return search.fit(X, y)


def results_of(search):
    results = search.cv_results_
    told = [(trial.state, trial.intermediate_values, trial.user_attrs) for trial in search.trials_]
    return {key: results[key] for key in results if "_time" not in key}, told


@pytest.fixture(scope="module")
def in_threads():
    """Return what two threads give, by the schedule."""
    kept = {}

    def results(schedule):
        if schedule not in kept:
            kept[schedule] = results_of(fit("threading", schedule))
        return kept[schedule]

    return results


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_pair_of_schedule_and_workers_repeats_itself(schedule, workers, in_threads):
    if workers == "inline":
        np.testing.assert_equal(
            results_of(fit(workers, schedule)), results_of(fit(workers, schedule))
        )
    else:  # two workers of any kind give the same, too
        np.testing.assert_equal(results_of(fit(workers, schedule)), in_threads(schedule))


@pytest.mark.parametrize("schedule", ["steady", "together"])
def test_where_nobody_waits_workers_change_nothing(schedule, in_threads):
    alone = fit("inline", schedule, sampler="random")
    both = fit("threading", schedule, sampler="random")
    np.testing.assert_equal(results_of(both)[0], results_of(alone)[0])


@pytest.mark.parametrize("schedule", ["pausing", "racing"])
def test_whoever_ends_scores_what_it_scores_alone(schedule, in_threads):
    results, _ = in_threads(schedule)
    complete = np.flatnonzero(results["state"] == "complete")
    assert 0 < len(complete) < 8
    alone = fit(
        "inline",
        "steady",
        enqueue=[results["params"][row] for row in complete],
        n_trials=len(complete),
    ).cv_results_
    for index in range(2):
        key = f"split{index}_test_score"
        np.testing.assert_array_equal(results[key][complete], alone[key])
