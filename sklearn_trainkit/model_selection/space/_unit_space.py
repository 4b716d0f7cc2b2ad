"""optuna's parameters as rows of numbers, to be drawn, changed a little, and learned from."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial

__all__ = ["UnitSpace"]

_MUTATION_RATE = 0.3
_MUTATION_SCALE = 0.15


class UnitSpace:
    """Parameters as rows of numbers: numeric ones from 0 to 1, choices by their index.

    Parameters
    ----------
    distributions : dict of str to BaseDistribution
    """

    def __init__(self, distributions: dict[str, BaseDistribution]) -> None:
        self._names = list(distributions)
        self._distributions = list(distributions.values())
        self._n_choices = np.array(
            [
                len(each.choices) if isinstance(each, CategoricalDistribution) else 0
                for each in self._distributions
            ]
        )

    def encode(self, trials: Sequence[FrozenTrial]) -> np.ndarray:
        """Return the parameters of trials, of shape (n_trials, n_parameters)."""
        columns = [
            _to_units(each, [trial.params[name] for trial in trials])
            for name, each in zip(self._names, self._distributions, strict=True)
        ]
        return np.stack(columns, axis=1)

    def decode(self, row: np.ndarray) -> dict[str, Any]:
        """Return the parameters behind one row."""
        return {
            name: _from_unit(each, float(value))
            for name, each, value in zip(self._names, self._distributions, row, strict=True)
        }

    def draw(self, n_rows: int, rng: np.random.Generator) -> np.ndarray:
        """Return random rows."""
        units = rng.random((n_rows, len(self._names)))
        chosen = np.floor(units * self._n_choices)
        return np.where(self._n_choices > 0, chosen, units)

    def mutate(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return rows with some parameters changed: choices drawn anew, numbers moved a little."""
        shape = rows.shape
        moved = np.abs(rows + rng.normal(0.0, _MUTATION_SCALE, shape))
        moved = np.clip(np.where(moved > 1.0, 2.0 - moved, moved), 0.0, 1.0)
        changed = np.where(self._n_choices > 0, self.draw(len(rows), rng), moved)
        mask = rng.random(shape) < _MUTATION_RATE
        mask[np.arange(len(rows)), rng.integers(shape[1], size=len(rows))] = True
        return np.where(mask, changed, rows)

    def features(self, rows: np.ndarray) -> np.ndarray:
        """Return what trees look at: a column per number or choice."""
        columns = [rows[:, self._n_choices == 0]]
        for index in np.flatnonzero(self._n_choices > 0):
            choices = np.arange(self._n_choices[index])
            columns.append(rows[:, [index]] == (choices if len(choices) > 2 else choices[1:]))
        return np.hstack(columns).astype(np.float32)


def _to_units(distribution: BaseDistribution, values: Sequence[Any]) -> np.ndarray:
    if isinstance(distribution, CategoricalDistribution):
        return np.array([distribution.to_internal_repr(value) for value in values], dtype=float)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = _bounds(distribution)
    numbers = np.asarray(values, dtype=float)
    return ((np.log(numbers) if distribution.log else numbers) - low) / (high - low)


def _from_unit(distribution: BaseDistribution, unit: float) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.to_external_repr(unit)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = _bounds(distribution)
    number = low + unit * (high - low)
    number = math.exp(number) if distribution.log else number
    if distribution.step is not None:
        steps = round((number - distribution.low) / distribution.step)
        number = distribution.low + steps * distribution.step
    number = min(max(number, distribution.low), distribution.high)
    return int(number) if isinstance(distribution, IntDistribution) else number


def _bounds(distribution: FloatDistribution | IntDistribution) -> tuple[float, float]:
    """Return the ends of the range, with half a step beyond so that each value is as likely."""
    margin = 0.5 * (distribution.step or 0.0)
    low, high = distribution.low - margin, distribution.high + margin
    return (math.log(low), math.log(high)) if distribution.log else (low, high)
