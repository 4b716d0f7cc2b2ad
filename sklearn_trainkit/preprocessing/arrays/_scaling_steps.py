"""Apply the same few operations to every element, piece by piece, while it is in cache."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from math import isfinite
from typing import Any

import numpy as np

from sklearn_trainkit.preprocessing.arrays._choose_loops import compiled_loops
from sklearn_trainkit.preprocessing.arrays._memory_layout import (
    aligned_empty_like,
    layout_of,
    memory_order,
)
from sklearn_trainkit.preprocessing.arrays._memory_pieces import MemoryPieces, pieces_of, segments
from sklearn_trainkit.preprocessing.arrays._numpy_settings import BlockLoops
from sklearn_trainkit.preprocessing.arrays._piece_steps import (
    FusedSteps,
    NumpySteps,
    Operand,
    PieceSteps,
    Step,
    fuse_steps,
    raise_if_infinite,
    touch_pages,
)
from sklearn_trainkit.preprocessing.arrays._sizes import (
    COMPILED_ELEMENTS,
    COMPILED_ROW,
    PIECE_ELEMENTS,
    SMALL_ELEMENTS,
)
from sklearn_trainkit.preprocessing.arrays._thread_shares import run_in_threads

__all__ = ["Step", "apply_steps", "check_no_infinity", "divide_step", "take_steps"]

Array = np.ndarray[Any, np.dtype[Any]]

# Results of this size find no place in a cache anyway.
_PAST_CACHE_BYTES = 33_554_432

_SAFE_DIVISORS = {
    np.dtype(t): (4 * float(np.finfo(t).tiny), float(np.finfo(t).max) / 4)
    for t in (np.float32, np.float64)
}


def divide_step(divisor: Array) -> Step:
    """Return the step that divides, as the cheaper product with the inverse where that is safe."""
    smallest, largest = _SAFE_DIVISORS[divisor.dtype]
    if np.minimum.reduce(divisor) > smallest and np.maximum.reduce(divisor) < largest:
        return Step(np.multiply, 1 / divisor)
    # Zero, NaN, or an inverse without all of its digits.
    return Step(np.divide, divisor)


def take_steps(per_feature: Array, steps: Sequence[Step], dtype: np.dtype[Any]) -> Array:
    """Return what the steps make of one value per feature."""
    result: Array = per_feature.astype(dtype)
    for operation, operand in steps:
        result = operation(result, operand)
    return result


def check_no_infinity(block: Array) -> None:
    """Raise scikit-learn's error if `block` holds an infinite value; NaN may pass."""
    # The sum alone cannot tell a NaN from an overflow, so it only clears the common case.
    sums = block if block.size <= SMALL_ELEMENTS else np.add.reduce(block, axis=0)
    if isfinite(np.add.reduce(sums, axis=None)):
        return
    raise_if_infinite(block)


def apply_steps(
    X: Array,
    feature_axes: tuple[int, ...],
    steps: Callable[[np.dtype[Any]], Sequence[Step]],
    *,
    output_dtype: np.dtype[Any],
    compute_dtype: np.dtype[Any],
    in_place: bool = False,
    finish: Callable[[Array], None] | None = None,
    check_finite: bool = True,
    n_threads: int = 1,
) -> Array:
    """Return what the steps and `finish` make of `X`.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...)
        Real numbers.
    feature_axes : tuple of int
        Axes along which the values of a step differ.
    steps : callable
        Returns the steps for a dtype; they are applied in order. Only maximum and minimum, which
        come last, may make an infinite value finite.
    output_dtype, compute_dtype : dtype
        Precision of the result, and of the operations.
    in_place : bool, default=False
        Whether the result goes into `X`.
    finish : callable, default=None
        Changes a block of results in place.
    check_finite : bool, default=True
        Whether an infinite value raises.
    n_threads : int, default=1
        Threads that share the memory.

    Returns
    -------
    result : ndarray of the shape of `X`
        In the memory order of `X`; `X` itself if `in_place`.
    """
    check_finite = check_finite and X.dtype.kind == "f"
    small = X.size <= SMALL_ELEMENTS and X.ndim == 2
    quiet = np.errstate(over="ignore", under="ignore", invalid="ignore")
    with quiet if small else BlockLoops():
        if in_place and check_finite:
            # Nothing may be overwritten before all of it has been seen.
            check_no_infinity(X)
            check_finite = False
        plain = NumpySteps(steps(compute_dtype), finish, check_finite)
        if small:
            return _scale_small(plain, X, X if in_place else None, output_dtype, compute_dtype)
        work = _Work(_choose_steps(plain, X, compute_dtype), compute_dtype)
        out = X if in_place else aligned_empty_like(X, output_dtype)
        work.run(X, out, feature_axes, n_threads)
    return out


