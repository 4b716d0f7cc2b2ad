"""Which callbacks want to hear of what."""

from collections.abc import Callable
from typing import Any

from skorch.callbacks import Callback


def has_sklearn_callbacks(net: Any) -> bool:
    """Tell whether scikit-learn callbacks are set on ``net`` or handed down to it."""
    return bool(getattr(net, "_skl_callbacks", None)) or hasattr(net, "_parent_callback_ctx")


def overridden_hooks(net: Any) -> dict[str, Any]:
    """Return, for each skorch hook, the callbacks' methods that do something.

    The entry "needs_data_sets" tells whether anybody reads data sets at the ends of an epoch.
    """
    names = [name for name in vars(Callback) if name.startswith("on_")]
    hooks: dict[str, Any] = {name: [] for name in names}
    for _, callback in net.callbacks_:
        for name in names:
            method: Callable = getattr(callback, name)
            if getattr(method, "__func__", method) is not getattr(Callback, name):
                hooks[name].append(method)
    hooks["needs_data_sets"] = bool(hooks["on_epoch_begin"] or hooks["on_epoch_end"])
    return hooks
