"""The portfolio of an estimator as candidates of a space that was made without knowing it."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, NamedTuple

from sklearn_trainkit.model_selection.space._distributions import Dimension
from sklearn_trainkit.model_selection.space._labels import is_equal
from sklearn_trainkit.model_selection.space._search_space import (
    BranchedSpace,
    EnqueuedTrial,
    list_parents,
)

__all__ = ["fit_portfolio"]

_INSTEAD = "Pass a list of dicts instead, or enqueue='estimator'."
# What a parameter becomes that the space draws, but not with the value asked for.
_DRAWN = object()


class _Fit(NamedTuple):
    """An entry of a portfolio in one dict of a space; of two, the smaller fits better."""

    n_lost: int  # named choices
    n_missed: int  # parameters that the dict does not draw
    n_held: int  # parameters that are settled, negative
    branch: int  # index of the dict
    params: dict[str, Any]


def fit_portfolio(space: BranchedSpace, estimator: Any) -> list[EnqueuedTrial]:
    """Return the portfolio of the estimator, or of its parts that have one.

    Numbers become the nearest ones that the space holds. Candidates that keep all their named
    choices (activation, normalization) come first, and without their optimizer they are left
    out: a rate that was found with one is none for another. What the portfolio leaves open is
    the estimator's own, where the space holds that.

    Raises
    ------
    TypeError
        When something else than a list of dicts comes from ``get_portfolio``.
    ValueError
        When there is no portfolio, or nothing of it fits.
    """
    own = estimator.get_params(deep=True)
    entries = _list_entries(estimator, own)
    fitting: list[tuple[int, EnqueuedTrial]] = []
    for entry in entries:
        fits = [
            fit
            for index, branch in enumerate(space.list_branches())
            if (fit := _fit_into(index, branch, own, entry)) is not None
        ]
        if fits:
            best = min(fits, key=lambda fit: fit[:4])
            candidate = space.match_in(best.branch, best.params, "the portfolio")
            fitting.append((best.n_lost, candidate))
    found: dict[str, EnqueuedTrial] = {}
    for _, candidate in sorted(fitting, key=itemgetter(0)):
        found.setdefault(repr(candidate.fixed), candidate)
    if not found:
        names = sorted({name for entry in entries for name in entry})
        raise ValueError(
            f"enqueue='portfolio': none of the {len(entries)} candidates of the portfolio can be "
            f"had in param_distributions; they set {names}, and an optimizer has to be theirs. "
            f"{_INSTEAD}"
        )
    return list(found.values())


def _list_entries(estimator: Any, own: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of all portfolios, by the names that ``estimator`` has for parameters."""
    entries = []
    for prefix, part in {"": estimator, **{f"{name}__": own[name] for name in own}}.items():
        if not hasattr(part, "get_portfolio") or isinstance(part, type):
            continue
        portfolio = part.get_portfolio()
        if not isinstance(portfolio, list | tuple) or not all(
            isinstance(entry, Mapping) and all(isinstance(name, str) for name in entry)
            for entry in portfolio
        ):
            raise TypeError(
                f"enqueue='portfolio': {type(part).__name__}.get_portfolio() needs to return a "
                f"list of dicts of parameter names to values, but returned {portfolio!r}."
            )
        for entry in portfolio:
            if unknown := sorted(entry.keys() - part.get_params(deep=True).keys()):
                raise ValueError(
                    f"enqueue='portfolio': {type(part).__name__}.get_portfolio() sets "
                    f"{unknown[0]!r}, which is no parameter of it."
                )
            entries.append({f"{prefix}{name}": value for name, value in entry.items()})
    if not entries:
        raise ValueError(
            f"enqueue='portfolio': neither {type(estimator).__name__} nor a part of it has a "
            "portfolio (get_portfolio) with a candidate in it, as MLPNetClassifier and "
            f"MLPNetRegressor have. {_INSTEAD}"
        )
    return entries


def _fit_into(
    index: int, branch: Mapping[str, Dimension], own: Mapping[str, Any], entry: Mapping[str, Any]
) -> _Fit | None:
    """Return what an entry becomes in one dict of a space, if it can be had there."""
    held: dict[str, Any] = {}
    for name, dimension in branch.items():
        try:
            value = dimension.nearest(entry[name]) if name in entry else own[name]
            dimension.encode(value)
        except (ValueError, OverflowError, KeyError):
            continue
        held[name] = value
    # Where another step may take the place of the one that has the portfolio, it is not for that.
    replaced = {parent for name in entry for parent in list_parents(name)} & branch.keys()
    n_taken = len(entry.keys() & held.keys())
    if not replaced <= held.keys() or not n_taken:
        return None
    lost = [name for name in entry if _is_lost(entry[name], _becomes(name, held, branch, own))]
    for name in entry:
        if name.split("__")[-1] == "optimizer":
            # Another optimizer than the estimator's own needs the rate that was found with it.
            moved = name in held and held[name] != own.get(name)
            if name in lost or (moved and _rate_of(name) not in held):
                return None
    return _Fit(len(lost), len(entry) - n_taken, -len(held), index, held)


def _rate_of(optimizer: str) -> str:
    return optimizer.removesuffix("optimizer") + "lr"


def _becomes(
    name: str, held: Mapping[str, Any], branch: Mapping[str, Any], own: Mapping[str, Any]
) -> Any:
    if name in held:
        return held[name]
    return _DRAWN if name in branch else own.get(name)


def _is_lost(value: Any, becomes: Any) -> bool:
    """Return whether a named choice, or the choice of none, has become another one."""
    named = isinstance(value, str) or (
        value is None and (isinstance(becomes, str) or becomes is _DRAWN)
    )
    return named and not is_equal(becomes, value)
