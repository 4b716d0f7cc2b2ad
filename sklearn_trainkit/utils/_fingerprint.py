"""Identity by value: one hash of everything an object is made of, the same in every process.

Every object becomes a node: a text of its own, and the objects that it is made of. Nodes are
hashed from the leaves up, so that equal things agree whether they are shared or copied; what
refers to itself is hashed round by round until nothing new is learned.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sklearn_trainkit.utils._fingerprint_objects import describe_object
from sklearn_trainkit.utils._fingerprint_values import Description, encode_atom

__all__ = ["FINGERPRINT_VERSION", "FingerprintError", "Fingerprinter", "fingerprint"]

# What is stored under another version was compared by other rules, and is refused.
FINGERPRINT_VERSION = 2


class FingerprintError(ValueError, TypeError):
    """Something has no identity by value: what it does cannot be read from it."""


def fingerprint(value: Any, name: str = "value", *, cloned: bool = False) -> str:
    """Return a hash of ``value``: equal for equal values in any process, different otherwise.

    Parameters
    ----------
    value : object
        Data, estimators, functions, networks, and whatever is made of such.
    name : str, default="value"
        What messages call it.
    cloned : bool, default=False
        The value is cloned before it is used, as scikit-learn clones parameters: of estimators
        only the parameters count, and not what they have learned.

    Returns
    -------
    fingerprint : str of 64 hexadecimal digits

    Raises
    ------
    FingerprintError
        When a part cannot be read, such as an open file or a generator; the message has its path.

    Notes
    -----
    Numbers compare as ``==`` does and NaN equals NaN, but 1, 1.0 and True differ; numbers of numpy
    in double precision are Python's. Arrays compare as in ``numpy.array_equal``, with their type;
    order in memory and order of bytes do not count, nor do those of dicts and sets. Functions
    and classes of the user's own modules are their code (without names, comments and
    docstrings), constants, defaults, closures, and the globals that they read; those of installed
    libraries are their names.

    Examples
    --------
    >>> fingerprint({"a": 1, "b": {2, 3}}) == fingerprint({"b": {3, 2}, "a": 1})
    True
    >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 2)
    False
    """
    return Fingerprinter().digest(value, name, cloned=cloned)


class Fingerprinter:
    """Fingerprints of several values that may share parts, each part read once.

    The values are kept alive, and must not change as long as this is in use.
    """

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._values: list[Any] = []
        self._cloned: list[bool] = []
        self._paths: list[tuple[int | None, str]] = []
        self._heads: list[bytes] = []
        self._children: list[list[int]] = []
        self._ordered: list[bool] = []
        self._digests: list[bytes | None] = []

    def digest(self, value: Any, name: str = "value", *, cloned: bool = False) -> str:
        """Return the hash of one value; see :func:`fingerprint`."""
        root = self._number(value, cloned, None, name)
        self._describe_from(root)
        for component in _list_components(root, self._children, self._digests):
            self._digest_component(component)
        digest = self._digests[root]
        assert digest is not None
        return digest.hex()

    def _number(self, value: Any, cloned: bool, parent: int | None, step: str) -> int:
        key = (id(value), cloned)
        if key not in self._numbers:
            self._numbers[key] = len(self._values)
            self._values.append(value)
            self._cloned.append(cloned)
            self._paths.append((parent, step))
            self._heads.append(b"")
            self._children.append([])
            self._ordered.append(True)
            self._digests.append(None)
        return self._numbers[key]

    def _describe_from(self, root: int) -> None:
        """Describe everything that can be reached from ``root`` and is new."""
        waiting = deque([root])
        seen = {root}
        while waiting:
            number = waiting.popleft()
            if self._heads[number]:
                continue
            found = self._describe(number)
            self._ordered[number] = found.ordered
            self._heads[number] = found.head
            for part in found.parts:
                child = self._number(part.value, part.cloned, number, part.step)
                self._children[number].append(child)
                if child not in seen and not self._heads[child]:
                    seen.add(child)
                    waiting.append(child)

    def _describe(self, number: int) -> Description:
        value = self._values[number]
        head = encode_atom(value)
        if head is not None:
            return Description(head)
        try:
            return describe_object(value, self._cloned[number])
        except Exception as error:  # whatever foreign classes raise when they are asked
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            raise FingerprintError(
                f"{self._path(number)} cannot be told from others by its value, so nothing that is "
                f"stored can be recognized as belonging to it: {kind} ({_shorten(error)}). Pass "
                "something whose state can be read: a function of a module, plain values, an "
                "object that can be pickled."
            ) from error

    def _path(self, number: int) -> str:
        steps = []
        at: int | None = number
        while at is not None:
            at, step = self._paths[at]
            steps.append(step)
        return "".join(reversed(steps))

    def _digest_component(self, component: Sequence[int]) -> None:
        if len(component) == 1 and component[0] not in self._children[component[0]]:
            (number,) = component
            self._digests[number] = self._combine(number, self._digests)
            return
        colors: dict[int, bytes] = dict.fromkeys(component, b"")
        n_known = 0
        # Two nodes that look alike after n rounds differ, if at all, more than n steps away.
        while len(set(colors.values())) > n_known:
            n_known = len(set(colors.values()))
            known = _Overlay(colors, self._digests)
            colors = {number: self._combine(number, known) for number in component}
        whole = _hash(b"cycle", sorted(set(colors.values())))
        for number in component:
            self._digests[number] = _hash(b"member", [colors[number], whole])

    def _combine(self, number: int, known: Any) -> bytes:
        parts = [known[child] for child in self._children[number]]
        return _hash(self._heads[number], parts if self._ordered[number] else sorted(parts))


class _Overlay:
    """Digests of a component as far as they are known, over the final ones of all others."""

    def __init__(self, colors: dict[int, bytes], digests: Sequence[bytes | None]) -> None:
        self._colors = colors
        self._digests = digests

    def __getitem__(self, number: int) -> bytes | None:
        return self._colors[number] if number in self._colors else self._digests[number]


def _hash(head: bytes, parts: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256(len(head).to_bytes(8, "little") + head)
    for part in parts:
        digest.update(len(part).to_bytes(1, "little") + part)
    return digest.digest()


def _shorten(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."


def _list_components(
    root: int, children: Sequence[Sequence[int]], done: Sequence[bytes | None]
) -> Iterator[list[int]]:
    """Yield what hangs together in circles, each after all that it refers to (Tarjan)."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    on_stack: set[int] = set()
    stack: list[int] = []
    work: list[tuple[int, Iterator[int]]] = []

    def enter(number: int) -> None:
        index[number] = low[number] = len(index)
        stack.append(number)
        on_stack.add(number)
        work.append((number, iter(children[number])))

    if done[root] is None:
        enter(root)
    while work:
        number, rest = work[-1]
        for child in rest:
            if done[child] is not None:
                continue
            if child not in index:
                enter(child)
                break
            if child in on_stack:
                low[number] = min(low[number], index[child])
        else:
            work.pop()
            if work:
                parent = work[-1][0]
                low[parent] = min(low[parent], low[number])
            if low[number] == index[number]:
                component = [stack.pop()]
                while component[-1] != number:
                    component.append(stack.pop())
                on_stack.difference_update(component)
                yield component
