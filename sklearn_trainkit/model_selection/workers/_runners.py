"""Where trials are evaluated: in this thread, in threads, or in the workers of an engine.

The main process keeps the study to itself. A worker gets jobs, what all jobs share, and a snapshot
of the finished learning curves on which its pruner decides.
"""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol

import joblib
import optuna
from joblib.parallel import get_active_backend

from sklearn_trainkit.model_selection.evaluation._evaluator import EvaluationSetup, JobEvaluator
from sklearn_trainkit.model_selection.evaluation._trial_record import TrialResult
from sklearn_trainkit.model_selection.evaluation._trial_watch import Deadlines, TrialWatch
from sklearn_trainkit.model_selection.study._ask_pruner import ask_in_study
from sklearn_trainkit.model_selection.workers._candidate import Candidate
from sklearn_trainkit.model_selection.workers._loky_pool import LokyPool
from sklearn_trainkit.model_selection.workers._pool_runner import Death, PoolRunner, WorkerPool
from sklearn_trainkit.model_selection.workers._thread_pool import ThreadPool
from sklearn_trainkit.model_selection.workers._worker import (
    SharedSetup,
    share_setup,
    time_outcomes,
)

__all__ = ["Runner", "Workers", "choose_workers", "make_runner"]


class Runner(Protocol):
    """Where trials run."""

    n_workers: int
    reports_live: bool
    death_takes_all: bool

    def submit(self, candidates: Sequence[Candidate]) -> None:
        """Start a job of one candidate, or one of several that train together."""

    def wait(self, futures: Collection["Future[TrialResult]"]) -> None:
        """Wait until one of these is done."""

    def tell(self, frozen: optuna.trial.FrozenTrial) -> None:
        """Learn how a trial ended."""

    def diagnose(self, error: BaseException, candidate: Candidate) -> Death | None:
        """Return how a candidate's worker died, or None if it did not."""

    def restart(self) -> None:
        """Get new workers after one died."""

    def close(self, *, kill: bool) -> None:
        """Let the workers go, at once if ``kill``."""


@dataclass
class InlineRunner:
    """Runs each job in this thread, while its result is waited for."""

    evaluate: JobEvaluator
    setup: EvaluationSetup
    deadlines: Deadlines
    prunes: bool
    n_workers: int = field(init=False, default=1)
    reports_live: bool = field(init=False, default=True)
    death_takes_all: bool = field(init=False, default=False)
    _work: "deque[tuple[Sequence[Candidate], Iterator[None]]]" = field(
        init=False, default_factory=deque
    )

    def submit(self, candidates: Sequence[Candidate]) -> None:
        self._work.append((candidates, self._run(candidates)))

    def wait(self, futures: Collection["Future[TrialResult]"]) -> None:
        while not any(future.done() for future in futures):
            candidates, work = self._work[0]
            try:
                next(work)
            except StopIteration:
                self._work.popleft()
            except Exception as error:
                self._work.popleft()
                for candidate in candidates:
                    if not candidate.future.done():
                        candidate.future.set_exception(error)

    def tell(self, frozen: optuna.trial.FrozenTrial) -> None:
        pass

    def diagnose(self, error: BaseException, candidate: Candidate) -> Death | None:
        return None

    def restart(self) -> None:
        pass

    def close(self, *, kill: bool) -> None:
        for _, work in self._work:
            work.close()  # type: ignore[attr-defined]

    def _run(self, candidates: Sequence[Candidate]) -> Iterator[None]:
        """Evaluate candidates, and pause after each result."""
        outcomes = self.evaluate(
            self.setup,
            [candidate.job for candidate in candidates],
            lambda place: self._watch(candidates[place]),
        )
        with closing(time_outcomes(outcomes)) as results:
            for place, result in results:
                candidates[place].future.set_result(result)
                yield

    def _watch(self, candidate: Candidate) -> TrialWatch:
        prune = ask_in_study(candidate.trial) if self.prunes else None
        return self.deadlines.watch(prune, candidate.job.spent)


@dataclass(frozen=True)
class Workers:
    """Where trials run, as ``n_jobs`` and joblib's active backend have it.

    Attributes
    ----------
    kind : {"inline", "threads", "loky", "dask", "ray"}
    n_workers : int or None
        Jobs at a time; None for as many as the cluster has room for.
    n_threads : int
        Inside a trial.
    backend : object
        joblib's.
    """

    kind: str
    n_workers: int | None
    n_threads: int
    backend: Any

    @property
    def are_processes(self) -> bool:
        """Return whether what a worker is given, and gives back, is pickled."""
        return self.kind not in ("inline", "threads")


def choose_workers(n_jobs: int | None) -> Workers:
    """Return the workers for ``n_jobs``, following the active joblib backend.

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
    if name in _CLUSTERS and wanted != 1:
        asked = wanted if wanted is not None and wanted > 0 else None
        return Workers(_CLUSTERS[name], asked, n_threads, backend)
    n_workers = joblib.effective_n_jobs(n_jobs)
    if n_workers == 1 or name == "SequentialBackend":
        return Workers("inline", 1, n_threads, backend)
    if name in _LOCAL:
        return Workers(_LOCAL[name], n_workers, n_threads, backend)
    raise NotImplementedError(
        f"n_jobs={n_jobs} under joblib's {name} is not supported; use the 'loky', 'threading', "
        "'dask' or 'ray' backend."
    )


_CLUSTERS = {"DaskDistributedBackend": "dask", "RayBackend": "ray"}
_LOCAL = {
    "LokyBackend": "loky",
    "MultiprocessingBackend": "loky",
    "ThreadingBackend": "threads",
}


def make_runner(
    workers: Workers,
    evaluate: JobEvaluator,
    setup: EvaluationSetup,
    deadlines: Deadlines,
    pruner: "optuna.pruners.BasePruner | None",
) -> Runner:
    """Return the runner on these workers; clusters and processes are started, if need be."""
    if workers.kind == "inline":
        return InlineRunner(evaluate, setup, deadlines, pruner is not None)
    pool = _make_pool(workers, share_setup(evaluate, setup, workers.n_threads))
    return PoolRunner(pool, deadlines, pruner, workers.n_workers or pool.count_slots())


def _make_pool(workers: Workers, shared: SharedSetup) -> WorkerPool:
    if workers.kind == "ray":
        from sklearn_trainkit.model_selection.workers._ray_pool import RayPool

        return RayPool(shared)
    if workers.kind == "dask":
        from sklearn_trainkit.model_selection.workers._dask_pool import DaskPool

        return DaskPool(shared, workers.backend.client)
    assert workers.n_workers is not None
    pool = ThreadPool if workers.kind == "threads" else LokyPool
    return pool(shared, workers.n_workers)
