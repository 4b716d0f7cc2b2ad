"""Where trials are evaluated: in this thread, in threads, or in worker processes.

The main process keeps the study to itself. A worker process gets a job, where to find the data,
and a snapshot of the finished learning curves on which its pruner decides.
"""

import os
import pickle
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import joblib
import numpy as np
import optuna
from joblib.externals.loky.backend.reduction import dumps
from joblib.externals.loky.process_executor import BrokenProcessPool, ProcessPoolExecutor
from joblib.parallel import get_active_backend
from sklearn import config_context, get_config

from sklearn_trainkit.model_selection._evaluation import EvaluationSetup, Evaluator, TrialJob
from sklearn_trainkit.model_selection._snapshot import CurveSnapshot, SnapshotPruning
from sklearn_trainkit.model_selection._trial_record import TrialRecord
from sklearn_trainkit.model_selection._trial_watch import TrialWatch

__all__ = ["BrokenProcessPool", "Deadlines", "Runner", "TrialResult", "make_runner"]

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# Below this, a memory map costs more than it saves.
_MAP_FROM_BYTES = 1_000_000
_IDLE_SECONDS = 300


class Deadlines(NamedTuple):
    """Until when a trial may run: ``time.time()`` of the search's end, seconds of the trial's."""

    search: float | None = None
    per_trial: float | None = None

    def watch(self, prune: Callable[[int, float], bool] | None) -> TrialWatch:
        """Return the watch of a trial that starts now."""
        own = None if self.per_trial is None else time.time() + self.per_trial
        return TrialWatch(prune, self.search, own)


class TrialResult(NamedTuple):
    """What comes back: the record, and what the pruner noted on the trial."""

    record: TrialRecord
    pruner_attrs: dict[str, Any]
    seconds: float


class Runner(Protocol):
    """Where trials run."""

    n_workers: int
    reports_live: bool

    def submit(self, job: TrialJob, trial: optuna.Trial) -> "Future[TrialResult]":
        """Start a trial."""

    def tell(self, frozen: optuna.trial.FrozenTrial) -> None:
        """Learn how a trial ended."""

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
    reports_live: bool = True
    _threads: ThreadPoolExecutor | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.n_workers > 1:
            self._threads = ThreadPoolExecutor(self.n_workers)

    def submit(self, job: TrialJob, trial: optuna.Trial) -> "Future[TrialResult]":
        if self._threads is not None:
            return self._threads.submit(self._run, job, trial)
        future: Future[TrialResult] = Future()
        try:
            future.set_result(self._run(job, trial))
        except Exception as error:
            future.set_exception(error)
        return future

    def tell(self, frozen: optuna.trial.FrozenTrial) -> None:
        pass

    def restart(self) -> None:
        pass

    def close(self, *, kill: bool) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=not kill, cancel_futures=kill)

    def _run(self, job: TrialJob, trial: optuna.Trial) -> TrialResult:
        started = time.perf_counter()

        def prune(step: int, value: float) -> bool:
            trial.report(value, step)
            return trial.should_prune()

        watch = self.deadlines.watch(prune if self.prunes else None)
        record = self.evaluate(self.setup, job, watch)
        return TrialResult(record, {}, time.perf_counter() - started)


class ProcessRunner:
    """Runs trials in loky's worker processes, which are kept for the next search."""

    reports_live = False

    def __init__(
        self,
        evaluate: Evaluator,
        setup: EvaluationSetup,
        deadlines: Deadlines,
        pruner: "optuna.pruners.BasePruner | None",
        n_workers: int,
    ) -> None:
        self.n_workers = n_workers
        self._deadlines = deadlines
        self._folder = tempfile.TemporaryDirectory(prefix="search-")
        self._payload = _store_payload(Path(self._folder.name), evaluate, setup)
        self._snapshot = None if pruner is None else CurveSnapshot(self._payload, pruner)
        self._pool = _get_pool(n_workers)

    def submit(self, job: TrialJob, trial: optuna.Trial) -> "Future[TrialResult]":
        rows = None if self._snapshot is None else self._snapshot.freeze()
        return self._pool.submit(_run_in_worker, self._payload, job, rows, self._deadlines)

    def tell(self, frozen: optuna.trial.FrozenTrial) -> None:
        if self._snapshot is not None:
            self._snapshot.add(frozen)

    def restart(self) -> None:
        _drop_pool(self.n_workers)
        self._pool = _get_pool(self.n_workers)

    def close(self, *, kill: bool) -> None:
        if kill:
            _drop_pool(self.n_workers)
        self._folder.cleanup()


