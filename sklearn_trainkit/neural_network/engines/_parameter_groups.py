"""Parameters of a network in groups by name, each with its own options of the optimizer."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import nn


def parameter_groups(
    named: Iterable[tuple[str, nn.Parameter]], groups: Sequence[tuple[str, dict]] | None
) -> list[Any]:
    """Return what an optimizer takes as its parameters.

    Parameters
    ----------
    named : iterable of (str, Parameter)
    groups : sequence of (pattern, options) or None
        As skorch's ``optimizer__param_groups``: names are matched as file names are, with ``*`` and
        ``?``; the first pattern that fits counts. The rest, which has no options of its own, comes
        first, so that the learning rate in the history is the network's.

    Returns
    -------
    parameters : list of Parameter, or of dict

    Raises
    ------
    ValueError
        If a pattern fits no parameter that an earlier one has left, or an entry is no such pair.

    Examples
    --------
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    >>> parts = parameter_groups(net.named_parameters(), [("0.*", {"lr": 0.1})])
    >>> [(len(part["params"]), part.get("lr")) for part in parts]
    [(2, None), (2, 0.1)]
    """
    rest = dict(named)
    if groups is None:
        return list(rest.values())
    parts = []
    names = list(rest)
    for entry in groups:
        pattern, options = _checked_entry(entry)
        fitting = [name for name in rest if fnmatchcase(name, pattern)]
        if not fitting:
            raise ValueError(
                f"The pattern {pattern!r} of param_groups fits no parameter that is left. The "
                f"parameters are {names}."
            )
        parts.append({"params": [rest.pop(name) for name in fitting], **options})
    return [{"params": list(rest.values())}, *parts] if rest else parts


def _checked_entry(entry: Any) -> tuple[str, dict]:
    if (
        not isinstance(entry, (tuple, list))
        or len(entry) != 2
        or not isinstance(entry[0], str)
        or not isinstance(entry[1], dict)
    ):
        raise ValueError(
            "param_groups must be a list of (pattern, options), such as [('0.*', {'lr': 0.001})]. "
            f"Got the entry {entry!r}."
        )
    return entry[0], entry[1]
