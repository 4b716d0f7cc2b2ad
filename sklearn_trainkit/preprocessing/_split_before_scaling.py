"""Set rows for early stopping aside before any step of a Pipeline is fitted."""

import warnings
from numbers import Real
from typing import Any

from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils import Tags, check_array, get_tags, indexable
from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from sklearn_trainkit.preprocessing._caught_rows import catch_rows, has_own_fit
from sklearn_trainkit.utils._sklearn_private import (
    HasMethods,
    Interval,
    StrOptions,
    fit_context,
    num_samples,
    routing_enabled,
    safe_indexing,
)
from sklearn_trainkit.utils._validation_split import validation_split

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
        Whether both parts get the same shares of classes. "auto" does so for a classifier without
        `groups`, if the rows to set aside are at least as many as the classes.
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
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features, if `X` had names and the first step knows them.
    classes_ : ndarray
        Classes, if the last step is a classifier.

    Notes
    -----
    Every class of a classifier is trained on: the only row of a class is not set aside, nor is a
    group that holds all rows of one.

    `groups` are requested by default, as by scikit-learn's group splitters: with
    ``sklearn.set_config(enable_metadata_routing=True)``, a search that is given `groups` passes
    them on to `fit`, cut to the training part of each fold. Without routing, a search uses them
    for its own folds only. `sample_weight` is passed on if that is requested here
    (`set_fit_request`, `set_score_request`) or by a step of the Pipeline; steps before the last get
    it if they request it themselves.

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
            Weights for the last step; those of the rows set aside are not used. With metadata
            routing, also for the steps before it that request them.
        groups : array-like of shape (n_samples,), default=None
            Group of each row, a patient for instance; no group has rows on both sides.

        Returns
        -------
        self : SplitBeforeScaling
            Fitted.

        Raises
        ------
        ValueError
            If the last step takes no ``X_val``, or no `sample_weight` where there are some; if no
            rows can be set aside such that every class is trained on; if there is only one group;
            if `groups` come with ``stratify=True``; or if ``stratify=True`` meets numbers.
        """
        _check_takes(self.estimator, ["X_val", "y_val"], "pass a Pipeline whose last step does")
        if sample_weight is not None:
            _check_takes(self.estimator, ["sample_weight"], "pass sample_weight=None")
        if sample_weight is not None and has_own_fit(self.estimator):
            raise ValueError(
                f"sample_weight cannot follow the rows through {type(self.estimator)}, whose fit "
                "may change them: pass sample_weight=None, or a Pipeline of scikit-learn."
            )
        X, y, sample_weight, groups = indexable(X, y, sample_weight, groups)
        train, aside = self._split_rows(X, y, groups)
        X_train, X_val = safe_indexing(X, train), safe_indexing(X, aside)
        y_train, y_val = safe_indexing(y, train), safe_indexing(y, aside)
        weight = None if sample_weight is None else safe_indexing(sample_weight, train)
        self.estimator_ = clone(self.estimator)
        before, last = _halves(self.estimator_)
        _warn_if_nothing_stops(last, len(aside), len(train))
        if has_own_fit(self.estimator_):
            X_train, y_train, X_val = catch_rows(self.estimator_, X_train, y_train, X_val)
        elif before is not None:
            requested = {} if weight is None else _requested(before, sample_weight=weight)
            X_train = before.fit_transform(X_train, y_train, **requested)
            X_val = before.transform(X_val)
        options = {} if weight is None or _declines_weights(last) else {"sample_weight": weight}
        last.fit(X_train, y_train, X_val=X_val, y_val=y_val, **options)
        self.n_validation_samples_ = num_samples(X_val)
        return self

    def _split_rows(self, X: Any, y: Any, groups: Any) -> tuple[Any, Any]:
        """Return the numbers of the rows to train on, and of those set aside."""
        if groups is not None and self.stratify is True:
            raise ValueError(
                "stratify=True cannot keep the shares of classes and the groups apart: pass "
                'stratify="auto" or False with groups.'
            )
        n_rows = num_samples(X)
        try:
            return validation_split(
                n_rows,
                self.validation_fraction,
                self.random_state,
                self._classes_of(y),
                groups,
                stratify=self.stratify is not False and groups is None,
            )
        except ValueError as error:
            raise ValueError(
                f"validation_fraction={self.validation_fraction!r} of {n_rows} rows cannot be set "
                f"aside: {error}"
            ) from error

    def _classes_of(self, y: Any) -> Any:
        """Return the labels of which each is trained on, or None where there are none."""
        if self.stratify is not True and not is_classifier(self.estimator):
            return None
        if hasattr(y, "tocsr"):  # an indicator matrix of several labels
            return None
        labels = check_array(y, ensure_2d=False, dtype=None, input_name="y")
        if self.stratify is True:
            kind = type_of_target(labels)
            if kind.startswith("continuous"):
                raise ValueError(
                    f"stratify=True keeps the shares of classes, but y is {kind}: pass "
                    'stratify="auto" or False.'
                )
            return labels
        return labels if labels.ndim == 1 or labels.shape[1] == 1 else None

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
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Score the fitted Pipeline.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            True targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, for the score of the last step.

        Returns
        -------
        score : float
            What the last step's `score` returns.
        """
        check_is_fitted(self)
        if sample_weight is None or has_own_fit(self.estimator_):
            weights = {} if sample_weight is None else {"sample_weight": sample_weight}
            return self.estimator_.score(X, y, **weights)
        before, last = _halves(self.estimator_)
        rows = X if before is None else before.transform(X)
        return last.score(rows, y, sample_weight=sample_weight)

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

    @property
    def feature_names_in_(self) -> Any:
        """Names of the features that the first step saw."""
        if "estimator_" not in self.__dict__:
            raise AttributeError("feature_names_in_ are known after fit.")
        return self.estimator_.feature_names_in_

    def get_metadata_routing(self) -> MetadataRequest:
        """Return what is requested here, or else what a step requests.

        Returns
        -------
        routing : MetadataRequest
            For scikit-learn's metadata routing.
        """
        routing: MetadataRequest = super().get_metadata_routing()
        for method in ("fit", "score"):
            request = getattr(routing, method)
            if "sample_weight" in request.requests and request.requests["sample_weight"] is None:
                alias = _alias_of_weights(self.estimator, method)
                request.add_request(param="sample_weight", alias=alias)
        return routing

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags = inner.classifier_tags
        tags.regressor_tags = inner.regressor_tags
        tags.target_tags = inner.target_tags
        tags.input_tags = inner.input_tags
        return tags


