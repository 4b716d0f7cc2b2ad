"""A model for each fold of a cross-validation, kept, and what they predict in the mean."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import UNUSED, MetadataRouter, MethodMapping
from sklearn.utils.validation import check_is_fitted

from sklearn_trainkit.model_selection.folds_at_once._cross_validate import cross_validate
from sklearn_trainkit.utils._sklearn_private import (
    HasMethods,
    StrOptions,
    num_samples,
    routing_enabled,
    safe_split,
)

__all__ = ["FoldModels"]


class FoldModels(MetaEstimatorMixin, BaseEstimator):
    """Trains a model per fold and keeps all of them."""

    # Groups are for the splitter, which says itself whether it wants them.
    __metadata_request__fit = {"groups": UNUSED}

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"])],
        "cv": ["cv_object"],
        "stack": ["boolean", StrOptions({"auto"})],
    }

    def __init__(self, estimator: Any, *, cv: Any = None, stack: bool | str = "auto") -> None:
        self.estimator = estimator
        self.cv = cv
        self.stack = stack

    @property
    def n_features_in_(self) -> int:
        """Number of features seen in fit."""
        if not hasattr(self, "estimators_"):
            raise AttributeError(f"{type(self).__name__} has no n_features_in_ before fit.")
        n_features: int = self.estimators_[0].n_features_in_
        return n_features

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags = inner.input_tags
        tags.non_deterministic = inner.non_deterministic
        return tags

    def get_metadata_routing(self) -> MetadataRouter:
        """Return who is asked what ``fit`` should pass on, as of ``cross_validate``.

        Returns
        -------
        routing : MetadataRouter
        """
        splitter = check_cv(self.cv, classifier=is_classifier(self.estimator))
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(
                estimator=self.estimator,
                method_mapping=MethodMapping().add(caller="fit", callee="fit"),
            )
            .add(
                splitter=splitter,
                method_mapping=MethodMapping().add(caller="fit", callee="split"),
            )
            .add(
                scorer=check_scoring(self.estimator),
                method_mapping=MethodMapping().add(caller="fit", callee="score"),
            )
        )

    def _fit_folds(
        self, X: Any, y: Any, groups: Any, fit_params: dict[str, Any]
    ) -> tuple[list[Any], list[Any]]:
        """Train the folds; return the rows that each has seen, and those it has not."""
        if routing_enabled() and groups is not None:
            # Who asks for them gets them: a splitter by groups does unless told otherwise.
            groups, fit_params = None, {**fit_params, "groups": groups}
        results = cross_validate(
            clone(self.estimator),
            X,
            y,
            groups=groups,
            cv=self.cv,
            stack=self.stack,
            params=fit_params,
            return_estimator=True,
            return_indices=True,
            error_score="raise",
        )
        self.estimators_ = list(results["estimator"])
        self.fold_scores_ = results["test_score"]
        names = getattr(self.estimators_[0], "feature_names_in_", None)
        if names is not None:
            self.feature_names_in_ = names
        return list(results["indices"]["train"]), list(results["indices"]["test"])

    def _mean_out_of_fold(
        self, X: Any, unseen: list[Any], width: tuple[int, ...] | None
    ) -> np.ndarray:
        """Return, for each row, the mean prediction of the models that have not seen it.

        A width of None is that of the widest prediction: sequences of a part may all be shorter
        than others, and nothing is predicted after their end.
        """
        n_rows = num_samples(X)
        parts = [
            self._one_prediction(index, safe_split(self.estimators_[index], X, None, rows)[0])
            for index, rows in enumerate(unseen)
        ]
        if width is None:
            width = tuple(np.max([part.shape[1:] for part in parts], axis=0))
            parts = [_widened(part, width) for part in parts]
        total, count = np.zeros((n_rows, *width)), np.zeros(n_rows)
        for rows, part in zip(unseen, parts, strict=True):
            total[rows] += part
            count[rows] += 1
        with np.errstate(invalid="ignore"):
            return total / count.reshape(-1, *[1] * len(width))

    def _mean_prediction(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "estimators_")
        predictions = [self._one_prediction(index, X) for index in range(len(self.estimators_))]
        mean: np.ndarray = np.mean(predictions, axis=0)
        return mean

    def _one_prediction(self, index: int, X: Any) -> np.ndarray:
        """Return what one of the models predicts."""
        raise NotImplementedError


def _widened(part: np.ndarray, width: tuple[int, ...]) -> np.ndarray:
    wide = np.full((len(part), *width), np.nan)
    wide[tuple(slice(size) for size in part.shape)] = part
    return wide
