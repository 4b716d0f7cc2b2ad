"""Which points of a space have been tried, and one that has not: a small space has an end."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution

from sklearn_trainkit.model_selection.space._search_space import SearchSpace

__all__ = ["TriedPoints"]

Point = frozenset[tuple[str, Any]]

# Draws from a distribution without an end of values, before it is taken for exhausted: quantiles
# of a discrete distribution have no end, while their values may have.
_MAX_DRAWS = 100


class TriedPoints:
    """The points of a space that need no second trial.

    What is drawn makes a point, whether the space is a dict, a list of dicts or a function, and
    whether the trial was complete, pruned or failed.

    Parameters
    ----------
    space : SearchSpace
    seed : int
        Decides which of several untried points is found.
    may_repeat : bool, default=False
        Whether to leave it to the sampler how often a point is tried.
    """

    def __init__(self, space: SearchSpace, seed: int, *, may_repeat: bool = False) -> None:
        self._space = space
        self._may_repeat = may_repeat
        self._seed = seed
        self._tried: set[Point] = set()
        self._elsewhere: set[Point] = set()

    def add(self, drawn: Mapping[str, Any]) -> None:
        """Remember what a trial drew."""
        self._tried.add(self._space.identify(drawn))

    def note_elsewhere(self, draws: Iterable[Mapping[str, Any]]) -> None:
        """Remember, until the next call, what other processes are at: they may die over it."""
        self._elsewhere = {self._space.identify(drawn) for drawn in draws}

    def holds(self, drawn: Mapping[str, Any]) -> bool:
        """Return whether these draws were remembered."""
        if self._may_repeat:
            return False
        point = self._space.identify(drawn)
        return point in self._tried or point in self._elsewhere

    def find_untried(self, number: int, fixed: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the draws of a point that was not tried, or None where there is none.

        The space is walked draw by draw, as a tree: each point visited is untried, or one of those
        that were tried, so that however large the space is the walk is short.

        Parameters
        ----------
        number : int
            Of the trial that asks; it decides along with the seed where the walk begins.
        fixed : dict
            Draws that have to be so.
        """
        random = np.random.RandomState([self._seed % 2**32, number])
        path: list[_Fork] = []
        for _ in range(len(self._tried) + len(self._elsewhere) + _MAX_DRAWS):
            walk = _Walk(path, fixed, random, number)
            self._space.suggest(walk)  # type: ignore[arg-type]
            if not self.holds(walk.params):
                return dict(walk.params)
            while path and not path[-1].turn():
                path.pop()
            if not path:
                return None
        return None


class _Fork:
    """A draw on the way to a point, and what else it might have been."""

    def __init__(self, options: Iterator[Any]) -> None:
        self._options = options
        self.value = next(options)

    def turn(self) -> bool:
        """Take the next value; return False if there is none."""
        try:
            self.value = next(self._options)
        except StopIteration:
            return False
        return True


class _Walk(optuna.trial.FixedTrial):
    """A trial that draws along a path of forks, and grows the path at its end."""

    def __init__(
        self,
        path: list[_Fork],
        fixed: Mapping[str, Any],
        random: np.random.RandomState,
        number: int,
    ) -> None:
        super().__init__({}, number)
        self._path = path
        self._fixed = fixed
        self._random = random
        self._depth = 0
        self._drawn: dict[str, Any] = {}

    @property
    def params(self) -> dict[str, Any]:
        return self._drawn

    def _suggest(self, name: str, distribution: BaseDistribution) -> Any:
        if name not in self._drawn:
            if self._depth == len(self._path):
                self._path.append(_Fork(self._list_options(name, distribution)))
            self._drawn[name] = self._path[self._depth].value
            self._depth += 1
        return self._drawn[name]

    def _list_options(self, name: str, distribution: BaseDistribution) -> Iterator[Any]:
        if name in self._fixed:
            value = self._fixed[name]
            if distribution._contains(distribution.to_internal_repr(value)):
                return iter([value])
        return _list_values(distribution, self._random)


def _list_values(distribution: Any, random: np.random.RandomState) -> Iterator[Any]:
    """Yield each value once, from a random one on; of an endless distribution, some."""
    if isinstance(distribution, CategoricalDistribution):
        choices = distribution.choices
        begin = random.randint(len(choices))
        yield from (choices[(begin + index) % len(choices)] for index in range(len(choices)))
        return
    low, high, step = distribution.low, distribution.high, distribution.step
    if low == high:
        yield low
        return
    if step is None:
        for _ in range(_MAX_DRAWS):
            yield _draw_float(distribution, random)
        return
    n_values = round((high - low) / step) + 1
    begin = int(random.random_sample() * n_values)
    for index in range(n_values):
        yield low + (begin + index) % n_values * step


def _draw_float(distribution: Any, random: np.random.RandomState) -> float:
    low, high = distribution.low, distribution.high
    if distribution.log:
        low, high = np.log(low), np.log(high)
        return float(
            np.clip(np.exp(random.uniform(low, high)), distribution.low, distribution.high)
        )
    return float(random.uniform(low, high))
