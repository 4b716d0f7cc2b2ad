"""Which scheduler a plan asks for, and what its jobs are."""

from sklearn_trainkit.model_selection.evaluation._epoch_steppers import count_epochs
from sklearn_trainkit.model_selection.evaluation._evaluator import (
    JobEvaluator,
    OneByOne,
)
from sklearn_trainkit.model_selection.evaluation._fold_stack import (
    FOLD_STACK,
    bytes_of_folds,
    memory_limit,
)
from sklearn_trainkit.model_selection.scheduling._choose_evaluator import (
    EVALUATORS,
    count_candidate_epochs,
)
from sklearn_trainkit.model_selection.scheduling._pausing import Pause
from sklearn_trainkit.model_selection.scheduling._racing import Race
from sklearn_trainkit.model_selection.scheduling._schedulers import Climbing, Scheduler, Steady
from sklearn_trainkit.model_selection.scheduling._search_plan import SearchPlan
from sklearn_trainkit.model_selection.scheduling._stacked_trials import evaluate_trials_together
from sklearn_trainkit.model_selection.scheduling._waiting_room import WaitingRoom
from sklearn_trainkit.model_selection.study._rungs import (
    PauseAndResumePruner,
    RacingPruner,
    Rung,
    make_race,
    make_rungs,
    race_factors,
)
from sklearn_trainkit.utils._pipelines import last_step

__all__ = ["choose_scheduler", "count_parts"]


def choose_scheduler(plan: SearchPlan) -> tuple[Scheduler, JobEvaluator]:
    """Return who says which candidate is next, and what a worker does with it.

    Candidates wait for each other where the pruner asks for it, and train together where there
    are several to a stack.
    """
    if isinstance(plan.pruner, PauseAndResumePruner):
        return _make_pausing(plan, plan.pruner)
    if isinstance(plan.pruner, RacingPruner):
        return _make_race(plan, plan.pruner)
    if plan.n_together > 1:
        return Steady(plan.n_together), evaluate_trials_together
    return Steady(), OneByOne(EVALUATORS[plan.evaluator])


def count_parts(plan: SearchPlan) -> int | None:
    """Return how many tasks a trial has: one for each fold, or each rung of a race.

    None if nobody knows: a fold that goes on after a wait elsewhere has another one.
    """
    if isinstance(plan.pruner, PauseAndResumePruner):
        return None
    if isinstance(plan.pruner, RacingPruner):
        return len(_list_rungs(plan, plan.pruner))
    return len(plan.setup.folds)


def _make_pausing(plan: SearchPlan, pruner: PauseAndResumePruner) -> tuple[Scheduler, JobEvaluator]:
    n_epochs = count_epochs(last_step(plan.setup.estimator))
    rungs = make_rungs(n_epochs, pruner.min_epochs, pruner.reduction_factor)
    costs = [float(end - begin) for begin, end in zip([0, *rungs], rungs, strict=False)]
    factors = [pruner.reduction_factor] * (len(rungs) - 1)
    pause = Pause(tuple(rungs), plan.evaluator == FOLD_STACK, plan.workers.are_processes)
    n_in_memory = pruner.max_in_memory
    if not pause.travels:  # each keeps its rows, and those on their way have theirs, too
        folds = plan.setup.folds
        n_in_memory = min(
            n_in_memory, memory_limit() // max(1, bytes_of_folds(folds.X, len(folds)))
        )
    return Climbing(factors, costs, WaitingRoom(n_in_memory)), OneByOne(pause)


def _make_race(plan: SearchPlan, pruner: RacingPruner) -> tuple[Scheduler, JobEvaluator]:
    rungs = _list_rungs(plan, pruner)
    race = Race(EVALUATORS[plan.evaluator], tuple(rungs))
    climbing = Climbing(race_factors(pruner, len(rungs)), _list_costs(rungs), WaitingRoom())
    return climbing, OneByOne(race)


def _list_rungs(plan: SearchPlan, pruner: RacingPruner) -> list[Rung]:
    n_epochs = count_candidate_epochs(plan.evaluator, plan.setup.estimator)
    return make_race(pruner, len(plan.setup.folds), n_epochs)


def _list_costs(rungs: list[Rung]) -> list[float]:
    """Return the epochs of all folds, or the fits, that each rung adds."""
    costs, before = [], Rung(0, None)
    for rung in rungs:
        anew = rung.n_epochs != before.n_epochs
        n_folds = rung.n_folds if anew else rung.n_folds - before.n_folds
        costs.append(float(n_folds * (rung.n_epochs or 1)))
        before = rung
    return costs
