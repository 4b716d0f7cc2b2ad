"""What a piece of code does, read from its bytecode: comments, docstrings and lines do not count.

Bytecode belongs to a minor version of Python, and so does what is read here.
"""

import dis
import inspect
from collections.abc import Iterator, Mapping, Sequence
from types import CodeType
from typing import Any, NamedTuple

from sklearn_trainkit.utils._fingerprint_values import join

__all__ = ["CodeFacts", "read_code"]

_WITHOUT_EFFECT = {"NOP", "EXTENDED_ARG", "CACHE", "RESUME", "PRECALL", "PUSH_NULL"}
# What the body of a class stores about its text.
_ABOUT_THE_TEXT = {"__doc__", "__qualname__", "__firstlineno__", "__static_attributes__"}
_LOADS_NAME = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF")
_LOADS_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD")
_CHANGES = {
    "append", "appendleft", "extend", "add", "update", "insert", "pop", "popleft", "popitem",
    "clear", "setdefault", "remove", "discard",
}  # fmt: skip

# Attributes of functions and frames.
_WAYS_TO_GLOBALS = {"__globals__", "f_globals", "f_locals", "f_back"}


class CodeFacts(NamedTuple):
    """What is known of a code object and of those that are nested in it.

    Attributes
    ----------
    body : bytes
        Its instructions and constants.
    names : tuple of (str, tuple of str)
        Names that are looked up outside, with the attributes that are read from them.
    imports : tuple of (int, str, tuple of str)
        Level, module and names of the imports inside.
    rebound : frozenset of str
        Global and enclosing names that the code assigns to.
    filled : frozenset of str
        Names whose object the code changes as one changes a list or a dict.
    attributes : frozenset of (str, str)
        Names, and attributes of theirs that the code assigns to or fills. The name is that of a
        global, "type()" for the class of something, or "first" for the first argument.
    unknown : frozenset of str
        Names of builtins, or attributes, by which the code reads globals whose names are not
        written in it.
    asked : frozenset of (str, tuple of str, str or None)
        Names that are looked up outside, attributes that are read from them, and the text that a
        call or an item is asked for right after: ``environ["k"]``, ``os.getenv("k")``. None where
        no text is written.
    collecting : frozenset of str
        Arguments whose object the code changes as one changes a list or a dict.
    """

    body: bytes
    names: tuple[tuple[str, tuple[str, ...]], ...]
    imports: tuple[tuple[int, str, tuple[str, ...]], ...]
    rebound: frozenset[str]
    filled: frozenset[str]
    attributes: frozenset[tuple[str, str]]
    unknown: frozenset[str] = frozenset()
    asked: frozenset[tuple[str, tuple[str, ...], str | None]] = frozenset()
    collecting: frozenset[str] = frozenset()


class _Changes(NamedTuple):
    rebound: set[str]
    filled: set[str]
    attributes: set[tuple[str, str]]


def read_code(code: CodeType) -> CodeFacts:
    """Return what is known of ``code``."""
    steps = [step for step in dis.get_instructions(code) if step.opname not in _WITHOUT_EFFECT]
    nested = {id(const): read_code(const) for const in code.co_consts if inspect.iscode(const)}
    looked_up = dict(_list_lookups(steps))
    # Of getattr(module, "k"), the module's k is read and not the whole module.
    names = dict.fromkeys(_list_names(steps, {index + 1 for index in looked_up}))
    names.update(dict.fromkeys(name for name in looked_up.values() if name is not None))
    unknown = {steps[index].argval for index, name in looked_up.items() if name is None}
    unknown |= {step.argval for step in steps if _leads_to_globals(step)}
    asked = set(_list_asked(steps))
    imports = dict.fromkeys(_list_imports(steps))
    changes = _list_changes(code, steps)
    for facts in nested.values():
        names.update(dict.fromkeys(facts.names))
        imports.update(dict.fromkeys(facts.imports))
        changes.rebound.update(facts.rebound)
        changes.filled.update(facts.filled)
        changes.attributes.update(facts.attributes)
        unknown.update(facts.unknown)
        asked.update(facts.asked)
    return CodeFacts(
        _encode_body(code, steps, nested),
        tuple(names),
        tuple(imports),
        frozenset(changes.rebound),
        frozenset(changes.filled),
        frozenset(changes.attributes),
        frozenset(unknown),
        frozenset(asked),
        frozenset(_list_collecting(code, steps)),
    )


