"""Which search loop a plan asks for."""

from functools import partial
from typing import Any

from sklearn_trainkit.model_selection.evaluation._epoch_steppers import count_epochs
from sklearn_trainkit.model_selection.evaluation._fold_stack import FOLD_STACK
from sklearn_trainkit.model_selection.scheduling._choose_evaluator import (
    EVALUATORS,
    count_candidate_epochs,
)
from sklearn_trainkit.model_selection.scheduling._pausing import PausingLoop
from sklearn_trainkit.model_selection.scheduling._racing import RacingLoop
from sklearn_trainkit.model_selection.scheduling._search_loop import SearchLoop
from sklearn_trainkit.model_selection.scheduling._search_plan import SearchPlan
from sklearn_trainkit.model_selection.scheduling._stacked_trials import StackingLoop
from sklearn_trainkit.model_selection.study._rungs import (
    PauseAndResumePruner,
    RacingPruner,
    make_race,
)
from sklearn_trainkit.model_selection.workers._runners import Deadlines
from sklearn_trainkit.utils._pipelines import last_step

__all__ = ["choose_loop", "count_parts"]


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
        If candidates are to train together and their folds do not, or are to wait as well.
    """
    setup, pruner = plan.setup, plan.pruner
    waits = isinstance(pruner, PauseAndResumePruner | RacingPruner)
    together = trials_per_stack > 1
    if together and plan.evaluator != "fold-stack":
        raise ValueError(
            f"trials_per_stack={trials_per_stack} goes with evaluator='fold-stack', but here it is "
            f"{plan.evaluator!r}: trials_per_stack needs a net of this package."
        )
    pausing = "racing" if isinstance(pruner, RacingPruner) else "pause_and_resume"
    if waits and together:
        raise ValueError(
            f"trials_per_stack={trials_per_stack} trains candidates together, but with "
            f"pruner={pausing!r} they wait for each other; use trials_per_stack=1 or "
            "pruner='successive_halving'."
        )
    if n_workers > 1 and (waits or together):
        name = f"pruner={pausing!r}" if waits else f"trials_per_stack={trials_per_stack}"
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
    if isinstance(pruner, RacingPruner):
        return partial(
            RacingLoop,
            setup=setup,
            deadlines=deadlines,
            pruner=pruner,
            n_epochs=count_candidate_epochs(plan.evaluator, setup.estimator),
            evaluate=EVALUATORS[plan.evaluator],
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


def count_parts(plan: SearchPlan) -> int:
    """Return how many tasks a trial has: one for each fold, or each rung of a race."""
    n_splits = len(plan.setup.folds)
    if not isinstance(plan.pruner, RacingPruner):
        return n_splits
    n_epochs = count_candidate_epochs(plan.evaluator, plan.setup.estimator)
    return len(make_race(plan.pruner, n_splits, n_epochs))
