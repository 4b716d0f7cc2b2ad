"""The tensors of several networks in one block, of which each network keeps a view.

Row i of the block holds all parameters of network i, so that an optimizer updates all networks with
one kernel, a norm per row clips each network by itself, and networks next to each other can be
trained as a smaller stack. The modules see their row as their own weights: they predict, are
scored and are copied as ever, and nothing is moved in between.
"""

import itertools
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from sklearn_trainkit.callbacks._layer_flow import notes_order

# Registers what it stacks.
from sklearn_trainkit.neural_network.stacking import (
    _stacked_activations,  # noqa: F401
    _stacked_norms,  # noqa: F401
)
from sklearn_trainkit.neural_network.stacking._stacked_layers import (
    NotStackableError,
    StackedLayer,
    stacked_layer,
)
from sklearn_trainkit.neural_network.stacking._stacked_losses import StackedLoss, stacked_loss

# Parameters begin on a cache line, as tensors of their own do: the same kernels, the same bits.
_LINE_ELEMENTS = 16


class ModuleBlock:
    """Parameters, gradients and buffers of m modules of one architecture.

    Parameters
    ----------
    modules : sequence of m Modules

    Attributes
    ----------
    values, gradients : Tensor of shape (m, n)
        A row for each module, in the order of ``named_parameters``, with zeros between some.
    columns : dict of str to (start, stop, shape)
        Where each parameter lies in a row.

    Raises
    ------
    NotStackableError
        If the modules differ in their parameters or some are not trained.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self.modules = list(modules)
        for module in modules:
            _check_mode(module)
        self._parameters = [dict(module.named_parameters()) for module in modules]
        self._check_parameters()
        self.columns: dict[str, tuple[int, int, torch.Size]] = {}
        stop = 0
        for name, parameter in self._parameters[0].items():
            start = -(-stop // _LINE_ELEMENTS) * _LINE_ELEMENTS
            stop = start + parameter.numel()
            self.columns[name] = start, stop, parameter.shape
        self.values = self.laid_out(self._parameters)
        self.gradients = torch.zeros_like(self.values)
        self._storage = [{name: p.data for name, p in own.items()} for own in self._parameters]
        self._buffers = self._stacked_buffers()
        self._paths = {
            id(layer): f"{path}." if path else ""
            for module in modules
            for path, layer in module.named_modules(remove_duplicate=False)
        }
        self._used: set[str] = set()
        self._attach()

    @torch.no_grad()
    def laid_out(self, each: Sequence[Mapping[str, torch.Tensor]]) -> torch.Tensor:
        """Return (k, n) with k modules' tensors where their parameters lie in a row."""
        last = max(stop for _, stop, _ in self.columns.values())
        rows = next(iter(each[0].values())).new_zeros((len(each), last))
        for row, own in zip(rows, each, strict=True):
            for name, (start, stop, _) in self.columns.items():
                row[start:stop] = own[name].reshape(-1)
        return rows

    def view(self, row: int, name: str) -> torch.Tensor:
        """Return one module's parameter inside the block."""
        start, stop, shape = self.columns[name]
        return self.values[row, start:stop].view(shape)

    def show_gradients(self) -> None:
        """Let each parameter have its place in the gradients as its ``grad``."""
        for row, own in enumerate(self._parameters):
            for name, parameter in own.items():
                start, stop, shape = self.columns[name]
                parameter.grad = self.gradients[row, start:stop].view(shape)

    def part(self, first: int, last: int) -> "BlockPart":
        """Return the rows from ``first`` to before ``last`` as a block that layers can use."""
        return BlockPart(self, first, last)

    @torch.no_grad()
    def detach(self) -> None:
        """Give each module its own storage back, with the values and gradients it has now.

        The storage that it had: what others have made of it, an alias say, stays true.
        """
        for module, own, homes in zip(self.modules, self._parameters, self._storage, strict=True):
            for name, parameter in own.items():
                gradient = parameter.grad
                parameter.data = homes[name].copy_(parameter)
                parameter.grad = None if gradient is None else gradient.clone()
            for name in self._buffers:
                layer, _, key = name.rpartition(".")
                owner = module.get_submodule(layer)
                owner._buffers[key] = owner._buffers[key].clone()  # type: ignore[union-attr]

    def check_all_used(self) -> None:
        """Raise if a parameter is in no stacked layer: nobody would compute its gradient."""
        unused = sorted(set(self.columns) - self._used)
        if unused:
            raise NotStackableError(f"parameters outside of stacked layers: {', '.join(unused)}")

    def _check_parameters(self) -> None:
        alike = [
            [(name, p.shape, p.dtype, p.device) for name, p in own.items()]
            for own in self._parameters
        ]
        if any(other != alike[0] for other in alike[1:]):
            raise NotStackableError("the networks differ in the shapes of their parameters")
        if len({(dtype, device) for *_, dtype, device in alike[0]}) != 1:
            raise NotStackableError("the parameters differ in type or device")
        if not all(p.requires_grad for own in self._parameters for p in own.values()):
            raise NotStackableError("some parameters are frozen")
        # Gradients by hand go past them.
        if any(_has_hooks(p) for own in self._parameters for p in own.values()):
            raise NotStackableError("some parameters have hooks")

    def _stacked_buffers(self) -> dict[str, torch.Tensor]:
        each = [dict(module.named_buffers()) for module in self.modules]
        return {name: torch.stack([own[name] for own in each]) for name in each[0]}

    def _attach(self) -> None:
        for row, (module, own) in enumerate(zip(self.modules, self._parameters, strict=True)):
            for name, parameter in own.items():
                parameter.data = self.view(row, name)
                parameter.grad = None
            for name, stacked in self._buffers.items():
                layer, _, key = name.rpartition(".")
                module.get_submodule(layer)._buffers[key] = stacked[row]


