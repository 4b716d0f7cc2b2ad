"""By what code reaches state that is not written in it: environment, frames, modules by name."""

import builtins
import inspect
import os
import sys
import types
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from sklearn_trainkit.utils._fingerprint_bytecode import CodeFacts
from sklearn_trainkit.utils._fingerprint_modules import (
    find_module_text,
    has_source,
    is_library,
)
from sklearn_trainkit.utils._fingerprint_values import Part

__all__ = ["list_asked", "refuse_reader"]

# What reaches any global, of whatever module.
_READERS: dict[int, str] = {
    id(eval): "eval()",
    id(exec): "exec()",
    id(globals): "globals()",
    id(sys.modules): "sys.modules",
    id(sys._getframe): "sys._getframe()",
    id(inspect.currentframe): "inspect.currentframe()",
    id(inspect.stack): "inspect.stack()",
}
_WRITES_ENVIRONMENT = [("setdefault",), ("update",), ("pop",)]


def list_asked(function: types.FunctionType, facts: CodeFacts) -> Iterator[Part]:
    """Yield what the code asks the process for by a text: variables of the environment, modules.

    Raises
    ------
    TypeError
        If the text is not written in the code, or anything may be asked for.
    """
    hidden = sorted(name for name in facts.unknown if name not in function.__globals__)
    if hidden:
        raise TypeError(_say_unwritten(hidden[0] + "()" * hasattr(builtins, hidden[0])))
    for name, chain, text in sorted(facts.asked, key=repr):
        found, rest = _follow(function, name, chain)
        is_written = found is globals and name == "globals"  # the names of `facts` have it
        if found is os.environ and rest[:1] in _WRITES_ENVIRONMENT:
            continue
        if found is os.environ or found is os.getenv:
            if text is None:
                raise TypeError(_say_unwritten("os.environ"))
            yield Part(f".<os.environ[{text!r}]>", os.environ.get(text))
        elif found is import_module or found is __import__:
            if text is None:
                raise TypeError(_say_unwritten("import_module()"))
            if not is_library(text) and (text in sys.modules or has_source(text)):
                yield Part(f".<{text}>", find_module_text(text))
        elif not (is_written or (found is sys.modules and text is not None and is_library(text))):
            refuse_reader(found)


def _follow(
    function: types.FunctionType, name: str, chain: tuple[str, ...]
) -> tuple[Any, tuple[str, ...]]:
    """Return what a name and attributes of modules lead to, and the attributes that are left."""
    held = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    try:
        value = held[name].cell_contents if name in held else function.__globals__[name]
    except (KeyError, ValueError):
        value = getattr(builtins, name, None)
    for place, attribute in enumerate(chain):
        if not isinstance(value, types.ModuleType):
            return value, chain[place:]
        value = getattr(value, attribute, None)
    return value, ()


def refuse_reader(value: Any) -> None:
    """Raise where by this function, or table of modules, code reads what is not written in it.

    Raises
    ------
    TypeError
        It names the function.
    """
    if id(value) in _READERS:
        raise TypeError(_say_unwritten(_READERS[id(value)]))


def _say_unwritten(reader: str) -> str:
    return f"it reads by {reader} what is not written in it"
