"""Everything a search settles before its first fit; nothing is fitted, or stored, here."""

from dataclasses import dataclass
from typing import Any

from joblib import effective_n_jobs
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from sklearn.base import clone
from sklearn.utils import check_random_state, indexable

from sklearn_trainkit.model_selection.evaluation._evaluator import EvaluationSetup
from sklearn_trainkit.model_selection.evaluation._folds import (
    FrozenFolds,
    freeze_folds,
    is_stratified,
    make_splitter,
)
from sklearn_trainkit.model_selection.evaluation._trial_record import FIT_TIME
from sklearn_trainkit.model_selection.scheduling._choose_evaluator import (
    check_pruner,
    choose_evaluator,
    compares_folds,
    count_candidate_epochs,
    hopes_for_epochs,
)
from sklearn_trainkit.model_selection.scheduling._plan_checks import (
    check_callbacks,
    check_guiding_metrics,
    check_objectives,
    check_schedule,
    check_target,
    try_sampler,
)
from sklearn_trainkit.model_selection.scheduling._trial_plan import (
    TrialPlan,
    plan_trials,
)
from sklearn_trainkit.model_selection.scheduling._trial_tasks import has_listeners
from sklearn_trainkit.model_selection.study._pruners import make_pruner
from sklearn_trainkit.model_selection.study._samplers import make_sampler
from sklearn_trainkit.model_selection.study._search_study import quiet_optuna
from sklearn_trainkit.model_selection.workers._runners import Workers, choose_workers
from sklearn_trainkit.utils._sklearn_private import check_method_params

__all__ = ["SearchPlan", "make_plan", "runs_parallel"]


@dataclass(frozen=True)
class SearchPlan:
    """Everything that ``fit`` settles before the first fit.

    Attributes
    ----------
    trials : TrialPlan
    setup : EvaluationSetup
    evaluator : str
        A key of ``EVALUATORS``.
    pruner : optuna pruner or None
    workers : Workers
        Where trials run.
    n_together : int
        Candidates to a job.
    objectives : tuple of str
        What the study is told; the empty name is the guiding score.
    refit_metric : str
        Name of the metric that picks the winner, as in ``cv_results_``.
    context : CallbackContext
        Root of scikit-learn's task tree.
    metadata : dict or None
        What scikit-learn's callbacks are shown along with X and y.
    """

    trials: TrialPlan
    setup: EvaluationSetup
    evaluator: str
    pruner: BasePruner | None
    workers: Workers
    n_together: int
    objectives: tuple[str, ...]
    refit_metric: str
    context: Any
    metadata: dict[str, Any] | None

    @property
    def directions(self) -> list[StudyDirection]:
        """One for each objective."""
        return [
            StudyDirection.MINIMIZE if name == FIT_TIME else StudyDirection.MAXIMIZE
            for name in self.objectives
        ]


def make_plan(search: Any, X: Any, y: Any, params: dict[str, Any]) -> SearchPlan:
    """Check every setting of a search and draw the splits.

    Raises
    ------
    ImportError, NotImplementedError, TypeError, ValueError
        When a setting is wrong, or two contradict each other; the message names them.
    """
    if search.resume and search.storage is None:
        raise ValueError("resume=True needs a storage to resume from, but storage=None.")
    check_callbacks(search.callbacks)
    scorer, refit_metric = search._get_scorers()
    X, y = indexable(X, y)
    check_target(search.estimator, y)
    params = check_method_params(X, params=params)
    routed = search._get_routed_params_for_fit(params)
    seeds = _draw_seeds(search.random_state)
    trials = plan_trials(search, seeds[0])
    context, metadata = _begin_task(search, X, y, params)
    folds = _draw_folds(search, X, y, routed, seeds[1])
    setup = _make_setup(search, folds, scorer, seeds[2])
    objectives = check_objectives(search.objectives, scorer, search.sampler, search.pruner)
    check_guiding_metrics(search, setup, trials.space, objectives)
    evaluator = choose_evaluator(search.evaluator, search.pruner, setup)
    pruner = _make_pruner(search.pruner, evaluator, setup, trials.budget.n_trials)
    workers = choose_workers(search.n_jobs)
    check_schedule(search.trials_per_stack, evaluator, pruner, setup, workers)
    plan = SearchPlan(
        trials,
        setup,
        evaluator,
        pruner,
        workers,
        search.trials_per_stack,
        objectives,
        refit_metric,
        context,
        metadata,
    )
    with quiet_optuna(search.verbose):
        sampler = make_sampler(search.sampler, trials.sampler_seed, runs_parallel(search))
        try_sampler(sampler, plan.directions, plan.objectives, trials.space, search.estimator)
    return plan


def runs_parallel(search: Any) -> bool:
    """Return whether a sampler is asked while trials run whose results it does not know."""
    return bool(effective_n_jobs(search.n_jobs) > 1 or search.trials_per_stack > 1)


def _draw_seeds(random_state: Any) -> tuple[int, int | None, int | None]:
    """Return the seeds of sampler, splits and estimators; without a seed theirs are left alone."""
    seeds = check_random_state(random_state).randint(2**31 - 1, size=3).tolist()
    if random_state is None:
        return seeds[0], None, None
    return seeds[0], seeds[1], seeds[2]


def _begin_task(
    search: Any, X: Any, y: Any, params: dict[str, Any]
) -> tuple[Any, dict[str, Any] | None]:
    """Begin the task of the whole search; return it, and what its callbacks are shown with X."""
    weights = params.get("sample_weight")
    metadata = None if weights is None else {"sample_weight": weights}
    context = search._init_callback_context(max_subtasks=1 + (search.refit is not False))
    return context.call_on_fit_task_begin(estimator=search, X=X, y=y, metadata=metadata), metadata


def _draw_folds(search: Any, X: Any, y: Any, routed: Any, seed: int | None) -> FrozenFolds:
    splitter = make_splitter(search.cv, y, classifier=is_stratified(search.estimator), seed=seed)
    return freeze_folds(
        splitter,
        X,
        y,
        split_params=routed.splitter.split,
        fit_params=routed.estimator.fit,
        score_params=routed.scorer.score,
    )


def _make_setup(search: Any, folds: FrozenFolds, scorer: Any, seed: int | None) -> EvaluationSetup:
    return EvaluationSetup(
        clone(search.estimator),
        folds,
        scorer,
        search.refit if isinstance(search.refit, str) else None,
        search.error_score,
        search.return_train_score,
        search.verbose,
        seed,
        caller=search if has_listeners(search) else None,
        force_stack=search.evaluator == "fold-stack",
        asked_for_epochs=search.evaluator == "per-epoch",
        explains_whole_fits=hopes_for_epochs(search.evaluator, search.pruner),
        report_folds=compares_folds(search.pruner),
    )


def _make_pruner(
    pruner: Any, evaluator: str, setup: EvaluationSetup, n_trials: int | None
) -> BasePruner | None:
    made = make_pruner(
        pruner,
        n_trials=n_trials,
        n_splits=len(setup.folds),
        n_epochs=count_candidate_epochs(evaluator, setup.estimator),
    )
    if made is not None:
        check_pruner(made, evaluator, setup, n_trials)
    return made
