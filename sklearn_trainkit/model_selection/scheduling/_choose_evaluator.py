"""Which evaluator goes with an estimator and a pruner, and whether the pruner can do anything."""

from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner

from sklearn_trainkit.model_selection.evaluation._epoch_steppers import count_epochs
from sklearn_trainkit.model_selection.evaluation._evaluator import EvaluationSetup, Evaluator
from sklearn_trainkit.model_selection.evaluation._fold_stack import evaluate_fold_stack
from sklearn_trainkit.model_selection.evaluation._per_epoch import evaluate_per_epoch
from sklearn_trainkit.model_selection.evaluation._stepping_table import START_FIT
from sklearn_trainkit.model_selection.evaluation._whole_fit import evaluate_whole_fit
from sklearn_trainkit.model_selection.study._rungs import PauseAndResumePruner, RacingPruner
from sklearn_trainkit.utils._pipelines import last_step
from sklearn_trainkit.utils._warn_user import warn_user

__all__ = [
    "EVALUATORS",
    "check_pruner",
    "choose_evaluator",
    "count_candidate_epochs",
    "hopes_for_epochs",
]

EVALUATORS: dict[str, Evaluator] = {
    "whole-fit": evaluate_whole_fit,
    "per-epoch": evaluate_per_epoch,
    "fold-stack": evaluate_fold_stack,
}


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
        warn_user(
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
            warn_user(
                f"pruner: Wilcoxon's test can never prune here: before the last of {n_splits} "
                f"folds its smallest p is {smallest:.3g}, above p_threshold={threshold}. Use "
                f"{needed} folds or another pruner."
            )
    startup = getattr(pruner, "_n_startup_trials", None)
    if startup is not None and n_trials is not None and n_trials <= startup:
        warn_user(
            f"pruner: it waits for {startup} complete trials, and n_trials={n_trials}: it can "
            "never prune."
        )


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
