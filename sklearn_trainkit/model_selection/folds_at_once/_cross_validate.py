"""``cross_validate`` with the folds of a network trained as one."""

from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from sklearn import model_selection
from sklearn.base import clone
from sklearn.metrics import check_scoring
from sklearn.utils import indexable

from sklearn_trainkit.model_selection.evaluation._evaluator import EvaluationSetup, TrialJob
from sklearn_trainkit.model_selection.evaluation._fold_stack import (
    FOLD_STACK,
    StackedTrialTraining,
    bytes_of_folds,
    memory_limit,
)
from sklearn_trainkit.model_selection.evaluation._folds import (
    freeze_folds,
    is_stratified,
    make_splitter,
)
from sklearn_trainkit.model_selection.evaluation._metric_check import find_metric_problems
from sklearn_trainkit.model_selection.evaluation._stepping_table import START_FIT, find_stepping
from sklearn_trainkit.model_selection.evaluation._trial_record import Scores, TrialRecord
from sklearn_trainkit.model_selection.evaluation._trial_watch import TrialWatch
from sklearn_trainkit.model_selection.results._cv_results import settle_failures
from sklearn_trainkit.utils._pipelines import last_step
from sklearn_trainkit.utils._sklearn_private import (
    MultimetricScorer,
    StrOptions,
    check_method_params,
    routing_enabled,
    validate_params,
)
from sklearn_trainkit.utils._told_once import told_once
from sklearn_trainkit.utils._warn_user import warn_user

__all__ = ["FoldStackResult", "cross_validate", "train_folds"]


@validate_params(
    {
        "stack": ["boolean", StrOptions({"auto"})],
        "error_score": [Real, StrOptions({"raise"})],
    },
    prefer_skip_nested_validation=False,
)
@told_once()
def cross_validate(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    groups: Any = None,
    scoring: Any = None,
    cv: Any = None,
    stack: bool | str = "auto",
    n_jobs: int | None = None,
    verbose: int = 0,
    params: dict[str, Any] | None = None,
    pre_dispatch: int | str = "2*n_jobs",
    return_train_score: bool = False,
    return_estimator: bool = False,
    return_indices: bool = False,
    error_score: Any = np.nan,
) -> dict[str, Any]:
    """Score a network on cross-validation folds that are trained as one stacked network.

    As :func:`sklearn.model_selection.cross_validate`, and with the same results to rounding, in a
    fraction of the time. Steps before the network in a Pipeline are fitted once per fold on its
    training rows. Whatever is no network of this package goes to scikit-learn's function.

    Parameters
    ----------
    estimator : estimator object
        A network of this package, or a Pipeline that ends in one.
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
    groups : array-like of shape (n_samples,), default=None
        For the splitter.
    scoring : str, callable, list, tuple or dict, default=None
    cv : int, splitter or iterable, default=None
    stack : bool or "auto", default="auto"
        "auto" stacks the folds where that is exact and faster. True raises where it is not exact;
        False is scikit-learn's function, which also has networks with a ``checkpoint_dir``.
    n_jobs : int or None, default=None
    verbose : int, default=0
    pre_dispatch : int or str, default="2*n_jobs"
        For scikit-learn's function; stacked folds train in this process and say nothing.
    params : dict, default=None
        Arguments of ``fit``, such as ``sample_weight``; cut along the rows.
    return_train_score : bool, default=False
    return_estimator : bool, default=False
        Whether the fitted estimators come back, one a fold: ordinary ones.
    return_indices : bool, default=False
    error_score : "raise" or float, default=np.nan
        Score of a fold whose fit fails.

    Returns
    -------
    scores : dict of arrays of shape (n_splits,)
        ``fit_time`` (a fold's share of the stack, in seconds), ``score_time``,
        ``test_score`` or ``test_<metric>``, and what else was asked for.

    Raises
    ------
    ValueError
        With ``stack=True``, where the folds cannot be stacked; the message says why. For another
        ``stack`` or ``error_score`` than those above. For a network: before any training, if no
        metric of ``scoring`` can be computed for these rows, or with ``error_score="raise"`` if
        one cannot; the message names metrics that can.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_trainkit.model_selection import cross_validate
    >>> from sklearn_trainkit.neural_network import MLPNetClassifier
    >>> from sklearn_trainkit.preprocessing import StandardScaler
    >>> X, y = load_iris(return_X_y=True)
    >>> pipe = make_pipeline(StandardScaler(), MLPNetClassifier(random_state=0))
    >>> bool(cross_validate(pipe, X, y, cv=5)["test_score"].mean() > 0.9)
    True
    """
    common = {
        "params": params,
        "return_train_score": return_train_score,
        "error_score": error_score,
    }
    stack = stack if isinstance(stack, str) else bool(stack)
    ours = _is_ours(estimator, params, stack)
    if ours:
        X, y = indexable(X, y)
        splitter = make_splitter(cv, y, classifier=is_stratified(estimator), seed=None)
        cv = list(splitter.split(X, y, groups=groups))  # as scikit-learn's function calls it
        scorer = check_scoring(estimator, scoring=scoring, raise_exc=error_score == "raise")
        _check_metrics(scorer, scoring, estimator, X, y, cv, error_score)
    fits = ours and (stack is True or bytes_of_folds(X, len(cv)) <= memory_limit())
    if stack is False or not fits:
        return model_selection.cross_validate(
            estimator,
            X,
            y,
            groups=groups,
            cv=cv,
            scoring=scoring,
            n_jobs=n_jobs,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            return_estimator=return_estimator,
            return_indices=return_indices,
            **common,
        )
    trained = train_folds(
        estimator, X, y, scorer=scorer, splits=cv, force_stack=stack is True, **common
    )
    results = _columns(trained.record, return_train_score)
    if return_estimator:
        results["estimator"] = trained.estimators
    if return_indices:
        train, test = zip(*trained.indices, strict=True)
        results["indices"] = {"train": train, "test": test}
    return results


