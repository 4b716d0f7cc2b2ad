"""The search space: what the user wrote, checked, and turned into parameters trial by trial."""

import numbers
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol

import numpy as np
import optuna
from sklearn.base import clone

from sklearn_trainkit.model_selection.space._distributions import (
    ChoiceDimension,
    Dimension,
    QuantileDimension,
    make_dimension,
    suggest,
)
from sklearn_trainkit.model_selection.space._labels import label_choices
from sklearn_trainkit.utils._did_you_mean import close_names
from sklearn_trainkit.utils._fingerprint_values import encode_atom

__all__ = [
    "BRANCH",
    "BranchedSpace",
    "EnqueuedTrial",
    "SearchSpace",
    "check_names",
    "list_parents",
    "make_search_space",
]

# A frozen trial answers with what it drew.
AnyTrial = optuna.Trial | optuna.trial.FrozenTrial

# Never the name of a parameter, so it cannot collide with one.
BRANCH = "param_distributions[i]"


@dataclass(frozen=True)
class EnqueuedTrial:
    """A candidate dictated by the user.

    Attributes
    ----------
    fixed : dict
        What optuna has to draw.
    params : dict
        The user's own objects and numbers, which the estimator gets unchanged.
    """

    fixed: dict[str, Any]
    params: dict[str, Any]


class SearchSpace(Protocol):
    """What the search needs from a space, whichever way it was written."""

    def suggest(self, trial: AnyTrial) -> dict[str, Any]:
        """Return the estimator's parameters for ``trial``."""

    def match(self, params: Mapping[str, Any], where: str) -> EnqueuedTrial:
        """Return how optuna would have drawn ``params``; ValueError when it never could."""

    def list_points(self) -> list[dict[str, Any]]:
        """Return every point of a finite space; ValueError when there is no end of them."""

    def identify(self, drawn: Mapping[str, Any]) -> frozenset[tuple[str, Any]]:
        """Return what is equal for draws that make the same candidate."""

    def list_choices(self) -> list[dict[str, Sequence[Any]]] | None:
        """Return the choices among objects, dict by dict; None when only a trial knows them."""

    def is_empty(self) -> bool:
        """Return whether there is nothing to draw."""

    def contents(self) -> Any:
        """Return what the space is made of: a list of dicts of choices, or a function."""


