"""Metrics that cannot be computed for the data are refused before anything is trained."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    RegressorMixin,
    clone,
    is_classifier,
    is_regressor,
)
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.utils.multiclass import type_of_target

from sklearn_trainkit.utils._pipelines import innermost_step
from sklearn_trainkit.utils._sklearn_private import BaseScorer, MultimetricScorer, safe_indexing

__all__ = ["check_metrics", "find_metric_problems", "list_variants"]

Splits = Sequence[tuple[Any, Any]]

_MAX_SPLITS = 20
_MAX_VARIANTS = 50
_N_NAMES = 6
_ROWS_OF_A_CLASS = 5
# They take labels, and judge clusters.
_OF_CLUSTERS = (
    "adjusted_mutual_info_score",
    "adjusted_rand_score",
    "completeness_score",
    "fowlkes_mallows_score",
    "homogeneity_score",
    "mutual_info_score",
    "normalized_mutual_info_score",
    "rand_score",
    "v_measure_score",
)
_OF_NUMBERS = ("neg_mean_", "neg_root_", "neg_median_", "neg_max_", "r2", "explained_", "d2_abs")


@dataclass(frozen=True)
class MetricProblem:
    """Why a metric cannot be computed.

    Attributes
    ----------
    metric : str
        Its name where there are several, or ``"score"``.
    everywhere : bool
        Whether that is so for all splits.
    message : str
        The reason, and which metrics would work.
    """

    metric: str
    everywhere: bool
    message: str


def check_metrics(
    scorer: Any,
    scoring: Any,
    estimator: Any,
    X: Any,
    y: Any,
    splits: Splits,
    variants: Sequence[Any] | None,
    *,
    guiding: Sequence[str],
    partly: bool,
) -> list[str]:
    """Refuse a search whose guiding metric cannot be computed; return what to warn of otherwise.

    Parameters
    ----------
    scorer, scoring, estimator, X, y, splits, variants
        As for :func:`find_metric_problems`.
    guiding : sequence of str
        Names of the metrics that the search follows, ``"score"`` if there is one only.
    partly : bool
        Whether a metric that cannot be computed on some splits is to be refused, too.

    Raises
    ------
    ValueError
        With the metrics that can be computed.
    """
    warn = []
    for problem in find_metric_problems(scorer, scoring, estimator, X, y, splits, variants):
        if problem.metric in guiding and (problem.everywhere or partly):
            raise ValueError(problem.message)
        warn.append(problem.message)
    return warn


def find_metric_problems(
    scorer: Any,
    scoring: Any,
    estimator: Any,
    X: Any,
    y: Any,
    splits: Splits,
    variants: Sequence[Any] | None,
) -> list[MetricProblem]:
    """Return which of scikit-learn's metrics cannot be computed for ``y``, or not by the estimator.

    Each metric is tried on the test part of each split with predictions that are targets of its
    training part: if it fails on these, it fails on those of every estimator. Where each pixel or
    step has a label, none is computed as it is meant. Metrics of others, and other targets of more
    than two axes, are left alone.

    Parameters
    ----------
    scorer : callable
        One scorer, or scikit-learn's scorer of several metrics.
    scoring : object
        What the user wrote.
    estimator : estimator
        The one that is tuned.
    X, y : array-like
    splits : sequence of (train, test)
    variants : sequence of estimators or None
        The estimator with each choice of the space; None if they are not known.
    """
    within = _name_parts_with_labels(estimator)
    echo = None if within else _make_echo(estimator, y)
    if echo is None and y is not None and not within:
        return []
    several, problems = isinstance(scorer, MultimetricScorer), []
    for name, each in (scorer._scorers if several else {"score": scorer}).items():
        if not isinstance(each, BaseScorer) or not _is_of_sklearn(each):
            continue
        written = scoring[name] if isinstance(scoring, Mapping) else name if several else scoring
        if echo is None:
            told = _say_without_targets(written) if y is None else _say_of_parts(written, within)
            problems.append(MetricProblem(name, True, told))
            continue
        # First, because stand-ins lack what their kind of estimator lacks, and say it otherwise.
        lacking = None if variants is None else _find_lacking(each, variants, X, y)
        tried = splits[:_MAX_SPLITS] if lacking is None else []
        reasons = [_try_metric(each, echo, y, split) for split in tried]
        found = [reason for reason in [*reasons, lacking] if reason is not None]
        if not found:
            continue
        names = _list_working(_name_of(written, each), echo, y, splits[0], estimator, variants)
        message = f"scoring={written!r} cannot be computed for {_describe_target(y)}: {found[0]}."
        message += f" Metrics that can: {', '.join(map(repr, names))}." if names else ""
        problems.append(MetricProblem(name, None not in reasons, message))
    return problems


def list_variants(estimator: Any, choices: Iterable[Mapping[str, Sequence[Any]]]) -> list[Any]:
    """Return the estimator as it is, and with each single choice of each parameter."""
    variants = [estimator]
    for branch in choices:
        for name, values in branch.items():
            for value in values:
                try:
                    variant = clone(estimator).set_params(**{name: clone(value, safe=False)})
                except Exception:  # a choice that needs another one
                    continue
                variants.append(variant)
                if len(variants) == _MAX_VARIANTS:
                    return variants
    return variants


class _Echo(BaseEstimator):
    """Predicts targets that it was fitted on, in another order; rows are only counted."""

    as_list = False

    classes_: Any

    def fit(self, X: Any, y: Any) -> "_Echo":
        self.targets_ = np.asarray(y)
        if isinstance(self, ClassifierMixin):
            columns = self.targets_.T if self.targets_.ndim > 1 else [self.targets_]
            classes = [np.unique(column) for column in columns]
            self.classes_ = classes if self.targets_.ndim > 1 else classes[0]
        return self

    def predict(self, X: Any) -> np.ndarray:
        n_targets = len(self.targets_)
        order = np.random.RandomState(0).permutation(n_targets)
        return self.targets_[order[np.arange(len(X)) % n_targets]]


class _EchoRegressor(RegressorMixin, _Echo):
    pass


class _EchoClassifier(ClassifierMixin, _Echo):
    def predict_proba(self, X: Any) -> Any:
        drawn = self.predict(X)
        if drawn.ndim == 1:
            return _as_shares(drawn, self.classes_)
        shares = [
            _as_shares(drawn[:, index], classes) for index, classes in enumerate(self.classes_)
        ]
        if self.as_list:
            return shares
        return np.column_stack([column[:, -1] for column in shares])

    def decision_function(self, X: Any) -> Any:
        shares = self.predict_proba(X)
        if self.targets_.ndim == 1 and len(self.classes_) == 2:
            return shares[:, 1] - 0.5
        return shares


class _EchoClassifierOfLists(_EchoClassifier):
    as_list = True


def _as_shares(drawn: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return probabilities that lean to what was drawn and leave no class out."""
    hit = drawn[:, np.newaxis] == classes[np.newaxis, :]
    shares: np.ndarray = 0.5 * hit + 0.5 / len(classes)
    return shares


