"""From checked data to the rows that are trained on and those that stop the training."""

from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_trainkit.neural_network.batches._input_checks import (
    FLOAT_TYPES,
    INPUT_TYPES,
    checked_device,
    mean_one_weights,
    writeable,
)
from sklearn_trainkit.neural_network.batches._source_rows import (
    SourceRows,
    as_source,
    is_mapped,
    shared_tensor,
)
from sklearn_trainkit.neural_network.batches._tensor_loader import Rows, TensorRows
from sklearn_trainkit.utils._validation_split import validation_split

# Up to this size, the parts of a validation split are copied; of larger data, batches are gathered.
_COPIED_BYTES = 1 << 26


def split_rows(
    net: Any,
    data: tuple[Any, np.ndarray, np.ndarray | None],
    validation: tuple[Any, Any] | None,
    groups: Any,
    seed: int,
) -> tuple[Rows, Rows | None]:
    """Return the training rows and, for early stopping, the validation rows.

    Parameters
    ----------
    net : estimator
    data : tuple of (X, y, weight)
        Checked.
    validation : tuple of (X_val, y_val) or None
        Checked; None sets rows of the data aside, if the network is to stop by them.
    groups : array-like or None
        Rows of one group are set aside together.
    seed : int
    """
    X, y, weight = data
    if validation is not None:
        valid = _weighted_rows(net, *validation, None, name="y_val")
        parts: tuple[Rows, Rows | None] = _weighted_rows(net, X, y, weight), valid
    elif not net.early_stopping:
        parts = _weighted_rows(net, X, y, weight), None
    else:
        index = _validation_split(net, y, weight, groups, seed)
        weights = [None if weight is None else mean_one_weights(weight[i], y[i]) for i in index]
        # What is learnt from the targets must not come from the rows that stop the training.
        net._targets.learn_again(net, y[index[0]], weights[0])
        train, aside = (
            _weighted_rows(net, X, y[i], w, i) for i, w in zip(index, weights, strict=True)
        )
        parts = train, aside
    net._targets.check_parts(net, *parts)
    return parts


def chunk_rows(net: Any, X: Any, y: np.ndarray, weight: np.ndarray | None) -> Rows:
    """Return rows of one ``partial_fit``, whose weights are taken as they are.

    Chunks may differ in their mean weight, and a row counts by its own whichever rows it comes
    with.
    """
    codes = net._targets.encode(net, y, "y")
    return _rows(net, X, codes, net._targets.row_weights(net, codes, weight))


def _weighted_rows(
    net: Any,
    X: Any,
    y: np.ndarray,
    weight: np.ndarray | None,
    index: np.ndarray | None = None,
    name: str = "y",
) -> Rows:
    """Return rows of a fit, whose weights in the loss have mean 1."""
    codes = net._targets.encode(net, y, name)
    weight = net._targets.row_weights(net, codes, weight)
    if weight is not None:
        means = weight.mean(axis=0)
        if not np.all(means):
            raise ValueError(
                f"class_weight={net.get_params()['class_weight']!r} leaves no weight to "
                f"{len(weight)} rows that are trained on or stop the training; at least one must "
                "count."
            )
        weight = weight / means
    return _rows(net, X, codes, weight, index)


def _validation_split(
    net: Any, y: np.ndarray, weight: np.ndarray | None, groups: Any, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows are trained on and which set aside: never those of weight zero."""
    counted = np.arange(len(y)) if weight is None else np.flatnonzero(weight)
    classes = net._targets.stratify_by(y)
    if groups is not None:
        groups = column_or_1d(groups)
        check_consistent_length(groups, y)
        groups = groups[counted]
    try:
        # Of less than a row no class can be told from another.
        if classes is not None and groups is None and net.validation_fraction * len(y) < 1:
            raise ValueError("that is less than one row.")
        _, aside = places = validation_split(
            len(counted),
            net.validation_fraction,
            seed,
            None if classes is None else classes[counted],
            groups,
        )
    except ValueError as error:
        raise ValueError(
            f"early_stopping=True cannot set aside validation_fraction="
            f"{net.validation_fraction!r} of {len(y)} rows: {error}"
        ) from error
    if len(counted) == len(y):
        return places
    return np.setdiff1d(np.arange(len(y)), counted[aside]), counted[aside]


def _rows(
    net: Any,
    X: Any,
    codes: np.ndarray,
    weight: np.ndarray | None,
    index: np.ndarray | None = None,
) -> Rows:
    """Return rows to train or validate on: those of ``index``, whose targets are given."""
    device = checked_device(net.device)
    y = torch.from_numpy(writeable(codes)).to(device)
    factors = None
    if weight is not None:
        factors = torch.from_numpy(weight).to(device, FLOAT_TYPES[net.dtype_])
    X = net._input_form.as_input(net, X)
    plain = isinstance(X, np.ndarray) and X.dtype == net.input_dtype_ and not is_mapped(X)
    if plain and (index is None or X.nbytes <= _COPIED_BYTES or device.type != "cpu"):
        part = X if index is None else X[index]
        return TensorRows(shared_tensor(part).to(device), y, factors)
    places = None if index is None else torch.from_numpy(index)
    return SourceRows(as_source(X), y, factors, INPUT_TYPES[net.input_dtype_], places)
