"""Settings of dense networks that did well on many data sets, best first.

Chosen by ``examples/benchmarks/build_portfolio.py``; ``docs/search.md`` says from what.
"""

from typing import Any

__all__ = ["CLASSIFIER_PORTFOLIO", "REGRESSOR_PORTFOLIO"]

_NAMES = (
    "hidden_units",
    "activation",
    "norm",
    "dropout",
    "clip_norm",
    "optimizer",
    "lr",
    "weight_decay",
    "batch_size",
)

# fmt: off
_CLASSIFIER_ROWS = (
    ((256, 128), "relu", None, 0.0, 1.0, "rmsprop", 0.01, 1e-05, 16),
    ((256, 128), "gelu", None, 0.15, 1.0, "rmsprop", 0.02, 0.0001, 32),
    ((128, 64), "relu", None, 0.05, 1.0, "adamw", 0.01, 1e-06, 16),
    ((128, 64), "relu", None, 0.0, 1.0, "adam", 0.005, 0.0001, 16),
    ((128, 64), "gelu", None, 0.3, None, "adamw", 0.01, 1e-07, 32),
    ((128, 64), "gelu", None, 0.3, None, "adam", 0.03, 0.0001, 64),
    ((64, 64), "relu", None, 0.05, 1.0, "adam", 0.02, 1e-05, 32),
    ((64, 64), "relu", None, 0.1, 1.0, "sgd", 0.5, 0.001, 16),
    ((256, 128), "relu", None, 0.1, None, "adamw", 0.005, 1e-05, 32),
    ((128, 64), "gelu", None, 0.1, 1.0, "rmsprop", 0.02, 1e-05, 64),
    ((64,), "tanh", "layer", 0.05, 1.0, "rmsprop", 0.01, 1e-05, 16),
    ((64, 64), "gelu", "layer", 0.0, None, "rmsprop", 0.01, 0.001, 16),
    ((64, 64), "relu", None, 0.0, None, "sgd", 0.3, 0.0001, 16),
    ((64,), "gelu", None, 0.3, 1.0, "adamw", 0.002, 0.3, 32),
    ((128, 64), "relu", None, 0.2, None, "adam", 0.03, 1e-05, 32),
    ((128,), "relu", None, 0.4, 1.0, "sgd", 1.0, 0.0001, 16),
    ((128, 64), "gelu", "batch", 0.05, 1.0, "sgd", 0.3, 0.001, 64),
)

_REGRESSOR_ROWS = (
    ((256, 128), "relu", None, 0.0, 1.0, "adam", 0.003, 0.0001, 16),
    ((256, 128), "relu", None, 0.05, 1.0, "adamw", 0.002, 1e-05, 16),
    ((128, 64), "relu", None, 0.0, 1.0, "adamw", 0.005, 1e-06, 16),
    ((64,), "tanh", "layer", 0.05, 1.0, "rmsprop", 0.005, 1e-05, 16),
    ((256, 128), "relu", None, 0.1, None, "adamw", 0.005, 0.0001, 32),
    ((64, 64), "relu", None, 0.05, 1.0, "adam", 0.02, 1e-06, 32),
    ((256, 128), "gelu", "layer", 0.1, None, "adamw", 0.002, 0.0001, 64),
    ((64, 64), "relu", None, 0.0, 1.0, "sgd", 0.3, 1e-05, 16),
    ((32, 32), "tanh", "layer", 0.1, 1.0, "adamw", 0.005, 1e-07, 16),
    ((256, 128), "gelu", None, 0.15, 1.0, "rmsprop", 0.02, 1e-05, 64),
    ((32, 32), "gelu", None, 0.05, None, "adam", 0.02, 0.001, 64),
    ((128, 64), "relu", "layer", 0.0, 1.0, "adam", 0.002, 0.1, 128),
    ((64, 64), "gelu", None, 0.3, None, "adamw", 0.01, 1e-06, 32),
    ((256,), "tanh", "layer", 0.0, None, "rmsprop", 0.03, 0.01, 32),
    ((64, 64), "gelu", "layer", 0.0, None, "rmsprop", 0.01, 0.001, 16),
    ((128, 64), "gelu", "batch", 0.05, 1.0, "sgd", 0.3, 0.001, 64),
    ((128, 64), "relu", None, 0.05, None, "sgd", 0.3, 0.001, 16),
    ((64,), "gelu", "layer", 0.1, None, "sgd", 0.1, 1e-06, 16),
)
# fmt: on


def _name_settings(rows: tuple[tuple[Any, ...], ...]) -> tuple[dict[str, Any], ...]:
    return tuple(dict(zip(_NAMES, row, strict=True)) for row in rows)


CLASSIFIER_PORTFOLIO = _name_settings(_CLASSIFIER_ROWS)
REGRESSOR_PORTFOLIO = _name_settings(_REGRESSOR_ROWS)
