"""What scaling does to a piece of memory, behind one interface: with numpy or a compiled loop."""

from collections.abc import Callable, Sequence
from math import isfinite
from mmap import PAGESIZE
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np
from sklearn.utils import assert_all_finite

from sklearn_trainkit.preprocessing.arrays._memory_layout import read_only
from sklearn_trainkit.preprocessing.arrays._memory_pieces import MemoryPieces
from sklearn_trainkit.preprocessing.arrays._sizes import SMALL_ELEMENTS

__all__ = [
    "FusedSteps",
    "NumpySteps",
    "Operand",
    "PieceSteps",
    "Step",
    "fuse_steps",
    "raise_if_infinite",
    "touch_pages",
]

Array = np.ndarray[Any, np.dtype[Any]]
Operand = Array | float

# BLAS sums up to this many squares in the calling thread.
_BLAS_ELEMENTS = 4_096
# The operations of the compiled loop in their order, each with the number that leaves every bit
# alone.
_FORM = (
    (np.subtract, 0.0),
    (np.subtract, 0.0),
    (np.multiply, 1.0),
    (np.add, -0.0),
    (np.add, -0.0),
)


class Step(NamedTuple):
    """One operation with a number, or one number per feature, as its second operand."""

    operation: np.ufunc
    value: Operand


class PieceSteps(Protocol):
    """What goes through a piece."""

    def place(self, pieces: MemoryPieces) -> list[Operand]:
        """Lay the operands out for pieces of memory."""

    def run(
        self, source: Array, operands: Sequence[Operand], target: Array, original: Array
    ) -> None:
        """Write the result for `source`, a contiguous piece, into `target`.

        An infinite value raises; `original` is where it stays.
        """


class NumpySteps:
    """Each step one numpy operation.

    Parameters
    ----------
    steps : sequence of Step
        Only maximum and minimum, which come last, may make an infinite value finite.
    finish : callable or None
        Changes a piece of results in place.
    check_finite : bool
        Whether an infinite value raises.
    """

    def __init__(
        self, steps: Sequence[Step], finish: Callable[[Array], None] | None, check_finite: bool
    ) -> None:
        self.steps = steps
        self.finish = finish
        self.check_finite = check_finite

    def place(self, pieces: MemoryPieces) -> list[Operand]:
        """See `PieceSteps`."""
        return [_place(value, pieces) for _, value in self.steps]

    def run(
        self, source: Array, operands: Sequence[Operand], target: Array, original: Array
    ) -> None:
        """See `PieceSteps`."""
        unchecked = self.check_finite
        if source is not target and (not self.steps or source.dtype != target.dtype):
            # Converting first is faster than an operation that converts as it goes.
            np.copyto(target, source)
            source = target
        for (operation, _), value in zip(self.steps, operands, strict=True):
            if unchecked and (operation is np.maximum or operation is np.minimum):
                _check(source, original)
                unchecked = False
            operation(source, value, out=target)
            source = target
        if unchecked:
            _check(source, original)
        if self.finish is not None:
            self.finish(target)


class FusedSteps:
    """The first steps as ``(x - a - b) * c + d + e`` in one compiled loop, the others with numpy.

    Parameters
    ----------
    loops : module
        The compiled loops.
    operands : sequence of ndarray of shape (n_features,) or number
        The five of the loop, at least one of them an array.
    others : NumpySteps
        What is left to do.
    check_finite : bool
        Whether an infinite value raises.

    Attributes
    ----------
    past_cache : bool
        Whether the loop sends its results past the cache.
    """

    def __init__(
        self, loops: ModuleType, operands: Sequence[Operand], others: NumpySteps, check_finite: bool
    ) -> None:
        self._loops = loops
        self._operands = operands
        self._others = others
        self._check_finite = check_finite
        self.past_cache = False

    @property
    def is_all(self) -> bool:
        """Whether nothing is left to do after the loop."""
        return not self._others.steps and self._others.finish is None

    def place(self, pieces: MemoryPieces) -> list[Operand]:
        """See `PieceSteps`."""
        own = [_place(value, pieces) for value in self._operands]
        own = [
            read_only(np.ascontiguousarray(value)) if isinstance(value, np.ndarray) else value
            for value in own
        ]
        return [*own, *self._others.place(pieces)]

    def run(
        self, source: Array, operands: Sequence[Operand], target: Array, original: Array
    ) -> None:
        """See `PieceSteps`."""
        own, others = operands[: len(_FORM)], operands[len(_FORM) :]
        over_runs = any(isinstance(value, np.ndarray) and value.ndim == 2 for value in own)
        if over_runs:
            own = [v[:, 0] if isinstance(v, np.ndarray) else v for v in own]
        if self.past_cache:
            loop = self._loops.stream_runs if over_runs else self._loops.stream_rows
        else:
            loop = self._loops.scale_runs if over_runs else self._loops.scale_rows
        width = source.shape[-1]
        rows = read_only(source.reshape(-1, width))
        infinite = loop(rows, tuple(own), target.reshape(-1, width))
        if infinite and self._check_finite:
            raise_if_infinite(original)
        if not self.is_all:
            self._others.run(target, others, target, original)


def fuse_steps(plain: NumpySteps, loops: ModuleType, dtype: np.dtype[Any]) -> PieceSteps:
    """Return the same steps with as many as possible of the first in one loop, if that pays."""
    operands: list[Operand] = []
    left = list(plain.steps)
    for operation, neutral in _FORM:
        value = left.pop(0).value if left and left[0].operation is operation else neutral
        operands.append(value if isinstance(value, np.ndarray) else dtype.type(value))
    per_feature = any(isinstance(value, np.ndarray) for value in operands)
    if len(plain.steps) - len(left) < 2 or not per_feature:
        return plain
    others = NumpySteps(left, plain.finish, check_finite=False)
    return FusedSteps(loops, operands, others, plain.check_finite)


def touch_pages(memory: Array) -> None:
    """Have the system hand out the pages of new, contiguous memory now.

    It zeroes them, which leaves their lines in the cache. A store past the cache waits until a
    line has left it, so that zeroing page by page, just before each is written, takes longer.
    """
    memory[:: PAGESIZE // memory.itemsize] = 0


def raise_if_infinite(block: Array) -> None:
    """Raise scikit-learn's error if `block` holds an infinite value."""
    if np.isinf(block).any():
        assert_all_finite(np.ascontiguousarray(block), allow_nan=True, input_name="X")


def _place(value: Operand, pieces: MemoryPieces) -> Operand:
    return pieces.place(value) if isinstance(value, np.ndarray) else value


def _check(result: Array, original: Array) -> None:
    # Steps keep what is not finite, so that the result, hot in cache, clears most pieces.
    if not _is_surely_finite(result):
        raise_if_infinite(original)


def _is_surely_finite(block: Array) -> bool:
    """Tell whether the sum of squares of a contiguous block is finite: then every value is."""
    flat = block.reshape(-1)
    if flat.size <= SMALL_ELEMENTS:
        return isfinite(np.dot(flat, flat))
    start = flat[:_BLAS_ELEMENTS]
    if not isfinite(np.dot(start, start)):
        return False  # where NaN are common, this saves going through all of it
    n_rows = flat.size // _BLAS_ELEMENTS
    main, rest = flat[: n_rows * _BLAS_ELEMENTS], flat[n_rows * _BLAS_ELEMENTS :]
    squares = np.matmul(
        main.reshape(n_rows, 1, _BLAS_ELEMENTS), main.reshape(n_rows, _BLAS_ELEMENTS, 1)
    )
    return isfinite(np.add.reduce(squares, axis=None) + np.dot(rest, rest))
