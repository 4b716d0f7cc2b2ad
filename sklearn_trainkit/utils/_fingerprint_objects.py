"""What an object of any kind is made of: containers, estimators, and all that can be pickled."""

import copyreg
import enum
import os
import random
import types
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from sklearn_trainkit.utils._fingerprint_arrays import describe_array
from sklearn_trainkit.utils._fingerprint_code import describe_code
from sklearn_trainkit.utils._fingerprint_modules import is_library
from sklearn_trainkit.utils._fingerprint_readers import refuse_reader
from sklearn_trainkit.utils._fingerprint_tables import describe_table
from sklearn_trainkit.utils._fingerprint_torch import describe_torch
from sklearn_trainkit.utils._fingerprint_values import (
    Description,
    Part,
    describe_row,
    encode_atom,
    join,
)

__all__ = ["describe_object"]

# Texts about an object, and listeners that change nothing.
_NOT_IN_A_STATE = {"__doc__", "__annotations__", "_skl_callbacks"}


_GLOBAL_GENERATORS: dict[str, Any] = {
    "random": getattr(random.random, "__self__", None),
    "numpy.random": getattr(np.random.rand, "__self__", None),
}


class Pair:
    """A key that is not plain, and its value."""

    def __init__(self, key: Any, value: Any, cloned: bool) -> None:
        self.key = key
        self.value = value
        self.cloned = cloned


def describe_object(value: Any, cloned: bool) -> Description:
    """Return what ``value`` is made of.

    Parameters
    ----------
    value : object
        Not a plain value: those are :func:`encode_atom`'s.
    cloned : bool
        Whether it is cloned before it is used: then of estimators only the parameters count.

    Raises
    ------
    Exception
        When it cannot be read; the message gives the reason.
    """
    if value is os.environ:  # of which code that reads it has the variables that it reads
        return Description(b"environment")
    refuse_reader(value)
    for name, generator in _GLOBAL_GENERATORS.items():
        if value is generator:  # its state is nobody's setting, and another one in each process
            return Description(join(b"global generator", name.encode()))
    container = _describe_container(value, cloned)
    if container is not None:
        return container
    for describe in _DESCRIBERS:
        found = describe(value)
        if found is not None:
            return found
    if cloned and _is_cloned_by_params(value):
        return _describe_params(value)
    for describe in (_describe_distribution, describe_code):
        found = describe(value)
        if found is not None:
            return found
    return _describe_state(value)


def _describe_container(value: Any, cloned: bool) -> Description | None:
    kind = type(value)
    if kind is list or kind is tuple:
        return describe_row(kind.__name__.encode(), value, cloned)
    if kind is dict or kind is types.MappingProxyType or isinstance(value, OrderedDict):
        # An ordered dict is one whose order counts, and the order of others does not.
        head = join(b"ordered dict" if isinstance(value, OrderedDict) else b"dict")
        return _describe_mapping(head, value, cloned)
    if isinstance(value, set | frozenset):
        parts = [Part("{...}", item, cloned) for item in value]
        if kind not in (set, frozenset):
            return Description(b"set", [*parts, Part(".__class__", kind)], ordered=False)
        return Description(join(kind.__name__.encode()), parts, ordered=False)
    if kind is Pair:
        return Description(b"pair", [Part(".key", value.key), Part("", value.value, value.cloned)])
    return None


def _describe_mapping(head: bytes, mapping: Mapping[Any, Any], cloned: bool) -> Description:
    plain = {key: encode_atom(key) for key in mapping}
    if head != join(b"dict") or None in plain.values():
        parts = [
            Part(f"[{key!r}]", Pair(key, item, cloned), cloned) for key, item in mapping.items()
        ]
        return Description(head, parts, ordered=head != join(b"dict"))
    # Keys in an order that is the same in every process.
    order = sorted(plain, key=lambda key: plain[key] or b"")
    parts = [Part(f"[{key!r}]", mapping[key], cloned) for key in order]
    return Description(join(head, *(plain[key] or b"" for key in order)), parts)


