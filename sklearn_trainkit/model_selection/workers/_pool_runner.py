"""Running trials in a pool of workers: loky's, Dask's or Ray's."""

import time
import uuid
from collections.abc import Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, InvalidStateError
from concurrent.futures import wait as wait_for
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import optuna
from optuna.trial import FrozenTrial

from sklearn_trainkit.model_selection.evaluation._evaluator import TrialJob
from sklearn_trainkit.model_selection.evaluation._trial_record import TrialResult
from sklearn_trainkit.model_selection.evaluation._trial_watch import Deadlines
from sklearn_trainkit.model_selection.study._ask_pruner import CurveSnapshot, SnapshotRows
from sklearn_trainkit.model_selection.workers._candidate import Candidate

__all__ = ["Death", "PoolRunner", "WorkerPool"]


@dataclass(frozen=True)
class Death:
    """How a worker died.

    Attributes
    ----------
    reason : str
        What the trial's record says if it is not tried again.
    final : bool
        Whether trying again is pointless: it was done already, or the trial is known to hang.
    """

    reason: str
    final: bool = False


class WorkerPool(Protocol):
    """An engine that runs jobs in workers, and keeps what they share there.

    Attributes
    ----------
    death_takes_all : bool
        Whether one dying worker fails every running job.
    """

    death_takes_all: bool

    def submit(
        self, jobs: Sequence[TrialJob], rows: SnapshotRows | None, deadlines: Deadlines
    ) -> "Future[list[TrialResult]]":
        """Start jobs that one worker evaluates together."""

    def diagnose(self, error: BaseException, number: int, overtime: bool) -> Death | None:
        """Return what ``error`` says about the worker of a trial; None if it says nothing."""

    def count_slots(self) -> int:
        """Return how many trials can run at a time."""

    def restart(self) -> None:
        """Get new workers after one died."""

    def close(self, *, kill: bool) -> None:
        """Let the workers go, at once if ``kill``."""


class PoolRunner:
    """Runs trials in a pool; pruning happens there, on a snapshot of the finished trials.

    Parameters
    ----------
    pool : WorkerPool
    deadlines : Deadlines
    pruner : optuna pruner or None
    n_workers : int
        Number of jobs at a time.
    """

    reports_live = False

    def __init__(
        self,
        pool: WorkerPool,
        deadlines: Deadlines,
        pruner: "optuna.pruners.BasePruner | None",
        n_workers: int,
    ) -> None:
        self.n_workers = n_workers
        self.death_takes_all = pool.death_takes_all
        self._pool = pool
        self._deadlines = deadlines
        self._snapshot = None if pruner is None else CurveSnapshot(uuid.uuid4().hex, pruner)

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Start a job of one candidate, or one of several that train together."""
        rows = None if self._snapshot is None else self._snapshot.freeze()
        jobs = [candidate.job for candidate in candidates]
        whole = self._pool.submit(jobs, rows, self._deadlines.starting_now(len(jobs)))
        whole.add_done_callback(partial(_hand_out, candidates))

    def wait(self, futures: "Collection[Future[TrialResult]]") -> None:
        """Wait until one of these is done."""
        wait_for(futures, return_when=FIRST_COMPLETED)

    def diagnose(self, error: BaseException, candidate: Candidate) -> Death | None:
        """Return how the worker of a candidate died, or None if ``error`` is the trial's own."""
        limit = self._deadlines.hard_limit
        overtime = limit is not None and time.time() - candidate.began >= limit
        # Of several that trained together nobody knows whose fault it was.
        overtime = overtime and candidate.is_alone
        death = self._pool.diagnose(error, candidate.job.number, overtime)
        return death if death is None or candidate.is_alone else replace(death, final=False)

    def tell(self, frozen: FrozenTrial) -> None:
        """Learn how a trial ended."""
        if self._snapshot is not None:
            self._snapshot.add(frozen)

    def restart(self) -> None:
        """Get new workers."""
        self._pool.restart()

    def close(self, *, kill: bool) -> None:
        """Let the workers go."""
        self._pool.close(kill=kill)


def _hand_out(candidates: Sequence[Candidate], whole: "Future[list[TrialResult]]") -> None:
    """Give each candidate what its job brought; nothing to those that were given up."""
    error = CancelledError() if whole.cancelled() else whole.exception()
    for place, candidate in enumerate(candidates):
        with suppress(InvalidStateError):
            if error is None:
                candidate.future.set_result(whole.result()[place])
            else:
                candidate.future.set_exception(error)
