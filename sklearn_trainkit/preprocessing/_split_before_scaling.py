"""Set rows for early stopping aside before any step of a Pipeline is fitted."""

from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.model_selection import GroupShuffleSplit, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.utils import Tags, get_tags, indexable
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from sklearn_trainkit.preprocessing._caught_rows import catch_rows, has_own_fit
from sklearn_trainkit.utils._sklearn_private import (
    HasMethods,
    Interval,
    StrOptions,
    fit_context,
    num_samples,
    safe_indexing,
)

__all__ = ["SplitBeforeScaling"]


def _estimator_has(method: str) -> Any:
    def check(self: "SplitBeforeScaling") -> bool:
        getattr(self.__dict__.get("estimator_", self.estimator), method)
        return True

    return check


class SplitBeforeScaling(MetaEstimatorMixin, BaseEstimator):
    """Fit a Pipeline whose last step stops early on rows that no other step has seen.

    A net that sets rows aside for itself gets them after the scaler was fitted on all of them.
    Here the rows are set aside first; the steps before the last are fitted on the others, and
    the last step receives the rows set aside, transformed, as ``X_val`` and ``y_val``. Inside a
    search, that happens within the training part of each fold.

    Parameters
    ----------
    estimator : Pipeline
        Its last step takes ``X_val`` and ``y_val`` in `fit`, as the nets of this package do. One of
        another class than scikit-learn's, as imbalanced-learn's that changes rows, is fitted by its
        own `fit`; the rows set aside go the way of rows to predict.
        Parameters of its steps are reached as ``estimator__<step>__<parameter>``.
    validation_fraction : float, default=0.1
        Share of the rows set aside, between 0 and 1.
        With `groups` in `fit`, the share of the groups.
    stratify : bool or "auto", default="auto"
        Whether both parts get the same shares of classes. "auto" does so for a classifier if
        every class has rows for both, and there are no `groups`.
    random_state : int, RandomState instance or None, default=None
        Draws the rows.

    Attributes
    ----------
    estimator_ : Pipeline
        The fitted clone.
    n_validation_samples_ : int
        Rows set aside.
    n_features_in_ : int
        Number of features, if the first step knows it.
    classes_ : ndarray
        Classes, if the last step is a classifier.

    Notes
    -----
    `groups` are requested by default, as by scikit-learn's group splitters: with
    ``sklearn.set_config(enable_metadata_routing=True)``, a search that is given `groups` passes
    them on to `fit`, cut to the training part of each fold. Without routing, a search uses them
    for its own folds only.

    See Also
    --------
    sklearn.pipeline.Pipeline : Its ``transform_input`` scales an ``X_val`` that you bring.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_trainkit.preprocessing import SplitBeforeScaling, StandardScaler
    >>> class Net(LinearRegression):
    ...     def fit(self, X, y, X_val=None, y_val=None):
    ...         print("trained on", X.shape, "stopped by", X_val.shape)
    ...         return super().fit(X, y)
    >>> X, y = np.arange(20.0).reshape(-1, 1), np.arange(20.0)
    >>> model = SplitBeforeScaling(make_pipeline(StandardScaler(), Net()), random_state=0)
    >>> model.fit(X, y).estimator_[0].n_samples_seen_
    trained on (18, 1) stopped by (2, 1)
    np.int64(18)
    """

    __metadata_request__fit = {"groups": True}

    _parameter_constraints: dict[str, list[Any]] = {
        "estimator": [HasMethods(["fit"])],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "stratify": ["boolean", StrOptions({"auto"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        validation_fraction: float = 0.1,
        stratify: bool | str = "auto",
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.validation_fraction = validation_fraction
        self.stratify = stratify
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> "SplitBeforeScaling":
        """Set rows aside, fit the steps on the others, and stop the last step by those aside.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights for the last step; those of the rows set aside are not used.
        groups : array-like of shape (n_samples,), default=None
            Group of each row, a patient for instance; no group has rows on both sides.

        Returns
        -------
        self : SplitBeforeScaling
            Fitted.

        Raises
        ------
        ValueError
            If the last step takes no ``X_val``, if there is only one group, or if `groups` come
            with ``stratify=True``.
        """
        _check_takes_validation(self.estimator)
        if sample_weight is not None and has_own_fit(self.estimator):
            raise ValueError(
                f"sample_weight cannot follow the rows through {type(self.estimator)}, whose fit "
                "may change them: pass sample_weight=None, or a Pipeline of scikit-learn."
            )
        X, y, sample_weight, groups = indexable(X, y, sample_weight, groups)
        train, aside = self._split_rows(X, y, groups)
        X_train, X_val = safe_indexing(X, train), safe_indexing(X, aside)
        y_train, y_val = safe_indexing(y, train), safe_indexing(y, aside)
        self.estimator_ = clone(self.estimator)
        last = self.estimator_
        if has_own_fit(last):
            X_train, y_train, X_val = catch_rows(last, X_train, y_train, X_val)
            last = last.steps[-1][1]
        elif isinstance(last, Pipeline):
            before, last = _halves(last)
            X_train = before.fit_transform(X_train, y_train)
            X_val = before.transform(X_val)
        options = {}
        if sample_weight is not None:
            options["sample_weight"] = safe_indexing(sample_weight, train)
        last.fit(X_train, y_train, X_val=X_val, y_val=y_val, **options)
        self.n_validation_samples_ = num_samples(X_val)
        return self

    def _split_rows(self, X: Any, y: Any, groups: Any) -> tuple[Any, Any]:
        """Return the numbers of the rows to train on, and of those set aside."""
        rows = np.arange(num_samples(X))
        if groups is None:
            train, aside = train_test_split(
                rows,
                test_size=self.validation_fraction,
                random_state=self.random_state,
                stratify=y if self._stratifies(y) else None,
            )
            return train, aside
        if self.stratify is True:
            raise ValueError(
                "stratify=True cannot keep the shares of classes and the groups apart: pass "
                'stratify="auto" or False with groups.'
            )
        n_groups = len(np.unique(np.asarray(groups)))
        if n_groups < 2:
            raise ValueError(f"groups has {n_groups} group: pass at least 2, or groups=None.")
        splitter = GroupShuffleSplit(
            1, test_size=self.validation_fraction, random_state=self.random_state
        )
        train, aside = next(splitter.split(rows, groups=groups))
        return train, aside

    def _stratifies(self, y: Any) -> bool:
        if self.stratify != "auto":
            return bool(self.stratify)
        if not is_classifier(self.estimator) or np.ndim(y) != 1:
            return False
        counts = np.unique(np.asarray(y), return_counts=True)[1]
        n_aside = int(np.ceil(self.validation_fraction * len(y)))
        return bool(counts.min() >= 2 and len(counts) <= min(n_aside, len(y) - n_aside))

    @available_if(_estimator_has("predict"))
    def predict(self, X: Any) -> Any:
        """Predict with the fitted Pipeline."""
        check_is_fitted(self)
        return self.estimator_.predict(X)

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X: Any) -> Any:
        """Predict probabilities with the fitted Pipeline."""
        check_is_fitted(self)
        return self.estimator_.predict_proba(X)

    @available_if(_estimator_has("predict_log_proba"))
    def predict_log_proba(self, X: Any) -> Any:
        """Predict logarithms of probabilities with the fitted Pipeline."""
        check_is_fitted(self)
        return self.estimator_.predict_log_proba(X)

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X: Any) -> Any:
        """Return the decision function of the fitted Pipeline."""
        check_is_fitted(self)
        return self.estimator_.decision_function(X)

    @available_if(_estimator_has("score"))
    def score(self, X: Any, y: Any) -> Any:
        """Score the fitted Pipeline."""
        check_is_fitted(self)
        return self.estimator_.score(X, y)

    @property
    def classes_(self) -> Any:
        """Classes of the last step."""
        return self.estimator_.classes_

    @property
    def n_features_in_(self) -> int:
        """Number of features that the first step saw."""
        if "estimator_" not in self.__dict__:
            raise AttributeError("n_features_in_ is known after fit.")
        n_features: int = self.estimator_.n_features_in_
        return n_features

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags = inner.classifier_tags
        tags.regressor_tags = inner.regressor_tags
        tags.target_tags = inner.target_tags
        tags.input_tags = inner.input_tags
        return tags


def _halves(pipeline: Pipeline) -> tuple[Any, Any]:
    """Return the steps before the last, as a Pipeline that shares them, and the last."""
    return pipeline[:-1] if len(pipeline.steps) > 1 else Pipeline(
        [("all", "passthrough")]
    ), pipeline.steps[-1][1]


def _check_takes_validation(estimator: Any) -> None:
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    for name in ("X_val", "y_val"):
        if not has_fit_parameter(last, name):
            raise ValueError(
                f"estimator={type(estimator).__name__} ends in {type(last).__name__}, whose fit "
                f"has no {name}: pass a Pipeline whose last step takes X_val and y_val."
            )
