"""Checks that meet the user before torch does."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from sklearn_trainkit.utils._sklearn_private import check_sample_weight

FLOAT_TYPES = {"float32": torch.float32, "float64": torch.float64}
# What samples are when they reach the module.
INPUT_TYPES = {**FLOAT_TYPES, "int64": torch.int64}


def whole_numbers(values: Any) -> tuple[int, ...] | None:
    """Return one whole number or a sequence of them as ints; None for anything else.

    Examples
    --------
    >>> whole_numbers(3), whole_numbers([3, 4]), whole_numbers([3, 4.5]), whole_numbers(True)
    ((3,), (3, 4), None, None)
    """
    numbers = np.atleast_1d(np.asarray(values, dtype=object))
    if numbers.ndim != 1 or not all(
        isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in numbers
    ):
        return None
    return tuple(int(n) for n in numbers)


def checked_hidden_units(hidden_units: int | Sequence[int]) -> tuple[int, ...]:
    """Return the widths as a tuple of positive ints, or raise naming the value."""
    units = whole_numbers(hidden_units)
    if units is None or min(units, default=1) < 1:
        raise ValueError(
            "hidden_units must be a sequence of positive ints, one for each hidden layer, such "
            f"as (64, 32). Got {hidden_units!r} instead."
        )
    return units


def checked_device(device: str | torch.device) -> torch.device:
    """Return the torch device, or raise if it is unknown or not available."""
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        n_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
        raise ValueError(
            f"device={device!r} is not available here: torch sees the CPU and {n_cuda} CUDA "
            "devices. Use 'cpu' or a device that torch can reach."
        ) from error
    return resolved


def checked_weights(sample_weight: Any, y: np.ndarray) -> np.ndarray:
    """Return sample weights as they are, as float64.

    Raises
    ------
    ValueError
        For a wrong shape, negative weights, or weights that are not finite.
    """
    refuse_masked(sample_weight, "sample_weight")
    return check_sample_weight(
        sample_weight,
        y,
        dtype=np.float64,
        ensure_non_negative=True,
        allow_all_zero_weights=True,
    )


def mean_one_weights(sample_weight: Any, y: np.ndarray) -> np.ndarray:
    """Return checked sample weights scaled to mean 1, as float64.

    Raises
    ------
    ValueError
        For a wrong shape, negative weights, or weights that are all zero.
    """
    weight = checked_weights(sample_weight, y)
    if not weight.any():
        raise ValueError("sample_weight is zero for every row; at least one must be positive.")
    return weight / weight.mean()


def check_enough_rows(n_rows: int, norm: str | None) -> None:
    """Raise if batch normalization would see a single row."""
    if norm == "batch" and n_rows < 2:
        raise ValueError(
            f"Batch normalization needs at least 2 rows in a batch, for their variance. Got "
            f"batch_size={n_rows}; use a larger one, or another normalization (norm='layer')."
        )


def is_ready(X: Any, dtype: str, sample_shape: tuple[int, ...]) -> bool:
    """Tell whether ``X`` needs no conversion, found out in a tenth of the time of a full check.

    Parameters
    ----------
    X : object
    dtype : {"float32", "float64"}
    sample_shape : tuple of int

    Returns
    -------
    ready : bool
        True for a plain contiguous array of finite numbers of the right type and shape. False
        only says that a full check is needed.
    """
    return (
        type(X) is np.ndarray
        and X.dtype == dtype
        and X.shape[1:] == sample_shape
        and len(X) > 0
        and X.flags.c_contiguous
        and _sum_is_finite(X)
    )


def _sum_is_finite(X: np.ndarray) -> bool:
    # A sum that is finite has no NaN and no infinity in it, and costs no temporary array.
    with np.errstate(over="ignore", invalid="ignore"):
        return math.isfinite(X.sum())


def writeable(array: np.ndarray) -> np.ndarray:
    """Return ``array``, copied where it is read-only: torch would warn about it."""
    return array if array.flags.writeable else array.copy()


def refuse_masked(values: Any, name: str) -> None:
    """Raise if numpy masks some entries: whoever reads them as an array forgets the mask."""
    if np.ma.is_masked(values):
        raise ValueError(
            f"{name} is a masked array, and {np.ma.count_masked(values)} of its entries are "
            f"masked. Leave their rows out, or fill them: {name}.filled(...)."
        )
