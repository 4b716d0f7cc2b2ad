"""The one file that names private names of scikit-learn, so that an upgrade touches one place."""

from sklearn.base import _fit_context as fit_context
from sklearn.callback._callback_support import callback_management_context
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = [
    "HasMethods",
    "Interval",
    "Options",
    "StrOptions",
    "callback_management_context",
    "check_sample_weight",
    "fit_context",
]
