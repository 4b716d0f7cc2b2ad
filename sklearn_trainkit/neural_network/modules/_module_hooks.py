"""What concerns a module as a whole: its mode, and who hears of what passes through it."""

from torch import nn
from torch.nn.modules import module as torch_module

__all__ = ["has_global_hooks", "has_hooks", "switch_mode"]

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def has_hooks(layer: nn.Module) -> bool:
    """Tell whether somebody hears of what passes through a layer, or has changed what it does."""
    return "forward" in vars(layer) or any(getattr(layer, name) for name in _HOOKS)


def has_global_hooks() -> bool:
    """Tell whether somebody hears of what passes through all modules of the process."""
    return any(getattr(torch_module, f"_global{name}", None) for name in _HOOKS)


def switch_mode(module: nn.Module, training: bool) -> None:
    """Set train or eval mode; a no-op where it is set already."""
    if module.training != training:
        module.train(training)
