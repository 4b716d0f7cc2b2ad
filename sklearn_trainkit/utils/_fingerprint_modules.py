"""Which modules are libraries, known by name, and which are the user's, known by their code."""

import importlib.util
import os
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path

__all__ = ["ModuleText", "find_module_text", "has_source", "is_library"]

# They are libraries even where somebody works on a copy of their sources.
_LIBRARIES = {
    __name__.partition(".")[0], "numpy", "scipy", "pandas", "sklearn", "joblib", "torch", "skorch",
    "optuna",
}  # fmt: skip


class ModuleText:
    """A module of the user's, as code that a function imports or hands on."""

    def __init__(self, name: str) -> None:
        self.name = name


def is_library(module: str | None) -> bool:
    """Return whether a module was installed: it is known by its name and not by its code.

    >>> is_library("numpy.linalg"), is_library("builtins"), is_library("__main__")
    (True, True, False)
    """
    if not module or module in ("__main__", "__mp_main__"):
        return False
    root = module.partition(".")[0]
    if root in _LIBRARIES or root in sys.builtin_module_names:
        return True
    for name in (module, root):
        loaded = sys.modules.get(name)
        spec = getattr(loaded, "__spec__", None)
        if getattr(spec, "origin", None) in ("built-in", "frozen"):
            return True
        file = getattr(loaded, "__file__", None) or next(
            iter(getattr(loaded, "__path__", ())), None
        )
        if file is not None:
            return _is_installed(str(file))
    return False


@lru_cache(maxsize=4096)
def _is_installed(file: str) -> bool:
    path = Path(os.path.realpath(file))
    if {"site-packages", "dist-packages"} & set(path.parts):
        return True
    paths = sysconfig.get_paths()
    standard = [os.path.realpath(paths[key]) for key in ("stdlib", "platstdlib")]
    return any(path.is_relative_to(folder) for folder in standard)


def has_source(name: str) -> bool:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return False
    return spec is not None and bool(spec.origin) and not _is_installed(str(spec.origin))


@lru_cache(maxsize=1024)
def find_module_text(name: str) -> ModuleText:
    return ModuleText(name)