def _encode_body(
    code: CodeType, steps: Sequence[dis.Instruction], nested: Mapping[int, CodeFacts]
) -> bytes:
    places = {step.offset: index for index, step in enumerate(steps)}
    encoded = []
    for index, step in enumerate(steps):
        follower = steps[index + 1] if index + 1 < len(steps) else step
        if follower.opname == "STORE_NAME" and follower.argval in _ABOUT_THE_TEXT:
            continue
        if step.opcode in dis.hasconst:
            # By number, because dis does not look up the names of keywords everywhere.
            argument = _encode_constant(code.co_consts[step.arg or 0], nested)
        else:
            argument = _encode_argument(step, places)
        encoded.append(f"{step.opname} ".encode() + argument)
    stars = (inspect.CO_VARARGS, inspect.CO_VARKEYWORDS)
    n_named = code.co_argcount + code.co_kwonlyargcount
    n_named += sum(bool(code.co_flags & star) for star in stars)
    signature = (
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_varnames[:n_named],
        code.co_freevars,
        # The flag that tells of a docstring came with Python 3.13.
        code.co_flags & ~0x4000000,
    )
    return join(repr(signature).encode(), *encoded, code.co_exceptiontable)


def _encode_argument(step: dis.Instruction, places: Mapping[int, int]) -> bytes:
    if step.opcode in dis.hasjrel or step.opcode in dis.hasjabs:
        at = step.argval
        while at not in places:  # something without effect, which was left out
            at += 2
        return b"%d" % places[at]
    if step.opcode in dis.hasname or step.opcode in dis.haslocal or step.opcode in dis.hasfree:
        return repr(step.argval).encode()
    return repr(step.arg).encode()


def _encode_constant(value: Any, nested: Mapping[int, CodeFacts]) -> bytes:
    if inspect.iscode(value):
        return join(b"code", nested[id(value)].body)
    if isinstance(value, tuple):
        return join(b"tuple", *(_encode_constant(item, nested) for item in value))
    if isinstance(value, frozenset):
        return join(b"frozenset", *sorted(_encode_constant(item, nested) for item in value))
    # As it is written: the code -0.0 is not the code 0.0.
    return f"{type(value).__name__} {value!r}".encode("utf-8", "surrogatepass")