class BranchedSpace:
    """A dict of dimensions, or several of them with a first draw that picks the dict."""

    def __init__(self, branches: Sequence[Mapping[str, Dimension]]) -> None:
        self._branches = [dict(branch) for branch in branches]
        self._keys = [
            {name: self._storage_key(index, name) for name in branch}
            for index, branch in enumerate(self._branches)
        ]
        # Many quantiles stand for one value of a discrete distribution.
        self._decoded = {
            keys[name]: dimension.decode
            for keys, branch in zip(self._keys, self._branches, strict=True)
            for name, dimension in branch.items()
            if isinstance(dimension, QuantileDimension)
        }

    def suggest(self, trial: AnyTrial) -> dict[str, Any]:
        index = 0
        if len(self._branches) > 1:
            index = trial.suggest_categorical(BRANCH, range(len(self._branches)))
        keys = self._keys[index]
        return {
            name: dimension.decode(suggest(trial, keys[name], dimension.distribution))
            for name, dimension in self._branches[index].items()
        }

    def match(self, params: Mapping[str, Any], where: str) -> EnqueuedTrial:
        problems = []
        for index in sorted(range(len(self._branches)), key=lambda i: self._surplus(i, params)):
            try:
                return self.match_in(index, params, where)
            except ValueError as error:
                problems.append(str(error))
        raise ValueError(problems[0])

    def match_in(self, index: int, params: Mapping[str, Any], where: str) -> EnqueuedTrial:
        """Return how optuna would have drawn ``params`` from one of the dicts."""
        fixed = self._encode(index, params, where)
        branch = self._branches[index]
        return EnqueuedTrial(fixed, {key: _as_held(branch[key], params[key]) for key in params})

    def list_points(self) -> list[dict[str, Any]]:
        return [point for branch in self._branches for point in _grid_of(branch)]

    def identify(self, drawn: Mapping[str, Any]) -> frozenset[tuple[str, Any]]:
        decoded = self._decoded
        return _make_point(
            {key: decoded[key](value) if key in decoded else value for key, value in drawn.items()}
        )

    def contents(self) -> list[dict[str, Any]]:
        """Return the choices or the distribution of each parameter, dict by dict."""
        return [
            {name: dimension.contents() for name, dimension in branch.items()}
            for branch in self._branches
        ]

    def match_subset(self, params: Mapping[str, Any]) -> EnqueuedTrial | None:
        """Return the candidate made of those ``params`` that some dict of the space holds."""
        best: EnqueuedTrial | None = None
        for index, branch in enumerate(self._branches):
            held = {
                name: params[name]
                for name, dimension in branch.items()
                if name in params and _holds(dimension, params[name])
            }
            if held and (best is None or len(held) > len(best.params)):
                best = self.match_in(index, held, "the estimator")
        return best

    def list_choices(self) -> list[dict[str, Sequence[Any]]]:
        return [
            {
                name: dimension.objects
                for name, dimension in branch.items()
                if isinstance(dimension, ChoiceDimension)
            }
            for branch in self._branches
        ]

    def is_empty(self) -> bool:
        """Return whether no dict of the space holds a parameter."""
        return not any(self._branches)

    def list_branches(self) -> list[dict[str, Dimension]]:
        """Return the dicts of dimensions, in the user's order."""
        return self._branches

    def _storage_key(self, index: int, name: str) -> str:
        # optuna wants one distribution per name, while two dicts may disagree.
        mine = self._branches[index][name].distribution
        others = [branch[name].distribution for branch in self._branches if name in branch]
        return name if all(other == mine for other in others) else f"{name} [{index}]"

    def _surplus(self, index: int, params: Mapping[str, Any]) -> int:
        return len(set(self._branches[index]) ^ set(params))

    def _encode(self, index: int, params: Mapping[str, Any], where: str) -> dict[str, Any]:
        branch = self._branches[index]
        if unknown := sorted(set(params) - set(branch)):
            raise ValueError(
                f"{where} sets {unknown[0]!r}, which param_distributions does not hold; it holds "
                f"{sorted(branch)}."
            )
        fixed: dict[str, Any] = {BRANCH: index} if len(self._branches) > 1 else {}
        for name, value in params.items():
            try:
                fixed[self._keys[index][name]] = branch[name].encode(value)
            except ValueError as error:
                raise ValueError(f"{where} sets {name}={value!r}, which {error}.") from None
        return fixed


