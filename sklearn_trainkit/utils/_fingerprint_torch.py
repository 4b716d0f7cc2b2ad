"""Tensors and modules of torch by value: structure, settings, weights, and which are shared."""

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from sklearn_trainkit.utils._fingerprint_values import Description, Part, join

__all__ = ["describe_torch"]

_MEMBERS = ("_parameters", "_buffers", "_modules")


def describe_torch(value: Any) -> Description | None:
    """Describe a tensor, a module, a type or a generator of torch; None for all else.

    torch is never imported here: without it there is nothing to describe.
    """
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "nn"):
        return None
    if isinstance(value, torch.Tensor):
        return _describe_tensor(value, torch)
    if isinstance(value, torch.jit.ScriptModule):
        raise TypeError("the code of a scripted module cannot be read")
    if isinstance(value, torch.nn.Module):
        return _describe_module(value)
    if isinstance(value, torch.Generator):
        return Description(join(b"torch.Generator"), [Part(".get_state()", value.get_state())])
    if isinstance(value, torch.dtype | torch.device | torch.Size | torch.memory_format):
        return Description(join(b"torch", repr(value).encode()))
    return None


def _describe_tensor(tensor: Any, torch: Any) -> Description:
    parts = []
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        parts.append(Part(".__class__", type(tensor)))
    head = join(
        b"tensor",
        type(tensor).__name__.encode(),
        str(tensor.dtype).encode(),
        b"%d" % tensor.requires_grad,
    )
    if tensor.layout != torch.strided:
        plain = tensor.detach().to_dense()
        return Description(join(head, b"sparse"), [Part(".to_dense()", plain), *parts])
    return Description(head, [Part("", _to_numpy(tensor.detach(), torch)), *parts])


def _to_numpy(tensor: Any, torch: Any) -> np.ndarray:
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    try:
        return np.asarray(tensor.numpy(force=True))
    except TypeError:  # types that numpy lacks, such as bfloat16
        bits = {1: torch.uint8, 2: torch.int16, 4: torch.int32}[tensor.element_size()]
        return np.asarray(tensor.contiguous().view(bits).numpy(force=True))


def _describe_module(module: Any) -> Description:
    """Describe a module by its class, its members in their order, and its other attributes.

    Members may be one and the same: tied weights are trained otherwise than equal ones.
    """
    own = vars(module)
    names: list[str] = []
    parts = [Part(".__class__", type(module))]
    for kind in _MEMBERS:
        for name, member in own[kind].items():
            names.append(f"{kind} {name}")
            parts.append(Part(f".{name}", member))
    for name in sorted(set(own) - set(_MEMBERS)):
        # Hooks are kept by numbers that are counted in each process.
        item = list(own[name].values()) if _is_hooks(name, own[name]) else own[name]
        names.append(name)
        parts.append(Part(f".{name}", item))
    shared = repr(_number_members(module)).encode()
    return Description(join(b"module", shared, *(name.encode() for name in names)), parts)


def _is_hooks(name: str, value: Any) -> bool:
    return "_hooks" in name and hasattr(value, "values")


def _number_members(module: Any) -> list[int]:
    """Return a number for each module and parameter in it, the same for one that comes again."""
    numbers: dict[int, int] = {}
    members: list[Any] = []
    for found in (module.named_modules, module.named_parameters):
        members += _values(found(remove_duplicate=False))
    return [numbers.setdefault(id(member), len(numbers)) for member in members]


def _values(named: Iterable[tuple[str, Any]]) -> list[Any]:
    return [value for _, value in named]
