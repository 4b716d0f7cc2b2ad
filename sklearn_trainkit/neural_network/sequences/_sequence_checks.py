"""Sequences at the door: lists, lengths and flat rows become arrays padded with NaN at the end."""

from typing import Any

import numpy as np
import torch

from sklearn_trainkit.neural_network.base._outputs import parts_of
from sklearn_trainkit.neural_network.batches._input_checks import refuse_masked
from sklearn_trainkit.neural_network.batches._input_lists import as_list, column_names
from sklearn_trainkit.neural_network.batches._input_types import as_plain, float_type
from sklearn_trainkit.neural_network.batches._tensor_loader import Rows

_CHUNK_VALUES = 1 << 22
_SHAPES = (
    "sequences of shape (n_samples, n_steps, n_features), a list of arrays of shape (n_steps, "
    "n_features), or flat rows with sequence_shape=(n_steps, n_features)"
)


class NamedSequences(np.ndarray):
    """Joined sequences that were tables, with the first of these, for its columns' names."""

    table: Any = None


def joined_sequences(X: Any, name: str = "X", n_dims: int = 2) -> Any:
    """Return a list of sequences as one array, padded with NaN; anything else as it is.

    Parameters
    ----------
    X : object
        A list, tuple, Series, array of objects or column of a table counts as a list of
        sequences if an entry of it has two dimensions or more, or if entries of one dimension
        differ in length.
    name : str, default="X"
    n_dims : {1, 2}, default=2
        Dimensions of one sequence: 1 for (n_steps,), the targets of a single output.

    Returns
    -------
    joined : ndarray of shape (n_samples, n_steps, n_features)
        float32 if that holds every number, else float64. Of tables, a
        :class:`NamedSequences`.

    Raises
    ------
    ValueError
        Naming the sample, if it is empty, no number, of another shape than the others, or a
        table with other columns.

    Examples
    --------
    >>> joined_sequences([np.zeros((1, 2)), np.ones((2, 2))])[0]
    array([[ 0.,  0.],
           [nan, nan]])
    """
    listed = as_list(X)
    if not isinstance(listed, list) or len(listed) == 0:
        return X
    names = column_names(listed, name)
    parts = [_as_numbers(part, name, index) for index, part in enumerate(listed)]
    deepest = max(part.ndim for part in parts)
    lengths = [len(part) if part.ndim else 0 for part in parts]
    if deepest == 0 or (deepest == 1 and n_dims == 2 and len(set(lengths)) == 1):
        return X
    _check_alike(parts, name, n_dims)
    wide = any(float_type(part) == "float64" for part in parts)
    dtype = np.float64 if wide else np.float32
    joined = np.full((len(parts), max(lengths), *parts[0].shape[1:]), np.nan, dtype)
    for row, part in zip(joined, parts, strict=True):
        row[: len(part)] = part
    if names is None:
        return joined
    named = joined.view(NamedSequences)
    named.table = listed[0]
    return named


def _check_alike(parts: list[np.ndarray], name: str, n_dims: int) -> None:
    """Raise unless all sequences have steps, and as many features as the first."""
    for index, part in enumerate(parts):
        if part.ndim != n_dims or part.shape[1:] != parts[0].shape[1:] or part.size == 0:
            wanted = "(n_steps,)" if n_dims == 1 else "(n_steps, n_features)"
            if parts[0].ndim == n_dims == 2:
                wanted = f"(n_steps, {parts[0].shape[1]})"
            raise ValueError(
                f"{name}[{index}] has shape {part.shape}, but sequences of shape {wanted} with at "
                "least one step are wanted, as many features in all."
            )


def _as_numbers(part: Any, name: str, index: int) -> np.ndarray:
    refuse_masked(part, f"{name}[{index}]")
    array = part.numpy(force=True) if hasattr(part, "detach") else part
    try:
        array = np.asarray(array)
    except ValueError as error:
        raise ValueError(f"{name}[{index}] is not one array of numbers: {error}") from error
    if array.dtype.kind not in "biuf" and array.ndim > 1:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name}[{index}] is not an array of numbers: {error}") from error
    return array


