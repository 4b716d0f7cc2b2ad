"""Arrays and sparse matrices by value: order in memory, strides and order of bytes do not count."""

import hashlib
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from sklearn_trainkit.utils._fingerprint_values import Description, Part, describe_row, join

__all__ = ["describe_array", "digest_array"]

# Numbers that are hashed at a time: they fit the processor's cache.
_CHUNK = 1 << 15


def describe_array(value: Any) -> Description | None:
    """Describe an array, a type, generator or function of numpy, or a sparse matrix.

    None for all else.
    """
    if isinstance(value, np.ndarray):
        return _describe_ndarray(value)
    if isinstance(value, np.generic):
        return _describe_ndarray(np.asarray(value), kind=b"scalar")
    if isinstance(value, np.dtype):
        return Description(join(b"dtype", repr(value.newbyteorder("=")).encode()))
    if isinstance(value, np.ufunc):
        return _describe_ufunc(value)
    if isinstance(value, np.random.RandomState):
        return Description(b"RandomState", [Part(".get_state()", value.get_state(legacy=False))])
    if isinstance(value, np.random.Generator):
        return Description(b"Generator", [Part(".bit_generator", value.bit_generator)])
    if isinstance(value, np.random.BitGenerator):
        return _describe_bit_generator(value)
    sparse = sys.modules.get("scipy.sparse")
    if sparse is not None and sparse.issparse(value):
        return _describe_sparse(value, sparse)
    return None


def digest_array(array: np.ndarray) -> bytes:
    """Return a hash of the numbers in an array, in C order whatever its order in memory."""
    digest = hashlib.sha256()
    for chunk in _chunks(array):
        digest.update(_canonical(chunk).data)
    return digest.digest()


def _describe_ndarray(array: np.ndarray, kind: bytes = b"ndarray") -> Description:
    parts = []
    if isinstance(array, np.ma.MaskedArray):
        parts = [Part(".mask", np.ma.getmaskarray(array)), Part(".fill_value", array.fill_value)]
        # What lies under the mask is no part of the value.
        shown = np.ma.getdata(array).copy()
        shown[np.ma.getmaskarray(array)] = np.zeros((), array.dtype)
        array, kind = np.asarray(shown), b"masked array"
    elif type(array) not in (np.ndarray, np.memmap):
        parts = [
            Part(".__class__", type(array)),
            Part(".__dict__", getattr(array, "__dict__", None)),
        ]
        array = np.asarray(array)
    shape = repr(array.shape).encode()
    if array.dtype.names is not None:
        parts += [Part(f"[{name!r}]", array[name]) for name in array.dtype.names]
        return Description(join(kind, shape, repr(array.dtype.names).encode()), parts)
    if array.dtype.kind in "OT":
        found = describe_row(join(kind, shape, array.dtype.kind.encode()), _list_items(array))
        return Description(found.head, [*found.parts, *parts])
    if array.dtype.kind in "US":
        array = _narrow(array)
    head = join(kind, shape, _name_type(array.dtype), digest_array(array))
    return Description(head, parts)


def _list_items(array: np.ndarray) -> list[Any]:
    items: list[Any] = array.astype(object).ravel().tolist()
    return items


def _name_type(dtype: np.dtype) -> bytes:
    name = dtype.kind if dtype.kind in "US" else dtype.newbyteorder("<").str.lstrip("<|=")
    return name.encode()


def _narrow(array: np.ndarray) -> np.ndarray:
    # The room for longer strings than there are is no part of their value.
    longest = int(np.strings.str_len(array).max(initial=0))
    return array.astype(f"{array.dtype.kind}{max(longest, 1)}")


def _chunks(array: np.ndarray) -> Iterator[np.ndarray]:
    if array.flags.c_contiguous or array.ndim == 0:
        flat = array.reshape(-1)
        for start in range(0, flat.size, _CHUNK):
            yield flat[start : start + _CHUNK]
        return
    n_rows = max(1, _CHUNK * len(array) // max(array.size, 1))
    for start in range(0, len(array), n_rows):
        yield np.ascontiguousarray(array[start : start + n_rows]).reshape(-1)


def _canonical(chunk: np.ndarray) -> np.ndarray:
    """Return equal bytes for equal numbers: one zero, one NaN, one order of bytes."""
    chunk = chunk.astype(chunk.dtype.newbyteorder("<"), copy=False)
    if chunk.dtype.kind == "c":
        chunk = chunk.view(chunk.real.dtype)
    if chunk.dtype.kind == "f":
        chunk = chunk + chunk.dtype.type(0)
        chunk[np.isnan(chunk)] = np.nan
        if chunk.dtype.itemsize > 8:  # bytes of long doubles are partly filled at random
            high = chunk.astype(np.float64)
            with np.errstate(invalid="ignore"):
                chunk = np.concatenate([high, (chunk - high).astype(np.float64)])
            chunk[np.isnan(chunk)] = np.nan
    if chunk.dtype.kind in "mM":
        chunk = chunk.view("<i8")
    return np.ascontiguousarray(chunk).view(np.uint8)


def _describe_ufunc(value: np.ufunc) -> Description:
    for module in ("numpy", "scipy.special"):
        if getattr(sys.modules.get(module), value.__name__, None) is value:
            return Description(join(b"ufunc", module.encode(), value.__name__.encode()))
    raise TypeError("it is a ufunc of numpy whose function cannot be reached")


def _describe_bit_generator(value: Any) -> Description:
    parts = [Part(".state", value.state)]
    seed: Any = getattr(value, "seed_seq", None)
    if hasattr(seed, "state"):  # decides what the generator spawns
        parts.append(Part(".seed_seq", seed.state))
    return Description(join(b"bit generator", type(value).__name__.encode()), parts)


def _describe_sparse(value: Any, sparse: Any) -> Description:
    """Describe a sparse matrix by its entries that are not zero, whatever its format.

    Arrays and matrices stay apart, because ``*`` is not the same for them.
    """
    kind = b"sparse array" if isinstance(value, sparse.sparray) else b"sparse matrix"
    if value.ndim != 2:
        value = value.tocoo(copy=True)
        value.sum_duplicates()
        value.eliminate_zeros()
        rows = [
            Part(f".coords[{axis}]", row.astype(np.int64)) for axis, row in enumerate(value.coords)
        ]
        return Description(
            join(kind, repr(value.shape).encode()), [*rows, Part(".data", value.data)]
        )
    rows = value.tocsr()
    has_zeros = bool((rows.data == 0).any())
    if has_zeros or not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
        rows.eliminate_zeros()
    parts = [
        Part(".indptr", rows.indptr.astype(np.int64, copy=False)),
        Part(".indices", rows.indices.astype(np.int64, copy=False)),
        Part(".data", rows.data),
    ]
    return Description(join(kind, repr(value.shape).encode()), parts)
