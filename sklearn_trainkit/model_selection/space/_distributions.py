"""One parameter of a search space: how optuna draws it, and which object the draw stands for.

optuna stores numbers and strings only, so a list of arbitrary objects is searched through its
labels, and a scipy distribution without a counterpart in optuna through its quantiles.
"""

import math
import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from sklearn_trainkit.model_selection.space._labels import is_equal, label_choices

__all__ = [
    "Dimension",
    "make_dimension",
    "suggest",
]

# An unbounded distribution is cut where a quantile would be infinite.
_QUANTILE_MARGIN = 1e-9
_ACCEPTED = (
    "a list (or tuple, range, 1-d array) of choices, a frozen scipy.stats distribution, or an "
    "optuna distribution"
)


class Dimension(Protocol):
    """What a space needs to know about one of its parameters."""

    @property
    def distribution(self) -> BaseDistribution:
        """What optuna draws from."""

    def decode(self, drawn: Any) -> Any:
        """Return the parameter value for what optuna drew."""

    def encode(self, value: Any) -> Any:
        """Return what optuna would have drawn for ``value``; ValueError if it never could."""

    def nearest(self, value: Any) -> Any:
        """Return ``value``, or else the number, or sequence of numbers, that comes nearest to it.

        ValueError when there is none.
        """

    def list_values(self) -> list[Any] | None:
        """Return every value, or None when there is no end of them."""

    def contents(self) -> Any:
        """Return what decides what is drawn: a list of objects, or a distribution."""


@dataclass(frozen=True)
class ChoiceDimension:
    """A list of objects of any kind, drawn by label."""

    objects: tuple[Any, ...]
    distribution: CategoricalDistribution

    def decode(self, drawn: Any) -> Any:
        return self.objects[self.distribution.choices.index(drawn)]

    def encode(self, value: Any) -> Any:
        for same in (_is_identical, is_equal):
            for candidate, label in zip(self.objects, self.distribution.choices, strict=True):
                if same(candidate, value):
                    return label
        raise ValueError(f"is not one of the choices {list(self.distribution.choices)}")

    def nearest(self, value: Any) -> Any:
        try:
            self.encode(value)
        except ValueError:
            return _find_nearest(self.objects, value)
        return value

    def list_values(self) -> list[Any]:
        return list(self.objects)

    def contents(self) -> list[Any]:
        return list(self.objects)


@dataclass(frozen=True)
class NumericDimension:
    """A range of numbers that optuna draws as they are."""

    distribution: FloatDistribution | IntDistribution

    def decode(self, drawn: Any) -> Any:
        return drawn

    def encode(self, value: Any) -> Any:
        if not _is_number(value) or not self.distribution._contains(float(value)):
            raise ValueError(f"is outside {self.distribution}")
        whole = isinstance(self.distribution, IntDistribution)
        return int(value) if whole else float(value)

    def nearest(self, value: Any) -> Any:
        if not _is_number(value):
            raise ValueError("is no number")
        low, high, step = (getattr(self.distribution, key) for key in ("low", "high", "step"))
        inside = min(max(value, low), high)
        if step is None:
            return inside
        return min(low + round((inside - low) / step) * step, high)

    def list_values(self) -> list[Any] | None:
        low, high, step = (getattr(self.distribution, key) for key in ("low", "high", "step"))
        if step is None or self.distribution.log:
            return None
        return [low + index * step for index in range(round((high - low) / step) + 1)]

    def contents(self) -> BaseDistribution:
        return self.distribution


@dataclass(frozen=True)
class QuantileDimension:
    """Any frozen scipy distribution, drawn as a quantile level between 0 and 1."""

    frozen: Any
    distribution: FloatDistribution

    def decode(self, drawn: Any) -> Any:
        value = self.frozen.ppf(min(max(drawn, _QUANTILE_MARGIN), 1 - _QUANTILE_MARGIN))
        return int(value) if hasattr(self.frozen, "pmf") else float(value)

    def encode(self, value: Any) -> Any:
        low, high = self.frozen.support()
        if not isinstance(value, numbers.Real) or not low <= value <= high:
            raise ValueError(f"is outside the support [{low}, {high}] of its distribution")
        return float(self.frozen.cdf(value))

    def nearest(self, value: Any) -> Any:
        if not _is_number(value):
            raise ValueError("is no number")
        low, high = self.frozen.support()
        inside = min(max(float(value), float(low)), float(high))
        if not hasattr(self.frozen, "pmf"):
            return inside
        # Between two values of a discrete distribution, the one below.
        whole = round(inside)
        return whole if self.frozen.pmf(whole) > 0 else self.decode(self.encode(inside))

    def list_values(self) -> None:
        return None

    def contents(self) -> Any:
        return self.frozen


