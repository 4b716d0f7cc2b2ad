"""What one step does to one layer: its gradient's size, its zeros, its dead units, its place."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

__all__ = [
    "BackwardOrder",
    "LayerFlow",
    "gradient_flow",
    "measure_layers",
    "notes_order",
    "owners_of",
]

# Of these a weight has a row for each unit; of transposed convolutions a column.
_UNITS_FIRST = (nn.Linear, nn.Bilinear, _ConvNd, nn.RNNBase, nn.RNNCellBase)
_TABLES = (nn.Embedding, nn.EmbeddingBag)
# All their weights take part in one operation, so that backward says nothing about their order.
_ONE_OPERATION = (nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)

Named = Sequence[tuple[str, nn.Parameter]]
Owners = dict[int, nn.Module]


class LayerFlow(NamedTuple):
    """What one step did to one weight tensor.

    Attributes
    ----------
    layer : str
        Name of the weight in the module, such as ``"hidden.0.0.weight"``.
    grad_norm : float
        2-norm of the gradient divided by the square root of its size: the root mean square of
        its entries, comparable between layers of different widths. Of an embedding only the rows
        that the batch used are counted.
    zero_share : float
        Share of the gradient's entries that are exactly zero.
    nonfinite_share : float
        Share of its entries that are NaN or infinite.
    update_ratio : float
        2-norm of the step divided by the 2-norm of the weight before it; about 1e-3 is healthy.
        NaN until the step is taken.
    dead_share : float or None
        Share of the layer's units neither whose weights nor whose bias has a gradient: inputs that
        are zero in the whole batch do not count against them, such as the state before the first
        step of sequences that have no other. NaN where there are no units (embeddings), or
        where the weight does not tell which of its axes they are; None where it was not measured
        (``zero_share`` is then judged instead).
    """

    layer: str
    grad_norm: float
    zero_share: float
    nonfinite_share: float
    update_ratio: float = math.nan
    dead_share: float | None = None


def gradient_flow(
    named_parameters: Iterable[tuple[str, nn.Parameter]], module: nn.Module | None = None
) -> list[LayerFlow]:
    """Measure the gradients that the parameters hold now, dense or sparse.

    Parameters
    ----------
    named_parameters : iterable of (str, Parameter)
        Vectors (biases, gains) and parameters without a gradient are left out.
    module : Module or None, default=None
        Whose parameters they are. It tells embeddings from layers with units; without it, a
        weight has units where a bias beside it has as many entries.

    Returns
    -------
    flow : list of LayerFlow
        In the order given.
    """
    named = list(named_parameters)
    owners = owners_of([] if module is None else [module])
    return measure_layers(named, owners)


def measure_layers(named: Named, owners: Owners) -> list[LayerFlow]:
    """Return the flow of each weight of two dimensions or more that has a gradient."""
    biases = [(name, p) for name, p in named if p.ndim == 1 and "bias" in name.split(".")[-1]]
    gradients = {name: p.grad for name, p in named if p.grad is not None}
    flow = []
    for name, parameter in named:
        if parameter.grad is not None and parameter.grad.ndim >= 2:
            owner = owners.get(id(parameter))
            axis = _unit_axis(name, parameter, owner, biases)
            beside = [gradients[n] for n in _same_units(name, owner) if n in gradients]
            flow.append(_measure(name, parameter.grad.detach(), owner, axis, beside))
    return flow


def owners_of(modules: Iterable[nn.Module]) -> Owners:
    """Return the innermost module of each parameter, by the parameter's ``id``."""
    return {
        id(parameter): layer
        for module in modules
        for layer in module.modules()
        for parameter in layer.parameters(recurse=False)
    }


def _same_units(name: str, owner: nn.Module | None) -> list[str]:
    """Return the names of the other parameters, if there are any, of the units of a weight."""
    prefix, _, own = name.rpartition("weight")
    names = [f"{prefix}bias{own}"]
    if isinstance(owner, (nn.RNNBase, nn.RNNCellBase)) and own.startswith("_hh"):
        names.append(name.replace("weight_hh", "weight_ih"))
    return names


def _measure(
    name: str,
    gradient: torch.Tensor,
    owner: nn.Module | None,
    unit_axis: int | None,
    beside: Sequence[torch.Tensor] = (),
) -> LayerFlow:
    size = gradient.numel()
    is_table = isinstance(owner, _TABLES) or gradient.is_sparse
    values = gradient.coalesce().values() if gradient.is_sparse else gradient
    nonzero = int(torch.count_nonzero(values))
    norm = float(torch.linalg.vector_norm(values))
    nonfinite = 0 if math.isfinite(norm) else values.numel() - int(torch.isfinite(values).sum())
    counted = size
    if is_table:  # rows that the batch did not ask for have nothing to do with the flow
        rows = values.reshape(len(values), -1)
        counted = max(1, int(rows.ne(0).any(dim=1).sum())) * rows.shape[1]
    dead = math.nan
    if unit_axis is not None and not is_table:
        units = gradient.movedim(unit_axis, 0).reshape(gradient.shape[unit_axis], -1)
        alive = units.ne(0).any(dim=1)
        for other in beside:
            if len(other) == len(alive):
                alive = alive | other.reshape(len(other), -1).ne(0).any(dim=1)
        dead = 1 - float(alive.float().mean())
    return LayerFlow(
        name,
        norm / math.sqrt(counted),
        1 - nonzero / size,
        nonfinite / size,
        dead_share=dead,
    )


def _unit_axis(
    name: str, parameter: nn.Parameter, owner: nn.Module | None, biases: Named
) -> int | None:
    """Return the axis of a weight along which its units are; None where that is not known."""
    if isinstance(owner, _ConvTransposeNd):
        return 1
    if isinstance(owner, _UNITS_FIRST):
        return 0
    if isinstance(owner, _TABLES):
        return None
    prefix = name.rpartition(".")[0]
    sizes = {len(bias) for other, bias in biases if other.rpartition(".")[0] == prefix}
    return next((axis for axis in (0, 1) if parameter.shape[axis] in sizes), None)


class BackwardOrder:
    """The order in which a forward pass used some weights, learnt from the pass back.

    Modules may be registered in any order; gradients come from the output to the input.

    Parameters
    ----------
    parameters : iterable of Parameter
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self._arrivals: dict[int, int] = {}
        self._handles = [
            parameter.register_post_accumulate_grad_hook(self._note)
            for parameter in parameters
            if parameter.requires_grad and parameter.is_leaf
        ]

    def _note(self, parameter: torch.Tensor) -> None:
        self._arrivals.setdefault(id(parameter), len(self._arrivals))

    def stop(self) -> None:
        """Stop listening."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def sort(self, named: Named, owners: Owners) -> Named:
        """Return the weights from the input to the output, those that had no part left out.

        As they came where nothing was heard: without autograd's graph there is nothing to hear.
        """
        if not self._arrivals:
            return named
        latest = {
            id(owner): max(self._arrivals.get(id(p), -1) for p in owner.parameters())
            for owner in owners.values()
            if isinstance(owner, _ONE_OPERATION)
        }

        def arrival(entry: tuple[str, nn.Parameter]) -> Any:
            own = self._arrivals[id(entry[1])]
            return -latest.get(id(owners.get(id(entry[1]))), own)

        return sorted((entry for entry in named if id(entry[1]) in self._arrivals), key=arrival)


def notes_order(hook: Any) -> bool:
    """Tell whether a parameter's hook is one of :class:`BackwardOrder`, which changes nothing."""
    return isinstance(getattr(hook, "__self__", None), BackwardOrder)
