"""The search loop: who is next, have it evaluated, note what came out."""

import time
from collections import deque
from concurrent.futures import Future, wait
from contextlib import suppress

from sklearn_trainkit.model_selection.evaluation._trial_record import (
    TrialRecord,
    TrialResult,
    failed_record,
)
from sklearn_trainkit.model_selection.scheduling._ledger import Ledger
from sklearn_trainkit.model_selection.scheduling._proposals import Proposals
from sklearn_trainkit.model_selection.scheduling._schedulers import Scheduler
from sklearn_trainkit.model_selection.scheduling._trial_plan import SearchBudget
from sklearn_trainkit.model_selection.study._patient_storage import StorageLostError
from sklearn_trainkit.model_selection.study._search_study import SearchStudy
from sklearn_trainkit.model_selection.study._shared_study import JointStudy
from sklearn_trainkit.model_selection.workers._candidate import Candidate
from sklearn_trainkit.model_selection.workers._pool_runner import Death
from sklearn_trainkit.model_selection.workers._runners import Runner

__all__ = ["SearchLoop"]


class SearchLoop:
    """Has candidates evaluated until the budget is spent.

    Parameters
    ----------
    study : SearchStudy
    proposals : Proposals
        Where new candidates come from.
    scheduler : Scheduler
        Who is next.
    runner : Runner
        How it runs.
    ledger : Ledger
        Where results go.
    budget : SearchBudget
        When to end.
    deadline : float or None
        ``time.time()`` after which no trial begins; those that run go by it, too.
    ordered : bool
        Take in results in an order that does not depend on how fast workers are, so that a seeded
        search repeats itself: as they would come if the way to a rung always took as long. Where
        these ways differ, jobs are picked ahead, so that workers need not wait for that order.
    joint : JointStudy or None
        The study as shared with earlier sessions and other processes; None in memory.

    Attributes
    ----------
    interrupted : bool
        Whether Ctrl-C ended the search.
    lost : StorageLostError or None
        Why the storage could not be used any more, if that ended the search.
    """

    def __init__(
        self,
        study: SearchStudy,
        proposals: Proposals,
        scheduler: Scheduler,
        runner: Runner,
        ledger: Ledger,
        *,
        budget: SearchBudget,
        deadline: float | None,
        ordered: bool,
        joint: JointStudy | None,
    ) -> None:
        self.proposals = proposals
        self.ledger = ledger
        self.interrupted = False
        self.lost: StorageLostError | None = None
        self._study = study
        self._scheduler = scheduler
        self._runner = runner
        self._budget = budget
        # One worker's results come in one order only.
        self._ordered = ordered and runner.n_workers > 1
        self._joint = joint
        # With the workers; behind them, jobs for which none was free yet.
        self._pending: dict[Future[TrialResult], Candidate] = {}
        self._queue: deque[list[Candidate]] = deque()
        # A sampler learns from each result, ranks change little by one: only those wait for less.
        self._n_ahead = (runner.n_workers + 1) // 2 if self._ordered and scheduler.has_rungs else 0
        self._n_submitted = 0
        self._clock = 0.0
        # When each worker will have done its jobs, on that clock.
        self._free_at = [0.0] * runner.n_workers
        self._deadline = deadline

    def run(self) -> list[TrialRecord]:
        """Evaluate trials until the budget is spent; return all records."""
        clean = False
        try:
            if self._joint is not None:
                self._joint.start()
            self._run()
            while self._has_others_to_wait_for():
                self._run()
            self._hear_from_others(refresh=True)
            clean = True
        except KeyboardInterrupt:
            self.interrupted = True
        except StorageLostError as error:
            self.lost = error
        finally:
            self._abandon_pending()
            self._runner.close(kill=not clean)
            if self._joint is not None:
                self._joint.close()
        return sorted(self.ledger.records, key=lambda record: record.number)

    def _run(self) -> None:
        most = self._runner.n_workers + self._n_ahead
        try:
            while True:
                self._hear_from_others()
                while self._count_jobs() < most and (batch := self._pick()):
                    self._submit(batch)
                if not (self._pending or self._queue):
                    return
                for future in self._wait():
                    self._collect(future)
        finally:
            self._dismiss()

    def _hear_from_others(self, *, refresh: bool = False) -> None:
        """Take in what other processes have finished in the same study."""
        if self._joint is not None:
            for frozen, record in self._joint.read_news(refresh=refresh):
                self.ledger.hear(frozen, record)

    def _has_others_to_wait_for(self) -> bool:
        """Return whether other processes still run trials; if one dies, its trials come back."""
        if self._joint is None or self._is_ended() or not self.proposals.are_out():
            return False
        waited = self._joint.wait_for_others()
        self.proposals.look_again()
        return waited or not self.proposals.are_out()

    def _is_ended(self) -> bool:
        """Return whether there is a reason to end other than the number of trials."""
        budget, ledger = self._budget, self.ledger
        return (
            self._study.stop_requested
            or (budget.target_score is not None and ledger.best >= budget.target_score)
            or (budget.patience is not None and ledger.n_stale >= budget.patience)
            # The first trial always starts, and its evaluation keeps the deadline.
            or (
                self._deadline is not None
                and self.proposals.n_asked > 0
                and time.time() >= self._deadline
            )
        )

    def _count_jobs(self) -> int:
        """Return the number of jobs not taken in; several candidates may share one."""
        with_workers = {candidate.submission for candidate in self._pending.values()}
        return len(with_workers) + len(self._queue)

    def _pick(self) -> list[Candidate]:
        """Return whose job is next; nobody if all have ended, or are on their way."""
        while not self._is_ended():
            more_to_come = not self.proposals.are_out()
            climber = self._scheduler.pick(more_to_come=more_to_come)
            if climber is not None:
                self._study.waiting.discard(climber.job.number)
                return [climber]
            if not more_to_come:
                break
            if batch := self._draw():
                return batch
        return []

    def _draw(self) -> list[Candidate]:
        """Return new candidates: as many as train together, or as there are."""
        batch: list[Candidate] = []
        try:
            while (
                len(batch) < self._scheduler.n_together
                and not (self.proposals.are_out() or self._is_ended())
                and (candidate := self.proposals.draw()) is not None
            ):
                batch.append(candidate)
        except BaseException:
            for candidate in batch:
                self.ledger.fail(candidate.trial)
            raise
        return batch

    def _submit(self, batch: list[Candidate]) -> None:
        """Have a job done by the first worker that is free."""
        worker = self._free_at.index(min(self._free_at))
        begin = max(self._clock, self._free_at[worker])
        for candidate in batch:
            job = candidate.job
            candidate.due = begin + self._scheduler.cost_of(job.rung)
            self._scheduler.start(job.number, job.rung)
        self._free_at[worker] = batch[0].due
        self._queue.append(batch)
        self._keep_busy()

    def _keep_busy(self) -> None:
        """Hand the next jobs to those workers that are free."""
        running = {each.submission for future, each in self._pending.items() if not future.done()}
        for _ in range(min(len(self._queue), self._runner.n_workers - len(running))):
            self._hand_over(self._queue.popleft())

    def _hand_over(self, batch: list[Candidate]) -> None:
        self._n_submitted += 1
        for candidate in batch:
            candidate.future = Future()
            candidate.submission = self._n_submitted
            candidate.is_alone = len(batch) == 1
            candidate.began = time.time()
            self._pending[candidate.future] = candidate
        self._runner.submit(batch)

    def _wait(self) -> list["Future[TrialResult]"]:
        if self._ordered:
            return [self._wait_for_first().future]
        self._runner.wait(self._pending)
        return [future for future in self._pending if future.done()]

    def _wait_for_first(self) -> Candidate:
        """Return whose result is due first, when it is there; others begin meanwhile.

        A worker that died is not waited for: it may have to be replaced before anybody begins.
        """
        jobs = [*self._pending.values(), *(each for batch in self._queue for each in batch)]
        first = min(jobs, key=lambda candidate: candidate.due)
        self._keep_busy()
        while first.future not in self._pending or not first.future.done():
            self._runner.wait([future for future in self._pending if not future.done()])
            for future, candidate in self._pending.items():
                if future.done() and self._find_death(candidate) is not None:
                    return candidate
            self._keep_busy()
        self._clock = first.due
        return first

    def _collect(self, future: "Future[TrialResult]") -> None:
        candidate = self._pending.get(future)
        if candidate is None:  # it was run alone
            return
        if self._find_death(candidate) is not None:
            self._rerun_alone()
            return
        self._take_in(candidate, future.result())

    def _take_in(self, candidate: Candidate, result: TrialResult) -> None:
        """Have a candidate rest at a rung, or end."""
        future, record = candidate.future, result.record
        score = self.ledger.score_of(record)
        self.ledger.seconds += result.seconds
        if result.kept is not None:
            self.ledger.note(candidate, record)
            self._scheduler.rest(candidate, result, score)
            self._study.waiting.add(record.number)
        else:
            self._scheduler.end(candidate, record, score)
            self.ledger.tell(candidate, result)
        del self._pending[future]

    def _find_death(self, candidate: Candidate) -> Death | None:
        """Return how the worker of a candidate died, if it did."""
        error = candidate.future.exception()
        return None if error is None else self._runner.diagnose(error, candidate)

    def _rerun_alone(self) -> None:
        """Run what was in flight when a worker died, one by one, to find the culprit.

        Who was on the way from one rung to the next begins again at the rung it came from.
        """
        if self._runner.death_takes_all:
            wait(self._pending)
        suspects = [
            (candidate, self._find_death(candidate))
            for candidate in self._pending.values()
            if candidate.future.done()
        ]
        broken = True
        for candidate, death in suspects:
            if death is None:  # it had finished in time
                continue
            if not death.final:
                if broken:
                    self._runner.restart()
                del self._pending[candidate.future]
                self._hand_over([candidate])
                wait([candidate.future])
                death = self._find_death(candidate)
            broken = death is not None or not self._runner.death_takes_all
            if death is None:
                result = candidate.future.result()
            else:
                job = candidate.job
                result = TrialResult(failed_record(job.number, job.params, death.reason), {}, 0.0)
            self._take_in(candidate, result)
        if broken:
            self._runner.restart()

    def _dismiss(self) -> None:
        """End those that still wait: what they came to is their result."""
        lost: StorageLostError | None = None
        for candidate in self._scheduler.dismiss():
            assert candidate.result is not None
            self._study.waiting.discard(candidate.job.number)
            try:
                self.ledger.tell(candidate, candidate.result)
            except StorageLostError as error:  # the others are kept in memory, too
                lost = error
        if lost is not None:
            raise lost

    def _abandon_pending(self) -> None:
        for future, candidate in self._pending.items():
            finished = future.done() and future.exception() is None
            if self.lost is not None and finished:
                self.ledger.keep(candidate, future.result().record)
            future.cancel()
            with suppress(StorageLostError):
                self.ledger.fail(candidate.trial)
        for candidate in (each for batch in self._queue for each in batch):
            with suppress(StorageLostError):
                self.ledger.fail(candidate.trial)
        self._pending.clear()
        self._queue.clear()
