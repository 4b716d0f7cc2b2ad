"""Pause and resume: candidates wait at rungs with their weights, and the best of a rung go on."""

import pickle
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from sklearn_trainkit.model_selection._ask_and_tell import SearchLoop
from sklearn_trainkit.model_selection._epoch_steppers import count_epochs
from sklearn_trainkit.model_selection._evaluate_fold_stack import FOLD_STACK, begin_folds
from sklearn_trainkit.model_selection._evaluate_per_epoch import TrialTraining, start_training
from sklearn_trainkit.model_selection._evaluation import EvaluationSetup, TrialJob
from sklearn_trainkit.model_selection._executors import Deadlines, TrialResult
from sklearn_trainkit.model_selection._fold_training import last_step
from sklearn_trainkit.model_selection._ladder import Ladder, PauseAndResumePruner, make_rungs
from sklearn_trainkit.model_selection._search_plan import SearchPlan
from sklearn_trainkit.model_selection._trial_record import TrialRecord
from sklearn_trainkit.model_selection._trial_stacks import StackingLoop
from sklearn_trainkit.model_selection._trial_watch import TrialWatch

__all__ = ["PausingLoop", "WaitingRoom", "choose_loop"]


class WaitingRoom:
    """Trainings that wait, the longest waiting ones on disk."""

    def __init__(self, setup: EvaluationSetup, max_in_memory: int) -> None:
        self._setup = setup
        self._max_in_memory = max_in_memory
        self._here: dict[int, TrialTraining] = {}
        self._stuck: set[int] = set()
        self._folder = tempfile.TemporaryDirectory(prefix="waiting-")

    def put(self, number: int, training: TrialTraining) -> None:
        """Keep a training."""
        self._here[number] = training
        movable = [waiting for waiting in self._here if waiting not in self._stuck]
        for waiting in movable[: max(0, len(self._here) - self._max_in_memory)]:
            self._move_to_disk(waiting)

    def take(self, number: int) -> TrialTraining:
        """Give a training back."""
        if number in self._here:
            return self._here.pop(number)
        path = self._path(number)
        training: TrialTraining = pickle.loads(path.read_bytes())
        path.unlink()
        training.attach(self._setup)
        return training

    def close(self) -> None:
        """Forget everybody."""
        for training in self._here.values():
            training.close()
        self._here.clear()
        self._folder.cleanup()
        self._folder = tempfile.TemporaryDirectory(prefix="waiting-")

    def _path(self, number: int) -> Path:
        return Path(self._folder.name) / f"{number}.pkl"

    def _move_to_disk(self, number: int) -> None:
        try:
            content = pickle.dumps(self._here[number])
        except Exception:  # whatever an estimator of somebody else's raises
            self._stuck.add(number)
            return
        self._path(number).write_bytes(content)
        del self._here[number]


