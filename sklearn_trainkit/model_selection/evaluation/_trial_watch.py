"""Watching one trial: its learning curve, and whether it should stop before its end."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = ["PRUNED_BY_PRUNER", "Deadlines", "TrialWatch"]

PRUNED_BY_PRUNER = "pruned"


class TrialWatch:
    """Collects what an evaluator reports and answers with a reason to stop, if there is one.

    Parameters
    ----------
    prune : callable ``(step, value) -> bool`` or None, default=None
        What the pruner says.
    deadline : float or None, default=None
        ``time.time()`` at which the search is over.
    trial_deadline : float or None, default=None
        ``time.time()`` at which this trial has had its share.
    """

    def __init__(
        self,
        prune: Callable[[int, float], bool] | None = None,
        deadline: float | None = None,
        trial_deadline: float | None = None,
    ) -> None:
        self.curve: list[tuple[int, float]] = []
        self.fold_scores: list[tuple[float, ...]] = []
        self._prune = prune
        self._deadline = deadline
        self._trial_deadline = trial_deadline

    @property
    def prunes(self) -> bool:
        """Whether anybody listens to the values."""
        return self._prune is not None

    def report(self, step: int, value: float, fold_scores: Sequence[float] = ()) -> str | None:
        """Record ``value``, and each fold's own; return why the trial should stop, or None."""
        self.curve.append((step, value))
        if fold_scores:
            self.fold_scores.append(tuple(fold_scores))
        if self._prune is not None and self._prune(step, value):
            return PRUNED_BY_PRUNER
        return self.check_time()

    def going_on(
        self, curve: Sequence[tuple[int, float]], fold_scores: Sequence[tuple[float, ...]]
    ) -> "TrialWatch":
        """Return a watch with the same deadlines that listens, after what was heard already."""
        watch = TrialWatch(lambda step, value: False, self._deadline, self._trial_deadline)
        watch.curve.extend(curve)
        watch.fold_scores.extend(fold_scores)
        return watch

    def without_pruner(self) -> "TrialWatch":
        """Return a watch with the same deadlines that never prunes."""
        return TrialWatch(None, self._deadline, self._trial_deadline)

    def check_time(self) -> str | None:
        """Return whose time is up, if it is."""
        now = time.time()
        if self._deadline is not None and now >= self._deadline:
            return "stopped by timeout"
        if self._trial_deadline is not None and now >= self._trial_deadline:
            return "stopped by trial_timeout"
        return None


class Deadlines(NamedTuple):
    """Until when trials may run: ``time.time()`` of the search's end, seconds of each trial's.

    ``n_jobs`` is how many trials share one submission; each may take its time after the others.
    """

    search: float | None = None
    per_trial: float | None = None
    submitted: float | None = None
    n_jobs: int = 1

    def watch(self, prune: Callable[[int, float], bool] | None, spent: float = 0.0) -> TrialWatch:
        """Return the watch of a trial that starts now, after ``spent`` seconds of earlier work."""
        own = None if self.per_trial is None else time.time() + max(0.0, self.per_trial - spent)
        return TrialWatch(prune, self.search, own)

    @property
    def hard_limit(self) -> float | None:
        """Seconds after which a trial that did not stop by itself is ended with its process."""
        return None if self.per_trial is None else self.n_jobs * (2 * self.per_trial + 1)

    def starting_now(self, n_jobs: int = 1) -> "Deadlines":
        """Return a copy that knows when its trials were submitted, and how many they are."""
        if self.per_trial is None:
            return self
        return self._replace(submitted=time.time(), n_jobs=n_jobs)

    def is_expired(self) -> bool:
        """Return whether the trial should have been ended by now, since it was submitted."""
        if self.hard_limit is None or self.submitted is None:
            return False
        return time.time() >= self.submitted + self.hard_limit
