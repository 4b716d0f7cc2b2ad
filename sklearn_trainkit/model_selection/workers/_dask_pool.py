"""A Dask cluster's workers; what jobs share is scattered to them once."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sklearn_trainkit.model_selection.evaluation._evaluator import TrialJob
from sklearn_trainkit.model_selection.evaluation._trial_record import TrialResult
from sklearn_trainkit.model_selection.evaluation._trial_watch import Deadlines
from sklearn_trainkit.model_selection.study._ask_pruner import SnapshotRows
from sklearn_trainkit.model_selection.workers._pool_runner import Death
from sklearn_trainkit.model_selection.workers._worker import SharedSetup, evaluate_jobs

__all__ = ["DaskPool"]


class DaskPool:
    """A :class:`WorkerPool` on the cluster of a ``distributed.Client``.

    The scheduler itself tries a job again whose worker died, as often as its setting
    ``distributed.scheduler.allowed-failures`` says (3), so that is not repeated here.
    """

    death_takes_all = False

    def __init__(self, shared: SharedSetup, client: Any) -> None:
        self._shared = shared
        self._client = client
        self._executor = client.get_executor(pure=False)
        self._pending: set[Future[list[TrialResult]]] = set()
        self._closed = threading.Event()
        self._scatter()
        threading.Thread(target=self._watch_data, daemon=True).start()

    def submit(
        self, jobs: Sequence[TrialJob], rows: SnapshotRows | None, deadlines: Deadlines
    ) -> "Future[list[TrialResult]]":
        """Start jobs that one worker evaluates together."""
        try:
            future = self._executor.submit(_evaluate, self._scattered, _Task(jobs, rows, deadlines))
        except OSError as error:  # the connection was lost: this trial is tried again
            future = Future()
            future.set_exception(error)
            return future
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        return future

    def diagnose(self, error: BaseException, number: int, overtime: bool) -> Death | None:
        """Return whether the job's workers died, or the data with them."""
        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError

        if isinstance(error, TimeoutError) and str(error) == _TOO_LATE:
            return Death("ended after trial_timeout, with its worker", final=True)
        if isinstance(error, KilledWorker):
            reason = f"Each worker that evaluated this candidate died: {error}"
            return Death("ended after trial_timeout, with its worker" if overtime else reason, True)
        if isinstance(error, CommClosedError):
            return Death(f"The connection to its worker was lost twice: {error}")
        if isinstance(error, CancelledError):  # the last worker with the data is gone
            if overtime:
                return Death("ended after trial_timeout, with its worker", final=True)
            return Death("The workers died twice while they evaluated this candidate.")
        return None

    def count_slots(self) -> int:
        """Return the number of threads of all workers, as Dask counts."""
        return max(1, sum(self._client.ncores().values()))

    def restart(self) -> None:
        """Send the data to the workers that are there now; Dask's nannies restart them."""
        self._scatter()

    def close(self, *, kill: bool) -> None:
        """Forget the data; the cluster belongs to the user."""
        self._closed.set()
        self._executor.shutdown(wait=not kill)
        self._scattered.release()

    def _watch_data(self) -> None:
        """End the jobs that wait for data which died with its workers: Dask would wait for ever."""
        n_idle = 0
        while not self._closed.wait(_WATCH_SECONDS):
            if not self._pending:
                n_idle = 0
                continue
            scattered = self._scattered
            try:
                lost = not any(self._client.who_has([scattered]).values())
                # Dask may also count on data that a worker tries to fetch from a dead one.
                executing = self._client.run(_count_executing, on_error="ignore")
            except Exception:
                continue
            n_idle = n_idle + 1 if executing and not sum(executing.values()) else 0
            if (lost or n_idle >= _IDLE_WATCHES) and scattered is self._scattered:
                n_idle = 0
                for future in list(self._pending):
                    with suppress(InvalidStateError):
                        future.set_exception(CancelledError())

    def _scatter(self) -> None:
        # A worker that fetches the data from another keeps it too. While workers die and come back,
        # there may be none at the very moment of sending.
        for attempts_left in reversed(range(_SCATTER_ATTEMPTS)):
            self._client.wait_for_workers(1, timeout=60)
            try:
                self._scattered = self._client.scatter(
                    self._shared, broadcast=True, hash=False, timeout=60
                )
            except (ValueError, OSError):  # no worker there, too late, or a lost connection
                if not attempts_left:
                    raise
                time.sleep(1.0)
            else:
                return


_SCATTER_ATTEMPTS = 10
_WATCH_SECONDS = 3.0
# No worker does anything, and jobs are pending, as many times in a row.
_IDLE_WATCHES = 3
_TOO_LATE = "trial_timeout was over before this attempt began"


@dataclass(frozen=True)
class _Task:
    """Arguments in one piece: Dask would look for futures in every list, tuple and dict."""

    jobs: Sequence[TrialJob]
    rows: SnapshotRows | None
    deadlines: Deadlines


def _count_executing(dask_worker: Any) -> int:
    """Return how many tasks a worker is at; Dask passes it the worker."""
    return len(dask_worker.state.executing) + len(dask_worker.state.long_running)


def _evaluate(shared: SharedSetup, task: _Task) -> list[TrialResult]:
    if task.deadlines.is_expired():  # the attempt before this one was ended for taking too long
        raise TimeoutError(_TOO_LATE)
    return evaluate_jobs(shared, task.jobs, task.rows, task.deadlines)