class CallableSpace:
    """A function ``space(trial) -> params``, for spaces that depend on what was drawn before."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def suggest(self, trial: AnyTrial) -> dict[str, Any]:
        params: Any = self._function(SpaceTrial(trial))
        if not isinstance(params, Mapping) or not all(isinstance(name, str) for name in params):
            raise TypeError(
                "param_distributions, as a function of a trial, has to return a dict of parameter "
                f"names to values, but it returned {params!r}."
            )
        return dict(params)

    def match(self, params: Mapping[str, Any], where: str) -> EnqueuedTrial:
        # The function alone knows how its draws become parameters, so here a candidate names
        # the draws: {"n_layers": 2, "width_0": 64}. Databases know no numbers of numpy.
        plain = {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in params.items()
        }
        return EnqueuedTrial(plain, {})

    def identify(self, drawn: Mapping[str, Any]) -> frozenset[tuple[str, Any]]:
        return _make_point(drawn)

    def list_choices(self) -> None:
        return None

    def is_empty(self) -> bool:
        """Return False."""
        return False

    def list_points(self) -> list[dict[str, Any]]:
        raise ValueError("a function of a trial has no list of points")

    def contents(self) -> Callable[[Any], Any]:
        """Return the function."""
        return self._function


class SpaceTrial:
    """The trial that a function space receives: optuna's, with any object as a choice."""

    def __init__(self, trial: AnyTrial) -> None:
        self._trial = trial

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Return one of ``choices``, which may be objects of any kind."""
        objects = list(choices)
        labels = label_choices(objects)
        return objects[labels.index(self._trial.suggest_categorical(name, labels))]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trial, name)


def make_search_space(param_distributions: Any) -> BranchedSpace | CallableSpace:
    """Return the checked space behind ``param_distributions``.

    Parameters
    ----------
    param_distributions : dict, list of dict, or callable
        As in :class:`OptunaSearchCV`.

    Raises
    ------
    TypeError, ValueError
        When an entry cannot be searched; the message names the entry.
    """
    if callable(param_distributions):
        return CallableSpace(param_distributions)
    is_dict = isinstance(param_distributions, Mapping)
    branches = [param_distributions] if is_dict else list(param_distributions)
    if not branches:
        raise ValueError("param_distributions is an empty list: there is nothing to search.")
    for index, branch in enumerate(branches):
        if not isinstance(branch, Mapping):
            raise TypeError(
                f"param_distributions[{index}] needs to be a dict of parameter names to values, "
                f"but got {branch!r} (of type {type(branch).__name__})."
            )
        for key in branch:
            if not isinstance(key, str):
                raise TypeError(
                    "param_distributions needs names of parameters, which are strings, as keys, "
                    f"but got {key!r} (of type {type(key).__name__})."
                )
    return BranchedSpace(
        [
            {name: make_dimension(name, values) for name, values in branch.items()}
            for branch in branches
        ]
    )


def check_names(space: BranchedSpace | CallableSpace, estimator: Any) -> None:
    """Raise ValueError when the space names a parameter that ``estimator`` lacks.

    Every name is tried on a clone, because estimators may accept names that ``get_params`` does
    not list. ``step__parameter`` is left alone when the space also replaces ``step``.
    """
    if isinstance(space, CallableSpace):
        return
    for branch in space.list_branches():
        for name, dimension in branch.items():
            if not any(parent in branch for parent in list_parents(name)):
                _try_name(estimator, name, _example_of(dimension))


def check_params(params: Mapping[str, Any], estimator: Any) -> None:
    """Raise ValueError when a candidate names a parameter that ``estimator`` lacks."""
    for name, value in params.items():
        if not any(parent in params for parent in list_parents(name)):
            _try_name(estimator, name, value)


def _try_name(estimator: Any, name: str, value: Any) -> None:
    try:
        clone(estimator, safe=False).set_params(**{name: clone(value, safe=False)})
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"param_distributions names {name!r}, which {type(estimator).__name__} does not "
            f"accept: {_first_sentence(error)}{_suggest_name(estimator, name)}"
        ) from error


def _first_sentence(error: Exception) -> str:
    """Return what an error says, without a full stop that another sentence would follow."""
    return str(error).rstrip(".")


def _suggest_name(estimator: Any, name: str) -> str:
    """Return the parameter that was probably meant, as the end of a message."""
    known = sorted(estimator.get_params(deep=True))
    inner = [each for each in known if each.rpartition("__")[2] == name.rpartition("__")[2]]
    near = inner or close_names(name, known)
    return f". Did you mean {' or '.join(map(repr, near[:3]))}?" if near else "."


def _as_held(dimension: Dimension, value: Any) -> Any:
    """Return ``value``, or what the space holds for it where that is a number of another type.

    A study keeps what was drawn: 1 enqueued where the space has 1.0 would come back as 1.0, and
    they are not the same to every parameter.
    """
    if not isinstance(value, numbers.Number):
        return value
    held = dimension.decode(dimension.encode(value))
    same_type = encode_atom(held) == encode_atom(value)
    return held if held == value and not same_type else value


def _holds(dimension: Dimension, value: Any) -> bool:
    try:
        dimension.encode(value)
    except ValueError:
        return False
    return True


def list_parents(name: str) -> list[str]:
    """Return ``["a", "a__b"]`` for ``"a__b__c"``."""
    parts = name.split("__")
    return ["__".join(parts[:count]) for count in range(1, len(parts))]


def _make_point(drawn: Mapping[str, Any]) -> frozenset[tuple[str, Any]]:
    # Steps of floats are reached by sums and by products, which differ in the last digit.
    return frozenset(
        (name, float(f"{value:.12g}") if isinstance(value, float) else value)
        for name, value in drawn.items()
    )


def _example_of(dimension: Dimension) -> Any:
    if isinstance(dimension, ChoiceDimension):
        return dimension.objects[0]
    low = getattr(dimension.distribution, "low", 0.5)
    return dimension.decode(0.5 if low == 0.0 else low)


def _grid_of(branch: Mapping[str, Dimension]) -> Iterator[dict[str, Any]]:
    # Names in order, the last one fastest: the order of scikit-learn's ParameterGrid.
    names = sorted(branch)
    columns = []
    for name in names:
        values = branch[name].list_values()
        if values is None:
            raise ValueError(f"{name!r} has no finite list of values")
        columns.append(values)
    for point in product(*columns):
        yield dict(zip(names, point, strict=True))