def _halves(estimator: Any) -> tuple[Any, Any]:
    """Return the steps before the last, as a Pipeline that shares them, or None, and the last."""
    if not isinstance(estimator, Pipeline):
        return None, estimator
    before = estimator[:-1] if len(estimator.steps) > 1 else None
    return before, estimator.steps[-1][1]


def _check_takes(estimator: Any, names: list[str], advice: str) -> None:
    last = _halves(estimator)[1]
    for name in names:
        if not has_fit_parameter(last, name):
            raise ValueError(
                f"estimator={type(estimator).__name__} ends in {type(last).__name__}, whose fit "
                f"has no {name}: {advice}."
            )


def _warn_if_nothing_stops(last: Any, n_aside: int, n_train: int) -> None:
    """Warn if a net is told not to stop early and nothing else looks at a validation loss."""
    params = last.get_params(deep=False) if hasattr(last, "get_params") else {}
    looks = params.get("callbacks") or params.get("lr_schedule") == "plateau"
    if params.get("early_stopping") is False and not looks:
        warnings.warn(
            f"{n_aside} of {n_aside + n_train} rows are set aside for {type(last).__name__}, but "
            "nothing is stopped by them: set early_stopping=True, or fit the Pipeline without "
            "SplitBeforeScaling, on all rows.",
            UserWarning,
            stacklevel=3,
        )


# -- metadata routing ----------------------------------------------------------------------------


def _requested(steps: Pipeline, **metadata: Any) -> dict[str, Any]:
    """Return what the steps request for their `fit_transform`."""
    if not routing_enabled():
        return {}
    wanted = steps.get_metadata_routing().consumes("fit_transform", metadata.keys())
    return {name: metadata[name] for name in wanted}


def _declines_weights(last: Any) -> bool:
    return routing_enabled() and _alias_of_weights(last, "fit") is False


def _alias_of_weights(estimator: Any, method: str) -> Any:
    """Return how `sample_weight` is requested by the last of the steps that says so, or None."""
    steps = (
        [step for _, step in estimator.steps] if isinstance(estimator, Pipeline) else [estimator]
    )
    for step in reversed(steps):
        routing = get_routing_for_object(step)
        if isinstance(routing, MetadataRequest):
            alias = getattr(routing, method).requests.get("sample_weight")
            if alias is not None:
                return alias
    return None
