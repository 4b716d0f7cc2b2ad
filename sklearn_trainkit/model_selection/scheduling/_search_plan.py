"""Everything a search settles before its first fit: candidates, budget, evaluator, pruner."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from sklearn.utils import check_random_state, get_tags

from sklearn_trainkit.model_selection.evaluation._epoch_steppers import count_epochs
from sklearn_trainkit.model_selection.evaluation._evaluator import EvaluationSetup, Evaluator
from sklearn_trainkit.model_selection.evaluation._fold_stack import evaluate_fold_stack
from sklearn_trainkit.model_selection.evaluation._per_epoch import evaluate_per_epoch
from sklearn_trainkit.model_selection.evaluation._stepping_table import START_FIT
from sklearn_trainkit.model_selection.evaluation._trial_record import FIT_TIME
from sklearn_trainkit.model_selection.evaluation._whole_fit import evaluate_whole_fit
from sklearn_trainkit.model_selection.scheduling._search_loop import SearchBudget
from sklearn_trainkit.model_selection.space._first_candidates import (
    key_candidates,
    list_first_candidates,
)
from sklearn_trainkit.model_selection.space._search_space import (
    EnqueuedTrial,
    SearchSpace,
    check_names,
    check_params,
    make_search_space,
)
from sklearn_trainkit.model_selection.study._forest_sampler import ForestSampler
from sklearn_trainkit.model_selection.study._rungs import PauseAndResumePruner, RacingPruner
from sklearn_trainkit.model_selection.study._search_study import STUDY_NAME, SearchStudy
from sklearn_trainkit.utils._pipelines import last_step
from sklearn_trainkit.utils._sklearn_private import MultimetricScorer

__all__ = [
    "EVALUATORS",
    "SearchPlan",
    "TrialPlan",
    "check_callbacks",
    "check_objectives",
    "check_pruner",
    "check_target",
    "choose_evaluator",
    "count_candidate_epochs",
    "draw_seeds",
    "hopes_for_epochs",
    "plan_trials",
    "try_sampler",
]

EVALUATORS: dict[str, Evaluator] = {
    "whole-fit": evaluate_whole_fit,
    "per-epoch": evaluate_per_epoch,
    "fold-stack": evaluate_fold_stack,
}


@dataclass(frozen=True)
class TrialPlan:
    """What is tried, and how long.

    Attributes
    ----------
    space : SearchSpace
    enqueued : dict of str to EnqueuedTrial
        Tried first, by their keys.
    budget : SearchBudget
    sampler_seed : int
    """

    space: SearchSpace
    enqueued: dict[str, EnqueuedTrial]
    budget: SearchBudget
    sampler_seed: int


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


def draw_seeds(random_state: Any) -> tuple[int, int | None, int | None]:
    """Return the seeds of sampler, splits and estimators; without a seed theirs are left alone."""
    seeds = check_random_state(random_state).randint(2**31 - 1, size=3).tolist()
    if random_state is None:
        return seeds[0], None, None
    return seeds[0], seeds[1], seeds[2]


def check_callbacks(callbacks: Any) -> None:
    """Raise TypeError when a callback cannot be called."""
    for index, callback in enumerate(callbacks or ()):
        if not callable(callback):
            raise TypeError(
                f"callbacks[{index}] needs to be a function of a study and a trial, but got "
                f"{callback!r}. scikit-learn's callbacks go to set_callbacks."
            )


def check_target(estimator: Any, y: Any) -> None:
    """Raise ValueError when ``estimator`` needs a target and there is none."""
    if y is None and get_tags(estimator).target_tags.required:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None."
        )


def plan_trials(
    estimator: Any,
    param_distributions: Any,
    enqueue: Any,
    sampler: Any,
    budget: SearchBudget,
    seed: int,
) -> TrialPlan:
    """Check the space, the candidates to try first, and whether the search has an end.

    Raises
    ------
    TypeError, ValueError
        When a setting is wrong or two contradict each other; the message names them.
    """
    space = make_search_space(param_distributions)
    check_names(space, estimator)
    n_trials = budget.n_trials
    enqueued = list_first_candidates(space, enqueue, estimator, n_trials)
    if n_trials is not None and n_trials < len(enqueued):
        raise ValueError(
            f"n_trials={n_trials} is less than the {len(enqueued)} candidates in enqueue; raise "
            "n_trials or shorten enqueue."
        )
    if isinstance(sampler, str) and sampler == "grid":
        enqueued = enqueued + _list_grid(space, enqueued, n_trials, seed)
        n_trials = len(enqueued)
    elif n_trials is None and budget.timeout is None and not space.is_empty():
        raise ValueError(
            "n_trials=None and timeout=None: the search would never end. Set one of them."
        )
    settled = SearchBudget(
        n_trials, budget.timeout, budget.trial_timeout, budget.target_score, budget.patience
    )
    return TrialPlan(space, key_candidates(enqueued), settled, seed)


def choose_evaluator(evaluator: str, pruner: Any, setup: EvaluationSetup) -> str:
    """Return the evaluator for these settings.

    "auto" stacks the folds of our nets, and trains all else epoch by epoch when there is a pruner
    to report to, that is exactly what ``fit`` does, and it pays; Wilcoxon's pruner compares folds,
    so it is given folds.

    Raises
    ------
    ValueError
        When an evaluator is asked for that does not go with the estimator or the pruner.
    """
    stepping = setup.own_stepping()
    if evaluator == "per-epoch" and stepping.kind is None:
        raise ValueError(
            "evaluator='per-epoch' needs an estimator, or a Pipeline whose last step, has "
            "max_epochs or max_iter and trains on with partial_fit as fit does; got "
            f"{setup.estimator!r}{_because(stepping.reason)}. Use evaluator='whole-fit': a pruner "
            "then works between folds."
        )
    stackable = stepping.kind == START_FIT
    if evaluator == "fold-stack" and not stackable:
        raise ValueError(
            "evaluator='fold-stack' needs a net of this package, or a Pipeline whose last step is "
            f"one; got {setup.estimator!r}{_because(stepping.reason)}. Use evaluator='auto'."
        )
    checkpoint_dir = getattr(last_step(setup.estimator), "checkpoint_dir", None)
    if evaluator == "auto":
        if stackable and checkpoint_dir is None and not compares_folds(pruner):
            evaluator = "fold-stack"
        else:
            by_epoch = hopes_for_epochs("auto", pruner) and stepping.kind is not None
            by_epoch = by_epoch and (_needs_epochs(pruner, setup) or _pays(setup))
            evaluator = "per-epoch" if by_epoch else "whole-fit"
    if evaluator != "whole-fit" and checkpoint_dir is not None:
        _warn(
            f"checkpoint_dir={checkpoint_dir!r}: evaluator={evaluator!r} writes no checkpoints. "
            "Give the search a storage, which keeps finished trials, or use evaluator='whole-fit'."
        )
    return evaluator


def hopes_for_epochs(evaluator: str, pruner: Any) -> bool:
    """Return whether training in epochs would be of use: to a pruner that looks at them."""
    return evaluator == "auto" and pruner is not None and not compares_folds(pruner)


def compares_folds(pruner: Any) -> bool:
    """Return whether a pruner wants folds in turn, not epochs."""
    return isinstance(pruner, optuna.pruners.WilcoxonPruner) or (
        isinstance(pruner, str) and pruner == "wilcoxon"
    )


def check_pruner(pruner: BasePruner, evaluator: str, setup: EvaluationSetup, n_trials: Any) -> None:
    """Raise when there is nothing between two reports, warn when pruning can never happen."""
    n_splits = len(setup.folds)
    why = _because(setup.own_stepping().reason)
    if evaluator == "whole-fit" and n_splits == 1:
        raise ValueError(
            "pruner: there is nothing to stop early with one split and an estimator that does not "
            f"train in epochs{why}. Use more splits, a net of this package, or pruner=None."
        )
    if isinstance(pruner, PauseAndResumePruner) and evaluator == "whole-fit":
        raise ValueError(
            "pruner='pause_and_resume' needs training in epochs: a net of this package, or what "
            f"trains on with partial_fit as fit does{why}. Use pruner='median'."
        )
    if isinstance(pruner, optuna.pruners.WilcoxonPruner):
        threshold = pruner._p_threshold
        smallest = 0.5 ** (n_splits - 1)
        if smallest > threshold:
            needed = int(np.ceil(-np.log2(threshold))) + 1 if threshold > 0 else "more"
            _warn(
                f"pruner: Wilcoxon's test can never prune here: before the last of {n_splits} "
                f"folds its smallest p is {smallest:.3g}, above p_threshold={threshold}. Use "
                f"{needed} folds or another pruner."
            )
    startup = getattr(pruner, "_n_startup_trials", None)
    if startup is not None and n_trials is not None and n_trials <= startup:
        _warn(
            f"pruner: it waits for {startup} complete trials, and n_trials={n_trials}: it can "
            "never prune."
        )


def check_objectives(objectives: Any, scorer: Any, sampler: Any, pruner: Any) -> tuple[str, ...]:
    """Return the objectives of the study; the empty name stands for the guiding score.

    Raises
    ------
    ValueError
        When an objective is no metric, or there is a sampler or a pruner for one number.
    """
    if objectives is None:
        return ("",)
    known = {"score"}
    if isinstance(scorer, MultimetricScorer):
        known = set(scorer._scorers)
    for name in objectives:
        if name not in known | {FIT_TIME}:
            raise ValueError(
                f"objectives: {name!r} is neither a metric of scoring nor {FIT_TIME!r}; there are "
                f"{sorted(known)}. Other costs, such as a model's size, can be scorers."
            )
    if len(objectives) < 2 or len(set(objectives)) < len(objectives):
        raise ValueError(f"objectives={objectives!r} needs at least two different names.")
    if sampler == "forest" or isinstance(sampler, ForestSampler):
        raise ValueError(
            f"sampler={sampler!r} follows one objective, but objectives={objectives!r}; use "
            "sampler='tpe' or 'nsga2'."
        )
    if pruner is not None:
        raise ValueError(
            f"pruner={pruner!r} compares one number, but objectives={objectives!r}; use "
            "pruner=None."
        )
    return tuple(objectives)


def try_sampler(sampler: BaseSampler, plan: SearchPlan, estimator: Any) -> None:
    """Draw a candidate that nobody evaluates, to see that sampler and space can.

    Raises
    ------
    ImportError
        When a library is missing.
    TypeError, ValueError
        When the sampler takes no several objectives, or the space no trial, or what a space that
        is a function returns is not for this estimator.
    """
    if isinstance(sampler, optuna.samplers.CmaEsSampler) and find_spec("cmaes") is None:
        raise ImportError("sampler='cmaes' needs the package cmaes; pip install cmaes.")
    memory = InMemoryStorage()
    memory.create_new_study(plan.directions, STUDY_NAME)
    trial = SearchStudy(STUDY_NAME, memory, sampler=sampler).ask()
    try:
        params = plan.trials.space.suggest(trial)
    except ValueError as error:
        if len(plan.objectives) > 1 and "multi-objective" in str(error):
            raise ValueError(
                f"sampler={type(sampler).__name__} follows one objective, but "
                f"objectives={plan.objectives!r}; use sampler='tpe' or 'nsga2'."
            ) from error
        raise
    check_params(params, estimator)


def count_candidate_epochs(evaluator: str, estimator: Any) -> int | None:
    """Return the epochs of the estimator as it is, or None for whole fits."""
    return None if evaluator == "whole-fit" else count_epochs(last_step(estimator))


def _because(reason: str | None) -> str:
    return "" if reason is None else f" ({reason})"


def _needs_epochs(pruner: Any, setup: EvaluationSetup) -> bool:
    """Return whether a pruner can do nothing between folds, or little."""
    if isinstance(pruner, str):
        return len(setup.folds) == 1 or pruner in ("pause_and_resume", "racing")
    return len(setup.folds) == 1 or isinstance(pruner, (PauseAndResumePruner, RacingPruner))


def _pays(setup: EvaluationSetup) -> bool:
    return setup.reason_it_does_not_pay() is None


def _list_grid(
    space: SearchSpace, before: Sequence[EnqueuedTrial], n_trials: int | None, seed: int
) -> list[EnqueuedTrial]:
    try:
        points = space.list_points()
    except ValueError as error:
        raise ValueError(
            f"sampler='grid' needs a finite space, but {error}; use lists, ranges of integers, or "
            "distributions with a step."
        ) from None
    known = [candidate.fixed for candidate in before]
    grid = [space.match(point, "the grid") for point in points]
    grid = [point for point in grid if point.fixed not in known]
    room = len(grid) if n_trials is None else n_trials - len(before)
    if room >= len(grid):
        return grid
    _warn(
        f"n_trials={n_trials} leaves room for {room} of the {len(grid)} points of the grid; they "
        "are picked at random. n_trials=None tries them all."
    )
    picked = np.random.RandomState(seed).permutation(len(grid))[:room]
    return [grid[index] for index in sorted(picked)]


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=5)
