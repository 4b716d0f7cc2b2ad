"""Saving and loading weights with all that a prediction needs beside them."""

import json
import os
import warnings
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from skorch import NeuralNet
from skorch.exceptions import NotInitializedError
from skorch.history import History

from sklearn_trainkit.neural_network.batches._input_checks import FLOAT_TYPES, checked_device
from sklearn_trainkit.neural_network.batches._training_streams import TrainingStreams
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


class SavedNet(NeuralNet):
    """skorch's ``save_params`` and ``load_params``, of networks that know more than weights."""

    # Whether there are weights, but no data have said yet what goes in and comes out.
    _waits_for_data = False

    dtype: str
    device: Any
    random_state: Any
    module_: torch.nn.Module
    history_: History | None
    _foreign_module: bool
    _made_with: MadeWith | None

    @abstractmethod
    def _fixed_names(self) -> list[str]:
        """Return the parameters that the network was made with."""

    @abstractmethod
    def _make_module(self) -> torch.nn.Module:
        """Return a new module."""

    def save_params(
        self,
        f_params: Any = None,
        f_optimizer: Any = None,
        f_criterion: Any = None,
        f_history: Any = None,
        use_safetensors: bool = False,
        **kwargs: Any,
    ) -> None:
        """Save the weights with all that predictions need, the optimizer, the loss, the history.

        The file of weights is a state dict that plain torch reads as well. Beside the weights it
        holds, as text: classes or mean and scale of the targets, type and shape of the input,
        names of features, the architecture, and a checksum.

        Parameters
        ----------
        f_params, f_optimizer, f_criterion, f_history : path-like, binary file or None
            Where to; None does not save.
        use_safetensors : bool, default=False
            Whether files are those of the safetensors library, which hold tensors and text.
        **kwargs
            ``f_mymodule`` of further modules, as in skorch.

        Raises
        ------
        NotInitializedError
            If there are no weights yet.
        OSError
            If a file cannot be written; an earlier one is then left as it was.
        """
        f_module = kwargs.pop("f_module", None)  # what skorch's Checkpoint calls them
        f_params = f_module if f_params is None else f_params
        files = {"f_module": f_params, "f_optimizer": f_optimizer, "f_criterion": f_criterion}
        files = {**kwargs, **files, "f_history": f_history}
        files = {name: file for name, file in files.items() if file is not None}
        try:
            for name, file in files.items():
                self._save_part(name.removeprefix("f_"), file, use_safetensors)
        except OSError as error:
            # skorch's Checkpoint keeps errors to itself.
            warnings.warn(str(error), UserWarning, stacklevel=2)
            raise
        if not files:  # which skorch says where it is verbose
            super().save_params()

    def load_params(
        self,
        f_params: Any = None,
        f_optimizer: Any = None,
        f_criterion: Any = None,
        f_history: Any = None,
        checkpoint: Any = None,
        use_safetensors: bool = False,
        **kwargs: Any,
    ) -> None:
        """Load what :meth:`save_params` has saved; afterwards the network predicts the same.

        It need not have been fitted before. If it has been, what it knew of its own data, such as
        classes and the scale of the targets, is replaced by what the weights belong to.

        Parameters
        ----------
        f_params, f_optimizer, f_criterion, f_history : path-like, binary file or None
            Where from; None does not load.
        checkpoint : skorch.callbacks.Checkpoint or None, default=None
            Load the files of this callback, but for those named here.
        use_safetensors : bool, default=False
            Whether to accept no other weights than those of the safetensors library.
        **kwargs
            ``f_mymodule`` of further modules, as in skorch.

        Raises
        ------
        ValueError
            If the file is damaged, or the weights are those of another kind of network or of other
            parameters; they are named, and the network stays as it was.
        NotInitializedError
            If the file holds weights alone, as plain skorch and earlier versions write it, and
            the network has never been fitted.
        """
        files = {"f_params": f_params, "f_optimizer": f_optimizer, "f_criterion": f_criterion}
        files = {**kwargs, **files, "f_history": f_history}
        if checkpoint is not None:
            files = self._files_of(checkpoint, files)
        files = {name: file for name, file in files.items() if file is not None}
        f_module = files.pop("f_module", None)
        weights = files.pop("f_params", f_module)
        if weights is not None:
            self._load_weights(weights, use_safetensors)
        for name, file in files.items():
            self._load_part(name.removeprefix("f_"), file, use_safetensors)
        if not files and weights is None:  # which skorch says where it is verbose
            super().load_params()

    def _save_part(self, name: str, file: Any, use_safetensors: bool) -> None:
        """Write the weights, another module or optimizer, or the history."""
        if name == "history":
            if isinstance(file, (str, os.PathLike)):
                content = history_to_text((self.history_ or History()).to_list()).encode()
                replace_file(file, content, "history")
            else:
                super().save_params(f_history=file)
            return
        if not hasattr(self, "module_"):
            raise NotInitializedError(
                f"This {type(self).__name__} has no weights to save yet; call fit first."
            )
        part = self._get_module(
            f"{name}_", f"f_{name}: {type(self).__name__} has no {{name}}_ with a state to save."
        )
        note = self._note() if name == "module" and not self._waits_for_data else None
        write_weights(part.state_dict(), note, file, use_safetensors)

    def _load_part(self, name: str, file: Any, use_safetensors: bool) -> None:
        """Read another module, the loss, the optimizer, or the history."""
        if name == "history":
            self.history = _read_history(file)
            return
        if not self.initialized_:
            raise NotInitializedError(
                f"f_{name}: this {type(self).__name__} has no {name}_ to load it into yet; load "
                "f_params with it, or call fit first."
            )
        part = self._get_module(
            f"{name}_", f"f_{name}: {type(self).__name__} has no {{name}}_ with a state to load."
        )
        state, _ = read_weights(file, use_safetensors, self.torch_load_kwargs, part=name)
        try:
            part.load_state_dict(state)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ValueError(
                f"{_name_of(file)} holds no state that f_{name} could load into a "
                f"{type(part).__name__} ({error})."
            ) from error

    def _files_of(self, checkpoint: Any, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Return the files of a skorch Checkpoint, whose names may depend on the history."""
        if wanted["f_history"] is None and checkpoint.f_history is not None:
            self.history = _read_history(checkpoint.f_history_)
        if self.history_:
            files = checkpoint.get_formatted_files(self)
        else:
            files = {
                name: _unformatted(checkpoint, f) for name, f in checkpoint._f_kwargs().items()
            }
        files = {name: f for name, f in files.items() if name not in ("f_history", "f_pickle")}
        return {**files, **{name: file for name, file in wanted.items() if file is not None}}

    def _learnt(self) -> dict[str, Any]:
        """Return what has been learnt beside the weights."""
        known = {*self.get_params(deep=False), *_MACHINERY}
        return {
            name: value
            for name, value in vars(self).items()
            if name not in known
            and (name.startswith("_") or name.endswith("_"))
            and not name.startswith(_MACHINERY_PREFIXES)
        }

    def _note(self) -> str:
        """Return as text what a file of weights says beside them."""
        made_with = self._made_with or self._describe_anew()
        names = {*self._fixed_names(), *_INPUT_FORMS} & made_with.parameters.keys()
        values = {name: as_plain(made_with.parameters[name]) for name in sorted(names)}
        return json.dumps(
            {
                "kind": kind_of(self),
                "learnt": values_to_text(self._learnt()),
                "parameters": {k: v for k, v in values.items() if v is not NotImplemented},
                "layers": made_with.layers,
            }
        )

    def _describe_anew(self) -> MadeWith:
        """Return what a network that an earlier version has pickled was made with."""
        with seeded_global_torch(0):
            layers = describe_layers(self._make_module())
        return MadeWith(own_copy(self.get_params(deep=False)), layers)

    def _load_weights(self, source: Any, use_safetensors: bool) -> None:
        state, note = read_weights(source, use_safetensors, self.torch_load_kwargs)
        name = _name_of(source)
        if note is None:
            self._load_bare(state, name)
            return
        content = json.loads(note)
        if content["kind"] != kind_of(self):
            raise ValueError(
                f"{name} holds the weights of a {content['kind']}, which a {kind_of(self)} cannot "
                "load."
            )
        learnt = values_from_text(content["learnt"])
        module, layers = self._module_for(learnt, content, name)
        _load_state(module, state, name, self._differing_names(content))
        self._take_loaded(learnt, module, layers)

    def _load_bare(self, state: Mapping[str, Any], name: str) -> None:
        """Load weights that nothing is known of."""
        missing = (
            f"{name} holds weights alone, as plain skorch and earlier versions write them, not "
            "what a prediction needs beside them (classes, or mean and scale of the targets; type "
            "and shape of the input)"
        )
        if not hasattr(self, "module_"):
            try:
                self.initialize()
            except NotInitializedError as error:
                raise NotInitializedError(
                    f"{missing}, and this {type(self).__name__} has never been fitted. Fit it "
                    "first, or save the weights again with this version."
                ) from error
        _load_state(self.module_, state, name, [])
        if self._waits_for_data:
            warnings.warn(
                f"{missing}. The weights are loaded; call fit with warm_start=True, or "
                f"partial_fit, before this {type(self).__name__} is to predict.",
                UserWarning,
                stacklevel=4,
            )

    def _differing_names(self, content: Mapping[str, Any]) -> list[str]:
        """Return which parameters are others than those of a file, as texts with both values."""
        there = content["parameters"]
        now = {k: as_plain(own_copy(v)) for k, v in self.get_params(deep=False).items()}
        here = {name: now[name] for name in (*self._fixed_names(), *there) if name in now}
        return [
            f"{name}={there.get(name, '(not given)')!r} in the file, "
            f"{name}={here.get(name, '(not given)')!r} here"
            for name in sorted({*there, *here} - _OF_TRAINING)
            if not is_same(own_copy(there.get(name)), own_copy(here.get(name)))
        ]

    def _differs_unseen(self, content: Mapping[str, Any]) -> bool:
        """Return whether a parameter differs that may matter without being seen in the layers."""
        there, here = content["parameters"], self.get_params(deep=False)
        names = [n for n in there if n in _INPUT_FORMS or n.startswith("module_")]
        pairs = [(own_copy(there[n]), own_copy(as_plain(own_copy(here.get(n))))) for n in names]
        return any(None not in pair and not is_same(*pair) for pair in pairs)

    def _module_for(
        self, learnt: Mapping[str, Any], content: Mapping[str, Any], name: str
    ) -> tuple[torch.nn.Module, list[list[Any]]]:
        """Return a new module for the weights of a file, or raise if they are of another one."""
        dtype = learnt["dtype_"]
        if self.dtype not in ("auto", dtype):
            raise ValueError(
                f"{name} holds {dtype} weights, but dtype={self.dtype!r} here; use dtype='auto' or "
                f"{dtype!r}."
            )
        other = object.__new__(type(self))  # a copy whose module nobody pickles
        other.__dict__.update(vars(self))
        _replace_attributes(other, self._learnt(), learnt)
        with seeded_global_torch(0):
            module = other._make_module()
        layers = describe_layers(module)
        difference = first_difference(content["layers"], layers)
        if difference is not None or self._differs_unseen(content):
            raise _other_network(name, self._differing_names(content), difference)
        return module.to(checked_device(self.device), FLOAT_TYPES[dtype]), layers

    def _take_loaded(
        self, learnt: Mapping[str, Any], module: torch.nn.Module, layers: list[list[Any]]
    ) -> None:
        """Become the network that a file describes; weights of one form are replaced in place."""
        suits = (
            hasattr(self, "module_")
            and not self._waits_for_data
            and (self._made_with or self._describe_anew()).layers == layers
            and _forms(self.module_) == _forms(module)
        )
        _replace_attributes(self, self._learnt(), learnt)
        made_with = MadeWith(own_copy(self.get_params(deep=False)), layers)
        if suits:  # its optimizer, and a training in progress, hold on to these tensors
            self.module_.load_state_dict(module.state_dict())
            self._made_with = made_with
            self.initialize_criterion()
            return
        self.module_, self._made_with = module, made_with
        self.streams_ = TrainingStreams(
            stream_seeds(self.random_state), checked_device(self.device), self._foreign_module
        )
        self.__dict__.pop("best_epoch_", None)
        self.n_steps_ = 0
        self._waits_for_data = False
        self.initialize_callbacks()
        if self.history_ is None:
            self.history_ = History()
        self.initialize_criterion()
        self.initialize_optimizer()
        self.initialized_ = True


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
