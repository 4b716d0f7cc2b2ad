"""The data sets of a comparison, checked before anything runs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sklearn_trainkit.comparison._splits import count_rows

__all__ = ["Dataset", "check_datasets"]


class Dataset(NamedTuple):
    """Rows of one data set.

    Attributes
    ----------
    X : array-like of shape (n_samples, ...)
        The rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.
    groups : array-like of shape (n_samples,) or None
        Rows of one group are never split between training and test rows.
    """

    X: Any
    y: Any
    groups: Any = None


def check_datasets(X: Any, y: Any, groups: Any, datasets: Any) -> dict[str, Dataset]:
    """Return the data sets by name; a single one is called "data".

    Parameters
    ----------
    X, y, groups : array-like or None
        A single data set.
    datasets : dict of str to (X, y) or (X, y, groups), or None
        Several.

    Returns
    -------
    named_data : dict of str to Dataset
        At least one.

    Raises
    ------
    ValueError
        When both or neither are given, targets are missing, or numbers of rows differ.
    """
    if (X is None) == (datasets is None):
        raise ValueError(
            "pass either X and y, or datasets={'name': (X, y)}; got "
            + ("neither" if X is None else "both")
        )
    if datasets is None:
        datasets = {"data": (X, y, groups)}
    if not isinstance(datasets, Mapping) or not datasets:
        raise ValueError(f"datasets must be a non-empty dict of name to (X, y); got {datasets!r}")
    return {name: _check_dataset(name, parts) for name, parts in datasets.items()}


def _check_dataset(name: str, parts: Any) -> Dataset:
    if not isinstance(parts, tuple | list) or len(parts) not in (2, 3):
        raise ValueError(
            f"datasets[{name!r}] must be (X, y) or (X, y, groups); got {type(parts).__name__}"
        )
    dataset = Dataset(*parts)
    if dataset.y is None:
        raise ValueError(f"datasets[{name!r}] needs targets y to score held-out rows; got None")
    n_rows = count_rows(dataset.X)
    for part in ("y", "groups"):
        values = getattr(dataset, part)
        if values is not None and count_rows(values) != n_rows:
            raise ValueError(
                f"X and {part} of data set {name!r} must have as many rows; got {n_rows} and "
                f"{count_rows(values)}"
            )
    return dataset
