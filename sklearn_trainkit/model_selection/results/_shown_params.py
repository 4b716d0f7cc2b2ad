"""Parameters as columns for figures: numbers, or labels that tell values apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from optuna.distributions import CategoricalDistribution

from sklearn_trainkit.model_selection.space._labels import describe, label_apart
from sklearn_trainkit.model_selection.space._search_space import BRANCH

__all__ = ["params_frame", "with_study_labels"]

_ABSENT = object()


@dataclass(frozen=True)
class _Choice:
    """An object by the label that its study has for it."""

    label: str
    value: Any


def with_study_labels(params: Mapping[str, Any], trial: Any) -> dict[str, Any]:
    """Put the labels of a study in the place of objects: it tells choices apart."""
    index = trial.params.get(BRANCH)
    shown = dict(params)
    for name, value in params.items():
        key = name if name in trial.params else f"{name} [{index}]"
        chosen = isinstance(trial.distributions.get(key), CategoricalDistribution)
        if chosen and isinstance(trial.params[key], str) and not isinstance(value, str):
            shown[name] = _Choice(trial.params[key], value)
    return shown


def params_frame(params: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a column for each parameter, a row for each trial.

    A column holds numbers where all its values are finite ones, otherwise a label for each value,
    the same for equal values only. A trial without the parameter has NaN or None there.
    """
    names = list(dict.fromkeys(name for row in params for name in row))
    columns = {name: _column([row.get(name, _ABSENT) for row in params]) for name in names}
    return pd.DataFrame(columns, index=range(len(params)), columns=names)


def _column(values: list[Any]) -> pd.Series:
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    present = [value for value in plain if value is not _ABSENT]
    # An infinite number, such as C=inf, has no place on a scale: it is a choice.
    if all(map(_is_finite_number, present)):
        return pd.Series([np.nan if value is _ABSENT else float(value) for value in plain])
    items = [value.value if isinstance(value, _Choice) else value for value in present]
    labels = iter(label_apart(items, list(map(_name_value, present))))
    return pd.Series([None if value is _ABSENT else next(labels) for value in plain], dtype=object)


def _is_finite_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and bool(np.isfinite(value))


def _name_value(value: Any) -> str:
    if isinstance(value, _Choice):
        return value.label
    return value if isinstance(value, str) else describe(value)
