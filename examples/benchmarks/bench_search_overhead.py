"""What a search costs on top of its fits: 200 trials of a trivial estimator, 3 folds.

Same candidates, same scores first, then times: each round runs all searches one after the other
in one process, and the ratios are those of the medians over rounds. With two workers the pool is
started before the clock.

    python examples/benchmarks/bench_search_overhead.py --rounds 5
"""

# %%
import argparse
import os
import time
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna_integration import OptunaSearchCV as IntegrationSearchCV
from scipy.stats import uniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import ParameterSampler, RandomizedSearchCV

from sklearn_trainkit.model_selection import OptunaSearchCV

N_TRIALS, N_SPLITS, N_EPOCHS = 200, 3, 10
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


# %%
# The searches
def randomized(n_jobs=None):
    search = RandomizedSearchCV(
        Trivial(), SPACE, n_iter=N_TRIALS, cv=N_SPLITS, n_jobs=n_jobs, random_state=0
    )
    return search.fit(X, y)


def ours(sampler, **settings):
    search = OptunaSearchCV(
        Trivial(),
        SPACE,
        n_trials=N_TRIALS,
        sampler=sampler,
        cv=N_SPLITS,
        random_state=0,
        **settings,
    )
    return search.fit(X, y)


def integration():
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0), direction="maximize")
    space = {name: FloatDistribution(0, 1) for name in SPACE}
    return IntegrationSearchCV(
        Trivial(), space, n_trials=N_TRIALS, cv=N_SPLITS, study=study, random_state=0
    ).fit(X, y)


def check_agreement():
    """The same candidates get the same scores from both."""
    candidates = list(ParameterSampler(SPACE, 20, random_state=0))
    theirs = RandomizedSearchCV(Trivial(), SPACE, n_iter=20, cv=N_SPLITS, random_state=0).fit(X, y)
    same = OptunaSearchCV(Trivial(), SPACE, n_trials=20, enqueue=candidates, cv=N_SPLITS).fit(X, y)
    for key in ("mean_test_score", "rank_test_score"):
        np.testing.assert_array_equal(same.cv_results_[key], theirs.cv_results_[key])


CASES = {
    "RandomizedSearchCV": randomized,
    "ours, random": lambda: ours("random"),
    "ours, TPE": lambda: ours("tpe"),
    "optuna-integration, TPE": integration,
    "RandomizedSearchCV, 2 workers": lambda: randomized(n_jobs=2),
    "ours, random, 2 workers": lambda: ours("random", n_jobs=2),
    "ours, TPE, 2 workers": lambda: ours("tpe", n_jobs=2),
    "ours, random, 10 reports and pruning": lambda: ours("random", pruner="median"),
    "ours, random, 10 reports and pruning, 2 workers": lambda: ours(
        "random", pruner="median", n_jobs=2
    ),
    "ours, TPE, 10 reports and pruning, 2 workers": lambda: ours("tpe", pruner="median", n_jobs=2),
}


# %%
def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    check_agreement()
    started = time.perf_counter()
    ours("random", n_jobs=2)
    print(f"first search with two workers, pool included: {time.perf_counter() - started:.1f} s")
    randomized(n_jobs=2)
    wall = {name: [] for name in CASES}
    cpu = {name: [] for name in CASES}
    for _ in range(rounds):
        for name, run in CASES.items():
            begun, used = time.perf_counter(), time.process_time()
            run()
            wall[name].append((time.perf_counter() - begun) / N_TRIALS * 1e3)
            cpu[name].append((time.process_time() - used) / N_TRIALS * 1e3)
    reference = np.median(wall["RandomizedSearchCV"])
    print(f"{'ms per trial (median of ' + str(rounds) + ')':50} wall  main CPU  wall ratio")
    for name in CASES:
        row = np.median(wall[name]), np.median(cpu[name])
        print(f"{name:50} {row[0]:5.2f}  {row[1]:8.2f}  {row[0] / reference:8.2f}")


if __name__ == "__main__":
    main()
