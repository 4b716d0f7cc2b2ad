"""How much faster two workers are than one, whoever is next: steady, pausing, racing, together.

Dense networks on the digits, 3 folds, random proposals, loky's processes. Before the clock, a small
search of each kind starts the processes, and whoever came to its end with one worker and with two
is checked to have the same scores. With two workers candidates that wait do not all take the same
way, so the epochs of all folds are counted, too. On a busy machine, epochs that sleep show what the
order of jobs and their transport cost.

    OMP_NUM_THREADS=1 python examples/benchmarks/bench_scheduling.py --trials 60 --rounds 3
    OMP_NUM_THREADS=1 python examples/benchmarks/bench_scheduling.py --asleep 0.02
"""

# %%
import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits

from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.neural_network import MLPNetClassifier

N_SPLITS, N_EPOCHS = 3, 27
X, y = load_digits(return_X_y=True)
NET = MLPNetClassifier((32,), batch_size=32, max_epochs=N_EPOCHS, random_state=0)
SPACE = {"lr": loguniform(1e-4, 1e-1)}
SCHEDULES = {
    "steady": {},
    "pausing": {"pruner": "pause_and_resume"},
    "racing": {"pruner": "racing"},
    "together": {"trials_per_stack": 4},
}


class Sleeper(ClassifierMixin, BaseEstimator):
    """Sleeps through its epochs; the better its rate, the better it scores."""

    def __init__(self, lr=0.01, seconds=0.01, max_iter=N_EPOCHS):
        self.lr = lr
        self.seconds = seconds
        self.max_iter = max_iter

    def fit(self, X, y):
        return self.partial_fit(X, y)

    def partial_fit(self, X, y, classes=None):
        self.classes_ = np.unique(y) if classes is None else classes
        time.sleep(self.seconds)
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)

    def score(self, X, y):
        return -abs(np.log(self.lr / 0.01))


def search(schedule, n_workers, n_trials, ordered):
    asleep = options.asleep
    settings = {} if asleep is None else {"evaluator": "per-epoch"}
    search = OptunaSearchCV(
        NET if asleep is None else Sleeper(seconds=asleep),
        SPACE,
        n_trials=n_trials,
        sampler="random",
        cv=N_SPLITS,
        n_jobs=n_workers,
        ordered=ordered,
        refit=False,
        random_state=0,
        **settings,
        **SCHEDULES[schedule],
    )
    return search.fit(X, y).cv_results_


def count_epochs(results):
    """Return the epochs trained, of all trials and folds."""
    if "n_fold_epochs" not in results:
        return N_EPOCHS * N_SPLITS * len(results["params"])
    return int(results["n_fold_epochs"].sum())


def check_agreement(one, two):
    """Whoever came to its end in both searches has the same scores."""
    ended = [
        np.asarray(results.get("state", ["complete"] * len(results["params"]))) == "complete"
        for results in (one, two)
    ]
    both = ended[0] & ended[1]
    assert both.any()
    for index in range(N_SPLITS):
        key = f"split{index}_test_score"
        np.testing.assert_array_equal(one[key][both], two[key][both])


def measure(schedule, n_workers, ordered):
    """Return the seconds of a search and the epochs that it trained."""
    started = time.perf_counter()
    results = search(schedule, n_workers, options.trials, ordered)
    return time.perf_counter() - started, count_epochs(results)


# %%
parser = argparse.ArgumentParser()
parser.add_argument("--trials", type=int, default=60)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--schedules", nargs="+", default=list(SCHEDULES), choices=SCHEDULES)
parser.add_argument("--asleep", type=float, default=None, help="seconds of an epoch")
options, _ = parser.parse_known_args()
if options.asleep is not None:
    options.schedules = [name for name in options.schedules if name != "together"]

for schedule in options.schedules:
    check_agreement(*(search(schedule, n_workers, 12, ordered=True) for n_workers in (1, 2)))

print(f"{options.trials} trials, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
print("seconds (epochs of all folds) with one worker and with two, times as fast")
for schedule in options.schedules:
    rounds = [
        [*measure(schedule, 1, True), *measure(schedule, 2, True), *measure(schedule, 2, False)]
        for _ in range(options.rounds)
    ]
    one, n_one, ordered, n_ordered, free, n_free = np.median(rounds, axis=0)
    print(
        f"{schedule:8}  {one:6.1f} ({n_one:.0f})  ordered {ordered:6.1f} ({n_ordered:.0f}) "
        f"{one / ordered:.2f}  as they come {free:6.1f} ({n_free:.0f}) {one / free:.2f}",
        flush=True,
    )
