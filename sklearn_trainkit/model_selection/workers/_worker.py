"""What happens in a worker, whatever engine started it: one job in, one result out."""

import contextlib
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
from sklearn import config_context, get_config

from sklearn_trainkit.model_selection.evaluation._evaluator import (
    EvaluationSetup,
    Evaluator,
    TrialJob,
)
from sklearn_trainkit.model_selection.evaluation._trial_record import TrialResult
from sklearn_trainkit.model_selection.evaluation._trial_watch import Deadlines
from sklearn_trainkit.model_selection.study._pruning_snapshot import SnapshotPruning, SnapshotRows
from sklearn_trainkit.model_selection.workers._overtime import end_process_after
from sklearn_trainkit.utils._thread_limits import limit_threads
from sklearn_trainkit.utils._told_once import tell_once_per_process

__all__ = ["SharedSetup", "begin_worker", "evaluate_job", "share_setup"]


@dataclass(frozen=True)
class SharedSetup:
    """What all jobs of a search have in common, sent to a worker once."""

    evaluate: Evaluator
    setup: EvaluationSetup
    config: dict[str, Any]
    filters: list[Any]
    n_threads: int
    driver: int


def share_setup(evaluate: Evaluator, setup: EvaluationSetup, n_threads: int) -> SharedSetup:
    """Gather what the workers need, scikit-learn's configuration and warning filters included."""
    filters = list(warnings.filters)
    return SharedSetup(evaluate, setup, get_config(), filters, n_threads, os.getpid())


def evaluate_job(
    shared: SharedSetup,
    job: TrialJob,
    rows: SnapshotRows | None,
    deadlines: Deadlines,
    note: str | None = None,
) -> TrialResult:
    """Evaluate one trial; its process ends when the trial takes far longer than it may.

    Parameters
    ----------
    shared : SharedSetup
    job : TrialJob
    rows : SnapshotRows or None
        Finished trials, for the pruner.
    deadlines : Deadlines
    note : str or None
        File that tells where a trial hung, should its process be ended.
    """
    started = time.perf_counter()
    here = os.getpid() == shared.driver  # a cluster of threads in the main process
    if not here:  # before the first study of this process
        optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruning = None if rows is None else SnapshotPruning(rows, job.number)
    watch = deadlines.watch(None if pruning is None else pruning.prune)
    guard = _no_guard() if here else end_process_after(deadlines.hard_limit, note)
    with guard, limit_threads(shared.n_threads), _as_in_the_driver(shared, here):
        record = shared.evaluate(shared.setup, job, watch)
    attrs = {}
    if pruning is not None:
        attrs = pruning.finish()
    # The contexts of scikit-learn's callbacks stay here.
    return TrialResult(record, attrs, time.perf_counter() - started)


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


def _no_guard() -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()
