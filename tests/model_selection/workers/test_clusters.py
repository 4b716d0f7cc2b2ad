"""Dask and Ray give what this process gives, survive their workers, and end what hangs."""

import os
import signal
import warnings

import joblib
import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info

from sklearn_trainkit.model_selection import OptunaSearchCV

X, y = make_classification(n_samples=60, n_features=4, random_state=0)
NET = MLPClassifier((2,), batch_size=1, max_iter=4, random_state=0)
PIPE = Pipeline([("scale", StandardScaler()), ("clf", NET)])
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SPACE = {"clf__learning_rate_init": loguniform(1e-4, 1)}


@pytest.fixture(autouse=True)
def no_endless_wait():
    """Fail, instead of hanging, when an engine never answers."""

    def give_up(*args):
        raise TimeoutError("The engine did not answer within 600 s.")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(600)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(params=["loky", "dask", "ray"])
def backend(request):
    """Return the name of a joblib backend with two worker processes on loopback."""
    if request.param != "loky":
        request.getfixturevalue(request.param)
    return request.param


def scores_of(search):
    results = search.cv_results_
    return {key: results[key] for key in results if "_time" not in key}


def fit(backend, estimator=PIPE, space=SPACE, **settings):
    with joblib.parallel_config(backend, n_jobs=2):
        return OptunaSearchCV(estimator, space, cv=2, **settings).fit(X, y)


def test_every_engine_gives_what_one_process_gives(backend):
    settings = {"n_trials": 6, "sampler": "random", "random_state": 0}
    alone = OptunaSearchCV(PIPE, SPACE, cv=2, **settings).fit(X, y)
    np.testing.assert_equal(scores_of(fit(backend, **settings)), scores_of(alone))


def test_every_engine_prunes_as_loky_does(backend):
    settings = {"n_trials": 12, "pruner": "successive_halving", "random_state": 0}
    there, here = fit(backend, **settings), fit("loky", **settings)
    assert "pruned" in there.cv_results_["state"]
    np.testing.assert_equal(scores_of(there), scores_of(here))


class Faulty(ClassifierMixin, BaseEstimator):
    """Kills its worker, exhausts its memory or hangs in a matrix product, as ``fault`` says."""

    def __init__(self, fault="none", a=0):
        self.fault = fault
        self.a = a

    def fit(self, X, y):
        if self.fault == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "memory":
            np.ones(2**44)
        if self.fault == "hang":
            square = np.ones((3000, 3000))
            while True:
                square = square @ square / 3000
        self.n_threads_ = max(pool["num_threads"] for pool in threadpool_info())
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])

    def score(self, X, y):
        return self.n_threads_


def fit_faulty(backend, fault, **settings):
    enqueue = [{"fault": value} for value in ("none", fault, "none", "none")]
    space = {"fault": ["none", fault]}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One or more of the test scores are non-finite")
        warnings.simplefilter("ignore", FitFailedWarning)
        return fit(backend, Faulty(), space, enqueue=enqueue, n_trials=4, **settings)


def states_of(search):
    return [trial.state.name for trial in search.trials_]


def test_a_trial_that_kills_its_workers_fails_alone(backend):
    search = fit_faulty(backend, "killed")
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True, False, False]
    assert states_of(search) == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]


def test_a_trial_without_memory_is_not_tried_again(backend):
    search = fit_faulty(backend, "memory", trial_timeout=60)
    assert states_of(search) == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert "Unable to allocate" in search.cv_results_["reason"][1]


def test_a_trial_that_hangs_in_a_matrix_product_is_ended(backend):
    # On Dask the clock starts with the submission: a busy machine must not end the neighbours.
    search = fit_faulty(backend, "hang", trial_timeout=4.0 if backend == "dask" else 2.0)
    assert states_of(search) == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert search.cv_results_["reason"][1].startswith("ended after trial_timeout, with its")


def test_workers_use_one_thread_unless_told_otherwise(backend):
    assert fit(backend, Faulty(), {"a": [0]}, n_trials=1).best_score_ == 1.0


@pytest.fixture
def ctrl_c():
    """Have SIGINT raise KeyboardInterrupt, which processes of pytest-xdist do not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_keeps_what_the_workers_have_finished(backend):
    def interrupt(study, trial):
        if trial.number == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.warns(UserWarning, match="Interrupted after 3 trials"):
        search = fit(backend, n_trials=20, random_state=0, callbacks=[interrupt])
    assert search.interrupted_
    assert len(search.cv_results_["params"]) == 3
    again = fit(backend, n_trials=3, random_state=0)
    assert again.cv_results_["params"] == search.cv_results_["params"]
