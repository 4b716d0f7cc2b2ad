"""Draw the outer and inner splits once, so that every strategy sees the same rows."""

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
)
from sklearn.utils.multiclass import type_of_target

__all__ = ["OuterFold", "Splits", "check_splits", "count_rows", "draw_folds", "take_rows"]

Rows = NDArray[np.intp]
FRESH_SEED_OFFSET = 1_000_003


class OuterFold(NamedTuple):
    """Rows of one outer fold, and the inner splits of its training part.

    Attributes
    ----------
    number : int
        Which outer fold, from 0.
    train, test : ndarray of shape (n_rows,)
        Row numbers in the whole data: what a strategy may see, and what is held out.
    inner : tuple of (train, test)
        Row numbers within ``train``, one pair for each inner fold.
    fresh : tuple of (train, test)
        The same kind of folds drawn anew, which no strategy sees; empty when the splitter has no
        randomness to draw them with.
    """

    number: int
    train: Rows
    test: Rows
    inner: tuple[tuple[Rows, Rows], ...]
    fresh: tuple[tuple[Rows, Rows], ...]


class Splits(NamedTuple):
    """The user's wishes about splits, already checked.

    Attributes
    ----------
    cv : int or splitter
        Inner cross-validation.
    outer_cv : int, splitter or None
        Outer cross-validation; None holds out ``test_size`` once.
    test_size : float
        Fraction held out when ``outer_cv`` is None.
    stratify : bool
        Whether numbers mean stratified folds, where the targets are classes.
    """

    cv: Any
    outer_cv: Any
    test_size: Any
    stratify: bool


def check_splits(splits: Splits) -> None:
    """Raise when a wish about splits cannot be met.

    Raises
    ------
    ValueError
        With the name of the argument, its value and what is accepted.
    """
    _check_cv("cv", splits.cv)
    if splits.outer_cv is not None:
        _check_cv("outer_cv", splits.outer_cv)
    if not isinstance(splits.test_size, float | np.floating) or not 0 < splits.test_size < 1:
        raise ValueError(
            f"test_size must be a fraction between 0 and 1, both excluded; got {splits.test_size!r}"
        )


def draw_folds(splits: Splits, X: Any, y: Any, groups: Any, *, seed: int) -> Iterator[OuterFold]:
    """Draw the outer folds and their inner splits.

    Parameters
    ----------
    splits : Splits
        What was asked for.
    X : array-like of shape (n_samples, ...)
        All rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.
    groups : array-like of shape (n_samples,) or None
        Rows of one group stay together.
    seed : int
        Seed of every shuffle.

    Yields
    ------
    fold : OuterFold
        One outer fold.
    """
    has_classes = splits.stratify and type_of_target(y) in ("binary", "multiclass")
    kind = (has_classes, groups is not None)
    outer = _outer_splitter(splits, kind, seed)
    inner = _splitter(splits.cv, kind, seed)
    fresh = _reseeded(inner, (seed + FRESH_SEED_OFFSET) % 2**32)
    for number, (train, test) in enumerate(outer.split(X, y, groups)):
        parts = [None if part is None else take_rows(part, train) for part in (X, y, groups)]
        yield OuterFold(
            number,
            train,
            test,
            inner=tuple(inner.split(*parts)),
            fresh=tuple(fresh.split(*parts)) if fresh else (),
        )


def count_rows(data: Any) -> int:
    """Return the number of rows of an array, a sparse matrix, a data frame or a list."""
    return int(data.shape[0]) if hasattr(data, "shape") else len(data)


def take_rows(data: Any, rows: Rows) -> Any:
    """Return the given rows of an array, a sparse matrix, a data frame or a list."""
    if hasattr(data, "iloc"):
        return data.iloc[rows]
    if isinstance(data, list):
        return [data[row] for row in rows]
    return data[rows]


def _check_cv(name: str, value: Any) -> None:
    if isinstance(value, int | np.integer) and value >= 2:
        return
    if hasattr(value, "split") and not isinstance(value, str):
        return
    raise ValueError(
        f"{name} must be a number of folds, at least 2, or a splitter with a method `split`; "
        f"got {value!r}"
    )


# By (stratified, grouped); scikit-learn has no stratified hold-out of whole groups.
HOLDOUTS = {
    (False, False): ShuffleSplit,
    (True, False): StratifiedShuffleSplit,
    (False, True): GroupShuffleSplit,
    (True, True): GroupShuffleSplit,
}
FOLDS = {
    (False, False): KFold,
    (True, False): StratifiedKFold,
    (False, True): GroupKFold,
    (True, True): StratifiedGroupKFold,
}


def _outer_splitter(splits: Splits, kind: tuple[bool, bool], seed: int) -> Any:
    if splits.outer_cv is not None:
        return _splitter(splits.outer_cv, kind, seed)
    return HOLDOUTS[kind](n_splits=1, test_size=splits.test_size, random_state=seed)


def _splitter(cv: Any, kind: tuple[bool, bool], seed: int) -> Any:
    if isinstance(cv, int | np.integer):
        return FOLDS[kind](n_splits=int(cv), shuffle=True, random_state=seed)
    cv = copy.copy(cv)
    # An unseeded shuffle would differ between an interrupted comparison and its resumption.
    if getattr(cv, "shuffle", True) and getattr(cv, "random_state", 0) is None:
        cv.random_state = seed
    return cv


def _reseeded(splitter: Any, seed: int) -> Any:
    if not getattr(splitter, "shuffle", True) or not hasattr(splitter, "random_state"):
        return None
    splitter = copy.copy(splitter)
    splitter.random_state = seed
    return splitter
