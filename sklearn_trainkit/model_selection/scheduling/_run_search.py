"""From a plan to records: open the study, run the trials in it, tell of oddities."""

import time
from collections.abc import Callable
from typing import Any

from optuna.storages import BaseStorage

from sklearn_trainkit.model_selection.evaluation._trial_record import TrialRecord
from sklearn_trainkit.model_selection.evaluation._verbose import print_start
from sklearn_trainkit.model_selection.scheduling._choose_evaluator import EVALUATORS
from sklearn_trainkit.model_selection.scheduling._schedulers import choose_loop, count_parts
from sklearn_trainkit.model_selection.scheduling._search_loop import SearchLoop
from sklearn_trainkit.model_selection.scheduling._search_plan import SearchPlan, runs_parallel
from sklearn_trainkit.model_selection.scheduling._trial_tasks import TrialTasks, tell_of_oddities
from sklearn_trainkit.model_selection.space._tried_points import TriedPoints
from sklearn_trainkit.model_selection.study._identity import identify_search
from sklearn_trainkit.model_selection.study._search_study import make_sampler, reseed_sampler
from sklearn_trainkit.model_selection.study._shared_study import JointStudy
from sklearn_trainkit.model_selection.study._storage import (
    copy_to_memory,
    open_study,
    store_record,
)
from sklearn_trainkit.model_selection.workers._runners import Deadlines, Runner, make_runner

__all__ = ["run_trials"]


def run_trials(search: Any, plan: SearchPlan) -> tuple[list[TrialRecord], Exception | None]:
    """Return what came out of the trials, and why the storage was lost if it was.

    ``search`` gets its study, and says how the trials were evaluated.
    """
    budget = plan.trials.budget
    deadlines = Deadlines(
        None if budget.timeout is None else time.time() + budget.timeout, budget.trial_timeout
    )
    # Before the study: whatever is refused leaves nothing in the storage.
    runner = make_runner(
        EVALUATORS[plan.evaluator], plan.setup, deadlines, plan.pruner, search.n_jobs
    )
    try:
        make_loop = choose_loop(
            plan, deadlines, search.n_jobs, runner.n_workers, search.trials_per_stack
        )
        loop, task = _make_loop(search, plan, make_loop, runner)
    except BaseException:
        runner.close(kill=True)
        raise
    records = loop.run()
    task.call_on_fit_task_end(estimator=search)
    search.evaluator_ = plan.evaluator
    search.interrupted_ = loop.interrupted
    if loop.lost is not None:
        search.study_ = copy_to_memory(search.study_, loop.list_trials())
    tell_of_oddities(search, loop, records)
    return records, loop.lost


def _make_loop(
    search: Any, plan: SearchPlan, make_loop: Callable[..., SearchLoop], runner: Runner
) -> tuple[SearchLoop, Any]:
    """Open the study; return the loop over its trials, and their task."""
    budget, trials = plan.trials.budget, plan.trials
    n_parts = count_parts(plan)
    joint = _open_study(search, plan)
    if search.verbose > 0:
        print_start(len(plan.setup.folds), budget.n_trials, search.sampler, plan.evaluator)
    task = plan.context.subcontext(
        task_name="search", max_subtasks=budget.n_trials, sequential_subtasks=False
    ).call_on_fit_task_begin(estimator=search)
    tasks = TrialTasks(search, task, n_parts)
    seeded = search.random_state is not None
    loop = make_loop(
        search.study_,
        trials.space,
        runner,
        enqueued=trials.enqueued,
        budget=budget,
        metric=plan.setup.metric,
        objectives=plan.objectives,
        ordered=seeded if search.ordered == "auto" else bool(search.ordered),
        tried=TriedPoints(
            trials.space,
            trials.sampler_seed,
            may_repeat=isinstance(search.storage, BaseStorage),
        ),
        joint=joint,
        callbacks=search.callbacks or (),
        begin_task=tasks.begin,
        end_task=tasks.end,
        listener=tasks.hear,
        persist=None if search.storage is None else store_record,
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
