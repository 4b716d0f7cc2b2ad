"""Scaling in loops that numba compiles: all operations of a value at once.

Any scaling without clipping is ``(x - a - b) * c + d + e``, where what a step does not need is 0,
1 or -0: numbers that change no bit. `scale_rows` and `scale_runs` store their results as usual.
`stream_rows` and `stream_runs` send them to memory past the cache: an ordinary store reads the
line that it is about to overwrite, and pushes it out of the cache later; a non-temporal store of
a whole line does neither. LLVM has such stores, but numba's language does not, so that a line is
put together here from LLVM's vector operations: the same ones in the same order as in the other
loops and none of them fused, so that the bits are the same.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from sklearn_trainkit.utils._compile_loop import compile_loop

__all__ = ["scale_rows", "scale_runs", "stream_rows", "stream_runs"]

_LINE_BYTES = 64
_PREFETCHED_BYTES = 2_048
_OPERATIONS = ("fsub", "fsub", "fmul", "fadd", "fadd")


def _instructions(generate: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function for compiled code of one that writes LLVM's instructions."""
    compiled: Any = intrinsic(generate)
    return compiled


# -- one line ------------------------------------------------------------------------------------


@_instructions
def _scale_line(
    typing: Any, source: Any, operands: Any, target: Any, start: Any, offset: Any, line: Any
) -> Any:
    """Write ``(x - a - b) * c + d + e`` for one line, and return whether an x is infinite.

    `source` and `target` are flat arrays with line 0 at `start`, which must be the beginning of a
    cache line in `target`. `operands` are arrays with line 0 at `offset`, or numbers.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args
        line = _line_type(context, source.dtype)
        skipped = builder.mul(arguments[5], ir.Constant(arguments[5].type, line.count))
        start, offset = (builder.add(first, skipped) for first in arguments[3:5])
        pointer = _pointer(context, builder, kinds[0], arguments[0], start, line)
        value = values = builder.load(pointer, align=_n_bytes(line.element))
        if not any(isinstance(kind, types.Array) for kind in kinds[1]):
            _prefetch(builder, pointer)
        for i, name in enumerate(_OPERATIONS):
            operand = builder.extract_value(arguments[1], i)
            operand = _operand(context, builder, kinds[1][i], operand, offset, line)
            value = getattr(builder, name)(value, operand)
        pointer = _pointer(context, builder, kinds[2], arguments[2], start, line)
        store = builder.store(value, pointer, align=_LINE_BYTES)
        one = ir.Constant(ir.IntType(32), 1)
        store.set_metadata("nontemporal", builder.module.add_metadata([one]))
        return _holds_infinity(builder, values)

    return types.boolean(source, operands, target, *[types.intp] * 3), generate


def _line_type(context: Any, dtype: Any) -> Any:
    number = context.get_value_type(dtype)
    return ir.VectorType(number, _LINE_BYTES // _n_bytes(number))


def _n_bytes(number: Any) -> int:
    return 4 if isinstance(number, ir.FloatType) else 8


def _pointer(context: Any, builder: Any, kind: Any, array: Any, position: Any, line: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [position]), line.as_pointer())


def _operand(context: Any, builder: Any, kind: Any, operand: Any, position: Any, line: Any) -> Any:
    if isinstance(kind, types.Array):
        pointer = _pointer(context, builder, kind, operand, position, line)
        return builder.load(pointer, align=_n_bytes(line.element))
    undefined = ir.Constant(line, ir.Undefined)
    first = builder.insert_element(undefined, operand, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), line.count), [0] * line.count)
    return builder.shuffle_vector(first, undefined, zeros)


def _prefetch(builder: Any, line: Any) -> None:
    """Ask for the line that the loop comes to some time later.

    With its operands in registers the loop runs ahead of what the processor fetches by itself,
    and a load that waits holds the stores up: a third of the time. With operands to load, the
    processor is early enough, and this would cost as much.
    """
    byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
    fetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
    later = builder.gep(builder.bitcast(line, byte), [number(_PREFETCHED_BYTES)])
    reading, all_caches, data = number(0), number(3), number(1)
    builder.call(fetch, [later, reading, all_caches, data])


def _holds_infinity(builder: Any, values: Any) -> Any:
    """Compare without the sign bit: infinity has all bits of the exponent, and no others."""
    count, n_bits = values.type.count, 8 * _n_bytes(values.type.element)
    exponent, fraction = {32: (8, 23), 64: (11, 52)}[n_bits]
    integers = ir.VectorType(ir.IntType(n_bits), count)
    unsigned = ir.Constant(integers, [(1 << n_bits - 1) - 1] * count)
    infinity = ir.Constant(integers, [(1 << exponent) - 1 << fraction] * count)
    bits = builder.and_(builder.bitcast(values, integers), unsigned)
    found = builder.icmp_unsigned("==", bits, infinity)
    flags = builder.bitcast(found, ir.IntType(count))
    return builder.icmp_unsigned("!=", flags, ir.Constant(flags.type, 0))


@_instructions
def _at(typing: Any, operand: Any, j: Any) -> Any:
    """Return the number at position `j`, or `operand` itself where that is one number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if not isinstance(operand, types.Array):
            return arguments[0]
        data = context.make_array(operand)(context, builder, arguments[0]).data
        return builder.load(builder.gep(data, [arguments[1]]))

    number = operand.dtype if isinstance(operand, types.Array) else operand
    return number(operand, types.intp), generate


