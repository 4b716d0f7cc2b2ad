"""A Dask cluster's workers; what jobs share is scattered to them once."""

from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any

from sklearn_trainkit.model_selection._evaluation import TrialJob
from sklearn_trainkit.model_selection._pool_runner import Death
from sklearn_trainkit.model_selection._snapshot import SnapshotRows
from sklearn_trainkit.model_selection._trial_record import TrialResult
from sklearn_trainkit.model_selection._trial_watch import Deadlines
from sklearn_trainkit.model_selection._worker import SharedSetup, evaluate_job

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
        self._scatter()

    def submit(
        self, job: TrialJob, rows: SnapshotRows | None, deadlines: Deadlines
    ) -> "Future[TrialResult]":
        """Start a job."""
        return self._executor.submit(_evaluate, self._scattered, _Task(job, rows, deadlines))

    def diagnose(self, error: BaseException, number: int, overtime: bool) -> Death | None:
        """Return whether the job's workers died, or the data with them."""
        from distributed import KilledWorker

        if isinstance(error, TimeoutError) and str(error) == _TOO_LATE:
            return Death("ended after trial_timeout, with its worker", final=True)
        if isinstance(error, KilledWorker):
            reason = f"Each worker that evaluated this candidate died: {error}"
            return Death("ended after trial_timeout, with its worker" if overtime else reason, True)
        if isinstance(error, CancelledError):  # the last worker with the data is gone
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
        self._executor.shutdown(wait=not kill)
        self._scattered.release()

    def _scatter(self) -> None:
        # A worker that fetches the data from another keeps it too.
        self._client.wait_for_workers(1, timeout=60)
        self._scattered = self._client.scatter(self._shared, broadcast=True, hash=False)


_TOO_LATE = "trial_timeout was over before this attempt began"


@dataclass(frozen=True)
class _Task:
    """Arguments in one piece: Dask would look for futures in every list, tuple and dict."""

    job: TrialJob
    rows: SnapshotRows | None
    deadlines: Deadlines


def _evaluate(shared: SharedSetup, task: _Task) -> TrialResult:
    if task.deadlines.is_expired():  # the attempt before this one was ended for taking too long
        raise TimeoutError(_TOO_LATE)
    return evaluate_job(shared, task.job, task.rows, task.deadlines)
