"""What happens in a worker, whatever engine started it: jobs in, results out."""

import os
import signal
import threading
import time
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
from sklearn import config_context, get_config

from sklearn_trainkit.model_selection.evaluation._evaluator import (
    EvaluationSetup,
    JobEvaluator,
    Resting,
    TrialJob,
)
from sklearn_trainkit.model_selection.evaluation._trial_record import TrialRecord, TrialResult
from sklearn_trainkit.model_selection.evaluation._trial_watch import Deadlines, TrialWatch
from sklearn_trainkit.model_selection.study._ask_pruner import SnapshotPruning, SnapshotRows
from sklearn_trainkit.model_selection.workers._overtime import end_process_after
from sklearn_trainkit.utils._thread_limits import limit_threads
from sklearn_trainkit.utils._told_once import tell_once_per_process

__all__ = ["SharedSetup", "begin_worker", "evaluate_jobs", "share_setup", "time_outcomes"]


@dataclass(frozen=True)
class SharedSetup:
    """What all jobs of a search have in common, sent to a worker once."""

    evaluate: JobEvaluator
    setup: EvaluationSetup
    config: dict[str, Any]
    filters: list[Any]
    n_threads: int
    driver: int


def share_setup(evaluate: JobEvaluator, setup: EvaluationSetup, n_threads: int) -> SharedSetup:
    """Gather what the workers need, scikit-learn's configuration and warning filters included."""
    filters = list(warnings.filters)
    return SharedSetup(evaluate, setup, get_config(), filters, n_threads, os.getpid())


def evaluate_jobs(
    shared: SharedSetup,
    jobs: Sequence[TrialJob],
    rows: SnapshotRows | None,
    deadlines: Deadlines,
    note: str | None = None,
) -> list[TrialResult]:
    """Evaluate trials that belong together; their process ends when they take far too long.

    Parameters
    ----------
    shared : SharedSetup
    jobs : sequence of TrialJob
    rows : SnapshotRows or None
        Finished trials, for the pruner.
    deadlines : Deadlines
    note : str or None
        File that tells where a trial hung, should its process be ended.
    """
    here = os.getpid() == shared.driver  # a cluster of threads in the main process
    if not here:  # before the first study of this process
        optuna.logging.set_verbosity(optuna.logging.WARNING)
    prunings = [] if rows is None else [SnapshotPruning(rows, job.number) for job in jobs]

    def start_watch(place: int) -> TrialWatch:
        return deadlines.watch(prunings[place].prune if prunings else None, jobs[place].spent)

    guard = end_process_after(None if here else deadlines.hard_limit, note)
    results: dict[int, TrialResult] = {}
    with guard, limit_threads(shared.n_threads), _as_in_the_driver(shared, here):
        for place, result in time_outcomes(shared.evaluate(shared.setup, jobs, start_watch)):
            attrs = prunings[place].finish() if prunings else {}
            results[place] = result._replace(pruner_attrs=attrs)
    # The contexts of scikit-learn's callbacks stay here.
    return [results[place] for place in range(len(jobs))]


def time_outcomes(
    outcomes: "Generator[tuple[int, TrialRecord | Resting], None, None]",
) -> "Generator[tuple[int, TrialResult], None, None]":
    """Yield what a :class:`JobEvaluator` yields as results, each with the time that it took."""
    with closing(outcomes):
        started = time.perf_counter()
        for place, outcome in outcomes:
            seconds = time.perf_counter() - started
            kept = None
            if isinstance(outcome, Resting):
                outcome, kept = outcome
            yield place, TrialResult(outcome, {}, seconds, kept)
            started = time.perf_counter()


def begin_worker(parent: int) -> None:
    """Leave Ctrl-C and messages to the main process, and end when it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def end_with_parent() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


@contextmanager
def _as_in_the_driver(shared: SharedSetup, here: bool) -> Iterator[None]:
    if here:
        with config_context(**shared.config):
            yield
        return
    tell_once_per_process()
    with config_context(**shared.config), warnings.catch_warnings():
        warnings.filters = shared.filters
        yield
