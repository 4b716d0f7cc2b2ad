"""Pause and resume: candidates wait at rungs with their weights, and the best of a rung go on."""

import pickle
from pathlib import Path
from typing import Any

import optuna

from sklearn_trainkit.model_selection.evaluation._evaluator import EvaluationSetup, TrialJob
from sklearn_trainkit.model_selection.evaluation._fold_stack import begin_folds
from sklearn_trainkit.model_selection.evaluation._per_epoch import TrialTraining, start_training
from sklearn_trainkit.model_selection.evaluation._trial_record import TrialRecord
from sklearn_trainkit.model_selection.evaluation._trial_watch import TrialWatch
from sklearn_trainkit.model_selection.scheduling._ladder import LadderLoop
from sklearn_trainkit.model_selection.study._rungs import Ladder, PauseAndResumePruner, make_rungs
from sklearn_trainkit.model_selection.workers._runners import TrialResult
from sklearn_trainkit.utils._owned_folders import OwnedFolder

__all__ = ["PausingLoop", "WaitingRoom"]


class WaitingRoom:
    """Trainings that wait, the longest waiting ones on disk if they can be written there."""

    def __init__(self, setup: EvaluationSetup, max_in_memory: int) -> None:
        self._setup = setup
        self._max_in_memory = max_in_memory
        self._here: dict[int, TrialTraining] = {}
        self._stuck: set[int] = set()
        self._folder = OwnedFolder("waiting")

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
        self._folder = OwnedFolder("waiting")

    def _path(self, number: int) -> Path:
        return Path(self._folder.name) / f"{number}.pkl"

    def _move_to_disk(self, number: int) -> None:
        try:
            self._path(number).write_bytes(pickle.dumps(self._here[number]))
        except Exception:  # a full disk, or whatever an estimator of somebody else's raises
            self._path(number).unlink(missing_ok=True)
            self._stuck.add(number)
            return
        del self._here[number]


class PausingLoop(LadderLoop):
    """The loop of pause and resume: candidates wait with their weights.

    Parameters
    ----------
    pruner : PauseAndResumePruner
    n_epochs : int
        Of the estimator as it is; the last rung.
    stacks : bool
        Whether the folds of a candidate train as one network, where they can.
    *args, **kwargs
        As for :class:`LadderLoop`, less the ladder.
    """

    def __init__(
        self,
        *args: Any,
        pruner: PauseAndResumePruner,
        n_epochs: int,
        stacks: bool,
        **kwargs: Any,
    ) -> None:
        self._rungs = make_rungs(n_epochs, pruner.min_epochs, pruner.reduction_factor)
        ladder = Ladder([pruner.reduction_factor] * (len(self._rungs) - 1))
        super().__init__(*args, ladder=ladder, **kwargs)
        self._make = begin_folds if stacks else None
        self._room = WaitingRoom(self._setup, pruner.max_in_memory)

    def _begin(self, trial: optuna.Trial, job: TrialJob) -> None:
        started = start_training(self._setup, job, self._make)
        if isinstance(started, TrialRecord):
            self._tell(trial, job, TrialResult(started, {}, 0.0))
            return

        def report(step: int, value: float) -> bool:
            trial.report(value, step)
            return False

        self._climb(trial, job, self._deadlines.watch(report), started, 0)

    def _go_on(self, trial: optuna.Trial, job: TrialJob, kept: TrialWatch, rung: int) -> None:
        self._climb(trial, job, kept, self._room.take(trial.number), rung)

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
            self._give_up(trial)
            training.close()
            raise
        result = TrialResult(record, {}, sum(fold.fit_time for fold in record.folds))
        if not ends:
            self._rest(trial, job, watch, rung, result)
            self._room.put(trial.number, training)
            return
        training.close()
        # Whoever ends early has been through all rungs.
        self._end(trial, job, result, range(rung, len(self._rungs)))

    def _forget_all(self) -> None:
        self._room.close()
