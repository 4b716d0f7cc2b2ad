"""What a search refuses before its first fit: callbacks, targets, objectives, metrics, samplers."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from sklearn.utils import get_tags

from sklearn_trainkit.model_selection.evaluation._epoch_steppers import name_with_memory
from sklearn_trainkit.model_selection.evaluation._evaluator import EvaluationSetup, build_candidate
from sklearn_trainkit.model_selection.evaluation._fold_stack import FOLD_STACK
from sklearn_trainkit.model_selection.evaluation._metric_check import check_metrics, list_variants
from sklearn_trainkit.model_selection.evaluation._stepping_table import SKORCH, START_FIT
from sklearn_trainkit.model_selection.evaluation._trial_record import FIT_TIME
from sklearn_trainkit.model_selection.space._search_space import SearchSpace, check_params
from sklearn_trainkit.model_selection.study._forest_sampler import ForestSampler
from sklearn_trainkit.model_selection.study._rungs import PauseAndResumePruner, RacingPruner
from sklearn_trainkit.model_selection.study._search_study import STUDY_NAME, SearchStudy
from sklearn_trainkit.model_selection.workers._runners import Workers
from sklearn_trainkit.utils._pipelines import last_step
from sklearn_trainkit.utils._scorers import name_first_metric
from sklearn_trainkit.utils._sklearn_private import MultimetricScorer
from sklearn_trainkit.utils._warn_user import warn_user

__all__ = [
    "check_callbacks",
    "check_guiding_metrics",
    "check_objectives",
    "check_schedule",
    "check_target",
    "try_sampler",
]


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


def check_guiding_metrics(
    search: Any, setup: EvaluationSetup, space: SearchSpace, objectives: tuple[str, ...]
) -> None:
    """Refuse a metric that guides the search and cannot be computed; warn of the others."""
    first = setup.metric or name_first_metric(setup.scorer)
    named = {name or first for name in objectives}
    # Who picks the winner by a function, or not at all, may look at single splits.
    partly = isinstance(search.refit, str) or search.refit is True
    choices = space.list_choices()
    told = check_metrics(
        setup.scorer,
        search.scoring,
        search.estimator,
        setup.folds.X,
        setup.folds.y,
        [(fold.train, fold.test) for fold in setup.folds.folds],
        None if choices is None else list_variants(search.estimator, choices),
        guiding=sorted(named),
        partly=partly and (search.error_score == "raise" or np.isnan(search.error_score)),
    )
    for message in told:
        warn_user(message)


def check_schedule(
    n_together: int, evaluator: str, pruner: Any, setup: EvaluationSetup, workers: Workers
) -> None:
    """Raise ValueError when candidates cannot wait, or train together, as they should."""
    waits = isinstance(pruner, PauseAndResumePruner | RacingPruner)
    if n_together > 1 and evaluator != FOLD_STACK:
        raise ValueError(
            f"trials_per_stack={n_together} goes with evaluator='fold-stack', but here it is "
            f"{evaluator!r}: trials_per_stack needs a net of this package."
        )
    if n_together > 1 and waits:
        name = "racing" if isinstance(pruner, RacingPruner) else "pause_and_resume"
        raise ValueError(
            f"trials_per_stack={n_together} trains candidates together, but with "
            f"pruner={name!r} they wait for each other; use trials_per_stack=1 or "
            "pruner='successive_halving'."
        )
    if isinstance(pruner, PauseAndResumePruner) and workers.are_processes:
        _check_travelling(setup)


def _check_travelling(setup: EvaluationSetup) -> None:
    """Raise when the weights of a candidate that waits cannot go to another process."""
    candidate = build_candidate(setup, {})
    kind, final = setup.stepping_of(candidate).kind, last_step(candidate)
    message = (
        "pruner='pause_and_resume': candidates that wait may go on in another worker process, but "
    )
    otherwise = "joblib.parallel_config('threading') or pruner='racing'."
    if kind == SKORCH:
        raise ValueError(
            f"{message}the training of {type(final).__name__} cannot be sent there. Use a net of "
            f"this package, {otherwise}"
        )
    if kind == START_FIT and (name := name_with_memory(final)) is not None:
        raise ValueError(
            f"{message}what {name} of callbacks={final.callbacks!r} keeps for itself would stay "
            f"behind. Use the net's own early_stopping or lr_schedule, {otherwise}"
        )
    if kind == START_FIT and final.random_state is None:
        raise ValueError(
            f"{message}without a seed {type(final).__name__} would pick other rows there. Set "
            f"random_state, or use {otherwise}"
        )


def try_sampler(
    sampler: BaseSampler,
    directions: Sequence[StudyDirection],
    objectives: tuple[str, ...],
    space: SearchSpace,
    estimator: Any,
) -> None:
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
    memory.create_new_study(directions, STUDY_NAME)
    trial = SearchStudy(STUDY_NAME, memory, sampler=sampler).ask()
    try:
        params = space.suggest(trial)
    except ValueError as error:
        if len(objectives) > 1 and "multi-objective" in str(error):
            raise ValueError(
                f"sampler={type(sampler).__name__} follows one objective, but "
                f"objectives={objectives!r}; use sampler='tpe' or 'nsga2'."
            ) from error
        raise
    check_params(params, estimator)
