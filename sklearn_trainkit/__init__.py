"""Neural networks trained well and tuned honestly inside scikit-learn Pipelines.

Importing this package loads nothing heavy: each sub-package is imported on first access, so
``sklearn_trainkit.preprocessing`` never pays for torch or optuna.
"""

import importlib
from typing import Any

__version__ = "0.1.0.dev0"

_SUBPACKAGES = (
    "callbacks",
    "comparison",
    "exceptions",
    "inspection",
    "model_selection",
    "neural_network",
    "preprocessing",
    "utils",
)

__all__ = [
    "__version__",
    "compile_engines",
    *_SUBPACKAGES,
]


def __getattr__(name: str) -> Any:
    if name == "compile_engines":
        return importlib.import_module("sklearn_trainkit.neural_network").compile_engines
    if name in _SUBPACKAGES:
        return importlib.import_module(f"sklearn_trainkit.{name}")
    raise AttributeError(f"module 'sklearn_trainkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
