"""How many rows a batch has."""

import numpy as np

from sklearn_trainkit.utils._told_once import warn_once

__all__ = ["resolved_batch_size"]


def resolved_batch_size(batch_size: int | str, n_rows: int) -> int:
    """Return the rows of a batch.

    Parameters
    ----------
    batch_size : int or "auto"
        -1 takes all rows at once. "auto" grows with the data: the power of two nearest to a
        twentieth of the rows, between 64 and 256, and never more than all rows. More rows than
        there are count as all rows, with a warning.
    n_rows : int
        Rows in the training part.

    Examples
    --------
    >>> [resolved_batch_size("auto", n) for n in (20, 500, 1437, 20_000)]
    [20, 64, 64, 256]
    """
    if batch_size == "auto":
        return min(n_rows, int(np.clip(2 ** round(np.log2(max(n_rows, 1) / 20)), 64, 256)))
    size = int(batch_size)
    if size == -1:
        return n_rows
    if size > n_rows:
        warn_once(
            f"batch_size={size} is larger than the {n_rows} training rows, which make one batch; "
            f"use at most {n_rows}, -1 for all rows, or 'auto'.",
            key="batch_size",
        )
    return min(size, n_rows)
