"""Ray's workers behind futures; what jobs share lies in Ray's object store."""

import os
from collections.abc import Sequence
from concurrent.futures import Future
from importlib import import_module
from typing import Any

from sklearn_trainkit.model_selection.evaluation._evaluator import TrialJob
from sklearn_trainkit.model_selection.evaluation._trial_record import TrialResult
from sklearn_trainkit.model_selection.evaluation._trial_watch import Deadlines
from sklearn_trainkit.model_selection.study._ask_pruner import SnapshotRows
from sklearn_trainkit.model_selection.workers._pool_runner import Death
from sklearn_trainkit.model_selection.workers._worker import SharedSetup, evaluate_jobs

__all__ = ["RayPool"]


class RayPool:
    """A :class:`WorkerPool` on the Ray cluster of this session, or a local one started here."""

    death_takes_all = False

    def __init__(self, shared: SharedSetup) -> None:
        ray: Any = import_module("ray")
        # Ray would replace builtins.print when a worker prints, and skorch's callbacks, which refer
        # to it, could no longer be pickled.
        os.environ.setdefault("RAY_TQDM_PATCH_PRINT", "0")
        if not ray.is_initialized():
            # Follows RAY_ADDRESS; a local one listens on loopback only.
            local = {} if os.environ.get("RAY_ADDRESS") else {"_node_ip_address": "127.0.0.1"}
            ray.init(include_dashboard=False, log_to_driver=False, **local)
        self._ray = ray
        self._n_threads = shared.n_threads
        options = {"max_retries": 0, "num_cpus": shared.n_threads}
        self._evaluate = ray.remote(**options)(_evaluate)
        self._shared = ray.put(shared)
        self._running: dict[Future[list[TrialResult]], Any] = {}

    def submit(
        self, jobs: Sequence[TrialJob], rows: SnapshotRows | None, deadlines: Deadlines
    ) -> "Future[list[TrialResult]]":
        """Start jobs that one worker evaluates together."""
        # In a list, the reference stays one: each worker opens it once, not once per job.
        reference = self._evaluate.remote([self._shared], jobs, rows, deadlines)
        future: Future[list[TrialResult]] = reference.future()
        self._running[future] = reference
        future.add_done_callback(lambda done: self._running.pop(done, None))
        return future

    def diagnose(self, error: BaseException, number: int, overtime: bool) -> Death | None:
        """Return whether the job's worker died: by itself, of a full memory, or of its time."""
        if not isinstance(error, self._ray.exceptions.RayError) or isinstance(
            error, self._ray.exceptions.RayTaskError
        ):
            return None
        if overtime:
            return Death("ended after trial_timeout, with its worker process", final=True)
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        return Death(f"The worker process died twice: {first_line}")

    def count_slots(self) -> int:
        """Return the number of processors, each taken as often as a trial has threads."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)) // self._n_threads)

    def restart(self) -> None:
        """Ray replaces workers itself."""

    def close(self, *, kill: bool) -> None:
        """End what still runs, if ``kill``; the cluster stays."""
        if kill:
            for reference in list(self._running.values()):
                self._ray.cancel(reference, force=True)


# In a worker: what the search it works for shares. Another search replaces it.
_opened: dict[Any, SharedSetup] = {}


def _evaluate(
    shared: list[Any], jobs: Sequence[TrialJob], rows: SnapshotRows | None, deadlines: Deadlines
) -> list[TrialResult]:
    ray: Any = import_module("ray")
    if shared[0] not in _opened:
        _opened.clear()
        _opened[shared[0]] = ray.get(shared[0])
    return evaluate_jobs(_opened[shared[0]], jobs, rows, deadlines)
