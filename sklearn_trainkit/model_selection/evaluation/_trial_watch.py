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
    """Until when a trial may run: ``time.time()`` of the search's end, seconds of the trial's."""

    search: float | None = None
    per_trial: float | None = None
    submitted: float | None = None

    def watch(self, prune: Callable[[int, float], bool] | None) -> TrialWatch:
        """Return the watch of a trial that starts now."""
        own = None if self.per_trial is None else time.time() + self.per_trial
        return TrialWatch(prune, self.search, own)

    @property
    def hard_limit(self) -> float | None:
        """Seconds after which a trial that did not stop by itself is ended with its process."""
        return None if self.per_trial is None else 2 * self.per_trial + 1

    def starting_now(self) -> "Deadlines":
        """Return a copy that knows when its trial was submitted."""
        return self if self.per_trial is None else self._replace(submitted=time.time())

    def is_expired(self) -> bool:
        """Return whether the trial should have been ended by now, since it was submitted."""
        if self.hard_limit is None or self.submitted is None:
            return False
        return time.time() >= self.submitted + self.hard_limit
