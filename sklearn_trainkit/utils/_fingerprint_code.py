"""Functions and classes by value: those of the user by their code, those of libraries by name."""

import importlib.util
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator, MutableMapping, MutableSequence, MutableSet
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from sklearn_trainkit.utils._fingerprint_bytecode import CodeFacts, read_code
from sklearn_trainkit.utils._fingerprint_modules import (
    ModuleText,
    find_module_text,
    has_source,
    is_library,
)
from sklearn_trainkit.utils._fingerprint_readers import list_asked, refuse_reader
from sklearn_trainkit.utils._fingerprint_values import Description, Part, join

__all__ = ["describe_code"]

# What a class has without anybody having written it, or what says nothing about what it does.
_NOT_IN_A_CLASS = {
    "__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__",
    "__annotate__", "__annotate_func__", "__annotations_cache__", "__firstlineno__",
    "__static_attributes__", "__abstractmethods__", "_abc_impl", "__slotnames__", "__orig_bases__",
    "__parameters__", "__type_params__", "__match_args__", "__dataclass_fields__",
    "__dataclass_params__",
}  # fmt: skip
# They differ between a script that is run and the same one that is imported.
_ABOUT_THE_FILE = {"__name__", "__file__", "__spec__", "__doc__", "__builtins__", "__package__"}
_FILLABLE = (MutableSequence, MutableMapping, MutableSet, deque)
_SLOT_TYPES = (types.GetSetDescriptorType, types.MemberDescriptorType)
_METHODS_OF_TYPES = (
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
)


def describe_code(value: Any) -> Description | None:
    """Describe a function, a class, a module or another piece of code; None for all else."""
    for kinds, describe in _DESCRIBERS:
        if isinstance(value, kinds):
            return describe(value)
    if callable(value) and not isinstance(value, type):
        return _describe_wrapper(value)
    return None


