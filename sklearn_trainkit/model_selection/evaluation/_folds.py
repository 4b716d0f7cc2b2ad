"""Cross-validation splits, made once and frozen, with everything that is sliced along them."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv

from sklearn_trainkit.utils._pipelines import last_step
from sklearn_trainkit.utils._sklearn_private import check_method_params, num_samples, safe_split

__all__ = ["Fold", "FrozenFolds", "count_rows", "freeze_folds", "is_stratified", "make_splitter"]


@dataclass(frozen=True)
class Fold:
    """One split.

    Attributes
    ----------
    train, test : ndarray
        Row indices (or masks, if that is what the splitter yields).
    fit_params : dict
        Arguments of ``fit``, cut to the training rows.
    train_score_params, test_score_params : dict
        Arguments of the scorer, cut to the rows it sees.
    """

    train: Any
    test: Any
    fit_params: dict[str, Any]
    train_score_params: dict[str, Any]
    test_score_params: dict[str, Any]


@dataclass(frozen=True)
class FrozenFolds:
    """The data and its splits, shared by all trials of a search."""

    X: Any
    y: Any
    folds: tuple[Fold, ...]
    fit_params: dict[str, Any]
    score_params: dict[str, Any]

    def __len__(self) -> int:
        return len(self.folds)

    def cut(self, estimator: Any, index: int) -> tuple[Any, Any, Any, Any]:
        """Return ``X_train, y_train, X_test, y_test`` of a fold, always as fresh copies.

        Fresh, because an estimator may work in place (``copy=False``).
        """
        fold = self.folds[index]
        X_train, y_train = safe_split(estimator, self.X, self.y, fold.train)
        X_test, y_test = safe_split(estimator, self.X, self.y, fold.test, fold.train)
        return X_train, y_train, X_test, y_test


def is_stratified(estimator: Any) -> bool:
    """Tell whether folds have equal shares of classes by default: a row has one class to share.

    Labels of steps are not for scikit-learn to judge, which would refuse those that are NaN.
    """
    steps = getattr(last_step(estimator), "return_sequences", False)
    return is_classifier(estimator) and not steps


def make_splitter(cv: Any, y: Any, *, classifier: bool, seed: int | None) -> Any:
    """Return the splitter for ``cv``; an unseeded shuffling one takes ``seed``.

    The user's own splitter is never modified.
    """
    splitter = check_cv(cv, y, classifier=classifier)
    shuffles = getattr(splitter, "shuffle", True)
    unseeded = getattr(splitter, "random_state", 0) is None
    if seed is None or not (shuffles and unseeded):
        return splitter
    splitter = copy.copy(splitter)
    splitter.random_state = seed
    return splitter


def freeze_folds(
    splitter: Any,
    X: Any,
    y: Any,
    *,
    split_params: dict[str, Any],
    fit_params: dict[str, Any],
    score_params: dict[str, Any],
) -> FrozenFolds:
    """Draw the splits once and cut the arguments that follow the rows.

    Raises
    ------
    ValueError
        When the splitter disagrees with its own ``get_n_splits``, yields nothing, or yields an
        empty part.
    """
    n_splits = splitter.get_n_splits(X, y, **split_params)
    splits = list(splitter.split(X, y, **split_params))
    _check_splits(splits, n_splits)
    folds = tuple(
        Fold(
            train,
            test,
            check_method_params(X, params=fit_params, indices=train),
            check_method_params(X, params=score_params, indices=train),
            check_method_params(X, params=score_params, indices=test),
        )
        for train, test in splits
    )
    return FrozenFolds(X, y, folds, dict(fit_params), dict(score_params))


def _check_splits(splits: Iterable[tuple[Any, Any]], n_splits: int) -> None:
    splits = list(splits)
    if len(splits) != n_splits:
        raise ValueError(
            "cv.split and cv.get_n_splits return inconsistent results. Expected "
            f"{n_splits} splits, got {len(splits)}"
        )
    if not splits:
        raise ValueError(
            "No fits were performed. Was the CV iterator empty? Were there no candidates?"
        )
    for index, (train, test) in enumerate(splits):
        for part, rows in (("training", train), ("test", test)):
            if count_rows(rows) == 0:
                raise ValueError(
                    f"cv: split {index} has no {part} rows. Ask for fewer splits, or check the "
                    "groups."
                )


def count_rows(rows: Any) -> int:
    """Return how many rows an index or a mask stands for."""
    rows = np.asarray(rows)
    return int(rows.sum()) if rows.dtype == bool else num_samples(rows)
