"""Training steps of one network: an interpreter of programs, compiled once for all of them."""

from typing import Any

import numpy as np

from sklearn_trainkit.neural_network.kernels._activations import activate, rectify
from sklearn_trainkit.neural_network.kernels._arithmetic import compiled_part
from sklearn_trainkit.neural_network.kernels._clipping import clip
from sklearn_trainkit.neural_network.kernels._codes import Field, Operation, Part, Real, Use
from sklearn_trainkit.neural_network.kernels._layers import (
    add,
    concatenate,
    drop,
    hand_back,
    linear,
    linear_backward,
    multiply,
    rectify_backward,
)
from sklearn_trainkit.neural_network.kernels._losses import loss_and_gradient
from sklearn_trainkit.neural_network.kernels._norms import (
    normalize_batch,
    normalize_batch_backward,
    normalize_groups,
    normalize_groups_backward,
    normalize_roots,
    normalize_roots_backward,
    scale_and_shift,
    scale_and_shift_backward,
)
from sklearn_trainkit.neural_network.kernels._optimizers import take_step

__all__ = ["train_steps"]

_LINEAR, _RECTIFY = int(Operation.LINEAR), int(Operation.RECTIFY)
_ACTIVATE, _DROPOUT = int(Operation.ACTIVATE), int(Operation.DROPOUT)
_BATCH_NORM, _GROUP_NORM = int(Operation.BATCH_NORM), int(Operation.GROUP_NORM)
_RMS_NORM, _ADD, _CONCAT = int(Operation.RMS_NORM), int(Operation.ADD), int(Operation.CONCAT)
_X, _Y, _KEPT = int(Field.X), int(Field.Y), int(Field.KEPT)
_N_IN, _N_OUT, _N_OTHER = int(Field.N_IN), int(Field.N_OUT), int(Field.N_OTHER)
_WEIGHT, _BIAS, _KIND = int(Field.WEIGHT), int(Field.BIAS), int(Field.KIND)
_GRADIENT_X, _GRADIENT_Y = int(Field.GRADIENT_X), int(Field.GRADIENT_Y)
_USE, _SCALES, _RUNNING = int(Field.USE), int(Field.SCALES), int(Field.RUNNING)
_OTHER, _GRADIENT_OTHER = int(Field.OTHER), int(Field.GRADIENT_OTHER)
_USE_OTHER = int(Field.USE_OTHER)
_FIRST, _SECOND = int(Real.FIRST), int(Real.SECOND)
_NONE = int(Use.NONE)
_GRADIENTS, _UPDATE = int(Part.GRADIENTS), int(Part.UPDATE)


@compiled_part
def _part(array: Any, start: int, size: int) -> Any:
    """Return a part of a row, or an empty one where there is none."""
    return array[:0] if start < 0 else array[start : start + size]


@compiled_part
def _rows(array: Any, start: int, n_rows: int, width: int) -> Any:
    return array[start : start + n_rows * width].reshape(n_rows, width)


