"""Run tests that ship inside an installed library against our classes.

``installed_tests("sklearn.preprocessing.tests.test_data", replacements={...})`` executes the
source of that module again, in a fresh namespace, while the public names that it imports are
swapped for ours, and returns that namespace. A test module of ours updates its globals with it,
and pytest collects the tests as if they had been written there. Tests in which none of the swapped
names takes part are about their own library alone, and are left out.
"""

import ast
import importlib
import importlib.util
import sys
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from unittest import mock

import pytest


def installed_tests(module_name, replacements, exclude=()):
    """Return the namespace of an installed test module with ``replacements`` in place.

    Parameters
    ----------
    module_name : str
        Dotted name of the installed test module.
    replacements : dict of str to object
        Dotted name of a public object (``"sklearn.preprocessing.StandardScaler"``) to ours.
    exclude : iterable of str
        Names of tests to leave out; say why beside the call.

    Returns
    -------
    namespace : dict
        Everything the module defines: tests, helpers, fixtures.
    """
    source_path = Path(importlib.util.find_spec(module_name).origin)
    # A module that can be imported by name, so that instances of its classes can be pickled.
    module = ModuleType(f"{module_name}__with_ours")
    module.__file__ = str(source_path)
    sys.modules[module.__name__] = module
    namespace = vars(module)
    with ExitStack() as stack:
        for dotted, ours in replacements.items():
            owner, attribute = dotted.rsplit(".", 1)
            stack.enter_context(mock.patch.object(importlib.import_module(owner), attribute, ours))
        source = source_path.read_text()
        exec(compile(source, str(source_path), "exec"), namespace)
    missing = [name for name in exclude if name not in namespace]
    if missing:
        raise LookupError(f"exclude names tests that {module_name} does not have: {missing}")
    _list_parametrize_values(namespace)
    reached = _names_that_reach(source, {dotted.rsplit(".", 1)[1] for dotted in replacements})
    return {
        name: value
        for name, value in namespace.items()
        if not name.startswith("__")
        and name not in set(exclude)
        and (name in reached or not name.startswith("test"))
    }


def _names_that_reach(source, wanted):
    """Return the names that a module defines in terms of ``wanted``, directly or not."""
    uses = {}
    for node in ast.parse(source).body:
        leaves = list(ast.walk(node))
        words = {leaf.id for leaf in leaves if isinstance(leaf, ast.Name)}
        words |= {leaf.attr for leaf in leaves if isinstance(leaf, ast.Attribute)}
        words |= {leaf.arg for leaf in leaves if isinstance(leaf, ast.arg)}  # fixtures
        named = isinstance(node, ast.FunctionDef | ast.ClassDef)
        stored = [x.id for x in leaves if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store)]
        for name in [node.name] if named else stored:
            uses[name] = uses.get(name, set()) | words
    reached = set(wanted)
    while more := {name for name, words in uses.items() if words & reached} - reached:
        reached |= more
    return reached


def _list_parametrize_values(namespace):
    """Turn generators given to `parametrize` into lists, as pytest asks for from version 9 on."""
    for name, test in namespace.items():
        if name.startswith("test") and hasattr(test, "pytestmark"):
            test.pytestmark = [_listed(mark) for mark in test.pytestmark]


def _listed(mark):
    if mark.name != "parametrize" or len(mark.args) < 2:
        return mark
    names, values, *rest = mark.args
    return pytest.mark.parametrize(names, list(values), *rest, **mark.kwargs).mark
