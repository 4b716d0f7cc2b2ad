"""The one file that names private names of scikit-learn, so that an upgrade touches one place."""

from typing import Any

from sklearn.base import _fit_context as fit_context
from sklearn.callback._callback_support import callback_management_context
from sklearn.metrics._scorer import _BaseScorer, _PassthroughScorer
from sklearn.metrics._scorer import _MultimetricScorer as MultimetricScorer
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._search import (
    _yield_masked_array_for_each_param as yield_masked_arrays,
)
from sklearn.model_selection._validation import _fit_and_score as fit_and_score
from sklearn.model_selection._validation import _insert_error_scores as insert_error_scores
from sklearn.model_selection._validation import _normalize_score_results as normalize_scores
from sklearn.model_selection._validation import _score as score_estimator
from sklearn.model_selection._validation import (
    _warn_or_raise_about_fit_failures as warn_or_raise_about_fit_failures,
)
from sklearn.utils._metadata_requests import _routing_enabled as routing_enabled
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions
from sklearn.utils.metaestimators import _safe_split as safe_split
from sklearn.utils.validation import _check_method_params as check_method_params
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import _num_samples as num_samples

__all__ = [
    "BaseSearchCV",
    "HasMethods",
    "Interval",
    "MultimetricScorer",
    "Options",
    "StrOptions",
    "callback_management_context",
    "check_method_params",
    "check_sample_weight",
    "fit_and_score",
    "fit_context",
    "insert_error_scores",
    "is_standard_scorer",
    "metric_scorer",
    "normalize_scores",
    "num_samples",
    "routing_enabled",
    "safe_split",
    "score_estimator",
    "validate_parameters",
    "warn_or_raise_about_fit_failures",
    "yield_masked_arrays",
]


def validate_parameters(estimator: Any) -> None:
    """Check an estimator's parameters as its ``fit`` would do first."""
    validate = getattr(estimator, "_validate_params", None)
    if validate is not None:
        validate()


def metric_scorer(scorer: Any, metric: str | None) -> Any:
    """Return the scorer of one metric, the first by default, when there are several."""
    if isinstance(scorer, MultimetricScorer):
        scorers = scorer._scorers
        return scorers[metric] if metric in scorers else next(iter(scorers.values()))
    return scorer


def is_standard_scorer(scorer: Any) -> bool:
    """Return whether a scorer only calls the predict methods or ``score`` of an estimator."""
    return isinstance(scorer, _BaseScorer | _PassthroughScorer)
