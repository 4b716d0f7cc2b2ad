"""Who is next: a new candidate, or one that waits, up to its next rung.

A scheduler knows nothing of workers: whoever it picks is a job for any of them.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from sklearn_trainkit.model_selection.evaluation._trial_record import (
    COMPLETE,
    TrialRecord,
    TrialResult,
)
from sklearn_trainkit.model_selection.scheduling._ladder import Ladder
from sklearn_trainkit.model_selection.scheduling._waiting_room import WaitingRoom
from sklearn_trainkit.model_selection.workers._candidate import Candidate

__all__ = ["Climbing", "Scheduler", "Steady"]


class Scheduler(Protocol):
    """Decides who is next.

    Attributes
    ----------
    n_together : int
        New candidates to a job.
    has_rungs : bool
        Whether candidates wait for each other on the way.
    """

    n_together: int
    has_rungs: bool

    def cost_of(self, rung: int) -> float:
        """Return how long the way to a rung is, from the one before."""

    def start(self, number: int, rung: int) -> None:
        """Note that a candidate is on its way to a rung."""

    def rest(self, candidate: Candidate, result: TrialResult, score: float) -> None:
        """Have a candidate wait at the rung to which it came."""

    def end(self, candidate: Candidate, record: TrialRecord, score: float) -> None:
        """Note that a candidate has ended."""

    def pick(self, *, more_to_come: bool) -> Candidate | None:
        """Return who goes on; None for a new candidate or, without any to come, for nobody."""

    def dismiss(self) -> list[Candidate]:
        """Return all that wait, and forget them."""


class Steady:
    """Every candidate is trained to its end at once.

    Parameters
    ----------
    n_together : int, default=1
        New candidates to a job.
    """

    has_rungs = False

    def __init__(self, n_together: int = 1) -> None:
        self.n_together = n_together

    def cost_of(self, rung: int) -> float:
        """Return 1: all have the same way."""
        return 1.0

    def start(self, number: int, rung: int) -> None:
        """Nothing to note."""

    def rest(self, candidate: Candidate, result: TrialResult, score: float) -> None:
        """Nobody waits here."""
        raise AssertionError(f"trial {candidate.job.number} came to rest")

    def end(self, candidate: Candidate, record: TrialRecord, score: float) -> None:
        """Nothing to note."""

    def pick(self, *, more_to_come: bool) -> Candidate | None:
        """Return None: the next is always a new one."""
        return None

    def dismiss(self) -> list[Candidate]:
        """Return nobody."""
        return []


class Climbing:
    """Candidates climb rungs: those furthest up go on first, of each rung the best.

    Parameters
    ----------
    factors : sequence of int
        One in how many goes on, for each rung but the last.
    costs : sequence of float
        How long the way is to each rung.
    room : WaitingRoom
        Where those that wait leave what they need to go on.
    """

    has_rungs = True
    n_together = 1

    def __init__(self, factors: Sequence[int], costs: Sequence[float], room: WaitingRoom) -> None:
        self._ladder = Ladder(factors)
        self._costs = costs
        self._room = room
        self._resting: dict[int, Candidate] = {}

    def cost_of(self, rung: int) -> float:
        """Return how long the way to a rung is, from the one before."""
        return self._costs[rung]

    def start(self, number: int, rung: int) -> None:
        """Note that a candidate is on its way to a rung."""
        self._ladder.start(number, rung)

    def rest(self, candidate: Candidate, result: TrialResult, score: float) -> None:
        """Have a candidate wait; its result is kept for the case that this was its end."""
        job = candidate.job
        self._ladder.arrive(job.number, job.rung, score)
        candidate.result = result._replace(kept=None)
        candidate.job = replace(job, rung=job.rung + 1, kept=None, spent=job.spent + result.seconds)
        self._resting[job.number] = candidate
        self._room.put(job.number, result.kept)

    def end(self, candidate: Candidate, record: TrialRecord, score: float) -> None:
        """Note that a candidate has ended; whoever does so early has been through all rungs.

        One that failed, or was cut off, is in nobody's way: somebody else may take its place. One
        that does not train in epochs, where rungs are epochs, was never on the ladder.
        """
        job = candidate.job
        whole = record.n_epochs is None and job.rung < len(self._costs) - 1
        failed = any(fold.fit_error for fold in record.folds)
        if record.state == COMPLETE and not failed and not whole:
            for rung in range(job.rung, len(self._costs)):
                self._ladder.arrive(job.number, rung, score)
        else:
            self._ladder.leave(job.number)

    def pick(self, *, more_to_come: bool) -> Candidate | None:
        """Return who goes on; None for a new candidate or, without any to come, for nobody."""
        picked = self._ladder.pick(more_to_come=more_to_come)
        if picked is None and not more_to_come:
            picked = self._ladder.pick_last()
        if picked is None:
            return None
        candidate = self._resting.pop(picked[0])
        candidate.job = replace(candidate.job, kept=self._room.take(picked[0]))
        return candidate

    def dismiss(self) -> list[Candidate]:
        """Return all that wait, and forget them."""
        waiting = list(self._resting.values())
        self._resting.clear()
        for candidate in waiting:
            self._ladder.leave(candidate.job.number)
        self._room.close()
        return waiting
