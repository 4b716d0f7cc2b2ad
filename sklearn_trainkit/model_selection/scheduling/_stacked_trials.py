"""Several trials at a time, candidates times folds in one stack."""

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing

from sklearn_trainkit.model_selection.evaluation._evaluator import (
    EvaluationSetup,
    OneByOne,
    Resting,
    TrialJob,
)
from sklearn_trainkit.model_selection.evaluation._fold_stack import (
    StackedTrialTraining,
    advance_stack,
    bytes_of_folds,
    can_stack_folds,
    evaluate_fold_stack,
    memory_limit,
)
from sklearn_trainkit.model_selection.evaluation._per_epoch import build_trainable
from sklearn_trainkit.model_selection.evaluation._trial_record import TrialRecord
from sklearn_trainkit.model_selection.evaluation._trial_watch import TrialWatch

__all__ = ["evaluate_trials_together"]


def evaluate_trials_together(
    setup: EvaluationSetup, jobs: Sequence[TrialJob], start_watch: Callable[[int], TrialWatch]
) -> Generator[tuple[int, TrialRecord | Resting], None, None]:
    """Train candidates on all folds in step, networks of one shape as one stack.

    Yields the place in ``jobs`` and the record of each candidate as it ends, so that it is not lost
    with the others. Each record is that of the candidate evaluated alone. Candidates that cannot be
    stacked are evaluated after the others, and all one by one where the copies of their data do not
    fit into memory. ``start_watch`` takes a place in ``jobs`` and is called when that trial begins.
    """
    if bytes_of_folds(setup.folds.X, len(setup.folds) * len(jobs)) > memory_limit():
        yield from OneByOne(evaluate_fold_stack)(setup, jobs, start_watch)
        return
    trainings: dict[int, StackedTrialTraining] = {}
    watches: dict[int, TrialWatch] = {}
    with ExitStack() as stack:
        for place, job in enumerate(jobs):
            watch = start_watch(place)
            training = _start(setup, job)
            if training is not None:
                trainings[place] = stack.enter_context(closing(training))
                watches[place] = watch
        joint = _JointTraining(list(trainings.values()))
        going = dict(trainings)
        while going:
            joint.advance()
            ended = {}
            for place, training in going.items():
                reason = training.end_epoch(watches[place])
                if reason is not None or training.is_done():
                    ended[place] = None if training.is_done() else reason
            joint.leave([going[place] for place in ended])
            for place, reason in ended.items():
                training = going.pop(place)
                yield place, training.finish(watches[place], reason)
    for place, job in enumerate(jobs):
        if place not in trainings:
            yield place, evaluate_fold_stack(setup, job, start_watch(place))


def _start(setup: EvaluationSetup, job: TrialJob) -> StackedTrialTraining | None:
    """Begin a trial whose last step is one of our nets; None for all else."""
    try:
        candidate = build_trainable(setup, job.params)
    except Exception:  # told when it is evaluated alone
        return None
    if not can_stack_folds(setup, candidate):
        return None
    return StackedTrialTraining(setup, job, candidate, alone=False)


class _JointTraining:
    """The folds of several trials, in as many stacks as there are shapes."""

    def __init__(self, trainings: Sequence[StackedTrialTraining]) -> None:
        # torch is loaded by now; importing this module must not load it.
        from sklearn_trainkit.neural_network.training._stacked_run import stacks_by_shape

        members = [
            (training, fold) for training in trainings for fold in training.folds if not fold.done
        ]
        owners = {id(fold.run): (training, fold) for training, fold in members}
        self._stacks = []
        self._alone = []
        force = bool(trainings) and trainings[0].force_stack
        stacks, rest = stacks_by_shape([fold.run for _, fold in members], force)
        for stack, runs in stacks:
            self._stacks.append((stack, [owners[id(run)] for run in runs]))
        for run, reason in rest:
            training, fold = owners[id(run)]
            training.evaluation = f"per-epoch: {reason}"
            self._alone.append((training, fold))

    def advance(self) -> None:
        """Train every fold that wants it by one epoch."""
        for stack, members in self._stacks:
            advance_stack(stack, [fold for _, fold in members])
        for _, fold in self._alone:
            fold.train_epoch()

    def leave(self, trainings: Sequence[StackedTrialTraining]) -> None:
        """Take these trials' networks out of the stacks, as ordinary ones."""
        for stack, members in self._stacks:
            leaving = [i for i, (training, _) in enumerate(members) if training in trainings]
            if leaving:
                stack.drop(leaving)
        self._alone = [each for each in self._alone if each[0] not in trainings]
