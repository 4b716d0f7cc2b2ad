"""What a trial costs by engine and by storage, and what a large X costs each worker.

Ten reports a trial and the median pruner, random proposals, 3 folds of an estimator that does
nothing. The candidates of all variants are checked to be equal first; pools are started before
the clock; each round runs all variants one after the other.

    python examples/benchmarks/bench_backends.py --rounds 3
    python examples/benchmarks/bench_backends.py --megabytes 200
    python examples/benchmarks/bench_backends.py --database postgresql+psycopg://me@127.0.0.1/test
"""

# %%
import argparse
import os
import tempfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import joblib
import numpy as np
import psutil
from scipy.stats import uniform
from sklearn.base import BaseEstimator, ClassifierMixin

from sklearn_trainkit.model_selection import OptunaSearchCV

N_SPLITS, N_EPOCHS = 3, 10
X, y = np.arange(400.0).reshape(200, 2), np.arange(200) % 2
SPACE = {"a": uniform(0, 1), "b": uniform(0, 1)}


class Trivial(ClassifierMixin, BaseEstimator):
    """Does nothing, and improves with each epoch of doing nothing."""

    def __init__(self, a=0.0, b=0.0, max_iter=N_EPOCHS):
        self.a = a
        self.b = b
        self.max_iter = max_iter

    def fit(self, X, y):
        self.classes_, self.epoch_ = np.array([0, 1]), self.max_iter
        return self

    def partial_fit(self, X, y, classes=None):
        if classes is not None:
            self.classes_, self.epoch_ = classes, 0
        self.epoch_ += 1
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)

    def score(self, X, y):
        return self.a * (1 - 0.5**self.epoch_) - (self.b - 0.5) ** 2


class Measured(Trivial):
    """Touches all of X; scores the memory that only this worker uses, in megabytes."""

    def partial_fit(self, X, y, classes=None):
        self.sum_ = float(X.sum())
        return super().partial_fit(X, y, classes)

    def score(self, X, y):
        return psutil.Process().memory_full_info().uss / 1e6


@contextmanager
def clusters(object_store_megabytes):
    """Start a Dask cluster and Ray, two worker processes each, on loopback."""
    import ray
    from distributed import Client
    from ray.util.joblib import register_ray

    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=object_store_megabytes * 10**6,
        _node_ip_address="127.0.0.1",
    )
    register_ray()
    local = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with Client(n_workers=2, threads_per_worker=1, memory_limit=0, **local):
        yield
    ray.shutdown()


def search(backend, n_trials, storage=None, estimator=None, rows=X, targets=y, **settings):
    settings = {"pruner": "median", "sampler": "random", "cv": N_SPLITS} | settings
    search = OptunaSearchCV(
        Trivial() if estimator is None else estimator,
        SPACE,
        n_trials=n_trials,
        storage=storage,
        study_name=uuid.uuid4().hex,
        random_state=0,
        refit=False,
        **settings,
    )
    with joblib.parallel_config("loky" if backend == "inline" else backend):
        return search.set_params(n_jobs=1 if backend == "inline" else 2).fit(rows, targets)


def count_cpu_seconds():
    """Return the CPU seconds of this process and of all its descendants that live."""
    total = 0.0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def measure_overhead(n_rounds, n_trials, database):
    folder = Path(tempfile.mkdtemp())
    storages = {
        "memory": lambda: None,
        "journal": lambda: str(folder / uuid.uuid4().hex),
        "sqlite": lambda: f"sqlite:///{folder}/{uuid.uuid4().hex}.db",
    }
    if database is not None:
        storages["database"] = lambda: database
    variants = [(backend, "memory") for backend in ("inline", "loky", "dask", "ray")]
    variants += [(backend, name) for name in storages for backend in ("inline", "loky")][2:]
    with clusters(200):
        reference = search("inline", 8).cv_results_["param_a"].tolist()
        for backend in ("loky", "dask", "ray"):
            assert search(backend, 8).cv_results_["param_a"].tolist() == reference
        wall = {variant: [] for variant in variants}
        cpu = {variant: [] for variant in variants}
        for _ in range(n_rounds):
            for backend, storage in variants:
                url = storages[storage]()
                started, burnt = time.perf_counter(), count_cpu_seconds()
                search(backend, n_trials, url)
                wall[backend, storage].append((time.perf_counter() - started) / n_trials * 1e3)
                cpu[backend, storage].append((count_cpu_seconds() - burnt) / n_trials * 1e3)
    print(f"{n_trials} trials, medians of {n_rounds} rounds, load {os.getloadavg()[0]:.1f}")
    for variant in variants:
        milliseconds, burnt = np.median(wall[variant]), np.median(cpu[variant])
        print(f"{variant[0]:8} {variant[1]:9} wall {milliseconds:6.1f} ms  cpu {burnt:6.1f} ms")


def measure_memory(megabytes):
    rows = np.random.default_rng(0).random((megabytes * 125, 1000))
    targets = np.arange(len(rows)) % 2
    halves = np.arange(len(rows))
    cv = [(halves[:1000], halves[1000:1100])]
    with clusters(2 * megabytes + 100):
        for backend in ("loky", "dask", "ray"):
            used = []
            for shown in (rows[:1200], rows):
                started = time.perf_counter()
                found = search(
                    backend, 6, None, Measured(max_iter=1), shown, targets[: len(shown)],
                    cv=cv, pruner=None, evaluator="per-epoch",
                )  # fmt: skip
                used.append(found.cv_results_["mean_test_score"].max())
            seconds = time.perf_counter() - started
            print(
                f"{backend:5} X of {megabytes} MB: a worker's own memory "
                f"{used[0]:.0f} -> {used[1]:.0f} MB, 6 trials in {seconds:.1f} s"
            )


# %%
if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--megabytes", type=int, default=0)
    parser.add_argument("--database", default=None)
    arguments = parser.parse_args()
    if arguments.megabytes:
        measure_memory(arguments.megabytes)
    else:
        measure_overhead(arguments.rounds, arguments.trials, arguments.database)
