"""Apply the same few operations to every element, block by block, while it is in cache."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import assert_all_finite

from sklearn_trainkit.preprocessing._feature_blocks import (
    BLOCK_ELEMENTS,
    FeatureBlocks,
    feature_chunks,
)

__all__ = ["Step", "apply_steps", "check_no_infinity", "divide_step"]

Array = np.ndarray[Any, np.dtype[Any]]

# Below this size the blocks cost more than they save.
_SMALL_SIZE = 8_192

_SAFE_DIVISORS = {
    np.dtype(t): (4 * float(np.finfo(t).tiny), float(np.finfo(t).max) / 4)
    for t in (np.float32, np.float64)
}


class Step(NamedTuple):
    """One operation with a number, or one number per feature, as its second operand."""

    operation: np.ufunc
    value: Array | float


def divide_step(divisor: Array) -> Step:
    """Return the step that divides, as the cheaper product with the inverse where that is safe."""
    smallest, largest = _SAFE_DIVISORS[divisor.dtype]
    if np.minimum.reduce(divisor) > smallest and np.maximum.reduce(divisor) < largest:
        return Step(np.multiply, 1 / divisor)
    # Zero, NaN, or an inverse without all of its digits.
    return Step(np.divide, divisor)


def check_no_infinity(block: Array) -> None:
    """Raise scikit-learn's error if `block` holds an infinite value; NaN may pass."""
    # The sum alone cannot tell a NaN from an overflow, so it only clears the common case.
    sums = block if block.size <= _SMALL_SIZE else np.add.reduce(block, axis=0)
    if isfinite(np.add.reduce(sums, axis=None)):
        return
    if np.isinf(block).any():
        assert_all_finite(np.ascontiguousarray(block), allow_nan=True, input_name="X")


def apply_steps(
    X: Array,
    feature_axes: tuple[int, ...],
    steps: Callable[[np.dtype[Any]], Sequence[Step]],
    out: Array,
    *,
    compute_dtype: np.dtype[Any],
    finish: Callable[[Array], None] | None = None,
    check_finite: bool = True,
    n_threads: int = 1,
) -> Array:
    """Write what the steps and `finish` make of `X` into `out`, which may be `X` itself.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...)
        Real numbers.
    feature_axes : tuple of int
        Axes along which the values of a step differ.
    steps : callable
        Returns the steps for a dtype; they are applied in order.
    out : ndarray of the shape of `X`
        Where the result goes, in the memory order of `X`.
    compute_dtype : dtype
        Precision of the operations.
    finish : callable, default=None
        Changes a block of results in place.
    check_finite : bool, default=True
        Whether an infinite value raises.
    n_threads : int, default=1
        Threads that share the rows.

    Returns
    -------
    out : ndarray
        The argument of that name.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        check_finite = check_finite and X.dtype.kind == "f"
        if check_finite and out is X:
            # Nothing may be overwritten before all of it has been seen.
            check_no_infinity(X)
            check_finite = False
        work = _Work(steps(compute_dtype), compute_dtype, finish, check_finite)
        if X.size <= _SMALL_SIZE and X.ndim == 2:
            work.run_small(X, out)
        elif n_threads == 1:
            work.run(X, out, feature_axes)
        else:
            _run_threads(work, X, out, feature_axes, n_threads)
    return out


def _run_threads(
    work: "_Work", X: Array, out: Array, feature_axes: tuple[int, ...], n_threads: int
) -> None:
    bounds = np.linspace(0, len(X), n_threads + 1).astype(int)
    with ThreadPoolExecutor(n_threads) as pool:
        tasks = [
            pool.submit(work.run_quietly, X[start:stop], out[start:stop], feature_axes)
            for start, stop in pairwise(bounds)
        ]
        for task in tasks:
            task.result()


class _Work:
    """What is to be done to each block."""

    def __init__(
        self,
        steps: Sequence[Step],
        compute_dtype: np.dtype[Any],
        finish: Callable[[Array], None] | None,
        check_finite: bool,
    ) -> None:
        self.steps = steps
        self.dtype = compute_dtype
        self.finish = finish
        self.check_finite = check_finite

    def run_small(self, X: Array, out: Array) -> None:
        self._compute(X, out, [step.value for step in self.steps])

    def run_quietly(self, X: Array, out: Array, feature_axes: tuple[int, ...]) -> None:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # is per thread
            self.run(X, out, feature_axes)

    def run(self, X: Array, out: Array, feature_axes: tuple[int, ...]) -> None:
        # Of float64, whole columns: writing short runs far apart costs more than it saves.
        run = BLOCK_ELEMENTS if out.itemsize > 4 else BLOCK_ELEMENTS // 32
        for features in feature_chunks(X, feature_axes, run=run):
            work = self if features == slice(None) else self._part(features)
            work._run_chunk(X[:, features], out[:, features], feature_axes)

    def _part(self, features: slice) -> "_Work":
        steps = [
            Step(operation, value[features] if isinstance(value, np.ndarray) else value)
            for operation, value in self.steps
        ]
        return _Work(steps, self.dtype, self.finish, self.check_finite)

    def _run_chunk(self, X: Array, out: Array, feature_axes: tuple[int, ...]) -> None:
        size = BLOCK_ELEMENTS * 4 // max(X.itemsize, self.dtype.itemsize)
        blocks = FeatureBlocks(X, feature_axes, block_elements=size)
        out_view = out.transpose(blocks.order)
        whole = blocks.view.flags.c_contiguous and out_view.flags.c_contiguous
        folded = blocks.folded and whole
        place = blocks.pattern if folded else blocks.spread
        values = [
            place(step.value) if isinstance(step.value, np.ndarray) else step.value
            for step in self.steps
        ]
        for index in blocks.slices():
            source, target = blocks.view[index], out_view[index]
            if not folded:
                self._compute(source, target, values)
                continue
            for rows, result in zip(blocks.fold(source), blocks.fold(target), strict=True):
                if len(rows):
                    width = rows.shape[1]
                    self._compute(rows, result, [_cut(value, width) for value in values])

    def _compute(self, source: Array, target: Array, values: Sequence[Array | float]) -> None:
        """Write the result for one block; `values` broadcast against it."""
        exact = target.dtype == self.dtype
        result = target if exact else np.empty(target.shape, dtype=self.dtype)
        if self.check_finite or not np.may_share_memory(result, source):
            # A plain copy first: it does not read the lines that it is about to overwrite, as
            # an operation from one array to another would.
            np.copyto(result, source)
        if self.check_finite:
            check_no_infinity(result)
        for step, value in zip(self.steps, values, strict=True):
            step.operation(result, value, out=result)
        if self.finish is not None:
            self.finish(result)
        if not exact:
            np.copyto(target, result, casting="same_kind")


def _cut(value: Array | float, width: int) -> Array | float:
    return value[:width] if isinstance(value, np.ndarray) else value
