"""The fold-stack evaluator: all folds of a trial train as one network, with a report per epoch.

The per-epoch evaluator with another engine. Where stacking is not possible, or gains nothing, it is
that evaluator, and the record says why.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import issparse

from sklearn_trainkit.model_selection.evaluation._evaluator import (
    EvaluationSetup,
    TrialJob,
)
from sklearn_trainkit.model_selection.evaluation._fold_training import FoldTraining
from sklearn_trainkit.model_selection.evaluation._per_epoch import (
    TrialTraining,
    build_trainable,
    evaluate_per_epoch,
    train_to_end,
)
from sklearn_trainkit.model_selection.evaluation._stepping_table import START_FIT
from sklearn_trainkit.model_selection.evaluation._trial_record import TrialRecord
from sklearn_trainkit.model_selection.evaluation._trial_watch import TrialWatch
from sklearn_trainkit.model_selection.evaluation._whole_fit import (
    build_or_record,
    evaluate_whole_fit,
)
from sklearn_trainkit.utils._pipelines import last_step

__all__ = [
    "FOLD_STACK",
    "StackedTrialTraining",
    "advance_stack",
    "begin_folds",
    "bytes_of_folds",
    "can_stack_folds",
    "evaluate_fold_stack",
    "memory_limit",
]

FOLD_STACK = "fold-stack"


def can_stack_folds(setup: EvaluationSetup, candidate: Any) -> bool:
    """Return whether a candidate is one of our nets, or a Pipeline to take apart that ends so."""
    return setup.stepping_of(candidate).kind == START_FIT


def evaluate_fold_stack(setup: EvaluationSetup, job: TrialJob, watch: TrialWatch) -> TrialRecord:
    """Train a candidate on all folds as one network, where that is exact and faster."""
    candidate = build_or_record(setup, job, build_trainable)
    if isinstance(candidate, TrialRecord):
        return candidate
    if not can_stack_folds(setup, candidate):
        # What the search would do without nets.
        in_epochs = watch.prunes or setup.in_epochs
        record = (evaluate_per_epoch if in_epochs else evaluate_whole_fit)(setup, job, watch)
        reason = setup.stepping_of(candidate).reason
        if reason is None or not in_epochs:
            reason = f"{type(last_step(candidate)).__name__} is no network of this package"
        how = "whole-fit" if record.n_epochs is None else "per-epoch"
        return replace(record, evaluation=f"{how}: {reason}")
    return train_to_end(begin_folds(setup, job, candidate, watch), watch)


def begin_folds(
    setup: EvaluationSetup, job: TrialJob, candidate: Any, watch: TrialWatch
) -> TrialTraining | TrialRecord:
    """Begin a trial that trains in epochs: as one network, where that is possible.

    Returns its record instead where the copies of its data would not fit into memory.
    """
    if not can_stack_folds(setup, candidate):
        return TrialTraining(setup, job, candidate)
    n_bytes = bytes_of_folds(setup.folds.X, len(setup.folds))
    limit = memory_limit()
    if n_bytes > limit:
        record = evaluate_whole_fit(setup, job, watch.without_pruner())
        reason = f"all folds at once would take {n_bytes} bytes of {limit}"
        return replace(record, evaluation=f"whole-fit: {reason}")
    return StackedTrialTraining(setup, job, candidate)


class StackedTrialTraining(TrialTraining):
    """All folds of one trial, trained as one network as far as that goes.

    Attributes
    ----------
    evaluation : str
        "fold-stack", or "per-epoch: " and the reason.
    """

    def __init__(
        self,
        setup: EvaluationSetup,
        job: TrialJob,
        candidate: Any,
        *,
        ends_at_first_error: bool = True,
        alone: bool = True,
    ) -> None:
        super().__init__(setup, job, candidate)
        self._ends_at_first_error = ends_at_first_error
        self._joint_run: Any = None
        self.evaluation = FOLD_STACK
        self._stacked = [fold for fold in self._folds if fold.run is not None]
        if alone:
            self._begin_stack()

    @property
    def folds(self) -> list[FoldTraining]:
        """The trainings of the folds."""
        return self._folds

    @property
    def force_stack(self) -> bool:
        """Whether folds are stacked even where that is not faster."""
        return self._setup.force_stack

    @property
    def estimators(self) -> list[Any]:
        """The estimators of the folds."""
        return [fold.estimator for fold in self._folds]

    def is_done(self) -> bool:
        """Return whether no fold wants another epoch, or the trial can no longer win."""
        if self._ends_at_first_error:
            return super().is_done()
        return all(fold.done for fold in self._folds)

    def close(self) -> None:
        """Make the networks ordinary ones again."""
        if self._joint_run is not None:
            self._joint_run.release()
        super().close()

    def finish(self, watch: TrialWatch, reason: str | None = None) -> TrialRecord:
        """End the training; a reason makes it a pruned trial."""
        if self._joint_run is not None:
            self._joint_run.release()
        return replace(super().finish(watch, reason), evaluation=self.evaluation)

    def leave(self, watch: TrialWatch) -> TrialRecord:
        """Come to rest; return the record for the case that this is the end."""
        if self._joint_run is not None:
            self._joint_run.release()
        return replace(super().leave(watch), evaluation=self.evaluation)

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_joint_run": None}

    def attach(self, setup: EvaluationSetup) -> None:
        """Go on after a stay on disk, with those folds that had not ended."""
        super().attach(setup)
        self._stacked = [fold for fold in self._folds if fold.run is not None]
        self._begin_stack()

    def _begin_stack(self) -> None:
        # torch is loaded by now; importing this module must not load it.
        from sklearn_trainkit.neural_network.training._stacked_run import (
            NotStackableError,
            StackedRun,
        )

        runs = [fold.run for fold in self._stacked]
        obstacle = "fewer than two folds can be trained" if len(runs) < 2 else None
        if obstacle is None:
            try:
                self._joint_run = StackedRun(runs, force=self._setup.force_stack)
            except NotStackableError as error:
                obstacle = str(error)
        if obstacle is not None:
            self.evaluation = f"per-epoch: {obstacle}"

    def _train_epoch(self) -> None:
        if self._joint_run is None:
            super()._train_epoch()
            return
        advance_stack(self._joint_run, self._stacked)


def advance_stack(stack: Any, folds: Sequence[FoldTraining]) -> None:
    """Train those folds of a stack that want it by one epoch; each bears its share of the time."""
    going = [index for index in stack.going() if not folds[index].done]
    if not going:
        return
    started = time.time()
    stack.advance()
    seconds = (time.time() - started) / len(going)
    for index in going:
        folds[index].take_epoch(seconds, stack.errors.get(index))


def memory_limit() -> int:
    """Return how many bytes the folds' copies of the data may take: half of what is free."""
    try:  # Linux counts as available what it only keeps in case a file is read again.
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(x.split()[1]) << 9 for x in lines if x.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return 2 << 30


def bytes_of_folds(X: Any, n_folds: int) -> int:
    """Return about how much all folds need at once: their rows, cut out and transformed."""
    n_bytes = getattr(X, "nbytes", None)
    is_sparse = issparse(X)
    if is_sparse:  # a value and its place
        n_bytes = X.nnz * (X.dtype.itemsize + 8)
    if n_bytes is None:
        # A list may hold sequences of several lengths.
        is_list = isinstance(X, (list, tuple))
        n_values = sum(np.size(each) for each in X) if is_list else np.prod(np.shape(X))
        n_bytes = 8 * int(n_values)
    return 2 * n_folds * n_bytes
