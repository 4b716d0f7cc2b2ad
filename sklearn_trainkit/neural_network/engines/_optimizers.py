"""Optimizers by name, class or callable, and the groups of parameters that they are given."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adamax": torch.optim.Adamax,
    "adamw": torch.optim.AdamW,
    "lbfgs": torch.optim.LBFGS,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}
# One kernel for all parameters instead of a dozen small ones each: a fifth of a step's time.
_FUSED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.Adagrad)
# torch's own that take sparse gradients, if not in one kernel; the others refuse them.
_TAKE_SPARSE = (torch.optim.SGD, torch.optim.Adagrad, torch.optim.SparseAdam, torch.optim.LBFGS)


# Chosen over 18 data sets for networks behind a StandardScaler, see docs/networks.md.
_DECOUPLED_DECAY = 0.3


def resolved_weight_decay(weight_decay: float | str, optimizer: object) -> float:
    """Return the weight decay as a number.

    Parameters
    ----------
    weight_decay : float or "auto"
        "auto" is 0.3 for AdamW, whose decay is apart from the gradient, and none for the others,
        where it would be added to the gradient and outweigh it.
    optimizer : str, Optimizer class or callable

    Examples
    --------
    >>> [resolved_weight_decay("auto", name) for name in ("adamw", "adam", "sgd")]
    [0.3, 0.0, 0.0]
    """
    if weight_decay == "auto":
        return _DECOUPLED_DECAY if optimizer in ("adamw", torch.optim.AdamW) else 0.0
    return float(weight_decay)


def make_optimizer(
    optimizer: str | Callable[..., torch.optim.Optimizer],
    parameters: Iterable[Any],
    *,
    lr: float,
    weight_decay: float = 0.0,
    params: Mapping[str, Any] | None = None,
) -> torch.optim.Optimizer:
    """Return an optimizer over ``parameters``.

    Parameters
    ----------
    optimizer : str, Optimizer class or callable
        A class or callable is called as ``optimizer(parameters, lr=..., weight_decay=...,
        **params)``; one that has no ``weight_decay`` is called without it if that is zero.
    parameters : iterable of Parameter, or of groups of them
        Groups as torch's optimizers take them: ``{"params": [...], "lr": 0.01}``.
    lr : float
        Learning rate.
    weight_decay : float, default=0.0
    params : mapping or None, default=None
        Further arguments, such as ``{"momentum": 0.9}``.

    Returns
    -------
    optimizer : Optimizer

    Raises
    ------
    ValueError
        If the optimizer does not take one of the arguments, or ``params`` names one twice.
    """
    doubled = sorted({"lr", "weight_decay"} & set(params or {}))
    if doubled:
        raise ValueError(
            f"optimizer_params={dict(params or {})!r} names {doubled}, which are parameters of the "
            f"network; set {doubled[0]} itself."
        )
    factory = OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer
    kwargs: dict[str, Any] = {"lr": lr, **(params or {})}
    # Passed even when zero: AdamW's own default is not.
    if weight_decay or "weight_decay" in inspect.signature(factory).parameters:
        kwargs["weight_decay"] = weight_decay
    parameters = list(parameters)
    if factory in _FUSED and "foreach" not in kwargs:
        kwargs.setdefault("fused", True)
    check_keywords(factory, kwargs, optimizer)
    for group in parameters:
        if isinstance(group, dict):
            options = {name: value for name, value in group.items() if name != "params"}
            check_keywords(factory, options, optimizer)
    return factory(parameters, **kwargs)


def change_options(
    made: torch.optim.Optimizer, optimizer: object, params: Mapping[str, Any]
) -> None:
    """Give all groups of an optimizer new options, among other parameters of a network.

    Parameters
    ----------
    made : Optimizer
    optimizer : str, Optimizer class or callable
        What it was made from.
    params : mapping
        "lr", "weight_decay", and options by their names there after "optimizer__".
    """
    for name, value in params.items():
        if name == "weight_decay":
            value = resolved_weight_decay(value, optimizer)
        elif name != "lr" and not name.startswith("optimizer__"):
            continue
        option = name.removeprefix("optimizer__")
        for group in made.param_groups:
            group.update({option: value} if option in group else {})


def take_sparse_gradients(
    optimizer: torch.optim.Optimizer, named: Iterable[tuple[str, nn.Parameter]]
) -> None:
    """Let an optimizer take the sparse gradients that its parameters have now, if there are any.

    Parameters
    ----------
    optimizer : Optimizer
        Its steps are no longer made by one kernel where that would refuse them.
    named : iterable of (str, Parameter)

    Raises
    ------
    ValueError
        If torch's optimizer of this kind takes none at all.
    """
    names = [name for name, p in named if p.grad is not None and p.grad.is_sparse]
    if not names:
        return
    kind = type(optimizer)
    if kind.__module__.startswith("torch.optim") and kind not in _TAKE_SPARSE:
        raise ValueError(
            f"optimizer={kind.__name__} does not take sparse gradients, which {names} have. "
            "optimizer='sgd' and 'adagrad' do, and so does torch.optim.SparseAdam where all "
            "gradients are sparse; or use nn.Embedding with sparse=False."
        )
    if any(group.get("weight_decay") for group in optimizer.param_groups):
        raise ValueError(
            f"weight_decay does not go with sparse gradients, which {names} have: it would change "
            "all rows of a table. Use weight_decay=0.0, or nn.Embedding with sparse=False."
        )
    if not optimizer.defaults.get("fused"):
        return
    for group in optimizer.param_groups:
        group["fused"] = None


def refuse_sparse_clipping(named: Iterable[tuple[str, nn.Parameter]]) -> None:
    """Raise if gradients that are to be clipped are sparse, which torch cannot do."""
    names = [name for name, p in named if p.grad is not None and p.grad.is_sparse]
    if names:
        raise ValueError(
            f"clip_norm, clip_value and clip_adaptive do not go with sparse gradients, which "
            f"{names} have. Leave them None, or use nn.Embedding with sparse=False."
        )


def check_keywords(factory: Callable, kwargs: Mapping[str, Any], optimizer: object) -> None:
    """Raise if ``factory`` does not take an argument of ``kwargs``, naming what it takes."""
    accepted = inspect.signature(factory).parameters
    if any(p.kind is p.VAR_KEYWORD for p in accepted.values()):
        return
    unknown = sorted(set(kwargs) - set(accepted))
    if "weight_decay" in unknown:
        raise ValueError(
            f"optimizer={optimizer!r} has no weight decay; use weight_decay=0.0 beside it. Got "
            f"weight_decay={kwargs['weight_decay']!r}."
        )
    if unknown:
        takes = [name for name in accepted if name not in ("params", "self")]
        raise ValueError(
            f"optimizer={optimizer!r} does not take {unknown}; optimizer_params may name {takes}."
        )


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
