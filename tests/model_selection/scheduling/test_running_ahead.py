"""Workers of an ordered search are seldom idle, and their speed does not decide who is next.

They are imagined: their clock goes from one event to the next.
"""

import joblib
import numpy as np
import pytest
from scipy.stats import loguniform

from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.model_selection.evaluation._trial_record import (
    COMPLETE,
    PRUNED,
    FoldOutcome,
    TrialRecord,
    TrialResult,
)
from sklearn_trainkit.model_selection.scheduling import _run_search
from sklearn_trainkit.model_selection.scheduling._racing import Racer
from tests.model_selection.epoch_learner import EpochLogistic

X, y = np.arange(24.0).reshape(-1, 1), np.arange(24) % 2


class ImaginedWorkers:
    """Jobs take as long as an event says, and score at random: the longer, the more surely."""

    reports_live = False
    death_takes_all = False

    def __init__(self, n_workers, scheduler, n_rungs, speeds):
        self.n_workers = n_workers
        self.clock = self.work = 0.0
        self.picked = []
        self._scheduler = scheduler
        self._n_rungs = n_rungs
        self._speeds = speeds
        self._events = []

    def submit(self, candidates):
        (candidate,) = candidates
        job = candidate.job
        assert len(self._events) < self.n_workers
        # Some of it is the same for all rungs, and folds that train together are faster.
        seconds = (1 + self._scheduler.cost_of(job.rung)) ** 0.9 * self._speeds.lognormal(0, 0.3)
        self.work += seconds
        self.picked.append((job.number, job.rung))
        self._events.append((self.clock + seconds, candidate))

    def wait(self, futures):
        while not any(future.done() for future in futures):
            event = min(self._events, key=lambda each: each[0])
            self._events.remove(event)
            self.clock, candidate = event
            candidate.future.set_result(self._result_of(candidate.job))

    def _result_of(self, job):
        noise = np.random.default_rng([job.number, job.rung]).normal() / (1 + job.rung)
        score = -abs(np.log(job.params["alpha"])) + noise
        ends = job.rung == self._n_rungs - 1
        fold = FoldOutcome(score, None, 0.0, 0.0)
        record = TrialRecord(
            job.number, job.params, (fold,) * 3, COMPLETE if ends else PRUNED, n_epochs=1
        )
        return TrialResult(record, {}, 0.0, None if ends else Racer())

    def tell(self, frozen):
        pass

    def close(self, *, kill):
        pass


@pytest.fixture
def search(monkeypatch):
    """Return what searches with imagined workers, and returns them."""

    def run(pruner, n_workers, speeds=0, n_trials=60):
        made = []

        def make(plan, schedule, deadline):
            n_rungs = len(schedule.evaluate.evaluate.rungs)
            made.append(
                ImaginedWorkers(
                    n_workers, schedule.scheduler, n_rungs, np.random.default_rng(speeds)
                )
            )
            return made[0]

        monkeypatch.setattr(_run_search, "_make_runner", make)
        with joblib.parallel_config("threading", n_jobs=n_workers):
            OptunaSearchCV(
                EpochLogistic(max_iter=27),
                {"alpha": loguniform(1e-4, 1e4)},
                n_trials=n_trials,
                sampler="random",
                pruner=pruner,
                evaluator="per-epoch",
                cv=3,
                refit=False,
                random_state=0,
            ).fit(X, y)
        return made[0]

    return run


@pytest.mark.parametrize("pruner", ["pause_and_resume", "racing"])
@pytest.mark.parametrize("n_workers", [2, 3])
def test_who_is_next_does_not_depend_on_how_fast_workers_are(pruner, n_workers, search):
    picked = [search(pruner, n_workers, speeds, n_trials=30).picked for speeds in range(3)]
    assert picked[0] == picked[1] == picked[2]


# The last candidates of a race have nobody beside them, which counts for less in a longer one.
@pytest.mark.parametrize(("pruner", "n_trials"), [("pause_and_resume", 60), ("racing", 120)])
def test_two_workers_are_seldom_idle(pruner, n_trials, search):
    alone, both = (search(pruner, n_workers, n_trials=n_trials) for n_workers in (1, 2))
    assert both.work < 1.1 * alone.work
    assert both.work / (2 * both.clock) > 0.85
    assert alone.clock / both.clock > 1.75
