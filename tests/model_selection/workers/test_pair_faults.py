"""What goes wrong in a worker costs the candidate at fault, whoever is next."""

import os
import signal
import warnings
from concurrent.futures import Future
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning

from sklearn_trainkit.model_selection import OptunaSearchCV, PauseAndResumePruner, RacingPruner
from sklearn_trainkit.model_selection.workers import _runners
from sklearn_trainkit.model_selection.workers._pool_runner import Death, PoolRunner
from sklearn_trainkit.model_selection.workers._worker import evaluate_jobs
from tests.model_selection.epoch_learner import EpochLogistic

X, y = make_classification(n_samples=60, n_features=4, flip_y=0.3, random_state=0)
WAITING = {"pausing": PauseAndResumePruner(2), "racing": RacingPruner(2, 2)}
ALPHAS = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1]


class Mortal(EpochLogistic):
    """Notes its epochs; may kill its worker in the second one, once."""

    def __init__(self, alpha=1e-4, max_iter=4, random_state=None, folder="", once=-1):
        super().__init__(alpha, max_iter=max_iter, random_state=random_state)
        self.folder = folder
        self.once = once

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        self.epoch_ = getattr(self, "epoch_", 0) + 1
        with Path(self.folder, f"{self.alpha}").open("a") as file:
            file.write(f"{self.epoch_} ")
        mark = Path(self.folder, f"died-{self.alpha}")
        if self.epoch_ == 2 and self.alpha == self.once and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().partial_fit(X, y, classes, sample_weight)


def fit(schedule, folder, backend="loky", once=-1, **settings):
    settings = {"pruner": WAITING[schedule], "scoring": "neg_log_loss", "cv": 2} | settings
    folder.mkdir()
    search = OptunaSearchCV(
        Mortal(folder=str(folder), once=once),
        {"alpha": ALPHAS},
        sampler="grid",
        n_trials=None,
        evaluator="per-epoch",
        random_state=0,
        refit=False,
        **settings,
    )
    with joblib.parallel_config(backend, n_jobs=2), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One or more of the test scores are non-finite")
        warnings.simplefilter("ignore", FitFailedWarning)
        return search.fit(X, y)


@pytest.mark.parametrize("schedule", WAITING)
def test_a_worker_that_dies_on_the_way_costs_one_rung(schedule, tmp_path, monkeypatch):
    whole = fit(schedule, tmp_path / "whole", "threading").cv_results_
    best = whole["param_alpha"][np.argmin(whole["rank_test_score"])]
    in_flight = note_deaths(monkeypatch)
    died = fit(schedule, tmp_path / "died", once=best).cv_results_
    for key in ("state", "n_epochs", "n_fold_epochs", "split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(died[key], whole[key])
    assert (tmp_path / "died" / f"died-{best}").exists()
    # loky ends all workers when one dies: it takes along a neighbour that is training just then.
    assert best in {alpha for alpha, _ in in_flight}
    assert len(in_flight) <= 2
    for alpha in ALPHAS:
        firsts = [
            (tmp_path / run / f"{alpha}").read_text().split().count("1")
            for run in ("whole", "died")
        ]
        if schedule == "pausing":  # a race trains each rung anew
            assert firsts[0] == 2
            assert (best, 1) in in_flight
        # Who had come to a rung has the way there behind it; who was on the first, or is in a race,
        # may have begun both folds.
        again = sum(at == alpha for at, rung in in_flight if schedule == "racing" or rung == 0)
        assert firsts[0] <= firsts[1] <= firsts[0] + 2 * again


def note_deaths(monkeypatch):
    """Return a set that gets whose job a worker's death ended: the alpha, and up to which rung."""
    in_flight, diagnose = set(), PoolRunner.diagnose

    def note(runner, error, candidate):
        in_flight.add((candidate.job.params["alpha"], candidate.job.rung))
        return diagnose(runner, error, candidate)

    monkeypatch.setattr(PoolRunner, "diagnose", note)
    return in_flight


class DyingPool:
    """Runs jobs in this process; its worker dies of a candidate that is named."""

    death_takes_all = True
    n_deaths = 0
    finished = []

    def __init__(self, shared, culprit):
        self.shared, self.culprit = shared, culprit

    def submit(self, jobs, rows, deadlines):
        future = Future()
        if any(self.culprit in job.params.values() for job in jobs):
            type(self).n_deaths += 1
            future.set_exception(OSError("dead"))
        else:
            future.set_result(evaluate_jobs(self.shared, jobs, rows, deadlines))
            self.finished.extend((job.number, job.rung) for job in jobs)
        return future

    def diagnose(self, error, number, overtime):
        # Of itself it could say who it was; of several it cannot.
        return Death("The worker died.", final=True)

    def restart(self):
        pass

    def close(self, *, kill):
        pass


@pytest.mark.parametrize("schedule", [*WAITING, "together"])
def test_one_that_kills_its_workers_fails_alone(schedule, tmp_path, monkeypatch):
    net = pytest.importorskip("sklearn_trainkit.neural_network").MLPNetClassifier
    estimator, settings = net((3,), max_epochs=4), {"trials_per_stack": 3}
    if schedule != "together":
        settings = {"pruner": WAITING[schedule]}
    culprit = 1e-2
    DyingPool.n_deaths, DyingPool.finished = 0, []
    monkeypatch.setattr(_runners, "_make_pool", lambda _, shared: DyingPool(shared, culprit))
    with (
        pytest.warns(FitFailedWarning, match="The worker died"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        results = (
            OptunaSearchCV(
                estimator,
                {"lr": [1e-4, 1e-3, culprit, 1e-1, 0.2, 0.3]},
                sampler="grid",
                n_trials=None,
                cv=2,
                random_state=0,
                refit=False,
                n_jobs=2,
                **settings,
            )
            .fit(X, y)
            .cv_results_
        )
    assert np.flatnonzero(np.isnan(results["mean_test_score"])).tolist() == [2]
    # Those that train together are tried one by one, to find out who it was.
    assert DyingPool.n_deaths == (2 if schedule == "together" else 1)
    # What was finished in time, beside the one that died, is not done again.
    assert len(DyingPool.finished) == len(set(DyingPool.finished)) >= 5


def test_ctrl_c_keeps_what_the_workers_have_finished(tmp_path):
    def interrupt(study, trial):
        raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Interrupted after"):
        search = fit("pausing", tmp_path / "run", "threading", callbacks=[interrupt])
    assert search.interrupted_
    assert "RUNNING" not in {trial.state.name for trial in search.study_.trials}
