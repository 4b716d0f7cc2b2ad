"""The import order of the architecture holds, and importing the package loads nothing heavy."""

import ast
import functools
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_trainkit

PACKAGE = Path(sklearn_trainkit.__file__).parent
ORDER = [
    "exceptions",
    "utils",
    "preprocessing",
    "callbacks",
    "neural_network",
    "model_selection",
    "comparison",
    "inspection",
]
# The rooms of a package from the ground up; those on one floor never import each other.
FLOORS = {
    "preprocessing": [{"compiled"}, {"arrays"}],
    "neural_network": [
        {"batches"},
        {"modules", "kernels"},
        {"stacking"},
        {"compiled"},
        {"engines"},
        {"training"},
        {"targets"},
        {"saving"},
        {"base"},
        {"dense", "images", "own_modules", "sequences"},
        {"masks"},
    ],
    "model_selection": [
        {"evaluation"},
        {"space"},
        {"study"},
        {"workers"},
        {"scheduling"},
        {"results"},
        {"folds_at_once"},
    ],
}
# Packages that stand side by side: a Pipeline joins them, never an import.
FORBIDDEN_PAIRS = {("neural_network", "preprocessing")}
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)


@functools.cache
def imported_modules(path):
    modules = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {path}"
            modules.append(node.module)
    return modules


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_package_imports_only_from_packages_before_it(path):
    room = path.relative_to(PACKAGE).parts[0]
    for module in imported_modules(path):
        parts = module.split(".")
        if parts[0] != "sklearn_trainkit" or len(parts) == 1 or parts[1] == room:
            continue
        assert ORDER.index(parts[1]) < ORDER.index(room), f"{room} imports {module}"
        assert (room, parts[1]) not in FORBIDDEN_PAIRS, f"{room} imports {module}"


def floor_of(package, room):
    return next(n for n, rooms in enumerate(FLOORS[package]) if room in rooms)


@pytest.mark.parametrize("package", FLOORS)
def test_every_room_has_a_floor(package):
    rooms = {path.parent.name for path in (PACKAGE / package).glob("*/__init__.py")}
    assert rooms == set().union(*FLOORS[package])


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.parent.parent.name in FLOORS],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_a_room_imports_only_from_floors_below_it(path):
    package, room = path.relative_to(PACKAGE).parts[:2]
    for module in imported_modules(path):
        parts = module.split(".")
        if parts[:2] != ["sklearn_trainkit", package] or parts[2] == room:
            continue
        assert floor_of(package, parts[2]) < floor_of(package, room), f"{room} imports {module}"


def test_no_import_goes_in_a_circle():
    names = {
        path: ".".join(("sklearn_trainkit", *path.relative_to(PACKAGE).with_suffix("").parts))
        for path in SOURCES
        if path.stem != "__init__"
    }
    known = set(names.values())
    graph = {
        name: {module for module in imported_modules(path) if module in known}
        for path, name in names.items()
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError with the files


def test_callbacks_never_import_optuna():
    for path in (PACKAGE / "callbacks").glob("*.py"):
        assert not any(name.split(".")[0] == "optuna" for name in imported_modules(path))


# In this order in one process: each may load all that the ones before it may.
LIGHT = {
    "sklearn_trainkit": ["torch", "skorch", "optuna", "sklearn", "pandas", "matplotlib"],
    "sklearn_trainkit.preprocessing": ["torch", "skorch", "optuna", "matplotlib"],
    "sklearn_trainkit.model_selection": ["torch", "skorch", "matplotlib"],
    "sklearn_trainkit.inspection": ["matplotlib"],
}


def test_imports_stay_light():
    script = f"""
import importlib, sys
for name, unwanted in {LIGHT!r}.items():
    importlib.import_module(name)
    print(name, [module for module in unwanted if module in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines() == [f"{name} []" for name in LIGHT], done.stderr