def make_dimension(name: str, values: Any) -> Dimension:
    """Return the dimension that ``values`` describe.

    Parameters
    ----------
    name : str
        Name of the parameter, for messages.
    values : sequence, frozen scipy distribution or optuna distribution
        What the user wrote in ``param_distributions``.

    Raises
    ------
    TypeError
        When ``values`` are none of these.
    ValueError
        When there is nothing to draw: an empty list, a distribution without finite quantiles.
    """
    if isinstance(values, CategoricalDistribution):
        return _choices(values.choices)
    if isinstance(values, FloatDistribution | IntDistribution):
        return NumericDimension(values)
    if hasattr(values, "rvs") and not isinstance(values, type):
        return _from_scipy(name, values)
    return _from_sequence(name, values)


def suggest(
    trial: "optuna.Trial | optuna.trial.FrozenTrial", name: str, distribution: BaseDistribution
) -> Any:
    """Draw ``name`` from ``distribution`` through optuna's public interface."""
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(
            name,
            distribution.low,
            distribution.high,
            step=distribution.step,
            log=distribution.log,
        )
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(
            name,
            distribution.low,
            distribution.high,
            step=distribution.step,
            log=distribution.log,
        )
    assert isinstance(distribution, CategoricalDistribution)
    return trial.suggest_categorical(name, distribution.choices)


def _choices(objects: Sequence[Any]) -> ChoiceDimension:
    return ChoiceDimension(tuple(objects), CategoricalDistribution(label_choices(objects)))


def _from_sequence(name: str, values: Any) -> ChoiceDimension:
    is_array = isinstance(values, np.ndarray)
    if not is_array and (isinstance(values, str | bytes) or not isinstance(values, Sequence)):
        raise TypeError(
            f"param_distributions[{name!r}] needs to be {_ACCEPTED}, but got {values!r} (of type "
            f"{type(values).__name__}). A single value needs to be wrapped in a list."
        )
    if is_array and values.ndim != 1:
        raise ValueError(
            f"param_distributions[{name!r}] is an array of shape {values.shape}; an array of "
            "choices has to be 1-d. Pass a list of arrays to choose between arrays."
        )
    if len(values) == 0:
        raise ValueError(
            f"param_distributions[{name!r}] is empty, so there is nothing to choose from; it "
            f"needs to be {_ACCEPTED}."
        )
    return _choices(list(values))


def _from_scipy(name: str, frozen: Any) -> Dimension:
    if not all(hasattr(frozen, method) for method in ("ppf", "cdf", "support")):
        raise TypeError(
            f"param_distributions[{name!r}] can be sampled but has no quantile function (ppf), "
            f"which a guided search needs; got {frozen!r}. It needs to be {_ACCEPTED}."
        )
    tails = [frozen.ppf(level) for level in (_QUANTILE_MARGIN, 0.5, 1 - _QUANTILE_MARGIN)]
    if not np.all(np.isfinite(tails)):
        raise ValueError(
            f"param_distributions[{name!r}] has quantiles that are not finite ({tails}): check "
            "the arguments of the distribution."
        )
    low, high = frozen.support()
    kind = getattr(getattr(frozen, "dist", None), "name", None)
    if kind == "uniform":
        return NumericDimension(FloatDistribution(float(low), float(high)))
    if kind == "randint":
        return NumericDimension(IntDistribution(int(low), int(high)))
    if kind in ("loguniform", "reciprocal") and _is_logarithmic(low, tails[1], high):
        return NumericDimension(FloatDistribution(float(low), float(high), log=True))
    return QuantileDimension(frozen, FloatDistribution(0.0, 1.0))


def _is_logarithmic(low: float, middle: float, high: float) -> bool:
    # A shifted loguniform (loc != 0) is not uniform in the logarithm.
    return low > 0 and math.isclose(middle, math.sqrt(low * high), rel_tol=1e-6)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def _find_nearest(items: Sequence[Any], value: Any) -> Any:
    """Return the number, or the sequence of numbers, that comes nearest to ``value``.

    Lengths come first, then sums, then single numbers; ratios count where all are positive, and
    differences otherwise. One number is as good as a sequence of one.
    """
    wanted = _as_numbers(value)
    numbers_of = {
        index: found for index, item in enumerate(items) if (found := _as_numbers(item)) is not None
    }
    if wanted is None or not numbers_of:
        raise ValueError(f"has nothing comparable among {list(items)}")
    positive = min(min(row, default=0.0) for row in (wanted, *numbers_of.values())) > 0
    scale = math.log if positive else float

    def distance(index: int) -> tuple[float, float, float]:
        row = numbers_of[index]
        apart = [abs(scale(a) - scale(b)) for a, b in zip(row, wanted, strict=False)]
        return abs(len(row) - len(wanted)), abs(scale(sum(row)) - scale(sum(wanted))), sum(apart)

    return items[min(numbers_of, key=distance)]


def _as_numbers(item: Any) -> tuple[float, ...] | None:
    row = [item] if _is_number(item) else item
    if isinstance(row, np.ndarray) and row.ndim == 1:
        row = row.tolist()
    if not isinstance(row, list | tuple) or not all(map(_is_number, row)):
        return None
    return tuple(map(float, row)) if all(map(math.isfinite, row)) else None


_is_identical: Callable[[Any, Any], bool] = lambda left, right: left is right  # noqa: E731
