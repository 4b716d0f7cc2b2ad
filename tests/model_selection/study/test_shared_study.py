"""Several processes on one study share its budget and its result, and lose nothing."""

import os
import socket
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest
from optuna.exceptions import ExperimentalWarning
from optuna.storages import GrpcStorageProxy
from scipy.stats import loguniform
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from sklearn_trainkit.model_selection import OptunaSearchCV
from tests.forked_script import ForkedScript
from tests.postgres_server import PostgresServer, find_reason_to_skip

X, y = make_classification(n_samples=60, n_features=4, random_state=0)

SCRIPT = """
    import os, sys, time
    import numpy as np
    from scipy.stats import uniform
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn_trainkit.model_selection import OptunaSearchCV

    storage = sys.argv[1]
    if storage.startswith("grpc:"):
        from optuna.storages import GrpcStorageProxy
        storage = GrpcStorageProxy(host="127.0.0.1", port=int(storage.removeprefix("grpc:")))

    class Scripted(ClassifierMixin, BaseEstimator):
        def __init__(self, a=0.0, max_iter=3):
            self.a, self.max_iter = a, max_iter
        def fit(self, X, y):
            return self.partial_fit(X, y, np.unique(y))
        def partial_fit(self, X, y, classes=None):
            if sys.argv[3] == "hang" and self.a != 0.5:
                print("hanging", flush=True)
                time.sleep(1000)
            time.sleep(0.01)
            self.classes_ = np.unique(y) if classes is None else classes
            return self
        def predict(self, X):
            return np.full(len(X), self.classes_[0])
        def score(self, X, y):
            return self.a

    X, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
    mine = []
    search = OptunaSearchCV(
        Scripted(), {"a": uniform(0, 1)}, n_trials=int(sys.argv[2]), cv=2, random_state=0,
        storage=storage, study_name=os.path.dirname(__file__), resume=True, pruner=sys.argv[4],
        evaluator="per-epoch",
        enqueue=[{"a": 0.5}], callbacks=[lambda study, trial: mine.append(trial.number)],
    ).fit(X, y)
    results = search.cv_results_
    print(len(mine), results["param_a"].tolist(), results["state"].tolist(), search.best_score_)
"""


@pytest.fixture(scope="module")
def server():
    if (reason := find_reason_to_skip()) is not None:
        pytest.skip(reason)
    pytest.importorskip("psycopg")
    server = PostgresServer()
    yield server
    server.remove()


PROXY = """
    import sys
    from optuna.storages import RDBStorage, run_grpc_proxy_server
    run_grpc_proxy_server(RDBStorage(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]))
"""


@pytest.fixture
def proxy(tmp_path):
    """Start optuna's gRPC proxy before a database, on loopback; return how a driver names it."""
    pytest.importorskip("grpc", reason="grpcio is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"sqlite:///{tmp_path}/behind.db"
    server = subprocess.Popen([sys.executable, "-c", textwrap.dedent(PROXY), url, str(port)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        GrpcStorageProxy(host="127.0.0.1", port=port).wait_server_ready(timeout=60)
    yield f"grpc:{port}"
    server.kill()
    server.wait()


@pytest.fixture(params=["postgresql", "journal", "sqlite", "grpc"])
def storage(request, tmp_path):
    if request.param == "grpc":
        return request.getfixturevalue("proxy")
    if request.param == "postgresql":
        return request.getfixturevalue("server").url
    return f"sqlite:///{tmp_path}/study.db" if request.param == "sqlite" else str(tmp_path / "s")


@pytest.fixture
def start_driver(tmp_path, storage):
    script = tmp_path / "driver.py"
    script.write_text(textwrap.dedent(SCRIPT))

    def start(n_trials, fault="none", pruner="median"):
        arguments = [str(script), storage, str(n_trials), fault, pruner]
        if not storage.startswith("grpc:"):
            return ForkedScript(*arguments)
        return subprocess.Popen(  # gRPC does not work in a process that was forked after its import
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1"},
        )

    return start


def read_result(driver):
    out, err = driver.communicate(timeout=120)
    assert driver.returncode == 0, err
    n_mine, rest = out.strip().split("\n")[-1].split(" ", 1)
    return int(n_mine), rest


def test_drivers_share_the_budget_and_end_with_the_joint_result(start_driver):
    (n_first, first), (n_second, second) = map(read_result, [start_driver(12), start_driver(12)])
    assert first == second
    assert n_first + n_second == 12
    values = first[1 : first.index("]")].split(", ")
    assert len(set(values)) == 12


def test_a_killed_drivers_trial_is_taken_up_by_the_other(start_driver):
    stuck = start_driver(5, "hang")
    assert stuck.stdout.readline() == "hanging\n"
    other = start_driver(5)
    stuck.kill()
    stuck.communicate()
    n_mine, result = read_result(other)
    assert n_mine == 4  # the killed one had finished its first
    assert result.count("complete") + result.count("pruned") == 5


@pytest.mark.parametrize("storage", ["journal"], indirect=True)
@pytest.mark.parametrize("pruner", ["pause_and_resume", "racing"])
def test_drivers_whose_candidates_wait_lose_and_double_none(pruner, start_driver, storage):
    drivers = [start_driver(12, pruner=pruner) for _ in range(2)]
    (n_first, first), (n_second, second) = map(read_result, drivers)
    assert first == second
    assert n_first + n_second == 12
    assert first.count("complete") + first.count("pruned") == 12
    assert len(set(first[1 : first.index("]")].split(", "))) == 12
    # Each has its own candidates wait for each other, and its best of them come to the end.
    assert first.count("complete") >= 2


@pytest.mark.parametrize("storage", ["journal"], indirect=True)
def test_candidates_that_waited_with_a_killed_driver_are_taken_up_by_the_other(start_driver):
    stuck = start_driver(5, "hang", "pause_and_resume")
    assert stuck.stdout.readline() == "hanging\n"
    other = start_driver(5, pruner="pause_and_resume")
    stuck.kill()
    stuck.communicate()
    n_mine, result = read_result(other)
    assert n_mine == 5  # the killed one's first waited at a rung, and had not ended
    assert result.count("complete") + result.count("pruned") == 5


def make_search(storage, **settings):
    return OptunaSearchCV(
        LogisticRegression(),
        {"C": loguniform(0.01, 10)},
        **({"n_trials": 6, "cv": 2, "random_state": 0, "storage": storage} | settings),
    )


def test_a_stored_search_finds_what_one_in_memory_finds(server):
    stored = make_search(server.url).fit(X, y)
    alone = make_search(None).fit(X, y)
    assert stored.cv_results_["params"] == alone.cv_results_["params"]
    np.testing.assert_array_equal(
        stored.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
    )