def _make_echo(estimator: Any, y: Any) -> list[_Echo] | None:
    """Return what is to be tried, or None where nothing can be said."""
    if y is None or (hasattr(y, "__array_namespace__") and not isinstance(y, np.ndarray)):
        return None
    try:
        targets = np.asarray(y)
        kind = type_of_target(y)
    except Exception:  # ragged lists, targets of a library of its own
        return None
    if targets.ndim > 2 or kind == "unknown":
        return None
    if is_classifier(estimator):
        two = targets.ndim == 2
        return [_EchoClassifier(), _EchoClassifierOfLists()] if two else [_EchoClassifier()]
    return [_EchoRegressor()] if is_regressor(estimator) else None


def _is_of_sklearn(scorer: Any) -> bool:
    function = scorer._score_func
    return str(getattr(function, "__module__", "")).startswith("sklearn.metrics")


def _try_metric(scorer: Any, echoes: list[_Echo], y: Any, split: tuple[Any, Any]) -> str | None:
    """Return why a metric cannot be computed on a split, or None if it can."""
    reason = None
    for echo in echoes:
        try:
            y_train, y_test = (safe_indexing(y, rows) for rows in split)
            fitted = clone(echo).fit(None, y_train)
        except Exception:
            return None
        rows = np.zeros((len(np.asarray(y_test)), 1))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                value = scorer(fitted, rows, y_test)
            except Exception as error:
                reason = _first_line(error).replace(type(echo).__name__, "the estimator")
                continue
        # Of numbers too large to be squared, other predictions may do better.
        overflown = any(issubclass(each.category, RuntimeWarning) for each in caught)
        if np.isfinite(value) or overflown:
            return None
        reason = _first_line(caught[-1].message) if caught else f"it is {value}"
    return reason


