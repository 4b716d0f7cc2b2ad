"""Whether somebody hears of what passes through a module."""

from torch import nn
from torch.nn.modules import module as torch_module

__all__ = ["has_global_hooks", "has_hooks"]

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def has_hooks(layer: nn.Module) -> bool:
    """Tell whether somebody hears of what passes through a layer, or has changed what it does."""
    return "forward" in vars(layer) or any(getattr(layer, name) for name in _HOOKS)


def has_global_hooks() -> bool:
    """Tell whether somebody hears of what passes through all modules of the process."""
    return any(getattr(torch_module, f"_global{name}", None) for name in _HOOKS)