def _find_by_name(value: Any) -> str | None:
    """Return the full name of something that an installed library holds under it."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or not is_library(module):
        return None
    found: Any = sys.modules.get(module)
    for step in name.split("."):
        found = getattr(found, step, None)
    return f"{module}.{name}" if found is value else None


def _describe_function(function: types.FunctionType) -> Description:
    name = _find_by_name(function)
    if name is not None:
        return Description(join(b"named", name.encode()))
    facts = read_code(function.__code__)
    parts = [
        *_list_defaults(function, facts),
        *_list_closure(function, facts),
        *_list_globals(function, facts),
        *_list_imports(function, facts),
    ]
    counted = {name for owner, name in facts.attributes if owner == function.__name__}
    keys = sorted(set(vars(function)) - {"__doc__", "__annotations__"} - counted)
    parts += [Part(f".{key}", vars(function)[key]) for key in keys]
    if hasattr(function, "registry") and hasattr(function, "dispatch"):
        # functools.singledispatch: its closure has caches, and weak ones.
        return Description(b"singledispatch", [Part(".registry", dict(function.registry))])
    labels = [part.step.encode() for part in parts]
    return Description(join(b"function", facts.body, *labels), parts)


def _list_defaults(function: types.FunctionType, facts: CodeFacts) -> Iterator[Part]:
    """Yield the defaults; of those in which the function collects something, that there is one."""
    code, given = function.__code__, function.__defaults__
    if given is not None:
        names = code.co_varnames[: code.co_argcount][-len(given) :]
        given = tuple(map(partial(_as_default, facts), names, given))
    named = function.__kwdefaults__
    if named is not None:
        named = {name: _as_default(facts, name, value) for name, value in named.items()}
    yield Part(".__defaults__", given)
    yield Part(".__kwdefaults__", named)


def _as_default(facts: CodeFacts, name: str, value: Any) -> Any:
    collects = name in facts.collecting and isinstance(value, _FILLABLE)
    return type(value) if collects else value


def _list_closure(function: types.FunctionType, facts: CodeFacts) -> Iterator[Part]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            value = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
        if not _is_state(name, value, facts):
            yield Part(f".<{name}>", value)


def _list_globals(function: types.FunctionType, facts: CodeFacts) -> Iterator[Part]:
    names = function.__globals__
    if is_library(names.get("__name__")):
        return
    yield from list_asked(function, facts)
    for name, chain in facts.names:
        if name not in names or name in _ABOUT_THE_FILE or _is_state(name, names[name], facts):
            continue
        value, step = names[name], f".<{name}>"
        for attribute in chain:
            if not isinstance(value, types.ModuleType) or is_library(value.__name__):
                break
            if not hasattr(value, attribute):
                break
            value, step = getattr(value, attribute), f"{step}.{attribute}"
        yield Part(step, value)


def _is_state(name: str, value: Any, facts: CodeFacts) -> bool:
    """Return whether the code counts or collects something in a name, which is no setting."""
    if isinstance(value, types.ModuleType | types.FunctionType | type):
        return False
    return name in facts.rebound or (name in facts.filled and isinstance(value, _FILLABLE))


def _list_imports(function: types.FunctionType, facts: CodeFacts) -> Iterator[Part]:
    package = function.__globals__.get("__package__") or ""
    for level, module, names in facts.imports:
        name = importlib.util.resolve_name("." * level + module, package) if level else module
        loaded = sys.modules.get(name)
        if is_library(name) or (loaded is None and not has_source(name)):
            continue
        found = [(each, getattr(loaded, each)) for each in names if hasattr(loaded, each)]
        if found and len(found) == len(names):
            yield from (Part(f".<{name}>.{each}", value) for each, value in found)
        else:
            yield Part(f".<{name}>", find_module_text(name))


def _describe_module(module: types.ModuleType) -> Description:
    name = module.__name__
    if is_library(name):
        return Description(join(b"module", name.encode()))
    return Description(b"module of the user", [Part("", find_module_text(name))])


def _describe_module_text(module: ModuleText) -> Description:
    loaded = sys.modules.get(module.name)
    spec = getattr(loaded, "__spec__", None) or importlib.util.find_spec(module.name)
    file = getattr(loaded, "__file__", None) or getattr(spec, "origin", None)
    if file is None or not Path(file).is_file():
        raise TypeError(f"its module {module.name!r} has no file to read")
    content = Path(file).read_bytes()
    if not file.endswith(".py"):  # an extension module
        return Description(join(b"module", content))
    facts = read_code(compile(content, file, "exec", dont_inherit=True))
    others = [
        Part(f".<{name}>", find_module_text(name))
        for level, name, _ in facts.imports
        if not level and not is_library(name) and has_source(name)
    ]
    return Description(join(b"module", facts.body), others)


def _describe_builtin(function: types.BuiltinFunctionType) -> Description:
    refuse_reader(function)
    owner, name = getattr(function, "__self__", None), function.__qualname__.encode()
    if owner is None or isinstance(owner, types.ModuleType):
        module = getattr(owner, "__name__", None) or function.__module__
        if module is None:
            raise TypeError("it is a function of C without a module")
        if not is_library(module):
            loaded = sys.modules.get(module)
            return Description(join(b"builtin", name), [Part(".__module__", loaded)])
        return Description(join(b"builtin", module.encode(), name))
    return Description(join(b"method", name), [Part(".__self__", owner)])


def _describe_method(method: types.MethodType) -> Description:
    parts = [Part(".__func__", method.__func__), Part(".__self__", method.__self__)]
    return Description(b"bound method", parts)


def _describe_method_of_type(method: Any) -> Description:
    head = join(b"method of a type", method.__name__.encode())
    return Description(head, [Part(".__objclass__", method.__objclass__)])


def _describe_property(value: property) -> Description:
    parts = [Part(f".{name}", getattr(value, name)) for name in ("fget", "fset", "fdel")]
    return Description(b"property", parts)


def _describe_function_holder(value: Any) -> Description:
    function = value.func if isinstance(value, cached_property) else value.__func__
    return Description(join(b"holder", type(value).__name__.encode()), [Part("", function)])


def _describe_wrapper(value: Any) -> Description | None:
    """Describe what holds a function and is made of C, or keeps caches: by that function."""
    name = _find_by_name(value)
    if name is not None:
        return Description(join(b"named", name.encode()))
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if kind == "functools._lru_cache_wrapper":
        # What it remembers is what the function gives.
        return Description(join(b"cached"), [Part(".__wrapped__", value.__wrapped__)])
    if kind.startswith("joblib.memory."):
        return Description(b"cached", [Part(".func", value.func)])
    if kind.startswith("numba.") and hasattr(value, "py_func"):
        options = getattr(value, "targetoptions", {})
        parts = [Part(".py_func", value.py_func), Part(".targetoptions", options)]
        return Description(b"compiled", parts)
    if kind == "numpy.vectorize":
        names = ("pyfunc", "otypes", "signature", "excluded", "cache")
        parts = [Part(f".{name}", getattr(value, name, None)) for name in names]
        return Description(b"numpy.vectorize", parts)
    if type(value).__name__ in ("cython_function_or_method", "fused_cython_function"):
        head = join(b"cython", value.__qualname__.encode())
        return Description(head, [Part(".__module__", sys.modules.get(value.__module__))])
    return None


def _describe_class(cls: type) -> Description:
    name = _find_by_name(cls)
    is_heap_type = bool(cls.__flags__ & (1 << 9))
    if name is None and not is_heap_type and is_library(cls.__module__):
        name = f"{cls.__module__}.{cls.__qualname__}"  # of C, and not in its module's namespace
    if name is not None:
        return Description(join(b"named", name.encode()))
    entries = {
        key: value
        for key, value in vars(cls).items()
        if key not in _NOT_IN_A_CLASS and not isinstance(value, _SLOT_TYPES)
    }
    counted = _list_counted(cls, entries)
    keys = sorted(key for key in entries if key not in counted)
    parts = [Part(".__bases__", cls.__bases__)]
    if type(cls) is not type:
        parts.append(Part(".__class__", type(cls)))
    parts += [Part(f".{key}", entries[key]) for key in keys]
    return Description(
        join(b"class", cls.__name__.encode(), *(key.encode() for key in keys)), parts
    )


def _list_counted(cls: type, entries: dict[str, Any]) -> set[str]:
    """Return the attributes of a class that its own methods count or collect something in."""
    counted = set()
    for value in entries.values():
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if not isinstance(function, types.FunctionType):
            continue
        for owner, name in read_code(function.__code__).attributes:
            of_class = owner in ("type()", "__class__", cls.__name__)
            of_class = of_class or (owner == "first" and isinstance(value, classmethod))
            held = entries.get(name)
            if (of_class and not callable(held)) or isinstance(held, _FILLABLE):
                counted.add(name)
    return counted


_DESCRIBERS: list[tuple[Any, Callable[[Any], Description]]] = [
    (types.FunctionType, _describe_function),
    (type, _describe_class),
    (types.ModuleType, _describe_module),
    (types.BuiltinFunctionType, _describe_builtin),
    (types.MethodWrapperType, _describe_builtin),
    (types.MethodType, _describe_method),
    (_METHODS_OF_TYPES, _describe_method_of_type),
    (property, _describe_property),
    ((classmethod, staticmethod, cached_property), _describe_function_holder),
    (types.CodeType, lambda code: Description(join(b"code", read_code(code).body))),
    (ModuleText, _describe_module_text),
]