def _scale_small(
    steps: NumpySteps,
    X: Array,
    out: Array | None,
    output_dtype: np.dtype[Any],
    compute_dtype: np.dtype[Any],
) -> Array:
    """Do all of a small table at once, with values along its last axis."""
    if out is not None and out.dtype == compute_dtype:
        result = out
    else:
        result = np.empty_like(X, dtype=compute_dtype, subok=False)
    steps.run(X, [value for _, value in steps.steps], result, X)
    if out is None:
        return result if compute_dtype == output_dtype else result.astype(output_dtype)
    if out is not result:
        np.copyto(out, result, casting="same_kind")
    return out


def _choose_steps(plain: NumpySteps, X: Array, dtype: np.dtype[Any]) -> PieceSteps:
    """Have the first steps done by a compiled loop, if there is one: as many as possible."""
    loops = compiled_loops(X, if_loaded=True)
    contiguous = X.transpose(memory_order(X)).flags.c_contiguous
    if loops is None or X.dtype != dtype or not contiguous or not X.flags.aligned:
        return plain
    return fuse_steps(plain, loops, dtype)


class _Work:
    """The way through all memory of an array, with what is to be done to each piece."""

    def __init__(self, steps: PieceSteps, dtype: np.dtype[Any]) -> None:
        self.steps = steps
        self.dtype = dtype
        self.past_cache = False

    def run(self, X: Array, out: Array, feature_axes: tuple[int, ...], n_threads: int) -> None:
        """Go through all memory of `X` and `out`, in `n_threads` shares."""
        layout = layout_of(X.shape, memory_order(out), feature_axes)
        source, target = X.transpose(layout.order), out.transpose(layout.order)
        # A second piece costs more than it saves.
        size = X.size if X.size <= 2 * PIECE_ELEMENTS else PIECE_ELEMENTS
        if isinstance(self.steps, FusedSteps):
            alone = self.steps.is_all and out.dtype == self.dtype
            past_cache = alone and out is not X and out.nbytes >= _PAST_CACHE_BYTES
            self.steps.past_cache = self.past_cache = past_cache
            pieces = pieces_of(layout, COMPILED_ELEMENTS if alone else size, COMPILED_ROW)
        else:
            pieces = pieces_of(layout, size)
        if source.flags.c_contiguous and target.flags.c_contiguous:
            share = partial(self.run_flat, pieces, source.reshape(-1), target.reshape(-1))
            n_lines = X.size // 16
            cuts = [*(16 * (n_lines * i // n_threads) for i in range(n_threads)), X.size]
        else:
            share = partial(self.run_strided, pieces, source, target, size)
            cuts = [len(source) * i // n_threads for i in range(n_threads + 1)]
        _share_out(share, cuts)

    def run_flat(
        self, pieces: MemoryPieces, source: Array, target: Array, start: int, stop: int
    ) -> None:
        """Do the memory between two positions, piece by piece."""
        exact = target.dtype == self.dtype
        placed = self.steps.place(pieces)
        if self.past_cache:
            touch_pages(target[start:stop])
        for begin, end, shape, part in pieces.between(start, stop):
            block = source[begin:end].reshape(shape)
            into = target[begin:end].reshape(shape)
            result = into if exact else np.empty(shape, dtype=self.dtype)
            self.steps.run(block, _of_piece(placed, part), result, block)
            if not exact:
                np.copyto(into, result, casting="same_kind")

    def run_strided(
        self, pieces: MemoryPieces, source: Array, target: Array, size: int, start: int, stop: int
    ) -> None:
        """Do the rows between two numbers, on a contiguous copy of each segment."""
        exact = target.dtype == self.dtype and target.flags.c_contiguous
        placed = self.steps.place(pieces)
        for index, first, last in segments(source.shape, (start, stop), size):
            block, into = source[index], target[index]
            result = into if exact else np.empty(into.shape, dtype=self.dtype)
            np.copyto(result, block)
            flat = result.reshape(-1)
            for begin, end, shape, part in pieces.between(first, last):
                piece = flat[begin - first : end - first].reshape(shape)
                self.steps.run(piece, _of_piece(placed, part), piece, block)
            if not exact:
                np.copyto(into, result, casting="same_kind")


def _of_piece(placed: Sequence[Operand], part: slice) -> list[Operand]:
    return [value[part] if isinstance(value, np.ndarray) else value for value in placed]


def _share_out(work: Callable[[int, int], None], cuts: list[int]) -> None:
    """Call `work` for each stretch between two cuts, in a thread each."""
    if len(cuts) == 2:
        work(*cuts)
        return

    def run(bounds: tuple[int, int]) -> None:
        with BlockLoops():  # holds for its own thread only
            work(*bounds)

    run_in_threads([partial(run, bounds) for bounds in pairwise(cuts)])
