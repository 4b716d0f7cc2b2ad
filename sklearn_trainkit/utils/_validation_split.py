"""Set rows aside for early stopping: at random, stratified by class, whole groups together.

Every class keeps a row in the training part: what cannot be learnt cannot be a class of the
model. A class of one row, or of one group, is therefore not set aside at all.
"""

import warnings
from typing import Any

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold, train_test_split
from sklearn.utils.validation import check_consistent_length, column_or_1d

__all__ = ["validation_split"]

Rows = np.ndarray[Any, np.dtype[np.intp]]


def validation_split(
    n_rows: int,
    fraction: float,
    seed: Any,
    classes: Any = None,
    groups: Any = None,
    *,
    stratify: bool = True,
) -> tuple[Rows, Rows]:
    """Return the row numbers of the training and of the validation part.

    Parameters
    ----------
    n_rows : int
    fraction : float
        Share of the rows (of the groups, if there are any) to set aside.
    seed : int, RandomState instance or None
    classes : array-like of shape (n_rows,) or (n_rows, n_outputs), or None, default=None
        Labels, each of which keeps a row in the training part; rows of two dimensions are
        labels as a whole.
    groups : array-like of shape (n_rows,) or None, default=None
        Rows of one group stay together.
    stratify : bool, default=True
        Whether both parts keep the shares of the classes, as far as there are enough rows.

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
    >>> train, valid = validation_split(5, 0.5, seed=0, classes=list("aaaab"))
    >>> 4 in train  # the only row of "b"
    True
    """
    if n_rows < 2:
        raise ValueError(f"of {n_rows} rows none can be set aside and others trained on.")
    codes = np.zeros(n_rows, dtype=np.intp) if classes is None else _codes(classes)
    stratify = stratify and classes is not None
    if groups is None:
        return _split_rows(codes, fraction, seed, stratify)
    groups = column_or_1d(groups)
    check_consistent_length(groups, np.empty(n_rows))
    return _split_groups(_codes(groups), codes, fraction, seed, stratify)


def _codes(labels: Any) -> Rows:
    """Return a number from 0 on for each label; a row of labels counts as one."""
    labels = np.asarray(labels)
    if labels.ndim > 1 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 1:
        return np.unique(labels, return_inverse=True)[1].reshape(-1)
    columns = [np.unique(column, return_inverse=True)[1].reshape(-1) for column in labels.T]
    return np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1].reshape(-1)


def _missing(codes: Rows, train: Rows, rows: Rows) -> Rows:
    """Return the classes of `rows` that have none in `train`."""
    return np.setdiff1d(codes[rows], codes[train])


def _split_rows(codes: Rows, fraction: float, seed: Any, stratify: bool) -> tuple[Rows, Rows]:
    counts = np.bincount(codes)
    spare = np.flatnonzero(counts[codes] > 1)
    if not len(spare):
        raise ValueError(
            f"each of the {len(counts)} classes has a single row, which is needed to train on."
        )
    n_classes = int(np.count_nonzero(counts > 1))
    n_aside: int = min(int(np.ceil(fraction * len(codes))), len(spare) - n_classes)
    train, aside = train_test_split(
        spare,
        test_size=n_aside,
        random_state=seed,
        stratify=codes[spare] if stratify and n_classes <= n_aside else None,
    )
    back = [aside[codes[aside] == code][:1] for code in _missing(codes, train, spare)]
    alone = np.flatnonzero(counts[codes] == 1)
    train = np.concatenate([train, *back, alone])
    return train, aside[~np.isin(aside, train)]


def _split_groups(
    groups: Rows, codes: Rows, fraction: float, seed: Any, stratify: bool
) -> tuple[Rows, Rows]:
    n_groups = int(groups.max()) + 1
    if n_groups < 2:
        raise ValueError(f"groups has {n_groups} group: pass at least 2, or groups=None.")
    pairs = np.unique(np.stack([groups, codes], axis=1), axis=0)
    # A group that holds all rows of a class is needed to train on.
    needed = np.unique(pairs[np.bincount(pairs[:, 1])[pairs[:, 1]] == 1, 0])
    if len(needed) == n_groups:
        raise ValueError(
            f"each of the {n_groups} groups holds all rows of some class, so that none of the "
            "groups can be set aside whole and every class be trained on: pass groups=None, or "
            "groups that share their classes."
        )
    spare = np.flatnonzero(~np.isin(groups, needed))
    aside = _groups_aside(spare, groups, codes, fraction, seed, stratify)
    train = np.setdiff1d(np.arange(len(groups)), aside)
    sizes = np.bincount(groups)
    for code in _missing(codes, train, spare):
        if code not in codes[train]:  # a group taken back for another class may hold it
            holders = np.unique(groups[aside[codes[aside] == code]])
            back = aside[groups[aside] == holders[np.argmin(sizes[holders])]]
            train, aside = np.union1d(train, back), np.setdiff1d(aside, back)
    return train, aside


def _groups_aside(
    spare: Rows, groups: Rows, codes: Rows, fraction: float, seed: Any, stratify: bool
) -> Rows:
    """Return which of the rows that may be set aside are, before all classes are looked at."""
    n_spare = len(np.unique(groups[spare]))
    if n_spare == 1:
        return spare
    most = int(np.bincount(codes[spare]).max())
    if not stratify or most < 2:
        n_aside = min(int(np.ceil(fraction * (groups.max() + 1))), n_spare - 1)
        splitter = GroupShuffleSplit(1, test_size=n_aside, random_state=seed)
        return spare[next(splitter.split(spare, groups=groups[spare]))[1]]
    # Folds are at most a half: of a larger share, the smaller rest is cut off instead.
    smaller = min(fraction, 1 - fraction)
    n_splits = min(max(2, round(1 / smaller)), n_spare, most)
    splitter = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        folds = splitter.split(spare, codes[spare], groups[spare])
        splits = [parts for parts in folds if len(parts[0]) and len(parts[1])]
    # Groups differ in size: of the ways to cut, the one that comes nearest to the share.
    rest, part = min(splits, key=lambda parts: abs(len(parts[1]) - smaller * len(groups)))
    return spare[part if fraction <= 0.5 else rest]
