"""Threads of this process: what jobs share, and what waiting trials keep, is not copied."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

from sklearn_trainkit.model_selection.evaluation._evaluator import TrialJob
from sklearn_trainkit.model_selection.evaluation._trial_record import TrialResult
from sklearn_trainkit.model_selection.evaluation._trial_watch import Deadlines
from sklearn_trainkit.model_selection.study._ask_pruner import SnapshotRows
from sklearn_trainkit.model_selection.workers._pool_runner import Death
from sklearn_trainkit.model_selection.workers._worker import SharedSetup, evaluate_jobs
from sklearn_trainkit.utils._thread_limits import limit_threads

__all__ = ["ThreadPool"]


class ThreadPool:
    """A :class:`WorkerPool` of threads."""

    death_takes_all = False

    def __init__(self, shared: SharedSetup, n_workers: int) -> None:
        self._shared = shared
        self._n_workers = n_workers
        self._threads = ThreadPoolExecutor(n_workers)
        # Around all jobs: what one sets and restores is the same for the others.
        self._limits = ExitStack()
        self._limits.enter_context(limit_threads(shared.n_threads))

    def submit(
        self, jobs: Sequence[TrialJob], rows: SnapshotRows | None, deadlines: Deadlines
    ) -> "Future[list[TrialResult]]":
        """Start jobs that one thread evaluates together."""
        return self._threads.submit(evaluate_jobs, self._shared, jobs, rows, deadlines)

    def diagnose(self, error: BaseException, number: int, overtime: bool) -> Death | None:
        """Return None: a thread does not die."""
        return None

    def count_slots(self) -> int:
        """Return the number of threads."""
        return self._n_workers

    def restart(self) -> None:
        """Nothing to do."""

    def close(self, *, kill: bool) -> None:
        """Let the threads go; what they are at cannot be ended."""
        self._threads.shutdown(wait=not kill, cancel_futures=kill)
        self._limits.close()