def _is_cloned_by_params(value: Any) -> bool:
    if not hasattr(value, "get_params") or isinstance(value, type):
        return False
    # An estimator may say that its clone is something else: itself, for one that is frozen.
    own_way = getattr(type(value), "__sklearn_clone__", None)
    return own_way is None or getattr(own_way, "__module__", "") == "sklearn.base"


def _describe_params(estimator: Any) -> Description:
    params = estimator.get_params(deep=False)
    if is_library(type(estimator).__module__) and not hasattr(estimator, "fit"):
        # skorch's callbacks take every attribute for a parameter, those of their work too.
        params = {name: item for name, item in params.items() if not name.startswith("_")}
    names = sorted(params)
    parts = [Part(".__class__", type(estimator))]
    parts += [Part(f".{name}", params[name], True) for name in names]
    # What clones keep besides: who is passed weights, and the tables that steps give to each other.
    for name in ("_metadata_request", "_sklearn_output_config"):
        parts.append(Part(f".{name}", getattr(estimator, name, None)))
    return Description(join(b"estimator", *(name.encode() for name in names)), parts)


def _describe_enum(value: Any) -> Description | None:
    if not isinstance(value, enum.Enum):
        return None
    parts = [Part(".__class__", type(value)), Part(".value", value.value)]
    return Description(join(b"enum", str(value.name).encode()), parts)


def _describe_distribution(value: Any) -> Description | None:
    """Describe a distribution of scipy: frozen ones and their families carry random generators."""
    if isinstance(value, type) or not hasattr(value, "rvs"):
        return None
    if hasattr(value, "dist") and hasattr(value, "args") and hasattr(value, "kwds"):
        return Description(
            b"frozen distribution",
            [Part(".dist", value.dist), Part(".args", value.args), Part(".kwds", value.kwds)],
        )
    if hasattr(value, "_updated_ctor_param"):
        made_from = dict(value._updated_ctor_param())
        return Description(b"distribution", [Part(".__class__", type(value)), Part("", made_from)])
    return None


def _describe_state(value: Any) -> Description:
    """Describe an object by what a pickle of it would hold."""
    reduce = copyreg.dispatch_table.get(type(value))
    reduced: Any = reduce(value) if reduce is not None else value.__reduce_ex__(4)
    if isinstance(reduced, str):
        return _describe_global(value, reduced)
    function, args, state, items, pairs = (list(reduced) + [None] * 3)[:5]
    parts = [
        Part(".__class__", type(value)),
        Part(".__reduce__()[0]", function),
        Part("", tuple(args)),
    ]
    if isinstance(state, tuple) and len(state) == 2 and _are_attributes(state):
        state = {**(state[0] or {}), **(state[1] or {})}
    if isinstance(state, dict):
        state = _without_cached(type(value), state)
    if isinstance(state, dict) and all(isinstance(key, str) for key in state):
        names = sorted(set(state) - _NOT_IN_A_STATE)
        head = join(b"object", *(name.encode() for name in names))
        parts += [Part(f".{name}", state[name]) for name in names]
    else:
        head = b"object with a state"
        parts.append(Part(".__getstate__()", state))
    if items is not None:
        parts.append(Part("", list(items)))
    if pairs is not None:
        parts.append(Part("", dict(pairs)))
    return Description(head, parts)


def _without_cached(cls: type, state: dict[Any, Any]) -> dict[Any, Any] | None:
    """Return a state without what properties have kept of it; None if nothing else is there."""
    cached = {
        key
        for key in state
        if isinstance(key, str) and isinstance(getattr(cls, key, None), cached_property)
    }
    left = {key: item for key, item in state.items() if key not in cached}
    return left if left or not cached else None


def _are_attributes(state: tuple[Any, Any]) -> bool:
    # Objects with slots give two dicts, of which the first may be missing.
    return all(part is None or isinstance(part, dict) for part in state)


def _describe_global(value: Any, name: str) -> Description:
    module = getattr(value, "__module__", None)
    if callable(value) and not is_library(module):
        raise TypeError("it is known by its name only, and its state cannot be read")
    head = join(b"global", str(module).encode(), name.encode())
    return Description(head, [Part(".__class__", type(value))])


_DESCRIBERS: tuple[Callable[[Any], Description | None], ...] = (
    _describe_enum,
    describe_array,
    describe_table,
    describe_torch,
)