class PausingLoop(SearchLoop):
    """The search loop with candidates that wait, in one process.

    Parameters
    ----------
    setup : EvaluationSetup
    deadlines : Deadlines
    pruner : PauseAndResumePruner
    n_epochs : int
        Of the estimator as it is; the last rung.
    stacks : bool
        Whether the folds of a candidate train as one network, where they can.
    *args, **kwargs
        As for :class:`SearchLoop`.
    """

    def __init__(
        self,
        *args: Any,
        setup: EvaluationSetup,
        deadlines: Deadlines,
        pruner: PauseAndResumePruner,
        n_epochs: int,
        stacks: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._setup = setup
        self._deadlines = deadlines
        self._make = begin_folds if stacks else None
        self._rungs = make_rungs(n_epochs, pruner.min_epochs, pruner.reduction_factor)
        self._ladder = Ladder(len(self._rungs), pruner.reduction_factor)
        self._room = WaitingRoom(setup, pruner.max_in_memory)
        self._waiting_trials: dict[int, tuple[optuna.Trial, TrialJob, TrialWatch, TrialRecord]] = {}

    def _run(self) -> None:
        try:
            while not self._is_ended():
                more_to_come = not self._is_out_of_trials()
                picked = self._ladder.pick(more_to_come=more_to_come)
                if picked is None and more_to_come:
                    self._start()
                    continue
                picked = picked or self._ladder.pick_last()
                if picked is None:
                    break
                self._resume(*picked)
        finally:
            self._dismiss()

    def _start(self) -> None:
        asked = self._ask_next()
        if asked is None:
            return
        trial, job = asked
        started = start_training(self._setup, job, self._make)
        if isinstance(started, TrialRecord):
            self._tell(trial, job, TrialResult(started, {}, 0.0))
            return

        def report(step: int, value: float) -> bool:
            trial.report(value, step)
            return False

        self._climb(trial, job, self._deadlines.watch(report), started, 0)

    def _resume(self, number: int, rung: int) -> None:
        trial, job, watch, _ = self._waiting_trials.pop(number)
        self._study.waiting.discard(number)
        self._climb(trial, job, watch, self._room.take(number), rung + 1)

    def _climb(
        self, trial: optuna.Trial, job: TrialJob, watch: TrialWatch, training: Any, rung: int
    ) -> None:
        """Train up to a rung, and wait there or end there."""
        at_end = rung == len(self._rungs) - 1
        try:
            reason = training.advance(watch, None if at_end else self._rungs[rung])
            ends = at_end or reason is not None or training.is_done()
            record = training.finish(watch, reason) if ends else training.leave(watch)
        except BaseException:
            self._study.tell(trial, state=TrialState.FAIL)
            training.close()
            raise
        value = record.mean_score(self._metric)
        if not ends:
            self._ladder.arrive(trial.number, rung, value)
            self._waiting_trials[trial.number] = trial, job, watch, record
            self._study.waiting.add(trial.number)
            self._room.put(trial.number, training)
            return
        training.close()
        # Whoever ends early has been through all rungs.
        if reason is None:
            for passed in range(rung, len(self._rungs)):
                self._ladder.arrive(trial.number, passed, value)
        self._tell(trial, job, TrialResult(record, {}, sum(f.fit_time for f in record.folds)))

    def _dismiss(self) -> None:
        for trial, job, _, record in self._waiting_trials.values():
            self._study.waiting.discard(trial.number)
            self._tell(trial, job, TrialResult(record, {}, 0.0))
        self._waiting_trials.clear()
        self._room.close()


def choose_loop(
    plan: SearchPlan,
    deadlines: Deadlines,
    n_jobs: int | None,
    n_workers: int,
    trials_per_stack: int,
) -> Any:
    """Return what makes the search's loop.

    Candidates wait for each other where the pruner asks for it, and train together where there
    are several to a stack.

    Raises
    ------
    NotImplementedError
        If candidates are to wait, or to train together, and there are several workers.
    ValueError
        If candidates are to train together and their folds do not.
    """
    setup, pruner = plan.setup, plan.pruner
    waits, together = isinstance(pruner, PauseAndResumePruner), trials_per_stack > 1
    if together and plan.evaluator != "fold-stack":
        raise ValueError(
            f"trials_per_stack={trials_per_stack} goes with evaluator='fold-stack', but here it is "
            f"{plan.evaluator!r}: trials_per_stack needs a net of this package."
        )
    if n_workers > 1 and (waits or together):
        name = "pruner='pause_and_resume'" if waits else f"trials_per_stack={trials_per_stack}"
        instead = "pruner='successive_halving'" if waits else "trials_per_stack=1"
        raise NotImplementedError(
            f"{name} works with one worker, but n_jobs={n_jobs}; use n_jobs=1 or {instead}."
        )
    if isinstance(pruner, PauseAndResumePruner):
        n_epochs = count_epochs(last_step(setup.estimator))
        return partial(
            PausingLoop,
            setup=setup,
            deadlines=deadlines,
            pruner=pruner,
            n_epochs=n_epochs,
            stacks=plan.evaluator == FOLD_STACK,
        )
    if together:
        return partial(
            StackingLoop,
            setup=setup,
            deadlines=deadlines,
            prunes=pruner is not None,
            n_together=trials_per_stack,
        )
    return SearchLoop
