"""From a plan to records: open the study, run the trials in it, tell of oddities."""

import time
from typing import Any

from optuna.storages import BaseStorage

from sklearn_trainkit.model_selection.evaluation._trial_record import TrialRecord
from sklearn_trainkit.model_selection.evaluation._trial_watch import Deadlines
from sklearn_trainkit.model_selection.evaluation._verbose import print_start
from sklearn_trainkit.model_selection.scheduling._choose_scheduler import Schedule, choose_scheduler
from sklearn_trainkit.model_selection.scheduling._ledger import Ledger
from sklearn_trainkit.model_selection.scheduling._proposals import Proposals
from sklearn_trainkit.model_selection.scheduling._search_loop import SearchLoop
from sklearn_trainkit.model_selection.scheduling._search_plan import SearchPlan, runs_parallel
from sklearn_trainkit.model_selection.scheduling._trial_tasks import TrialTasks, tell_of_oddities
from sklearn_trainkit.model_selection.space._tried_points import TriedPoints
from sklearn_trainkit.model_selection.study._identity import identify_search
from sklearn_trainkit.model_selection.study._samplers import make_sampler, reseed_sampler
from sklearn_trainkit.model_selection.study._search_study import SearchStudy
from sklearn_trainkit.model_selection.study._shared_study import JointStudy
from sklearn_trainkit.model_selection.study._storage import (
    copy_to_memory,
    open_study,
    store_record,
)
from sklearn_trainkit.model_selection.workers._runners import Runner, make_runner

__all__ = ["run_trials"]


def run_trials(search: Any, plan: SearchPlan) -> tuple[list[TrialRecord], Exception | None]:
    """Return what came out of the trials, and why the storage was lost if it was.

    ``search`` gets its study, and says how the trials were evaluated.
    """
    schedule = choose_scheduler(plan)
    timeout = plan.trials.budget.timeout
    deadline = None if timeout is None else time.time() + timeout
    runner = _make_runner(plan, schedule, deadline)
    try:
        loop, task = _make_loop(search, plan, schedule, runner, deadline)
    except BaseException:
        runner.close(kill=True)
        raise
    records = loop.run()
    task.call_on_fit_task_end(estimator=search)
    search.evaluator_ = plan.evaluator
    search.interrupted_ = loop.interrupted
    if loop.lost is not None:
        search.study_ = copy_to_memory(search.study_, loop.ledger.list_trials())
    tell_of_oddities(search, loop, records)
    return records, loop.lost


def _make_runner(plan: SearchPlan, schedule: Schedule, deadline: float | None) -> Runner:
    deadlines = Deadlines(deadline, plan.trials.budget.trial_timeout)
    # Whoever waits at rungs is never pruned on the way.
    pruner = None if schedule.scheduler.has_rungs else plan.pruner
    return make_runner(plan.workers, schedule.evaluate, plan.setup, deadlines, pruner)


def _make_loop(
    search: Any, plan: SearchPlan, schedule: Schedule, runner: Runner, deadline: float | None
) -> tuple[SearchLoop, Any]:
    """Open the study; return the loop over its trials, and their task."""
    trials, budget = plan.trials, plan.trials.budget
    joint = _open_study(search, plan)
    study: SearchStudy = search.study_
    if search.verbose > 0:
        print_start(len(plan.setup.folds), budget.n_trials, search.sampler, plan.evaluator)
    task = plan.context.subcontext(
        task_name="search", max_subtasks=budget.n_trials, sequential_subtasks=False
    ).call_on_fit_task_begin(estimator=search)
    tasks = TrialTasks(search, task, schedule.n_parts)
    may_repeat = isinstance(search.storage, BaseStorage)
    tried = TriedPoints(trials.space, trials.sampler_seed, may_repeat=may_repeat)
    proposals = Proposals(
        study,
        trials.space,
        trials.enqueued,
        budget.n_trials,
        tried=tried,
        joint=joint,
        begin_task=tasks.begin,
    )
    ledger = Ledger(
        study,
        metric=plan.setup.metric,
        objectives=plan.objectives,
        earlier=() if joint is None else joint.earlier,
        curves_are_told=runner.reports_live and not schedule.scheduler.has_rungs,
        learners=(lambda frozen: tried.add(frozen.params), runner.tell),
        end_task=tasks.end,
        listener=tasks.hear,
        callbacks=search.callbacks or (),
        persist=None if search.storage is None else store_record,
    )
    ordered = search.random_state is not None if search.ordered == "auto" else bool(search.ordered)
    loop = SearchLoop(
        study,
        proposals,
        schedule.scheduler,
        runner,
        ledger,
        budget=budget,
        deadline=deadline,
        ordered=ordered,
        joint=joint,
    )
    return loop, task


def _open_study(search: Any, plan: SearchPlan) -> JointStudy | None:
    """Open the study of a search; return what is known of it, unless it is in memory."""
    trials, identity = plan.trials, None
    if search.storage is not None:
        identity = identify_search(
            plan.setup, trials.space, search.estimator, search.scoring, plan.objectives
        )
    search._trial_numbers = None  # of an earlier fit
    search.study_ = open_study(
        search.storage,
        search.study_name,
        resume=search.resume,
        identity=identity,
        directions=plan.directions,
        sampler=make_sampler(search.sampler, trials.sampler_seed, runs_parallel(search)),
        pruner=plan.pruner,
    )
    if search.storage is None:
        return None
    joint = JointStudy(search.study_, trials.space, trials.enqueued)
    entropy = joint.draw_entropy()
    if entropy is not None:
        seed = [trials.sampler_seed, *entropy]
        search.study_.sampler = reseed_sampler(
            search.sampler, search.study_.sampler, seed, runs_parallel(search)
        )
    return joint
