"""The one file that names private names of scikit-learn, so that an upgrade touches one place."""

from typing import Any

from sklearn.base import _fit_context as fit_context
from sklearn.callback._callback_support import callback_management_context
from sklearn.metrics._scorer import _BaseScorer as BaseScorer
from sklearn.metrics._scorer import _MultimetricScorer as MultimetricScorer
from sklearn.metrics._scorer import _PassthroughScorer as PassthroughScorer
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
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._metadata_requests import _routing_enabled as routing_enabled
from sklearn.utils._param_validation import HasMethods, Interval, validate_params
from sklearn.utils._param_validation import Options as SklearnOptions
from sklearn.utils.metaestimators import _safe_split as safe_split
from sklearn.utils.validation import _check_feature_names as check_feature_names
from sklearn.utils.validation import _check_method_params as check_method_params
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import _num_samples as num_samples

__all__ = [
    "BaseScorer",
    "BaseSearchCV",
    "HasMethods",
    "Interval",
    "MultimetricScorer",
    "Options",
    "PassthroughScorer",
    "StrOptions",
    "callback_management_context",
    "check_feature_names",
    "check_method_params",
    "check_sample_weight",
    "fit_and_score",
    "fit_context",
    "insert_error_scores",
    "mlp_stopped",
    "normalize_scores",
    "num_samples",
    "ordered_options",
    "routing_enabled",
    "safe_indexing",
    "safe_split",
    "score_estimator",
    "validate_params",
    "warn_or_raise_about_fit_failures",
    "yield_masked_arrays",
]


class Options(SklearnOptions):
    """scikit-learn's constraint, whose message lists the choices in a fixed order.

    A set's own order of strings and types is another one in each process, so that no log could be
    searched for a message.
    """

    def __str__(self) -> str:
        choices = sorted(self._mark_if_deprecated(option) for option in self.options)
        return super().__str__().partition(" among ")[0] + f" among {{{', '.join(choices)}}}"


class StrOptions(Options):
    """A set of strings, listed in alphabetical order."""

    def __init__(self, options: set[str], *, deprecated: set[str] | None = None) -> None:
        super().__init__(str, options, deprecated=deprecated)


def ordered_options(constraints: dict[str, Any]) -> dict[str, Any]:
    """Return constraints that were taken over from scikit-learn, listing choices in that order."""
    return {
        name: [_ordered(each) for each in allowed] if isinstance(allowed, list) else allowed
        for name, allowed in constraints.items()
    }


def _ordered(constraint: Any) -> Any:
    if not isinstance(constraint, SklearnOptions):
        return constraint
    return Options(constraint.type, constraint.options, deprecated=constraint.deprecated)


def mlp_stopped(estimator: Any) -> bool:
    """Return whether a multilayer perceptron's own rule ended its training in the last epoch."""
    return bool(estimator._no_improvement_count > estimator.n_iter_no_change)
