"""A dense network as a program: one line a layer, with places in the memory that it works in."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from sklearn_trainkit.neural_network.compiled._program_lines import Writer
from sklearn_trainkit.neural_network.kernels._codes import Field, Operation, Use
from sklearn_trainkit.neural_network.modules._dropout import SeededDropout
from sklearn_trainkit.neural_network.stacking._stacked_layers import NotStackableError

__all__ = ["Program", "write_program"]

_ELEMENTWISE = (Operation.RECTIFY, Operation.ACTIVATE, Operation.DROPOUT)
_NORMS = (Operation.BATCH_NORM, Operation.GROUP_NORM, Operation.RMS_NORM)


@dataclass
class Program:
    """What the compiled code needs to know of a network.

    Attributes
    ----------
    lines : ndarray of int64, shape (n_lines, n_fields)
    reals : ndarray of float64, shape (n_lines, 2)
    n_work, n_slots, n_scales, n_running : int
        Numbers of each kind of memory.
    norms : list of BatchNorm1d
        In the order of their running statistics.
    dropouts : list of (SeededDropout, int)
        The layers that draw, with their width.
    """

    lines: np.ndarray
    reals: np.ndarray
    n_work: int
    n_slots: int
    n_scales: int
    n_running: int
    norms: list[nn.BatchNorm1d]
    dropouts: list[tuple[SeededDropout, int]]


def write_program(
    module: nn.Module,
    n_features: int,
    n_rows: int,
    columns: dict[str, tuple[int, int, Any]],
    eps: float,
) -> Program:
    """Return a module's program.

    Parameters
    ----------
    module : Module
        Of layers of our kinds.
    n_features : int
    n_rows : int
        Of the largest batch.
    columns : dict of str to (start, stop, shape)
        Where each parameter lies in a row of a ``ModuleBlock``.
    eps : float
        The resolution of the type of number, which RMSNorm takes if it has no eps of its own.

    Raises
    ------
    NotStackableError
        If some layer is of another kind; the message says which.
    """
    writer = Writer(columns, n_features, eps)
    last = writer.layer(module, "", 0)
    if not writer.lines or writer.lines[-1].y != last:
        raise NotStackableError("the network has no layers")
    unused = sorted(set(columns) - writer.used)
    if unused:
        raise NotStackableError(f"parameters outside of compiled layers: {', '.join(unused)}")
    return _Layout(writer, n_rows).program()


class _Layout:
    """Gives every value, and every gradient, a place in memory, and reuses what it can.

    Elementwise layers and norms write over their input where nobody else reads it: what they need
    for the backward pass takes the place of what they have read. Gradients live in a few slots,
    taken and given back on the way.
    """

    def __init__(self, writer: Writer, n_rows: int) -> None:
        self._writer = writer
        self._lines = writer.lines
        self._n_rows = n_rows
        self._n_work = 0
        self._readers: list[list[int]] = [[] for _ in writer.widths]
        for number, line in enumerate(self._lines):
            for value in (line.x, line.other):
                if value >= 0:
                    self._readers[value].append(number)
        self._writers = {line.y: line for line in self._lines}
        self._needs_gradient = self._values_with_gradients()

    def program(self) -> Program:
        """Return the program."""
        lines = np.zeros((len(self._lines), len(Field)), dtype=np.int64)
        reals = np.array([line.reals for line in self._lines])
        values, kept = self._places_of_values()
        slots, n_slots = self._places_of_gradients()
        n_scales = 0
        uses: set[int] = set()
        for number in range(len(self._lines) - 1, -1, -1):
            line = self._lines[number]
            row = lines[number]
            width = self._writer.widths[line.x]
            row[Field.OPERATION] = line.operation
            row[[Field.X, Field.Y, Field.KEPT]] = values[line.x], values[line.y], kept[number]
            row[[Field.N_IN, Field.N_OUT]] = width, self._writer.widths[line.y]
            row[[Field.WEIGHT, Field.BIAS]] = line.weight, line.bias
            row[[Field.KIND, Field.RUNNING]] = line.kind, line.running
            row[[Field.GRADIENT_X, Field.GRADIENT_Y]] = slots[line.x], slots[line.y]
            row[Field.USE] = self._use(line.x, uses)
            if line.other >= 0:
                row[[Field.OTHER, Field.N_OTHER]] = (
                    values[line.other],
                    self._writer.widths[line.other],
                )
                row[Field.GRADIENT_OTHER] = slots[line.other]
                row[Field.USE_OTHER] = self._use(line.other, uses)
            if line.operation in _NORMS:
                row[Field.SCALES] = n_scales
                per_row = line.kind if line.operation == Operation.GROUP_NORM else 1
                is_batch = line.operation == Operation.BATCH_NORM
                n_scales += 2 * width if is_batch else self._n_rows * per_row
        return Program(
            lines,
            reals,
            self._n_work,
            n_slots,
            n_scales,
            self._writer.n_running,
            self._writer.norms,
            self._writer.dropouts,
        )

    def _use(self, value: int, uses: set[int]) -> Use:
        if not self._needs_gradient[value]:
            return Use.NONE
        use = Use.ADD if value in uses else Use.SET
        uses.add(value)
        return use

    def _values_with_gradients(self) -> list[bool]:
        """Return which values depend on parameters: the others need no gradient."""
        needs = [False] * len(self._writer.widths)
        for line in self._lines:
            needs[line.y] = line.weight >= 0 or any(
                needs[value] for value in (line.x, line.other) if value >= 0
            )
        return needs

    def _is_free(self, value: int) -> bool:
        """Tell whether who reads a value may write over it."""
        source = self._writers.get(value)
        while source is not None and source.operation == Operation.DROPOUT:
            source = self._writers.get(source.x)  # whose place it may share
        # A rectifier looks at its output to know where its slope was zero.
        needed = source is not None and source.operation == Operation.RECTIFY
        return len(self._readers[value]) == 1 and not needed

    def _new(self, width: int) -> int:
        place, self._n_work = self._n_work, self._n_work + width * self._n_rows
        return place

    def _places_of_values(self) -> tuple[list[int], list[int]]:
        widths = self._writer.widths
        places = [self._new(widths[0])] + [-1] * (len(widths) - 1)
        kept = [0] * len(self._lines)
        for number, line in enumerate(self._lines):
            width = widths[line.x]
            # What dropout makes zero, the rectifier before it would have let no gradient through.
            alone = len(self._readers[line.x]) == 1
            is_free = alone if line.operation == Operation.DROPOUT else self._is_free(line.x)
            if line.operation in (Operation.RECTIFY, Operation.DROPOUT) and is_free:
                places[line.y] = places[line.x]
                continue
            if line.operation == Operation.ACTIVATE or line.operation in _NORMS:
                kept[number] = places[line.x] if is_free else self._new(width)
            places[line.y] = self._new(widths[line.y])
        return places, kept

    def _places_of_gradients(self) -> tuple[list[int], int]:
        """Return the slot of each value's gradient, and how many numbers the slots have.

        Slot 0 is for use within a line.
        """
        widths = self._writer.widths
        size = max(widths) * max(self._n_rows, 2)
        slots = [0] * len(widths)
        free: list[int] = []
        n_slots = 1
        held: set[int] = set()

        def take(value: int) -> None:
            nonlocal n_slots
            if value in held or not self._needs_gradient[value]:
                return
            held.add(value)
            if free:
                slots[value] = free.pop()
            else:
                slots[value], n_slots = n_slots * size, n_slots + 1

        take(len(widths) - 1 if not self._lines else self._lines[-1].y)
        for line in reversed(self._lines):
            in_place = line.operation in _ELEMENTWISE or line.operation in _NORMS
            if in_place and len(self._readers[line.x]) == 1 and self._needs_gradient[line.x]:
                slots[line.x] = slots[line.y]
                held.add(line.x)
                continue
            take(line.x)
            if line.other >= 0:
                take(line.other)
            free.append(slots[line.y])
        return slots, n_slots * size
