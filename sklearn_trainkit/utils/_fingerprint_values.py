"""Plain values as bytes: numbers, strings and rows of them, each with its type and its length."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Description", "Part", "describe_row", "encode_atom", "encode_atoms", "join"]


class Part(NamedTuple):
    """One of the objects that another is made of.

    Attributes
    ----------
    step : str
        How to get there, for messages: ``.coef_``, ``['net']``.
    value : object
    cloned : bool
        Whether it is cloned, as parameters of estimators are, before it is used.
    """

    step: str
    value: Any
    cloned: bool = False


class Description(NamedTuple):
    """What an object is made of.

    Attributes
    ----------
    head : bytes
        Its kind, and what it says by itself.
    parts : sequence of Part
        The rest.
    ordered : bool
        Whether the order of the parts counts.
    """

    head: bytes
    parts: Sequence[Part] = ()
    ordered: bool = True


def describe_row(kind: bytes, values: Sequence[Any], cloned: bool = False) -> Description:
    """Describe a list of objects of any kind, in their order."""
    atoms = encode_atoms(values)
    if atoms is not None:
        return Description(join(kind, atoms))
    return Description(
        join(kind), [Part(f"[{index}]", value, cloned) for index, value in enumerate(values)]
    )


def encode_atom(value: Any) -> bytes | None:
    """Return a plain value as bytes; None when it is made of other objects.

    >>> encode_atom(1), encode_atom(1.0), encode_atom(True), encode_atom([1])
    (b'int 1', b'float 0x1.0000000000000p+0', b'bool True', None)
    >>> encode_atom(np.float64(0.5)) == encode_atom(0.5)
    True
    """
    if isinstance(value, np.generic):
        value = _to_python(value)
    kind = type(value)
    if kind is str:
        return b"str " + value.encode("utf-8", "surrogatepass")
    if kind is int:
        return b"int %x" % value if abs(value) >= 2**62 else b"int %d" % value
    if kind is float:
        return b"float " + _float(value)
    if kind is bool:
        return b"bool True" if value else b"bool False"
    if value is None:
        return b"None"
    if kind is bytes:
        return b"bytes " + value
    if kind is complex:
        return b"complex " + _float(value.real) + b" " + _float(value.imag)
    if value is Ellipsis or value is NotImplemented:
        return b"constant " + repr(value).encode()
    return None


def encode_atoms(values: Sequence[Any]) -> bytes | None:
    """Return a row of plain values as bytes; None when one of them is not plain."""
    kinds = set(map(type, values))
    if any(issubclass(kind, np.generic) for kind in kinds):
        values = [_to_python(value) if isinstance(value, np.generic) else value for value in values]
        kinds = set(map(type, values))
    if kinds == {str}:
        # Lengths and letters apart: a hundred thousand strings in a few milliseconds.
        lengths = np.fromiter(map(len, values), np.int64, len(values))
        return join(b"strings", lengths.tobytes(), "".join(values).encode("utf-8", "surrogatepass"))
    if kinds == {float}:
        numbers = np.array(values) + 0.0
        numbers[np.isnan(numbers)] = np.nan
        return join(b"floats", numbers.astype("<f8").tobytes())
    encoded = []
    for value in values:
        atom = encode_atom(value)
        if atom is None:
            return None
        encoded.append(atom)
    return join(*encoded)


def join(*parts: bytes) -> bytes:
    """Return parts as one, so that no other parts give the same."""
    return b"".join(b"%d:" % len(part) + part for part in parts)


def _float(value: float) -> bytes:
    # -0.0 equals 0.0, and every NaN is the same one.
    return b"nan" if value != value else (value + 0.0).hex().encode()


def _to_python(value: np.generic) -> Any:
    # Lower and higher precision decide what arithmetic gives, so they stay what they are.
    plain = isinstance(
        value, np.bool_ | np.integer | np.float64 | np.complex128 | np.str_ | np.bytes_
    )
    if not plain or isinstance(value, np.timedelta64):
        return value
    return value.item()
