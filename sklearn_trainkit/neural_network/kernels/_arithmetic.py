"""Exponentials that the compiler can put several of into one instruction.

A call into the C library would keep a loop from being vectorized. ``exp`` and what comes of it are
polynomials after the argument is brought near to zero by a power of two (Cody, Waite: Software
manual for the elementary functions, 1980): exact to the last bits of float64, and of float32. NaN
stays NaN. Arguments beyond the range give the largest, or smallest, normal result.
"""

import math
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic, overload

__all__ = ["FAST_MATH", "compiled_part", "erf", "exp", "expm1", "log1p_exp", "sigmoid", "tanh"]

# Sums in any order and fused products; NaN and infinity are seen: a loss that diverges is noticed.
FAST_MATH = {"contract", "reassoc", "nsz", "arcp"}


def compiled_part(function: Any) -> Any:
    """Return what becomes a part of the compiled code of whoever calls it."""
    return njit(function, fastmath=FAST_MATH, nogil=True, error_model="numpy")


def _inlined(function: Any) -> Any:
    return njit(function, fastmath=FAST_MATH, nogil=True, error_model="numpy", forceinline=True)


def _instructions(generate: Any) -> Any:
    """Make a function for compiled code of one that writes LLVM's instructions."""
    return intrinsic(generate)


def _same_bits(result: types.Type) -> Any:
    @_instructions
    def convert(typing: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], context.get_value_type(result))

        return result(value), generate

    return convert


@_instructions
def _floor(typing: Any, x: Any) -> Any:
    """Round down to a whole number of x's own type; math.floor gives an int64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(x)
        return builder.call(builder.module.declare_intrinsic("llvm.floor", [kind]), arguments)

    return x(x), generate


_as_float32 = _same_bits(types.float32)
_as_float64 = _same_bits(types.float64)


@_inlined
def _power_of_two_32(k: Any) -> Any:
    return _as_float32(np.int32((np.int32(k) + np.int32(127)) << np.int32(23)))


@_inlined
def _power_of_two_64(k: Any) -> Any:
    return _as_float64(np.int64((np.int64(np.int32(k)) + np.int64(1023)) << np.int64(52)))


# Of a reduced argument r, from -log(2) / 2 to log(2) / 2: exp(r) - 1 as a Taylor series, whose rest
# is below half a last bit; and the powers of two, in two steps where the first would overflow.
@_inlined
def _reduced_32(x: Any) -> Any:
    x = np.float32(-87.0) if x < np.float32(-87.0) else x
    x = np.float32(88.0) if x > np.float32(88.0) else x
    k = _floor(x * np.float32(1.44269504) + np.float32(0.5))
    r = x - k * np.float32(0.693359375)
    r = r - k * np.float32(-2.12194440e-4)
    p = np.float32(1.0 / 5040.0)
    p = p * r + np.float32(1.0 / 720.0)
    p = p * r + np.float32(1.0 / 120.0)
    p = p * r + np.float32(1.0 / 24.0)
    p = p * r + np.float32(1.0 / 6.0)
    p = p * r + np.float32(0.5)
    return p * r * r + r, _power_of_two_32(k)


@_inlined
def _reduced_64(x: Any) -> Any:
    x = -708.0 if x < -708.0 else x
    x = 709.0 if x > 709.0 else x
    k = _floor(x * 1.4426950408889634 + 0.5)
    r = x - k * 6.93145751953125e-1
    r = r - k * 1.42860682030941723212e-6
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    return p * r * r + r, _power_of_two_64(k)


def _reduced(x: Any) -> Any:
    """Return exp(r) - 1 and 2**k, with x = r + k * log(2)."""
    raise NotImplementedError  # pragma: no cover


@overload(_reduced, strict=False)
def _reduced_overload(x: Any) -> Any:
    return (lambda x: _reduced_32(x)) if x == types.float32 else (lambda x: _reduced_64(x))


@_inlined
def exp(x: Any) -> Any:
    """Return e to the power of x."""
    less_one, power = _reduced(x)
    return less_one * power + power


@_inlined
def expm1(x: Any) -> Any:
    """Return e to the power of x, less one, exact for small x too."""
    less_one, power = _reduced(x)
    one = type(x)(1)
    return less_one * power + (power - one)


@_inlined
def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x))."""
    one = type(x)(1)
    return one / (one + exp(-x))


@_inlined
def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent."""
    limit = type(x)(20)
    x = -limit if x < -limit else x
    x = limit if x > limit else x
    less_one = expm1(x + x)
    return less_one / (less_one + type(x)(2))


@_inlined
def log1p_exp(x: Any) -> Any:
    """Return log(1 + exp(x)), for negative x or zero."""
    return math.log1p(exp(x))


@_inlined
def _erf_32(x: Any) -> Any:
    # Abramowitz, Stegun: Handbook of mathematical functions, 7.1.26, error 1.5e-7.
    u = abs(x)
    t = np.float32(1) / (np.float32(1) + np.float32(0.3275911) * u)
    p = np.float32(1.061405429) * t - np.float32(1.453152027)
    p = p * t + np.float32(1.421413741)
    p = p * t - np.float32(0.284496736)
    p = p * t + np.float32(0.254829592)
    e = np.float32(1) - p * t * exp(-u * u)
    return -e if x < np.float32(0) else e


def erf(x: Any) -> Any:
    """Return the error function: to 2e-7 in float32, to the last bits in float64."""
    raise NotImplementedError  # pragma: no cover


@overload(erf, strict=False)
def _erf_overload(x: Any) -> Any:
    return (lambda x: _erf_32(x)) if x == types.float32 else (lambda x: math.erf(x))