@compiled_part
def _forward(memory: Any, bits: Any, n_rows: int) -> int:
    """Run a batch through the network; return how many random numbers it took."""
    program, reals, p, _, running, work, _, scales = memory
    n_bits = 0
    for k in range(program.shape[0]):
        line = program[k]
        operation, n_in, n_out = line[0], line[_N_IN], line[_N_OUT]
        x = work[line[_X] : line[_X] + n_rows * n_in]
        y = work[line[_Y] : line[_Y] + n_rows * n_out]
        if operation == _LINEAR:
            weight = p[line[_WEIGHT] : line[_WEIGHT] + n_in * n_out].reshape(n_out, n_in)
            bias = _part(p, line[_BIAS], n_out)
            linear(x.reshape(n_rows, n_in), y.reshape(n_rows, n_out), weight, bias)
        elif operation == _RECTIFY:
            rectify(x, y, reals[k, _FIRST])
        elif operation == _ACTIVATE:
            slope = work[line[_KEPT] : line[_KEPT] + n_rows * n_in]
            activate(line[_KIND], x, y, slope, reals[k, _FIRST], reals[k, _SECOND])
        elif operation == _DROPOUT:
            drop(x, y, bits[n_bits:], line[_KIND], reals[k, _FIRST])
            n_bits += -(-x.size // 4) * 4
        elif operation == _ADD:
            add(x, work[line[_OTHER] : line[_OTHER] + n_rows * n_in], y)
        elif operation == _CONCAT:
            other = _rows(work, line[_OTHER], n_rows, line[_N_OTHER])
            concatenate(x.reshape(n_rows, n_in), other, y.reshape(n_rows, n_out))
        else:
            values = x.reshape(n_rows, n_in)
            kept = _rows(work, line[_KEPT], n_rows, n_in)
            own = scales[line[_SCALES] :]
            if operation == _BATCH_NORM:
                means = running[line[_RUNNING] : line[_RUNNING] + 2 * n_in]
                own = own[: 2 * n_in]
                normalize_batch(values, kept, means, own, reals[k, _FIRST], reals[k, _SECOND])
            elif operation == _GROUP_NORM:
                normalize_groups(values, kept, own, line[_KIND], reals[k, _FIRST])
            else:
                normalize_roots(values, kept, own, reals[k, _FIRST])
            weight, bias = _part(p, line[_WEIGHT], n_in), _part(p, line[_BIAS], n_in)
            scale_and_shift(kept, y.reshape(n_rows, n_out), weight, bias)
    return n_bits


@compiled_part
def _norm_backward(
    line: Any, p: Any, gradients: Any, columns: Any, kept: Any, scales: Any, slots: Any
) -> None:
    """Leave the gradients of a norm's parameters; turn ``columns`` into that of its input."""
    operation, width = line[0], line[_N_IN]
    weight = _part(p, line[_WEIGHT], width)
    weight_gradient = _part(gradients, line[_WEIGHT], width)
    bias_gradient = _part(gradients, line[_BIAS], width)
    scale_and_shift_backward(columns, kept, weight, weight_gradient, bias_gradient)
    if line[_USE] == _NONE:
        return
    if operation == _BATCH_NORM:
        normalize_batch_backward(columns, kept, scales, slots)
    elif operation == _GROUP_NORM:
        normalize_groups_backward(columns, kept, scales, line[_KIND])
    else:
        normalize_roots_backward(columns, kept, scales)


@compiled_part
def _linear_backward(
    line: Any, p: Any, gradients: Any, x: Any, g: Any, slots: Any, n_rows: int
) -> None:
    n_in, n_out, first = line[_N_IN], line[_N_OUT], line[_WEIGHT]
    weight = p[first : first + n_in * n_out].reshape(n_out, n_in)
    own = gradients[first : first + n_in * n_out].reshape(n_out, n_in)
    bias = _part(gradients, line[_BIAS], n_out)
    passed = _rows(slots, line[_GRADIENT_X], n_rows, n_in)
    spare = slots[: n_rows * n_in].reshape(n_rows, n_in)
    linear_backward(x, g.reshape(n_rows, n_out), weight, own, bias, passed, line[_USE], spare)


@compiled_part
def _backward(memory: Any, bits: Any, n_bits: int, n_rows: int) -> None:
    """Leave the gradients of the parameters, from that of the output on."""
    program, reals, p, gradients, _, work, slots, scales = memory
    for k in range(program.shape[0] - 1, -1, -1):
        line = program[k]
        operation, n_in, n_out, use = line[0], line[_N_IN], line[_N_OUT], line[_USE]
        g = slots[line[_GRADIENT_Y] : line[_GRADIENT_Y] + n_rows * n_out]
        passed = _rows(slots, line[_GRADIENT_X], n_rows, n_in)
        if operation == _LINEAR:
            x = _rows(work, line[_X], n_rows, n_in)
            _linear_backward(line, p, gradients, x, g, slots, n_rows)
            continue
        if operation in (_ADD, _CONCAT):
            columns = g.reshape(n_rows, n_out)
            other = _rows(slots, line[_GRADIENT_OTHER], n_rows, line[_N_OTHER])
            hand_back(columns, 0, passed, use)
            hand_back(columns, n_in if operation == _CONCAT else 0, other, line[_USE_OTHER])
            continue
        if operation == _RECTIFY:
            rectify_backward(g, work[line[_Y] : line[_Y] + n_rows * n_out], reals[k, _FIRST])
        elif operation == _ACTIVATE:
            multiply(g, work[line[_KEPT] : line[_KEPT] + n_rows * n_in])
        elif operation == _DROPOUT:
            n_bits -= -(-g.size // 4) * 4
            drop(g, g, bits[n_bits:], line[_KIND], reals[k, _FIRST])
        else:
            kept = _rows(work, line[_KEPT], n_rows, n_in)
            own = scales[line[_SCALES] :]
            _norm_backward(line, p, gradients, g.reshape(n_rows, n_in), kept, own, slots)
        if use != _NONE and line[_GRADIENT_X] != line[_GRADIENT_Y]:
            hand_back(g.reshape(n_rows, n_in), 0, passed, use)


@compiled_part
def _gather(X: Any, rows: Any, work: Any) -> None:
    width = X.shape[1]
    for i in range(rows.size):
        row = rows[i]
        for j in range(width):
            work[i * width + j] = X[row, j]


def train_steps(
    part: int,
    memory: Any,
    data: Any,
    batches: Any,
    loss: Any,
    clipping: Any,
    optimizer: Any,
    rates: Any,
    losses: Any,
    outputs: Any,
) -> int:
    """Take the steps of some batches; return how many losses were noted.

    Before a step whose loss is not finite it ends; that loss is noted.

    Parameters
    ----------
    part : int
        A :class:`Part` of each step.
    memory : tuple of ndarray
        The program (n_lines, n_fields), its reals (n_lines, 2), the parameters (n,), gradients
        (2 * n,), whose second half is for use here, running means and variances of batch norms, and
        space for the values, gradients and standard deviations of a batch.
    data : tuple of ndarray
        Samples (n_rows, n_features), class codes (n_rows,), targets (n_rows, n_outputs), weights
        (n_rows, 1) or (n_rows, n_outputs); what there is not is empty.
    batches : tuple of ndarray
        The order of the rows, where each batch begins and ends in it (n_steps, 2), and random
        numbers for dropout.
    loss : tuple of (int, float, ndarray)
        Kind, smoothing and spread: see :func:`loss_and_gradient`.
    clipping : tuple of ndarray
        Units and limits: see :func:`clip`.
    optimizer : tuple of (int, ndarray, ...)
        Kind, hyperparameters, numbers and three states: see :func:`take_step`.
    rates, losses : ndarray of float64, shape (n_steps,)
        Learning rates; losses are written.
    outputs : ndarray of shape (n_rows, n_outputs) or (0, 0)
        What the network gave for each row of the order is written, where there is room.
    """
    program, _, p, gradients, _, work, slots, _ = memory
    X, codes, y, weights = data
    order, bounds, bits = batches
    last = program.shape[0] - 1
    n_outputs = program[last, _N_OUT]
    n_taken = 0
    for step in range(bounds.shape[0]):
        if part != _UPDATE:
            rows = order[bounds[step, 0] : bounds[step, 1]]
            n_rows = rows.size
            _gather(X, rows, work)
            own_bits = bits[n_taken:]
            n_bits = _forward(memory, own_bits, n_rows)
            n_taken += n_bits
            o = _rows(work, program[last, _Y], n_rows, n_outputs)
            g = _rows(slots, program[last, _GRADIENT_Y], n_rows, n_outputs)
            losses[step] = loss_and_gradient(
                loss[0], o, g, codes, y, weights, rows, loss[1], loss[2]
            )
            if outputs.size:
                outputs[bounds[step, 0] : bounds[step, 1]] = o
            if not np.isfinite(losses[step]):
                return step + 1
            _backward(memory, own_bits, n_bits, n_rows)
        if part != _GRADIENTS:
            clip(p, gradients[: p.size], clipping[0], clipping[1])
            kind, hyper, numbers, s1, s2, s3 = optimizer
            take_step(kind, p, gradients, s1, s2, s3, rates[step], numbers, hyper)
    return bounds.shape[0]