def _list_names(
    steps: Sequence[dis.Instruction], left_out: set[int]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    for index, step in enumerate(steps):
        if step.opname not in ("LOAD_GLOBAL", "LOAD_NAME") or index in left_out:
            continue
        chain = []
        for after in steps[index + 1 :]:
            if after.opname not in _LOADS_ATTRIBUTE:
                break
            chain.append(after.argval)
        yield step.argval, tuple(chain)


def _list_lookups(
    steps: Sequence[dis.Instruction],
) -> Iterator[tuple[int, tuple[str, tuple[str, ...]] | None]]:
    """Yield where a name is looked up by a text, and that name; None where it is not written.

    ``globals()["k"]`` is the name k, ``getattr(module, "k")`` and ``vars(module)["k"]`` are
    ``module.k``.
    """
    for index, step in enumerate(steps):
        if step.opname not in ("LOAD_GLOBAL", "LOAD_NAME"):
            continue
        rest = steps[index + 1 :]
        if step.argval == "globals":
            after = [other.opname for other in rest[1:3]]
            is_asked = "CONTAINS_OP" in after[:1]  # "k" in globals()
            name = _read_key(steps[index - 1 :] if is_asked else rest[1:])
            if after[-1:] not in (["STORE_SUBSCR"], ["DELETE_SUBSCR"]):
                yield index, None if name is None else (name, ())
        elif step.argval in ("eval", "exec"):
            yield index, None
        elif step.argval in ("getattr", "vars") and rest and rest[0].opname in _LOADS_NAME:
            chain = []
            for other in rest[1:]:
                if other.opname not in _LOADS_ATTRIBUTE:
                    break
                chain.append(other.argval)
            rest = rest[1 + len(chain) :]
            name = _read_key(rest[1:]) if step.argval == "vars" else _read_text(rest)
            if name is not None:
                yield index, (steps[index + 1].argval, (*chain, name))


def _leads_to_globals(step: dis.Instruction) -> bool:
    return step.opname in _LOADS_ATTRIBUTE and step.argval in _WAYS_TO_GLOBALS


def _list_asked(
    steps: Sequence[dis.Instruction],
) -> Iterator[tuple[str, tuple[str, ...], str | None]]:
    """Yield names with the text that they, or what is read from them, are asked for."""
    for index, step in enumerate(steps):
        if step.opname not in _LOADS_NAME:
            continue
        chain: list[str] = []
        for other in steps[index + 1 :]:
            if other.opname not in _LOADS_ATTRIBUTE:
                break
            chain.append(other.argval)
        after = steps[index + 1 + len(chain) :]
        if after and after[0].opname == "CONTAINS_OP":  # "k" in environ
            after = steps[index - 1 : index]
        elif len(after) > 1 and after[1].opname in ("STORE_SUBSCR", "DELETE_SUBSCR"):
            continue
        yield step.argval, tuple(chain), _read_text(after)


def _read_key(steps: Sequence[dis.Instruction]) -> str | None:
    """Return the name by which a dict is read at the first of these steps."""
    if steps and steps[0].opname in _LOADS_ATTRIBUTE and steps[0].argval == "get":
        steps = steps[1:]
    return _read_text(steps)


def _read_text(steps: Sequence[dis.Instruction]) -> str | None:
    """Return the text that the first of these steps loads."""
    is_text = bool(steps) and steps[0].opname == "LOAD_CONST" and isinstance(steps[0].argval, str)
    return str(steps[0].argval) if is_text else None


def _list_imports(steps: Sequence[dis.Instruction]) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    for index, step in enumerate(steps):
        if step.opname == "IMPORT_NAME":
            level, names = steps[index - 2].argval, steps[index - 1].argval
            yield level or 0, step.argval, tuple(names or ())


def _list_changes(code: CodeType, steps: Sequence[dis.Instruction]) -> _Changes:
    """Return what the code changes while it runs, such as a count of its calls: no setting."""
    changes = _Changes(set(), set(), set())
    first = code.co_varnames[0] if code.co_argcount else None
    for index, step in enumerate(steps):
        if step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL") or (
            step.opname == "STORE_DEREF" and step.argval in code.co_freevars
        ):
            changes.rebound.add(step.argval)
        if step.opname in _LOADS_NAME and _is_filled(steps, index):
            changes.filled.add(step.argval)
        attribute = _changed_attribute(steps, index)
        owner = None if attribute is None else _name_owner(steps[index - 1], first)
        if attribute is not None and owner is not None:
            changes.attributes.add((owner, attribute))
    return changes


def _list_collecting(code: CodeType, steps: Sequence[dis.Instruction]) -> Iterator[str]:
    """Yield the arguments that the code fills."""
    arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    for index, step in enumerate(steps):
        is_argument = step.opname.startswith("LOAD_FAST") and step.argval in arguments
        if is_argument and _is_filled(steps, index):
            yield step.argval


def _name_owner(step: dis.Instruction, first: str | None) -> str | None:
    if step.opname in _LOADS_NAME:
        return str(step.argval)
    if step.opname.startswith("LOAD_FAST"):
        return "first" if step.argval == first else None
    is_class = step.opname in _LOADS_ATTRIBUTE and step.argval == "__class__"
    return "type()" if is_class or step.opname == "CALL" else None


def _changed_attribute(steps: Sequence[dis.Instruction], index: int) -> str | None:
    """Return the attribute that the step at ``index`` begins to change, if it does."""
    step = steps[index]
    if step.opname == "COPY" and step.arg == 1:  # owner.attribute += 1
        after = steps[index + 1]
        return str(after.argval) if after.opname in _LOADS_ATTRIBUTE else None
    is_filled = step.opname in _LOADS_ATTRIBUTE and _is_filled(steps, index)
    return str(step.argval) if step.opname == "STORE_ATTR" or is_filled else None


def _is_filled(steps: Sequence[dis.Instruction], index: int) -> bool:
    """Return whether what the step at ``index`` loads is changed: a method, or an item."""
    depth = 0
    for place, step in enumerate(steps[index + 1 :], start=index + 1):
        if depth == 0 and step.opname in _LOADS_ATTRIBUTE:
            return step.argval in _CHANGES
        if step.opname in ("STORE_SUBSCR", "DELETE_SUBSCR"):
            return depth == 1
        if step.opname == "COPY" and step.arg == 2 and depth == 1:
            return steps[place + 1].opname == "COPY"  # owner[key] += 1
        if step.opcode in dis.hasjrel or step.opcode in dis.hasjabs:
            return False
        depth += dis.stack_effect(step.opcode, step.arg)
        if depth < 0:
            return False
    return False
