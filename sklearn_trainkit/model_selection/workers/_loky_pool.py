"""loky's worker processes, kept for the next search; large arrays reach them as memory maps."""

import os
import pickle
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from joblib.externals.loky.backend.reduction import dumps
from joblib.externals.loky.process_executor import BrokenProcessPool, ProcessPoolExecutor

from sklearn_trainkit.model_selection.evaluation._evaluator import TrialJob
from sklearn_trainkit.model_selection.evaluation._trial_record import TrialResult
from sklearn_trainkit.model_selection.evaluation._trial_watch import Deadlines
from sklearn_trainkit.model_selection.study._ask_pruner import SnapshotRows
from sklearn_trainkit.model_selection.workers._overtime import read_note
from sklearn_trainkit.model_selection.workers._pool_runner import Death
from sklearn_trainkit.model_selection.workers._worker import (
    SharedSetup,
    begin_worker,
    evaluate_jobs,
)
from sklearn_trainkit.utils._owned_folders import OwnedFolder

__all__ = ["LokyPool"]

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# Below this, a memory map costs more than it saves.
_MAP_FROM_BYTES = 1_000_000
_IDLE_SECONDS = 300

# Starting workers takes seconds, so the next search finds them here. loky's own reusable pool is
# left to joblib, which puts one of its own kind there.
_pools: dict[tuple[int, int, int], ProcessPoolExecutor] = {}


class LokyPool:
    """A :class:`WorkerPool` of processes on this machine."""

    death_takes_all = True

    def __init__(self, shared: SharedSetup, n_workers: int) -> None:
        self._key = os.getpid(), n_workers, shared.n_threads
        self._folder = OwnedFolder("search")
        self._payload = _store_payload(Path(self._folder.name), shared)
        self._pool = self._get_pool()

    def submit(
        self, jobs: Sequence[TrialJob], rows: SnapshotRows | None, deadlines: Deadlines
    ) -> "Future[list[TrialResult]]":
        """Start jobs together; fails their future when the pool turns out to be broken."""
        # Of several, nobody would know which one hung: each is tried alone, with a note of its own.
        note = self._note(jobs[0].number) if len(jobs) == 1 else None
        try:
            return self._pool.submit(
                _evaluate_from_file, self._payload, jobs, rows, deadlines, note
            )
        except BrokenProcessPool as error:
            future: Future[list[TrialResult]] = Future()
            future.set_exception(error)
            return future

    def diagnose(self, error: BaseException, number: int, overtime: bool) -> Death | None:
        """Return whether a process died, and whether it was this trial that took too long."""
        if not isinstance(error, BrokenProcessPool):
            return None
        where = read_note(Path(self._note(number)))
        if where is not None:
            return Death(f"ended after trial_timeout, with its process, at {where}", final=True)
        return Death("The worker process died twice while it evaluated this candidate.")

    def count_slots(self) -> int:
        """Return the number of processes."""
        return self._key[1]

    def restart(self) -> None:
        """Start new processes."""
        self._drop_pool()
        self._pool = self._get_pool()

    def close(self, *, kill: bool) -> None:
        """Keep the processes for the next search, unless ``kill``."""
        if kill:
            self._drop_pool()
        self._folder.cleanup()

    def _note(self, number: int) -> str:
        return str(Path(self._folder.name) / f"overtime-{number}.txt")

    def _get_pool(self) -> ProcessPoolExecutor:
        if self._key not in _pools:
            parent, n_workers, n_threads = self._key
            _pools[self._key] = ProcessPoolExecutor(
                max_workers=n_workers,
                timeout=_IDLE_SECONDS,
                initializer=begin_worker,
                initargs=(parent,),
                env=dict.fromkeys(_THREAD_VARIABLES, str(n_threads)),
            )
        return _pools[self._key]

    def _drop_pool(self) -> None:
        pool = _pools.pop(self._key, None)
        if pool is not None:
            pool.shutdown(wait=True, kill_workers=True)


class MappedArray(NamedTuple):
    """Stands for an array that lies in a file."""

    path: str

    def open(self) -> np.ndarray:
        """Return the array, mapped read-only."""
        return np.load(self.path, mmap_mode="r")


def _store_payload(folder: Path, shared: SharedSetup) -> str:
    """Write what all jobs share: once, however many jobs there are."""
    folds = shared.setup.folds
    X = folds.X
    if isinstance(X, np.ndarray) and not X.dtype.hasobject and X.nbytes >= _MAP_FROM_BYTES:
        np.save(folder / "X.npy", X)
        folds = replace(folds, X=MappedArray(str(folder / "X.npy")))
    path = folder / "payload.pkl"
    # By value where the worker cannot import.
    path.write_bytes(dumps(replace(shared, setup=replace(shared.setup, folds=folds))))
    return str(path)


# In a worker: the payload of the search it works for. Another search replaces it.
_loaded: dict[str, Any] = {}


def _load_payload(path: str) -> SharedSetup:
    if path not in _loaded:
        _loaded.clear()
        shared = pickle.loads(Path(path).read_bytes())
        folds = shared.setup.folds
        if isinstance(folds.X, MappedArray):
            folds = replace(folds, X=folds.X.open())
            shared = replace(shared, setup=replace(shared.setup, folds=folds))
        _loaded[path] = shared
    return _loaded[path]


def _evaluate_from_file(
    path: str,
    jobs: Sequence[TrialJob],
    rows: SnapshotRows | None,
    deadlines: Deadlines,
    note: str | None,
) -> list[TrialResult]:
    return evaluate_jobs(_load_payload(path), jobs, rows, deadlines, note)