def _is_ours(estimator: Any, params: dict[str, Any] | None, stack: bool | str) -> bool:
    """Return whether folds can train as one; raise if they cannot, and are to."""
    stepping = find_stepping(estimator, params or {})
    ours = stepping.kind == START_FIT and not routing_enabled()
    # A fit that is to survive an interruption is made in one go.
    ours = ours and last_step(estimator).checkpoint_dir is None
    if stack is True and not ours:
        because = "" if stepping.reason is None else f" ({stepping.reason})"
        raise ValueError(
            "stack=True needs a network of this package, or a Pipeline that ends in one, with no "
            f"checkpoint_dir and no metadata routing. Got {estimator!r}{because}; use stack='auto'."
        )
    return ours


def _check_metrics(
    scorer: Any, scoring: Any, estimator: Any, X: Any, y: Any, splits: list[Any], error_score: Any
) -> None:
    """Refuse metrics if there would be no score at all, or an error; warn of others that fail."""
    problems = find_metric_problems(scorer, scoring, estimator, X, y, splits, [estimator])
    names = scorer._scorers if isinstance(scorer, MultimetricScorer) else ["score"]
    hopeless = {problem.metric for problem in problems if problem.everywhere}
    if problems and (error_score == "raise" or hopeless == set(names)):
        raise ValueError(problems[0].message)
    for problem in problems:
        warn_user(problem.message)


class FoldStackResult(NamedTuple):
    """What :func:`train_folds` leaves behind.

    Attributes
    ----------
    record : TrialRecord
    estimators : list of estimators
        Fitted, one a fold.
    indices : list of (train, test)
    """

    record: TrialRecord
    estimators: list[Any]
    indices: list[Any]


def train_folds(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    scorer: Callable[..., Any],
    splits: list[Any],
    params: dict[str, Any] | None,
    return_train_score: bool,
    error_score: Any,
    force_stack: bool,
) -> FoldStackResult:
    """Train and score the folds of a network as one.

    Raises
    ------
    ValueError
        With ``force_stack``, where the folds cannot be stacked.
    """
    folds = freeze_folds(
        make_splitter(splits, y, classifier=False, seed=None),
        X,
        y,
        split_params={},
        fit_params=check_method_params(X, params=params or {}),
        score_params={},
    )
    setup = EvaluationSetup(
        clone(estimator),
        folds,
        scorer,
        None,
        error_score,
        return_train_score,
        force_stack=force_stack,
    )
    training = StackedTrialTraining(
        setup, TrialJob(0, {}), clone(estimator), ends_at_first_error=False
    )
    try:
        if force_stack and training.evaluation != FOLD_STACK:
            reason = training.evaluation.partition(": ")[2]
            raise ValueError(f"stack=True, but these folds cannot be stacked: {reason}.")
        watch = TrialWatch()
        training.train(watch)
        record = training.finish(watch)
    finally:
        training.close()
    record = settle_failures([record], error_score)[0]
    indices = [(fold.train, fold.test) for fold in folds.folds]
    return FoldStackResult(record, training.estimators, indices)


def _columns(record: TrialRecord, with_train_scores: bool) -> dict[str, Any]:
    """Return the scores as scikit-learn's function names them."""
    folds = record.folds
    results: dict[str, Any] = {
        "fit_time": np.array([fold.fit_time for fold in folds]),
        "score_time": np.array([fold.score_time for fold in folds]),
    }
    test = [_named(fold.test_scores) for fold in folds]
    train = [_named(fold.train_scores or {}) for fold in folds]
    for name in test[0]:
        results[f"test_{name}"] = np.array([scores[name] for scores in test])
        if with_train_scores:
            results[f"train_{name}"] = np.array([scores[name] for scores in train])
    return results


def _named(scores: Scores) -> dict[str, float]:
    return scores if isinstance(scores, dict) else {"score": scores}
