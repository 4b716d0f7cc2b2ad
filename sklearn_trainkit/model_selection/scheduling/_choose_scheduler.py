"""Which scheduler a plan asks for, and what its jobs are."""

from typing import NamedTuple

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

__all__ = ["Schedule", "choose_scheduler"]


class Schedule(NamedTuple):
    """How the trials of a search are gone through.

    Attributes
    ----------
    scheduler : Scheduler
        Says which candidate is next.
    evaluate : JobEvaluator
        What a worker does with it.
    n_parts : int or None
        How many tasks a trial has: one for each fold, or each rung of a race. None if nobody
        knows: a fold that goes on after a wait elsewhere has another one.
    """

    scheduler: Scheduler
    evaluate: JobEvaluator
    n_parts: int | None


def choose_scheduler(plan: SearchPlan) -> Schedule:
    """Return who says which candidate is next, and what a worker does with it.

    Candidates wait for each other where the pruner asks for it, and train together where there
    are several to a stack.
    """
    n_folds = len(plan.setup.folds)
    if isinstance(plan.pruner, PauseAndResumePruner):
        return _make_pausing(plan, plan.pruner)
    if isinstance(plan.pruner, RacingPruner):
        return _make_race(plan, plan.pruner)
    if plan.n_together > 1:
        return Schedule(Steady(plan.n_together), evaluate_trials_together, n_folds)
    return Schedule(Steady(), OneByOne(EVALUATORS[plan.evaluator]), n_folds)


def _make_pausing(plan: SearchPlan, pruner: PauseAndResumePruner) -> Schedule:
    n_epochs = count_candidate_epochs(plan.evaluator, plan.setup.estimator)
    assert n_epochs is not None  # the plan refuses whole fits that would have to wait
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
    climbing = Climbing(factors, costs, WaitingRoom(n_in_memory))
    return Schedule(climbing, OneByOne(pause), None)


def _make_race(plan: SearchPlan, pruner: RacingPruner) -> Schedule:
    n_epochs = count_candidate_epochs(plan.evaluator, plan.setup.estimator)
    rungs = make_race(pruner, len(plan.setup.folds), n_epochs)
    race = Race(EVALUATORS[plan.evaluator], tuple(rungs))
    climbing = Climbing(race_factors(pruner, len(rungs)), _list_costs(rungs), WaitingRoom())
    return Schedule(climbing, OneByOne(race), len(rungs))


def _list_costs(rungs: list[Rung]) -> list[float]:
    """Return the epochs of all folds, or the fits, that each rung adds."""
    costs, before = [], Rung(0, None)
    for rung in rungs:
        anew = rung.n_epochs != before.n_epochs
        n_folds = rung.n_folds if anew else rung.n_folds - before.n_folds
        costs.append(float(n_folds * (rung.n_epochs or 1)))
        before = rung
    return costs
