"""What grows with the number of trials: proposals, the snapshot for workers, reading a storage.

Studies of trials that never ran, with ten reports each, are filled in; then one operation is timed
many times, in CPU seconds of this process.

    python examples/benchmarks/bench_scaling.py --sizes 10 100 1000 10000
"""

# %%
import argparse
import pickle
import tempfile
import time

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from sklearn_trainkit.model_selection.study._ask_pruner import CurveSnapshot, SnapshotPruning

optuna.logging.set_verbosity(optuna.logging.ERROR)
SPACE = {f"x{index}": FloatDistribution(0, 1) for index in range(5)}


def make_trials(n_trials):
    rng = np.random.default_rng(0)
    for _ in range(n_trials):
        value = rng.random()
        yield create_trial(
            state=TrialState.COMPLETE,
            value=value,
            params=dict(zip(SPACE, rng.random(5).tolist(), strict=True)),
            distributions=SPACE,
            intermediate_values={step: value * step for step in range(1, 11)},
        )


def time_cpu(work, seconds=1.0):
    """Return the CPU milliseconds of one call."""
    n_calls, started = 0, time.process_time()
    while (spent := time.process_time() - started) < seconds:
        work()
        n_calls += 1
    return spent / n_calls * 1e3


def measure(n_trials):
    trials = list(make_trials(n_trials))
    found = {}
    for name in ("RandomSampler", "TPESampler"):
        study = optuna.create_study(sampler=getattr(optuna.samplers, name)(seed=0))
        study.add_trials(trials)
        frozen_space = dict(SPACE)

        def propose(study=study, space=frozen_space):
            trial = study.ask(space)
            study.tell(trial, state=TrialState.FAIL)

        found[name] = time_cpu(propose)
    pruner = optuna.pruners.MedianPruner()
    snapshot = CurveSnapshot("bench", pruner)
    for number, trial in enumerate(trials):
        trial.number = number
        snapshot.add(trial)
    found["snapshot, KB"] = len(pickle.dumps(snapshot.freeze())) / 1e3
    found["snapshot, packed and opened"] = time_cpu(
        lambda: pickle.loads(pickle.dumps(snapshot.freeze()))
    )
    decide = SnapshotPruning(snapshot.freeze(), n_trials + 1)
    found["median pruner, one report"] = time_cpu(lambda: decide.prune(5, 0.5))
    found["reading a study in memory"] = time_cpu(lambda: study.get_trials(deepcopy=False))
    with tempfile.TemporaryDirectory() as folder:
        stored = optuna.create_study(storage=f"sqlite:///{folder}/study.db")
        if n_trials <= 1000:
            stored.add_trials(trials)
            found["reading a study in sqlite"] = time_cpu(lambda: stored.get_trials(deepcopy=False))
    return found


def simulate(n_workers, n_trials, spread, ordered, driver_seconds):
    """Return the share of the workers' time that goes into trials of one second on average.

    ``spread`` is the standard deviation of the logarithm of a trial's time. One process proposes
    and tells, ``driver_seconds`` a trial; ordered, it tells in the order of the trials.
    """
    rng = np.random.default_rng(0)
    seconds = rng.lognormal(-(spread**2) / 2, spread, n_trials)
    clock, asked, pending = 0.0, 0, {}
    while asked < n_trials or pending:
        while len(pending) < n_workers and asked < n_trials:
            clock += driver_seconds
            pending[asked] = clock + seconds[asked]
            asked += 1
        told = next(iter(pending)) if ordered else min(pending, key=pending.get)
        clock = max(clock, pending.pop(told))
    return seconds.sum() / (n_workers * clock)


# %%
if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000, 10000])
    for size in parser.parse_args().sizes:
        print(size, {key: round(value, 2) for key, value in measure(size).items()}, flush=True)
    print("share of the workers' time spent in one-second trials (simulated)")
    for n_workers in (1, 8, 64, 256, 1000):
        shares = {
            (milliseconds, spread, ordered): simulate(
                n_workers, 20 * n_workers, spread, ordered, milliseconds / 1e3
            )
            for milliseconds in (4, 20, 160)
            for spread in (0.3, 1.0)
            for ordered in (False, True)
        }
        print(n_workers, {key: f"{share:.2f}" for key, share in shares.items()}, flush=True)
