"""skorch's files of weights, with all that a prediction needs beside them."""

import json
import os
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from skorch import NeuralNet
from skorch.exceptions import NotInitializedError
from skorch.history import History

from sklearn_trainkit.neural_network.batches._input_checks import FLOAT_TYPES, checked_device
from sklearn_trainkit.neural_network.saving._made_with import (
    MadeWith,
    as_plain,
    describe_layers,
    first_difference,
    is_same,
    own_copy,
)
from sklearn_trainkit.neural_network.saving._plain_values import values_from_text, values_to_text
from sklearn_trainkit.neural_network.saving._weight_files import read_weights, write_weights
from sklearn_trainkit.neural_network.training._checkpoint import history_to_text
from sklearn_trainkit.utils._random_streams import seeded_global_torch, stream_seeds
from sklearn_trainkit.utils._whole_files import replace_file

# Attributes that are no part of what was learnt: they are made anew, or have files of their own.
_MACHINERY = {
    *("module_", "criterion_", "optimizer_", "callbacks_", "history_", "streams_", "n_steps_"),
    *(
        "initialized_",
        "best_epoch_",
        "engine_",
        "_made_with",
        "_waits_for_data",
        "_metadata_request",
    ),
}
_MACHINERY_PREFIXES = ("_skl_", "_callback", "_parent_callback")
# How the input is read: no layer shows it.
_INPUT_FORMS = ("image_shape", "sequence_shape")
# No layer depends on them once there are weights.
_OF_TRAINING = {"init", "standardize_y"}


def save_files(net: Any, files: Mapping[str, Any], use_safetensors: bool) -> None:
    """Save parts of a network; the arguments are those of ``save_params``, together."""
    f_module = files.get("f_module")  # what skorch's Checkpoint calls them
    f_params = files["f_params"] if files["f_params"] is not None else f_module
    files = {**files, "f_module": f_params, "f_params": None}
    files = {name: file for name, file in files.items() if file is not None}
    try:
        for name, file in files.items():
            _save_part(net, name.removeprefix("f_"), file, use_safetensors)
    except OSError as error:
        # skorch's Checkpoint keeps errors to itself.
        warnings.warn(str(error), UserWarning, stacklevel=3)
        raise
    if not files:  # which skorch says where it is verbose
        NeuralNet.save_params(net)


def load_files(net: Any, files: Mapping[str, Any], checkpoint: Any, use_safetensors: bool) -> None:
    """Load parts of a network; the arguments are those of ``load_params``, together."""
    if checkpoint is not None:
        files = _files_of(net, checkpoint, files)
    given = {name: file for name, file in files.items() if file is not None}
    f_module = given.pop("f_module", None)
    weights = given.pop("f_params", f_module)
    if weights is not None:
        _load_weights(net, weights, use_safetensors)
    for name, file in given.items():
        _load_part(net, name.removeprefix("f_"), file, use_safetensors)
    if not given and weights is None:  # which skorch says where it is verbose
        NeuralNet.load_params(net)


def _save_part(net: Any, name: str, file: Any, use_safetensors: bool) -> None:
    """Write the weights, another module or optimizer, or the history."""
    if name == "history":
        if isinstance(file, (str, os.PathLike)):
            content = history_to_text((net.history_ or History()).to_list()).encode()
            replace_file(file, content, "history")
        else:
            NeuralNet.save_params(net, f_history=file)
        return
    if not hasattr(net, "module_"):
        raise NotInitializedError(
            f"This {type(net).__name__} has no weights to save yet; call fit first."
        )
    part = net._get_module(
        f"{name}_", f"f_{name}: {type(net).__name__} has no {{name}}_ with a state to save."
    )
    note = _note(net) if name == "module" and not net._waits_for_data else None
    write_weights(part.state_dict(), note, file, use_safetensors)


def _load_part(net: Any, name: str, file: Any, use_safetensors: bool) -> None:
    """Read another module, the loss, the optimizer, or the history."""
    if name == "history":
        net.history = _read_history(file)
        return
    if not net.initialized_:
        raise NotInitializedError(
            f"f_{name}: this {type(net).__name__} has no {name}_ to load it into yet; load "
            "f_params with it, or call fit first."
        )
    part = net._get_module(
        f"{name}_", f"f_{name}: {type(net).__name__} has no {{name}}_ with a state to load."
    )
    state, _ = read_weights(file, use_safetensors, net.torch_load_kwargs, part=name)
    try:
        part.load_state_dict(state)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{_name_of(file)} holds no state that f_{name} could load into a "
            f"{type(part).__name__} ({error})."
        ) from error


