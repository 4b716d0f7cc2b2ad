"""Pause and resume: candidates wait at rungs with their weights, and the best of a rung go on."""

import pickle
import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib.externals.loky.backend.reduction import dumps

from sklearn_trainkit.model_selection.evaluation._evaluator import (
    EvaluationSetup,
    Resting,
    TrialJob,
)
from sklearn_trainkit.model_selection.evaluation._fold_stack import begin_folds
from sklearn_trainkit.model_selection.evaluation._per_epoch import TrialTraining, start_training
from sklearn_trainkit.model_selection.evaluation._trial_record import TrialRecord
from sklearn_trainkit.model_selection.evaluation._trial_watch import TrialWatch

__all__ = ["Pause", "Paused"]


@dataclass(frozen=True)
class Paused:
    """A training that waits, and what was reported of it.

    Attributes
    ----------
    training : TrialTraining or bytes
        As it is, or pickled: it goes on from there with the same bits.
    curve : tuple of (int, float)
    fold_scores : tuple of tuple of float
    """

    training: TrialTraining | bytes
    curve: tuple[tuple[int, float], ...]
    fold_scores: tuple[tuple[float, ...], ...]

    def pack(self) -> "Paused":
        """Return it in a form that can be pickled and sent to another process."""
        if isinstance(self.training, bytes):
            return self
        # torch would write each tensor as a file of its own, six times as long for small ones.
        torch = sys.modules.get("torch")
        reducers = None if torch is None else {torch.Tensor: _reduce_tensor}
        # By value where others cannot import.
        return replace(self, training=bytes(dumps(self.training, reducers)))

    def unpack(self, setup: EvaluationSetup) -> TrialTraining:
        """Return the training, ready to go on."""
        if not isinstance(self.training, bytes):
            return self.training
        training: TrialTraining = pickle.loads(self.training)
        training.attach(setup)
        return training

    def close(self) -> None:
        """Let go of the training."""
        if not isinstance(self.training, bytes):
            self.training.close()


@dataclass(frozen=True)
class Pause:
    """Trains candidates that pause, in any worker: each up to the rung that its job says.

    Attributes
    ----------
    rungs : tuple of int
        The epochs at which candidates wait, the last one being the end.
    stacks : bool
        Whether the folds of a candidate train as one network, where they can.
    travels : bool
        Whether who waits may go on in another process. Who cannot travel does not wait then.
    """

    rungs: tuple[int, ...]
    stacks: bool
    travels: bool

    def __call__(
        self,
        setup: EvaluationSetup,
        job: TrialJob,
        watch: TrialWatch,
    ) -> TrialRecord | Resting:
        """Train up to a rung, and wait there or end there."""
        paused: Paused | None = job.kept
        if paused is None:
            watch = watch.going_on((), ())
            started = start_training(setup, job, watch, begin_folds if self.stacks else None)
        else:
            watch = watch.going_on(paused.curve, paused.fold_scores)
            started = paused.unpack(setup)
        if isinstance(started, TrialRecord):
            return started
        return self._climb(started, watch, job.rung)

    def _climb(
        self, training: TrialTraining, watch: TrialWatch, rung: int
    ) -> TrialRecord | Resting:
        try:
            reason = None
            while rung < len(self.rungs) - 1:
                reason = training.train(watch, self.rungs[rung])
                if reason is not None or training.is_done():
                    break
                record = training.leave(watch)
                paused = self._pause(training, watch)
                if paused is not None:
                    return Resting(record, paused)
                rung += 1
            else:
                reason = training.train(watch)
            record = training.finish(watch, reason)
        except BaseException:
            training.close()
            raise
        training.close()
        return record

    def _pause(self, training: TrialTraining, watch: TrialWatch) -> Paused | None:
        """Return what waits; None if it would have to travel and cannot."""
        paused = Paused(training, tuple(watch.curve), tuple(watch.fold_scores))
        if not self.travels:
            return paused
        try:
            packed = paused.pack()
        except Exception:  # whatever an estimator of somebody else's raises
            return None
        training.close()
        return packed


def _reduce_tensor(tensor: Any) -> Any:
    """Tell pickle to write a tensor as an array, where there is one like it."""
    try:
        array = tensor.numpy()
    except (RuntimeError, TypeError):  # on a GPU, of a type that numpy lacks, in a graph
        return tensor.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    return _make_tensor, (array,)


def _make_tensor(array: np.ndarray) -> Any:
    import torch

    return torch.tensor(array)
