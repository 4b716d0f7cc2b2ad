"""Build, and check the output of, a torch module that the user brought."""

import copy
import inspect
import io
import pickle
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from sklearn_trainkit.neural_network.own_modules._integer_codes import describe_unknown_code

# Arguments of a module that the data tell.
WIDTHS = ("n_features", "input_shape", "n_outputs")


def unknown_arguments(module: Any, params: Mapping[str, Any]) -> list[str]:
    """Return the arguments of a module that are missing, or that only data tell.

    Examples
    --------
    >>> unknown_arguments(nn.Linear, {"in_features": 3})
    ['out_features']
    """
    if isinstance(module, nn.Module):
        return []
    return [
        name
        for name, parameter in inspect.signature(module).parameters.items()
        if name not in params
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and (parameter.default is parameter.empty or name in WIDTHS)
    ]


def build_user_module(module: Any, params: Mapping[str, Any], widths: Mapping[str, Any]) -> Any:
    """Return a module to train.

    Parameters
    ----------
    module : Module class, callable or Module instance
        An instance is copied and keeps its weights; a class or callable is called.
    params : mapping
        Arguments of the class; not allowed with an instance.
    widths : mapping
        What the data tell, such as ``n_features`` and ``n_outputs``, handed to a class that has
        a parameter of that name and was not given it in ``params``.

    Returns
    -------
    module : Module

    Raises
    ------
    TypeError
        If the result is not a torch module, or ``params`` does not fit the signature.
    """
    if isinstance(module, nn.Module):
        return _copied(module, params)
    if isinstance(module, type) and not issubclass(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module or its class. Got {module!r} instead.")
    signature = inspect.signature(module)
    known = {k: v for k, v in widths.items() if k in signature.parameters and k not in params}
    try:
        signature.bind(**params, **known)
    except TypeError as error:
        raise TypeError(
            f"module={module!r} cannot be built with {sorted({*params, *known})}: {error}. It has "
            f"the parameters {list(signature.parameters)}; the names {sorted(widths)} are filled "
            "in from the data."
        ) from error
    built = module(**params, **known)
    if not isinstance(built, nn.Module):
        raise TypeError(
            f"module={module!r} must give a torch.nn.Module. Got {type(built).__name__} instead."
        )
    return built


def _copied(module: nn.Module, params: Mapping[str, Any]) -> nn.Module:
    if params:
        raise TypeError(
            f"module is an instance of {type(module).__name__}, so it takes no further "
            f"arguments. Got {sorted(params)}; pass the class instead."
        )
    try:
        return _copy_module(module)
    except (RuntimeError, ValueError) as error:
        raise TypeError(
            f"module is an instance of {type(module).__name__} that cannot be copied: {error} "
            "Pass its class, or a function that makes it."
        ) from error


def _copy_module(module: nn.Module) -> Any:
    """Return a copy with weights of its own."""
    if not isinstance(module, torch.jit.ScriptModule):
        return copy.deepcopy(module)
    # A deep copy of one has weights that are results of a computation, which nothing can train.
    file = io.BytesIO()
    torch.jit.save(module, file)
    file.seek(0)
    return torch.jit.load(file)


def check_picklable(name: str, *modules: Any) -> None:
    """Raise where a module is, or has, one of TorchScript: pickle would stop inside of torch.

    Raises
    ------
    PicklingError
        It says what can be done instead.
    """
    layers = (part for each in modules if isinstance(each, nn.Module) for part in each.modules())
    scripted = next((part for part in layers if isinstance(part, torch.jit.ScriptModule)), None)
    if scripted is not None:
        raise pickle.PicklingError(
            f"{name} cannot be pickled, copied or sent to another process: its module has a "
            f"{type(scripted).__name__}, and pickle does not take modules of TorchScript. Use the "
            "module that it was made from; or keep the weights with save_params, which load into a "
            "network of the same module."
        )


def check_user_output(module: nn.Module, X: torch.Tensor, n_outputs: int) -> None:
    """Run two rows through the module and check the shape that comes out.

    Raises
    ------
    ValueError
        If it is not (n_rows, n_outputs): a loss would broadcast it in silence.
    """
    rows = X[:2].clone()
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            output = module(rows)
    except (IndexError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"module={type(module).__name__} cannot take samples of shape {tuple(X.shape[1:])}: "
            f"{error}. {describe_unknown_code(module, X[:2])}".rstrip(". ")
            + "."
        ) from error
    finally:
        module.train(was_training)
    if not any(p.requires_grad for p in module.parameters()):
        raise ValueError(f"module={type(module).__name__} has no parameters to train.")
    shape = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
    if shape != (len(rows), n_outputs):
        raise ValueError(
            f"module={type(module).__name__} must map X of shape {tuple(rows.shape)} to an output "
            f"of shape {(len(rows), n_outputs)}, one column for each class or target. Got "
            f"{shape} instead."
        )