def _files_of(net: Any, checkpoint: Any, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the files of a skorch Checkpoint, whose names may depend on the history."""
    if wanted["f_history"] is None and checkpoint.f_history is not None:
        net.history = _read_history(checkpoint.f_history_)
    if net.history_:
        files = checkpoint.get_formatted_files(net)
    else:
        files = {name: _unformatted(checkpoint, f) for name, f in checkpoint._f_kwargs().items()}
    files = {name: f for name, f in files.items() if name not in ("f_history", "f_pickle")}
    return {**files, **{name: file for name, file in wanted.items() if file is not None}}


def _learnt_of(net: Any) -> dict[str, Any]:
    """Return what has been learnt beside the weights."""
    known = {*net.get_params(deep=False), *_MACHINERY}
    return {
        name: value
        for name, value in vars(net).items()
        if name not in known
        and (name.startswith("_") or name.endswith("_"))
        and not name.startswith(_MACHINERY_PREFIXES)
    }


def _note(net: Any) -> str:
    """Return as text what a file of weights says beside them."""
    made_with = net._made_with or _describe_anew(net)
    names = {*net._fixed_names(), *_INPUT_FORMS} & made_with.parameters.keys()
    values = {name: as_plain(made_with.parameters[name]) for name in sorted(names)}
    return json.dumps(
        {
            "kind": kind_of(net),
            "learnt": values_to_text(_learnt_of(net)),
            "parameters": {k: v for k, v in values.items() if v is not NotImplemented},
            "layers": made_with.layers,
        }
    )


def _describe_anew(net: Any) -> MadeWith:
    """Return what a network that an earlier version has pickled was made with."""
    with seeded_global_torch(0):
        layers = describe_layers(net._architecture.make(net))
    return MadeWith(own_copy(net.get_params(deep=False)), layers)


def _load_weights(net: Any, source: Any, use_safetensors: bool) -> None:
    state, note = read_weights(source, use_safetensors, net.torch_load_kwargs)
    name = _name_of(source)
    if note is None:
        _load_bare(net, state, name)
        return
    content = json.loads(note)
    if content["kind"] != kind_of(net):
        raise ValueError(
            f"{name} holds the weights of a {content['kind']}, which a {kind_of(net)} cannot load."
        )
    learnt = values_from_text(content["learnt"])
    module, layers = _module_for(net, learnt, content, name)
    _load_state(module, state, name, _differing_names(net, content))
    _take_loaded(net, learnt, module, layers)


def _load_bare(net: Any, state: Mapping[str, Any], name: str) -> None:
    """Load weights that nothing is known of."""
    missing = (
        f"{name} holds weights alone, as plain skorch and earlier versions write them, not "
        "what a prediction needs beside them (classes, or mean and scale of the targets; type "
        "and shape of the input)"
    )
    if not hasattr(net, "module_"):
        try:
            net.initialize()
        except NotInitializedError as error:
            raise NotInitializedError(
                f"{missing}, and this {type(net).__name__} has never been fitted. Fit it "
                "first, or save the weights again with this version."
            ) from error
    _load_state(net.module_, state, name, [])
    if net._waits_for_data:
        warnings.warn(
            f"{missing}. The weights are loaded; call fit with warm_start=True, or "
            f"partial_fit, before this {type(net).__name__} is to predict.",
            UserWarning,
            stacklevel=5,
        )


def _differing_names(net: Any, content: Mapping[str, Any]) -> list[str]:
    """Return which parameters are others than those of a file, as texts with both values."""
    there = content["parameters"]
    now = {k: as_plain(own_copy(v)) for k, v in net.get_params(deep=False).items()}
    here = {name: now[name] for name in (*net._fixed_names(), *there) if name in now}
    return [
        f"{name}={there.get(name, '(not given)')!r} in the file, "
        f"{name}={here.get(name, '(not given)')!r} here"
        for name in sorted({*there, *here} - _OF_TRAINING)
        if not is_same(own_copy(there.get(name)), own_copy(here.get(name)))
    ]


def _differs_unseen(net: Any, content: Mapping[str, Any]) -> bool:
    """Return whether a parameter differs that may matter without being seen in the layers."""
    there, here = content["parameters"], net.get_params(deep=False)
    names = [n for n in there if n in _INPUT_FORMS or n.startswith("module_")]
    pairs = [(own_copy(there[n]), own_copy(as_plain(own_copy(here.get(n))))) for n in names]
    return any(None not in pair and not is_same(*pair) for pair in pairs)


def _module_for(
    net: Any, learnt: Mapping[str, Any], content: Mapping[str, Any], name: str
) -> tuple[torch.nn.Module, list[list[Any]]]:
    """Return a new module for the weights of a file, or raise if they are of another one."""
    dtype = learnt["dtype_"]
    if net.dtype not in ("auto", dtype):
        raise ValueError(
            f"{name} holds {dtype} weights, but dtype={net.dtype!r} here; use dtype='auto' or "
            f"{dtype!r}."
        )
    other = object.__new__(type(net))  # a copy whose module nobody pickles
    other.__dict__.update(vars(net))
    _replace_attributes(other, _learnt_of(net), learnt)
    with seeded_global_torch(0):
        module = other._architecture.make(other)
    layers = describe_layers(module)
    difference = first_difference(content["layers"], layers)
    if difference is not None or _differs_unseen(net, content):
        raise _other_network(name, _differing_names(net, content), difference)
    return module.to(checked_device(net.device), FLOAT_TYPES[dtype]), layers


def _take_loaded(
    net: Any, learnt: Mapping[str, Any], module: torch.nn.Module, layers: list[list[Any]]
) -> None:
    """Become the network that a file describes; weights of one form are replaced in place."""
    suits = (
        hasattr(net, "module_")
        and not net._waits_for_data
        and (net._made_with or _describe_anew(net)).layers == layers
        and _forms(net.module_) == _forms(module)
    )
    _replace_attributes(net, _learnt_of(net), learnt)
    made_with = MadeWith(own_copy(net.get_params(deep=False)), layers)
    if suits:  # its optimizer, and a training in progress, hold on to these tensors
        net.module_.load_state_dict(module.state_dict())
        net._made_with = made_with
        net.initialize_criterion()
        return
    net.module_, net._made_with = module, made_with
    net.streams_ = net._architecture.new_streams(net, stream_seeds(net.random_state))
    net.__dict__.pop("best_epoch_", None)
    net.n_steps_ = 0
    net._waits_for_data = False
    net.initialize_callbacks()
    if net.history_ is None:
        net.history_ = History()
    net.initialize_criterion()
    net.initialize_optimizer()
    net.initialized_ = True


def kind_of(net: Any) -> str:
    """Return the name of the package's estimator that ``net`` is, or is made from."""
    package = __name__.partition(".")[0]
    return next(c.__name__ for c in type(net).__mro__ if c.__module__.partition(".")[0] == package)


def _load_state(
    module: torch.nn.Module, state: Mapping[str, Any], name: str, differing: list[str]
) -> None:
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise _other_network(name, differing, str(error)) from error


def _other_network(name: str, differing: list[str], difference: str | None) -> ValueError:
    reasons = "; ".join(differing) or "its data or its module"
    details = "" if difference is None else f" ({difference})"
    return ValueError(
        f"{name} holds the weights of another network: {reasons}{details}. Set the parameters as "
        "they were when it was saved."
    )


def _replace_attributes(net: Any, old: Iterable[str], new: Mapping[str, Any]) -> None:
    for name in list(old):
        vars(net).pop(name, None)
    net.__dict__.update(new)


def _name_of(file: Any) -> str:
    return os.fspath(file) if isinstance(file, (str, os.PathLike)) else "the file"


def _read_history(file: Any) -> History:
    try:
        return History.from_file(file)
    except ValueError as error:  # of the JSON, or of its characters
        raise ValueError(
            f"The history in {_name_of(file)} cannot be read: it is damaged, or no JSON ({error})."
        ) from error


def _forms(module: torch.nn.Module) -> list[tuple[str, Any, Any]]:
    return [
        (name, value.shape, value.dtype)
        for name, value in module.state_dict().items()
        if isinstance(value, torch.Tensor)
    ]


def _unformatted(checkpoint: Any, file: Any) -> Any:
    """Return the path of a Checkpoint's file where there is no history to name it by."""
    if not isinstance(file, str):
        return file
    if "{" in file:
        raise ValueError(
            f"The checkpoint's file {file!r} is named by the history, and there is none. Load it "
            "with f_history, or name the file."
        )
    return os.path.join(checkpoint.dirname, checkpoint.fn_prefix + file)