def _first_line(error: Any) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")


def _find_lacking(scorer: Any, variants: Sequence[Any], X: Any, y: Any) -> str | None:
    """Return which method a metric needs that the estimator never has, or None."""
    methods = _list_methods(scorer)
    if any(_may_have(variant, methods, X, y) for variant in variants):
        return None
    needed = " or ".join(methods)
    return f"it needs {needed}, which {type(innermost_step(variants[0])).__name__} does not have"


def _list_methods(scorer: Any) -> list[str]:
    method = scorer._response_method
    return [method] if isinstance(method, str) else list(method)


def _may_have(variant: Any, methods: Sequence[str], X: Any, y: Any) -> bool:
    last = innermost_step(variant)
    if any(hasattr(variant, method) for method in methods):
        return True
    if not any(hasattr(type(last), method) for method in methods) and not hasattr(
        type(last), "__getattr__"
    ):
        return False
    # Some have a method only once they are fitted: a few rows tell.
    try:
        rows = _pick_rows(y)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = clone(variant).fit(safe_indexing(X, rows), safe_indexing(y, rows))
    except Exception:
        return True
    return any(hasattr(fitted, method) for method in methods)


def _pick_rows(y: Any) -> np.ndarray:
    targets = np.asarray(y)
    if targets.ndim > 1:
        return np.arange(min(len(targets), 4 * _ROWS_OF_A_CLASS))
    labels = np.unique(targets, return_inverse=True)[1]
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], labels[order])
    place = np.arange(len(order)) - starts
    return np.sort(order[place < _ROWS_OF_A_CLASS])[:1000]


def _list_working(
    asked: str, echoes: list[_Echo], y: Any, split: Any, estimator: Any, variants: Any
) -> list[str]:
    """Return the names of metrics that can be computed, those like the one asked for first."""
    names = []
    for name in get_scorer_names():
        if name in _OF_CLUSTERS or (is_classifier(estimator) and name.startswith(_OF_NUMBERS)):
            continue
        scorer = get_scorer(name)
        methods = _list_methods(scorer)
        had = variants is None or any(
            hasattr(variant, method) for variant in variants for method in methods
        )
        if had and _try_metric(scorer, echoes, y, split) is None:
            names.append(name)
    likeness = {name: SequenceMatcher(None, asked, name).ratio() for name in names}
    ranked = sorted(names, key=lambda name: (not name.startswith(asked), -likeness[name], name))
    return ranked[:_N_NAMES]


def _name_of(written: Any, scorer: Any) -> str:
    if isinstance(written, str):
        return written
    return str(getattr(scorer._score_func, "__name__", "")).removesuffix("_score")


def _say_without_targets(written: Any) -> str:
    return (
        f"scoring={written!r} cannot be computed without y: it compares predictions with targets, "
        "and y=None. Pass y, leave scoring at None for the estimator's own score, or pass a "
        "function of (estimator, X)."
    )


def _name_parts_with_labels(estimator: Any) -> str | None:
    """Return "pixel" or "step" where each of them has a label and not only each row."""
    final = innermost_step(estimator)
    # The last step may be the word "passthrough" until a candidate puts an estimator there.
    targets = getattr(final, "_targets", None)
    if not (getattr(targets, "have_own_shape", False) and is_classifier(final)):
        return None
    return "step" if getattr(final, "return_sequences", False) else "pixel"


def _say_of_parts(written: Any, part: str | None) -> str:
    others = " dice_scorer, iou_scorer," if part == "pixel" else ""
    return (
        f"scoring={written!r} cannot be computed where each {part} has a label: scikit-learn's "
        "metrics know one label a row, and of rows of zeros and ones the share that is right from "
        f"end to end. Leave scoring at None for the estimator's own score over all {part}s, or pass"
        f"{others} a function of (estimator, X, y)."
    )


def _describe_target(y: Any) -> str:
    kind = type_of_target(y)
    if kind in ("binary", "multiclass"):
        n_classes = len(np.unique(np.asarray(y)))
        return f"this y, which is {kind} ({n_classes} classes)"
    return f"this y, which is {kind}"
