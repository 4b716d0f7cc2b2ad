"""What a network was made with, and which of its parameters have changed since."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import joblib
import numpy as np
import torch
from torch import nn

from sklearn_trainkit.neural_network.modules._dropout import SeededDropout

# Attributes of layers that matter while training only.
_TRAINING_ONLY = {"training", "p", "dropout", "momentum", "inplace"}
_DROPOUT = (nn.modules.dropout._DropoutNd, SeededDropout)
_LONGEST_SEQUENCE = 32
_SAME_MODULE, _OTHER_MODULE = "the module beside it", "another module"


class MadeWith(NamedTuple):
    """The parameters of a network and the layers they gave.

    Attributes
    ----------
    parameters : dict
        Of the estimator, when its module was made.
    layers : list of [path, type, attributes]
        See :func:`describe_layers`.
    """

    parameters: dict[str, Any]
    layers: list[list[Any]]

    def without_module(self, module: Any) -> "MadeWith":
        """Return the same for a pickle, where a module instance becomes another object."""
        before = self.parameters.get("module")
        if not isinstance(before, nn.Module):
            return self
        mark = _SAME_MODULE if before is module else _OTHER_MODULE
        return self._replace(parameters={**self.parameters, "module": mark})

    def with_module(self, module: Any) -> "MadeWith":
        """Return the same after a pickle, in which ``module`` came along."""
        if self.parameters.get("module") != _SAME_MODULE:
            return self
        return self._replace(parameters={**self.parameters, "module": module})


def own_copy(value: Any) -> Any:
    """Return a parameter's value with containers copied, so that it can be compared later.

    Sequences become tuples and numbers of numpy Python's, since these make no difference.

    Examples
    --------
    >>> own_copy([np.int64(8), {"a": [1]}])
    (8, {'a': (1,)})
    """
    if isinstance(value, np.ndarray) and value.dtype != object:
        value = value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in (list, tuple):
        return tuple(own_copy(each) for each in value)
    if isinstance(value, dict):
        return {key: own_copy(each) for key, each in value.items()}
    return value


def is_same(before: Any, now: Any) -> bool:
    """Tell whether two values of :func:`own_copy` are one and the same setting.

    Modules are compared by identity: whoever sets another one means another network.

    Examples
    --------
    >>> is_same((8,), 8), is_same(1, True), is_same(float("nan"), float("nan"))
    (True, False, True)
    """
    if before is now:
        return True
    if isinstance(before, tuple) != isinstance(now, tuple):  # one width, or a sequence of one
        before, now = (each if isinstance(each, tuple) else (each,) for each in (before, now))
    if isinstance(before, tuple) and isinstance(now, tuple):
        return len(before) == len(now) and all(map(is_same, before, now))
    if isinstance(before, dict) and isinstance(now, dict):
        return before.keys() == now.keys() and all(is_same(before[k], now[k]) for k in before)
    if isinstance(before, nn.Module) or isinstance(now, nn.Module):
        return False
    if isinstance(before, bool) != isinstance(now, bool):
        return False
    try:
        if bool(before == now):
            return True
    except Exception:  # whatever a foreign comparison makes of it
        pass
    return _is_copy(before, now)


def _is_copy(before: Any, now: Any) -> bool:
    """Tell whether a value is another's copy, as after a pickle."""
    if type(before) is not type(now):
        return False
    try:
        return bool(joblib.hash(before) == joblib.hash(now))
    except Exception:  # what cannot be pickled has not been copied by a pickle
        return False


def changed_names(
    before: Mapping[str, Any], now: Mapping[str, Any], names: Iterable[str]
) -> list[str]:
    """Return which of ``names`` differ; a name that one of the two lacks counts as different."""
    return [
        name
        for name in names
        if (name in before) != (name in now)
        or (name in now and not is_same(before[name], own_copy(now[name])))
    ]


def describe_layers(module: nn.Module) -> list[list[Any]]:
    """Return path, type and plain attributes of each layer, as far as they matter in predictions.

    Two new modules with equal lists compute the same from the same weights, unless their classes
    hide a difference in what is no attribute.

    Examples
    --------
    >>> describe_layers(nn.Sequential(nn.LeakyReLU(0.1), nn.Dropout()))
    [['', 'Sequential', {}], ['0', 'LeakyReLU', {'negative_slope': 0.1}]]
    """
    return [
        [path, type(layer).__name__, _plain_attributes(layer)]
        for path, layer in module.named_modules()
        if not isinstance(layer, _DROPOUT)
    ]


def first_difference(before: list[list[Any]], now: list[list[Any]]) -> str | None:
    """Return in words the first layer in which two lists of layers differ; None for equal ones.

    Attributes that only one of the two knows are passed over: versions of torch add some.
    """
    old, new = ({path: rest for path, *rest in layers} for layers in (before, now))
    for path in [*new, *old]:
        place = f"layer {path!r}" if path else "the module"
        if path not in old or path not in new:
            there, where = (new[path], "here") if path in new else (old[path], "in the file")
            return f"{place}, a {there[0]}, is only {where}"
        (old_type, old_values), (new_type, new_values) = old[path], new[path]
        if old_type != new_type:
            return f"{place} is a {old_type} in the file and a {new_type} here"
        for name in old_values.keys() & new_values.keys():
            if not is_same(own_copy(old_values[name]), own_copy(new_values[name])):
                return (
                    f"{name} of {place}, a {new_type}, is {old_values[name]!r} in the file and "
                    f"{new_values[name]!r} here"
                )
    return None


def as_plain(value: Any) -> Any:
    """Return a value, or the name of a function or class, as JSON can hold it, or NotImplemented.

    Examples
    --------
    >>> as_plain((1, None)), as_plain(nn.ReLU), as_plain(object())
    ([1, None], 'torch.nn.modules.activation.ReLU', NotImplemented)
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (tuple, list)) and len(value) <= _LONGEST_SEQUENCE:
        parts = [as_plain(each) for each in value]
        return NotImplemented if NotImplemented in parts else parts
    if isinstance(value, dict) and len(value) <= _LONGEST_SEQUENCE:
        entries = {str(key): as_plain(each) for key, each in value.items()}
        return NotImplemented if NotImplemented in entries.values() else entries
    if isinstance(value, (torch.dtype, np.generic)):
        return str(value)
    if callable(value) and not isinstance(value, nn.Module):
        name = getattr(value, "__qualname__", None)
        return NotImplemented if name is None else f"{value.__module__}.{name}"
    return NotImplemented


def _plain_attributes(layer: nn.Module) -> dict[str, Any]:
    if isinstance(layer, nn.modules.lazy.LazyModuleMixin):  # its widths come with its first batch
        return {}
    values = {
        name: as_plain(value)
        for name, value in sorted(vars(layer).items())
        if not name.startswith("_") and name not in _TRAINING_ONLY
    }
    return {name: value for name, value in values.items() if value is not NotImplemented}