class BlockPart:
    """Some rows of a :class:`ModuleBlock`, as stacked layers look at them."""

    def __init__(self, block: ModuleBlock, first: int, last: int) -> None:
        self._block = block
        self._rows = slice(first, last)

    def parameter(self, layers: Sequence[nn.Module], name: str) -> tuple[torch.Tensor, ...]:
        """Return values and gradients of a parameter, both (m, ...)."""
        block = self._block
        name = block._paths[id(layers[0])] + name
        if name not in block.columns:
            raise NotStackableError(f"{name} shares its weights with another layer")
        start, stop, shape = block.columns[name]
        block._used.add(name)
        return tuple(
            tensor[self._rows, start:stop].unflatten(1, shape)
            for tensor in (block.values, block.gradients)
        )

    def buffer(self, layers: Sequence[nn.Module], name: str) -> torch.Tensor:
        """Return the values of a buffer, (m, ...) and contiguous."""
        return self._block._buffers[self._block._paths[id(layers[0])] + name][self._rows]


class StackedNetwork:
    """Neighbouring networks of a block with their losses, for batches of one size.

    Parameters
    ----------
    block : ModuleBlock
    criteria : sequence of Module
        The loss of each network of the block.
    first, last : int
        Rows of the block, ``last`` excluded.
    """

    def __init__(
        self, block: ModuleBlock, criteria: Sequence[nn.Module], first: int, last: int
    ) -> None:
        self._network: StackedLayer = stacked_layer(
            block.modules[first:last], block.part(first, last)
        )
        self._loss: StackedLoss = stacked_loss(criteria[first:last], block.values)

    def leave_gradients(
        self, X: torch.Tensor, y: torch.Tensor, weight: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the gradients of a batch into the block; return losses and outputs.

        Parameters
        ----------
        X : Tensor of shape (m, N, n_features)
        y : Tensor of shape (m, N) or (m, N, n_targets)
        weight : Tensor of shape (m, N), (m, N, n_outputs) or None

        Returns
        -------
        losses : Tensor of shape (m,)
        outputs : Tensor of shape (m, N, n_outputs)
        """
        outputs = self._network.forward(X)
        losses, gradient = self._loss(outputs, y, weight)
        self._network.backward(gradient, needs_input=False)
        return losses, outputs

    def forget(self) -> None:
        """Drop what the last batch has left behind."""
        self._network.forget()


def _has_hooks(parameter: nn.Parameter) -> bool:
    names = ("_backward_hooks", "_post_accumulate_grad_hooks")
    hooks = [hook for name in names for hook in (getattr(parameter, name, None) or {}).values()]
    # Who only notes the order of layers may go without: here, it is that of their registration.
    return not all(notes_order(hook) for hook in hooks)


def _check_mode(module: nn.Module) -> None:
    """Raise if layers are in different modes: stacked layers are all in train mode."""
    if any(layer.training != module.training for layer in module.modules()):
        raise NotStackableError("a layer is in another mode than the network")


def check_unshared(module: nn.Module) -> None:
    """Raise if a layer, or a parameter, is in two places: its gradients would have to be added."""
    layers = [id(layer) for _, layer in module.named_modules(remove_duplicate=False)]
    parameters = [id(p) for _, p in module.named_parameters(remove_duplicate=False)]
    for ids in (layers, parameters):
        if any(a == b for a, b in itertools.pairwise(sorted(ids))):
            raise NotStackableError("a layer or parameter is used in two places")
