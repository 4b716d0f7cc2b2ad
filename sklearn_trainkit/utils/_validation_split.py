"""Set rows aside for early stopping: at random, stratified by class, whole groups together."""

from typing import Any

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold, train_test_split
from sklearn.utils.validation import check_consistent_length, column_or_1d


def validation_split(
    n_rows: int,
    fraction: float,
    seed: int,
    stratify: np.ndarray | None = None,
    groups: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the row numbers of the training and of the validation part.

    Parameters
    ----------
    n_rows : int
    fraction : float
        Share of the rows (of the groups, if there are any) to set aside.
    seed : int
    stratify : ndarray of shape (n_rows,) or None, default=None
        Class codes whose shares both parts keep.
    groups : array-like of shape (n_rows,) or None, default=None
        Rows of one group stay together.

    Returns
    -------
    train, valid : ndarray of int

    Raises
    ------
    ValueError
        If the rows cannot be split so.

    Examples
    --------
    >>> train, valid = validation_split(6, 0.3, seed=0, groups=[0, 0, 1, 1, 2, 2])
    >>> valid.tolist()
    [4, 5]
    """
    try:
        if groups is None:
            train, valid = train_test_split(
                np.arange(n_rows), test_size=fraction, random_state=seed, stratify=stratify
            )
            return train, valid
        groups = column_or_1d(groups)
        check_consistent_length(groups, np.empty(n_rows))
        if stratify is None:
            splitter = GroupShuffleSplit(1, test_size=fraction, random_state=seed)
            return next(splitter.split(np.empty((n_rows, 1)), groups=groups))
        # Folds are at most a half: of a larger share, the smaller rest is cut off instead.
        smaller = min(fraction, 1 - fraction)
        n_splits = min(max(2, round(1 / smaller)), len(np.unique(groups)))
        splitter = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed)
        splits = splitter.split(np.empty((n_rows, 1)), stratify, groups)
        # Groups differ in size: of the ways to cut, the one that comes nearest to the share.
        rest, part = min(splits, key=lambda parts: abs(len(parts[1]) - smaller * n_rows))
        return (rest, part) if fraction <= 0.5 else (part, rest)
    except ValueError as error:
        raise ValueError(
            f"early_stopping=True cannot set aside validation_fraction={fraction!r} of {n_rows} "
            f"rows: {error}"
        ) from error