def padded_by_lengths(X: Any, lengths: Any, sequence_shape: Any = None) -> Any:
    """Return ``X`` with NaN after each sequence's length, copied; as it is without lengths.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_steps, n_features), list of arrays, or flat rows
    lengths : array-like of shape (n_samples,) of int, or None
    sequence_shape : tuple of int or None, default=None
        For flat rows.

    Raises
    ------
    ValueError
        If a length is not from 1 to the steps of its sequence.
    """
    if lengths is None:
        return X
    X = joined_sequences(X)
    X = np.asanyarray(as_plain(X))
    table = getattr(X, "table", None)
    flat_shape = X.shape
    X = as_sequences(X, sequence_shape)
    lengths = np.asarray(lengths)
    if lengths.shape != (len(X),) or lengths.dtype.kind not in "iu":
        raise ValueError(
            f"lengths must be {len(X)} ints, one for each sequence. Got {lengths.dtype} of shape "
            f"{lengths.shape}."
        )
    X = X.astype(float_type(X))
    present = X.shape[1] - np.isnan(X).all(axis=2)[:, ::-1].argmin(axis=1)
    for index in np.flatnonzero((lengths < 1) | (lengths > present)):
        raise ValueError(
            f"lengths[{index}]={lengths[index]} must be from 1 to the {present[index]} steps of "
            "its sequence."
        )
    X[np.arange(X.shape[1]) >= lengths[:, None]] = np.nan
    X = X.reshape(flat_shape)
    if table is not None:
        X.table = table
    return X


def as_sequences(X: np.ndarray, sequence_shape: Any) -> np.ndarray:
    """Return ``X`` as (n_samples, n_steps, n_features), flat rows by ``sequence_shape``.

    Raises
    ------
    ValueError
        If the shape is no shape of sequences, or not the one of ``sequence_shape``.

    Examples
    --------
    >>> as_sequences(np.zeros((5, 12)), (-1, 3)).shape
    (5, 4, 3)
    """
    shape = None if sequence_shape is None else checked_sequence_shape(sequence_shape)
    if X.ndim == 2 and shape is not None:
        known = int(np.prod([size for size in shape if size != -1]))
        fits = X.shape[1] % known == 0 if -1 in shape else X.shape[1] == known
        if not fits:
            raise ValueError(
                f"sequence_shape={sequence_shape!r} does not fit X of shape {X.shape}: it wants "
                f"{'a multiple of ' if -1 in shape else ''}{known} columns."
            )
        return X.reshape(len(X), *shape)
    if X.ndim != 3 or 0 in X.shape:
        raise ValueError(f"X has shape {X.shape}, but a recurrent network takes {_SHAPES}.")
    if shape is not None and any(
        want not in (-1, got) for want, got in zip(shape, X.shape[1:], strict=True)
    ):
        raise ValueError(
            f"sequence_shape={sequence_shape!r} does not fit X of shape {X.shape}, whose "
            f"sequences have shape {X.shape[1:]}."
        )
    return X


def checked_sequence_shape(sequence_shape: Any) -> tuple[int, int]:
    """Return ``sequence_shape`` as a tuple of two ints, at most one of them -1, or raise."""
    sizes = list(np.atleast_1d(sequence_shape))
    if (
        len(sizes) != 2
        or not all(isinstance(s, (int, np.integer)) and (s > 0 or s == -1) for s in sizes)
        or sizes == [-1, -1]
    ):
        raise ValueError(
            "sequence_shape must be (n_steps, n_features), positive ints of which one may be -1. "
            f"Got {sequence_shape!r} instead."
        )
    return int(sizes[0]), int(sizes[1])


def check_padding(X: np.ndarray) -> None:
    """Raise unless NaN fills whole steps at the end of sequences only.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_steps, n_features)
        Read in chunks, so that a memory map stays on disk.
    """
    if X.dtype.kind != "f":
        return
    n_rows = max(1, _CHUNK_VALUES // max(1, X[0].size))
    for start in range(0, len(X), n_rows):
        missing = np.isnan(X[start : start + n_rows])
        if not missing.any():
            continue
        empty = missing.all(axis=2)
        _raise_at(missing.any(axis=2) & ~empty, start, "is NaN in some features and not in others")
        _raise_at(empty[:, :1], start, "is NaN, so the sequence has no steps at all")
        _raise_at(empty[:, :-1] & ~empty[:, 1:], start, "is NaN and steps after it are not")


def _raise_at(bad: np.ndarray, start: int, what: str) -> None:
    for sample, step in np.argwhere(bad)[:1]:
        raise ValueError(
            f"X contains NaN inside a sequence: step {step} of sample {start + sample} {what}. NaN "
            "in all features marks the steps after the end of a sequence; impute other gaps."
        )


def step_counts(X: np.ndarray) -> np.ndarray:
    """Return the steps of each sequence of a checked X, an int array of shape (n_samples,)."""
    if X.dtype.kind != "f":
        return np.full(len(X), X.shape[1])
    return X.shape[1] - np.isnan(X[:, :, 0]).sum(axis=1)


def true_steps(net: Any, rows: Rows) -> np.ndarray:
    """Return which steps come before the end of their sequence, (n_samples, n_steps)."""
    parts = [~torch.isnan(part[..., 0]).cpu().numpy() for part in parts_of(net, rows)]
    return np.concatenate(parts)
