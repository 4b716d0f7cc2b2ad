"""The first steps of a scaling in one compiled loop, which may send its results past the cache."""

from collections.abc import Sequence
from mmap import PAGESIZE
from types import ModuleType
from typing import Any

import numpy as np

from sklearn_trainkit.preprocessing.arrays._memory_pieces import MemoryPieces

__all__ = ["FusedSteps", "fuse_steps", "touch_pages"]

Array = np.ndarray[Any, np.dtype[Any]]
Operand = Array | float

# The operations of the loop in their order, each with the number that leaves every bit alone.
_FORM = (
    (np.subtract, 0.0),
    (np.subtract, 0.0),
    (np.multiply, 1.0),
    (np.add, -0.0),
    (np.add, -0.0),
)


class FusedSteps:
    """Steps as the five operands of ``(x - a - b) * c + d + e``.

    Parameters
    ----------
    loops : module
        The compiled loops.
    operands : sequence of ndarray of shape (n_features,) or number
        At least one of them an array.
    """

    def __init__(self, loops: ModuleType, operands: Sequence[Operand]) -> None:
        self._loops = loops
        self._operands = operands
        self.past_cache = False

    def place(self, pieces: MemoryPieces) -> list[Operand]:
        """Lay the operands out for pieces of memory."""
        return [
            np.ascontiguousarray(pieces.place(value)) if isinstance(value, np.ndarray) else value
            for value in self._operands
        ]

    def run(self, source: Array, operands: Sequence[Operand], target: Array) -> bool:
        """Do a contiguous piece; return whether the source holds an infinite value."""
        over_runs = any(isinstance(value, np.ndarray) and value.ndim == 2 for value in operands)
        if over_runs:
            operands = [v[:, 0] if isinstance(v, np.ndarray) else v for v in operands]
        if self.past_cache:
            loop = self._loops.stream_runs if over_runs else self._loops.stream_rows
        else:
            loop = self._loops.scale_runs if over_runs else self._loops.scale_rows
        width = source.shape[-1]
        infinite: bool = loop(source.reshape(-1, width), tuple(operands), target.reshape(-1, width))
        return infinite


def fuse_steps(
    steps: Sequence[tuple[np.ufunc, Operand]], loops: ModuleType, dtype: np.dtype[Any]
) -> tuple[FusedSteps | None, Sequence[tuple[np.ufunc, Operand]]]:
    """Return what one loop can do of the first steps, if that is worth it, and what is left."""
    operands: list[Operand] = []
    left = list(steps)
    for operation, neutral in _FORM:
        value = left.pop(0)[1] if left and left[0][0] is operation else neutral
        operands.append(value if isinstance(value, np.ndarray) else dtype.type(value))
    per_feature = any(isinstance(value, np.ndarray) for value in operands)
    if len(steps) - len(left) < 2 or not per_feature:
        return None, steps
    return FusedSteps(loops, operands), left


def touch_pages(memory: Array) -> None:
    """Have the system hand out the pages of new, contiguous memory now.

    It zeroes them, which leaves their lines in the cache. A store past the cache waits until a
    line has left it, so that zeroing page by page, just before each is written, takes longer.
    """
    memory[:: PAGESIZE // memory.itemsize] = 0
