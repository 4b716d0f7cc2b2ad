"""Where trials are evaluated: in this thread, in threads, or in the workers of an engine.

The main process keeps the study to itself. A worker gets a job, what all jobs share, and a snapshot
of the finished learning curves on which its pruner decides.
"""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

import joblib
import optuna
from joblib.parallel import get_active_backend

from sklearn_trainkit.model_selection.evaluation._evaluator import (
    EvaluationSetup,
    Evaluator,
    TrialJob,
)
from sklearn_trainkit.model_selection.evaluation._trial_record import TrialResult
from sklearn_trainkit.model_selection.evaluation._trial_watch import Deadlines
from sklearn_trainkit.model_selection.workers._loky_pool import LokyPool
from sklearn_trainkit.model_selection.workers._pool_runner import Death, PoolRunner, WorkerPool
from sklearn_trainkit.model_selection.workers._worker import SharedSetup, share_setup
from sklearn_trainkit.utils._thread_limits import limit_threads, limit_torch_threads

__all__ = ["Deadlines", "Runner", "TrialResult", "make_runner"]


class Runner(Protocol):
    """Where trials run."""

    n_workers: int
    reports_live: bool
    death_takes_all: bool

    def submit(self, job: TrialJob, trial: optuna.Trial) -> "Future[TrialResult]":
        """Start a trial."""

    def tell(self, frozen: optuna.trial.FrozenTrial) -> None:
        """Learn how a trial ended."""

    def diagnose(self, error: BaseException, number: int, seconds: float) -> Death | None:
        """Return how a trial's worker died after ``seconds``, or None if it did not."""

    def restart(self) -> None:
        """Get new workers after one died."""

    def close(self, *, kill: bool) -> None:
        """Let the workers go, at once if ``kill``."""


@dataclass
class InlineRunner:
    """Runs each trial at once, in this thread, or in ``n_workers`` threads."""

    evaluate: Evaluator
    setup: EvaluationSetup
    deadlines: Deadlines
    prunes: bool
    n_workers: int = 1
    n_threads: int = 1
    reports_live: bool = True
    death_takes_all: bool = False
    _threads: ThreadPoolExecutor | None = field(init=False, default=None)
    _limits: ExitStack = field(init=False, default_factory=ExitStack)

    def __post_init__(self) -> None:
        if self.n_workers > 1:
            self._threads = ThreadPoolExecutor(self.n_workers)
            self._limits.enter_context(limit_threads(self.n_threads))

    def submit(self, job: TrialJob, trial: optuna.Trial) -> "Future[TrialResult]":
        if self._threads is not None:
            return self._threads.submit(self._run_in_thread, job, trial)
        future: Future[TrialResult] = Future()
        try:
            future.set_result(self._run(job, trial))
        except Exception as error:
            future.set_exception(error)
        return future

    def tell(self, frozen: optuna.trial.FrozenTrial) -> None:
        pass

    def diagnose(self, error: BaseException, number: int, seconds: float) -> Death | None:
        return None

    def restart(self) -> None:
        pass

    def close(self, *, kill: bool) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=not kill, cancel_futures=kill)
            self._limits.close()

    def _run_in_thread(self, job: TrialJob, trial: optuna.Trial) -> TrialResult:
        with limit_torch_threads(self.n_threads):  # torch keeps its number thread by thread
            return self._run(job, trial)

    def _run(self, job: TrialJob, trial: optuna.Trial) -> TrialResult:
        started = time.perf_counter()

        def prune(step: int, value: float) -> bool:
            trial.report(value, step)
            return trial.should_prune()

        watch = self.deadlines.watch(prune if self.prunes else None)
        record = self.evaluate(self.setup, job, watch)
        return TrialResult(record, {}, time.perf_counter() - started)


def make_runner(
    evaluate: Evaluator,
    setup: EvaluationSetup,
    deadlines: Deadlines,
    pruner: "optuna.pruners.BasePruner | None",
    n_jobs: int | None,
) -> Runner:
    """Return the runner for ``n_jobs``, following the active joblib backend.

    Workers use one thread inside a trial, or ``inner_max_num_threads`` of
    ``joblib.parallel_config``.

    Raises
    ------
    NotImplementedError
        For a backend other than loky, threading, sequential, Dask and Ray.
    """
    backend, configured = get_active_backend()
    name = type(backend).__name__
    n_threads = getattr(backend, "inner_max_num_threads", None) or 1
    wanted = configured if n_jobs is None else n_jobs
    if name in ("DaskDistributedBackend", "RayBackend") and wanted != 1:
        return _make_cluster_runner(
            name, backend, share_setup(evaluate, setup, n_threads), deadlines, pruner, wanted
        )
    n_workers = joblib.effective_n_jobs(n_jobs)
    if n_workers == 1 or name == "SequentialBackend":
        return InlineRunner(evaluate, setup, deadlines, pruner is not None)
    if name == "ThreadingBackend":
        return InlineRunner(evaluate, setup, deadlines, pruner is not None, n_workers, n_threads)
    if name in ("LokyBackend", "MultiprocessingBackend"):
        pool = LokyPool(share_setup(evaluate, setup, n_threads), n_workers)
        return PoolRunner(pool, deadlines, pruner, n_workers)
    raise NotImplementedError(
        f"n_jobs={n_jobs} under joblib's {name} is not supported; use the 'loky', 'threading', "
        "'dask' or 'ray' backend."
    )


def _make_cluster_runner(
    name: str,
    backend: Any,
    shared: SharedSetup,
    deadlines: Deadlines,
    pruner: "optuna.pruners.BasePruner | None",
    wanted: int | None,
) -> Runner:
    """Return a runner for as many trials at a time as asked for, or as the cluster has room."""
    pool: WorkerPool
    if name == "RayBackend":
        from sklearn_trainkit.model_selection.workers._ray_pool import RayPool

        pool = RayPool(shared)
        room = pool.count_slots()
    else:
        from sklearn_trainkit.model_selection.workers._dask_pool import DaskPool

        pool = DaskPool(shared, backend.client)
        room = pool.count_slots()
    n_workers = wanted if wanted is not None and wanted > 0 else room
    return PoolRunner(pool, deadlines, pruner, n_workers)