# Starting workers takes seconds, so the next search finds them here. loky's own reusable pool is
# left to joblib, which puts one of its own kind there.
_pools: dict[tuple[int, int], ProcessPoolExecutor] = {}


def _get_pool(n_workers: int) -> ProcessPoolExecutor:
    key = os.getpid(), n_workers
    if key not in _pools:
        _pools[key] = ProcessPoolExecutor(
            max_workers=n_workers,
            timeout=_IDLE_SECONDS,
            initializer=_begin_worker,
            initargs=(os.getpid(),),
            env=_ONE_THREAD,
        )
    return _pools[key]


def _drop_pool(n_workers: int) -> None:
    pool = _pools.pop((os.getpid(), n_workers), None)
    if pool is not None:
        pool.shutdown(wait=True, kill_workers=True)


def make_runner(
    evaluate: Evaluator,
    setup: EvaluationSetup,
    deadlines: Deadlines,
    pruner: "optuna.pruners.BasePruner | None",
    n_jobs: int | None,
) -> Runner:
    """Return the runner for ``n_jobs``, following the active joblib backend.

    Raises
    ------
    NotImplementedError
        For a backend other than loky, threading and sequential.
    """
    n_workers = joblib.effective_n_jobs(n_jobs)
    backend = type(get_active_backend()[0]).__name__
    if n_workers == 1 or backend == "SequentialBackend":
        return InlineRunner(evaluate, setup, deadlines, pruner is not None)
    if backend == "ThreadingBackend":
        return InlineRunner(evaluate, setup, deadlines, pruner is not None, n_workers)
    if backend in ("LokyBackend", "MultiprocessingBackend"):
        return ProcessRunner(evaluate, setup, deadlines, pruner, n_workers)
    raise NotImplementedError(
        f"n_jobs={n_jobs} under joblib's {backend} is not supported; use the 'loky' or "
        "'threading' backend."
    )


class MappedArray(NamedTuple):
    """Stands for an array that lies in a file."""

    path: str

    def open(self) -> np.ndarray:
        """Return the array, mapped read-only."""
        return np.load(self.path, mmap_mode="r")


def _store_payload(folder: Path, evaluate: Evaluator, setup: EvaluationSetup) -> str:
    """Write what all jobs share: once, however many jobs there are."""
    folds = setup.folds
    X = folds.X
    if isinstance(X, np.ndarray) and not X.dtype.hasobject and X.nbytes >= _MAP_FROM_BYTES:
        np.save(folder / "X.npy", X)
        folds = replace(folds, X=MappedArray(str(folder / "X.npy")))
    shared = (evaluate, replace(setup, folds=folds), get_config(), list(warnings.filters))
    path = folder / "payload.pkl"
    path.write_bytes(dumps(shared))  # by value where the worker cannot import
    return str(path)


# In a worker: the payload of the search it works for. Another search replaces it.
_loaded: dict[str, Any] = {}


def _load_payload(path: str) -> Any:
    if path not in _loaded:
        _loaded.clear()
        evaluate, setup, config, filters = pickle.loads(Path(path).read_bytes())
        if isinstance(setup.folds.X, MappedArray):
            setup = replace(setup, folds=replace(setup.folds, X=setup.folds.X.open()))
        _loaded[path] = evaluate, setup, config, filters
    return _loaded[path]


def _run_in_worker(path: str, job: TrialJob, rows: Any, deadlines: Deadlines) -> TrialResult:
    started = time.perf_counter()
    evaluate, setup, config, filters = _load_payload(path)
    pruning = None if rows is None else SnapshotPruning(rows, job.number)
    watch = deadlines.watch(None if pruning is None else pruning.prune)
    with config_context(**config), warnings.catch_warnings():
        warnings.filters = filters
        record = evaluate(setup, job, watch)
    attrs = {} if pruning is None else pruning.finish(record.state, record.mean_score(setup.metric))
    # The contexts of scikit-learn's callbacks stay here.
    return TrialResult(record, attrs, time.perf_counter() - started)


def _begin_worker(parent: int) -> None:
    """Leave Ctrl-C and messages to the main process, and end when it is gone."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def end_with_parent() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