@_instructions
def _line_length(typing: Any, array: Any) -> Any:
    """Return how many numbers of an array fill a line, as a constant."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_constant(types.intp, _line_type(context, array.dtype).count)

    return types.intp(array), generate


@_instructions
def _order_lines(typing: Any) -> Any:
    """Finish the lines before what the thread does next: another one may be told to read them."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


# -- loops ---------------------------------------------------------------------------------------


@compile_loop
def scale_rows(X: Any, operands: Any, out: Any) -> bool:
    """Scale rows by five operands: an array along the row each, or a number."""
    a, b, c, d, e = operands
    infinite = False
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            x = X[i, j]
            infinite |= abs(x) == np.inf
            out[i, j] = (x - _at(a, j) - _at(b, j)) * _at(c, j) + _at(d, j) + _at(e, j)
    return infinite


@compile_loop
def scale_runs(X: Any, operands: Any, out: Any) -> bool:
    """As `scale_rows`, with one operand per run."""
    infinite = False
    for i in range(X.shape[0]):
        a, b, c, d, e = _operands_at(operands, i)
        source, target = X[i], out[i]
        for j in range(len(source)):
            x = source[j]
            infinite |= abs(x) == np.inf
            target[j] = (x - a - b) * c + d + e
    return infinite


@compile_loop
def stream_rows(X: Any, operands: Any, out: Any) -> bool:
    """As `scale_rows`, past the cache."""
    source, target, width = X.reshape(-1), out.reshape(-1), X.shape[1]
    infinite = False
    for i in range(X.shape[0]):
        infinite |= _stream(source, operands, target, i * width, (i + 1) * width)
    _order_lines()
    return infinite


@compile_loop
def stream_runs(X: Any, operands: Any, out: Any) -> bool:
    """As `scale_runs`, past the cache."""
    source, target, width = X.reshape(-1), out.reshape(-1), X.shape[1]
    infinite = False
    for i in range(X.shape[0]):
        own = _operands_at(operands, i)
        infinite |= _stream(source, own, target, i * width, (i + 1) * width)
    _order_lines()
    return infinite


@compile_loop
def _stream(source: Any, operands: Any, target: Any, begin: int, end: int) -> bool:
    """Scale the whole cache lines between two positions, and the numbers around them."""
    a, b, c, d, e = operands
    n_in_line = _line_length(target)
    start = min(begin + (_before_line(target) - begin) % n_in_line, end)
    n_lines = (end - start) // n_in_line
    infinite = False
    for k in range(n_lines):
        infinite |= _scale_line(source, operands, target, start, start - begin, k)
    for first, stop in ((begin, start), (start + n_lines * n_in_line, end)):
        for k in range(first, stop):
            x, j = source[k], k - begin
            infinite |= abs(x) == np.inf
            target[k] = (x - _at(a, j) - _at(b, j)) * _at(c, j) + _at(d, j) + _at(e, j)
    return infinite


@compile_loop
def _operands_at(operands: Any, i: int) -> Any:
    a, b, c, d, e = operands
    return _at(a, i), _at(b, i), _at(c, i), _at(d, i), _at(e, i)


@compile_loop
def _before_line(target: Any) -> Any:
    """Return how many numbers lie before the first cache line that begins in `target`."""
    n_bytes = _LINE_BYTES // _line_length(target)
    return -(target.ctypes.data // n_bytes) % _line_length(target)
