"""Names of parameter values for people, and when two values are the same."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sklearn_trainkit.utils._fingerprint import FingerprintError, fingerprint

__all__ = ["describe", "is_equal", "label_apart", "label_by_value", "label_choices"]

_MAX_LABEL = 80


def label_choices(objects: Sequence[Any]) -> tuple[Any, ...]:
    """Return one distinct, storable and readable label per object.

    Plain numbers, strings, booleans and None stand for themselves, as long as no two are equal.

    >>> label_choices([0.1, 1, "auto", None])
    (0.1, 1, 'auto', None)
    >>> from sklearn.preprocessing import StandardScaler
    >>> label_choices([StandardScaler(), "passthrough", (1, 2), (1, 2)])
    ('StandardScaler()', 'passthrough', '(1, 2)', '(1, 2) #2')
    """
    plain = [item.item() if isinstance(item, np.generic) else item for item in objects]
    if all(_is_storable(item) for item in plain) and len(set(plain)) == len(plain):
        return tuple(plain)
    labels: list[str] = []
    for item in plain:
        text = describe(item)
        earlier = sum(label == text or label.startswith(f"{text} #") for label in labels)
        labels.append(f"{text} #{earlier + 1}" if earlier else text)
    return tuple(labels)


def describe(item: Any) -> str:
    """Return a short text for ``item``, the same in every session."""
    named = item if isinstance(item, str) else getattr(item, "__qualname__", None)
    text = named if isinstance(named, str) else " ".join(str(repr(item)).split())
    # An address in memory would differ in the next session.
    if " at 0x" in text:
        text = type(item).__name__
    return text if len(text) <= _MAX_LABEL else text[: _MAX_LABEL - 3] + "..."


def label_by_value(item: Any) -> str:
    """Return a text for ``item`` that no other value has, in any session.

    >>> label_by_value([1, "a"])
    "[1, 'a']"
    >>> label_by_value(lambda X: X) == label_by_value(lambda X: X * 0)
    False
    """
    text = " ".join(repr(item).split())
    if len(text) <= _MAX_LABEL and " at 0x" not in text and "..." not in text:
        return text
    return f"{describe(item)} [{_mark(item)}]"


def label_apart(items: Sequence[Any], texts: Sequence[str]) -> list[str]:
    """Return ``texts``, with a mark where one text stands for different ``items``.

    >>> label_apart([(1, 2), None, (1, 2)], ["pair", "none", "pair"])
    ['pair', 'none', 'pair']
    """
    marks: dict[int, str] = {}
    found: dict[str, set[str]] = {}
    for text, item in zip(texts, items, strict=True):
        if id(item) not in marks:
            marks[id(item)] = _mark(item)
        found.setdefault(text, set()).add(marks[id(item)])
    return [
        f"{text} [{marks[id(item)]}]" if len(found[text]) > 1 else text
        for text, item in zip(texts, items, strict=True)
    ]


def _mark(item: Any) -> str:
    try:
        return fingerprint(item, cloned=True)[:6]
    except FingerprintError:  # then it is at least not any other object of this process
        return f"{id(item):x}"


def is_equal(left: Any, right: Any) -> bool:
    """Return whether two parameter values are the same, objects of any kind included."""
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return type(left) is type(right) and np.array_equal(left, right)
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    try:
        if left == right:
            return True
    except (TypeError, ValueError):  # tables, for instance, have no single answer
        pass
    if _is_storable(left) or _is_storable(right):
        return False
    try:
        return fingerprint(left, cloned=True) == fingerprint(right, cloned=True)
    except FingerprintError:
        return False


def _is_storable(item: Any) -> bool:
    if isinstance(item, float):
        return math.isfinite(item)
    return item is None or isinstance(item, str | int | bool)
