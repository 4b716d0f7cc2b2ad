"""Any torch module as a classifier or a regressor."""

import warnings
from contextlib import nullcontext, suppress
from typing import Annotated, Any, ClassVar, NoReturn

import torch
from skorch.exceptions import NotInitializedError
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from sklearn_trainkit.neural_network.base._architecture import Architecture
from sklearn_trainkit.neural_network.base._base_net import BaseNet
from sklearn_trainkit.neural_network.base._net_kinds import ClassifierNet, RegressorNet
from sklearn_trainkit.neural_network.base._shared_parameters import (
    ClassifierParameters,
    RegressorParameters,
)
from sklearn_trainkit.neural_network.base._signatures import store_arguments
from sklearn_trainkit.neural_network.batches._input_checks import check_enough_rows
from sklearn_trainkit.neural_network.batches._tensor_loader import Rows
from sklearn_trainkit.neural_network.own_modules._integer_codes import describe_unknown_code
from sklearn_trainkit.neural_network.own_modules._module_input import ModuleInput
from sklearn_trainkit.neural_network.own_modules._output_forms import (
    LOGITS,
    LOOKED_AT,
    LossOfForms,
    OutputForms,
    as_logits,
    forms_of,
    unreachable_targets,
    why_not_logits,
)
from sklearn_trainkit.neural_network.own_modules._user_module import (
    WIDTHS,
    build_user_module,
    check_picklable,
    check_user_output,
    unknown_arguments,
)
from sklearn_trainkit.neural_network.saving._made_with import describe_layers
from sklearn_trainkit.neural_network.targets._label_coding import MultiLabel
from sklearn_trainkit.neural_network.targets._labels import Labels
from sklearn_trainkit.neural_network.targets._targets import Targets
from sklearn_trainkit.neural_network.training._training_run import running
from sklearn_trainkit.utils._did_you_mean import unexpected_argument

_PREFIX = "module__"
_TEXT = """\
module : Module class, callable or Module instance
    The network. A class is built anew by each fit, and its parameters ``n_features`` (or the
    shape of one sample, ``input_shape``) and ``n_outputs`` are filled in from the data. An
    instance is copied by each fit and goes on from its weights. It must map (n, ...) to
    (n, n_outputs).
    Integers in X reach it as int64 if it has an embedding or takes nothing
    else; whole numbers of a float type, too, if it takes nothing else.
module_params : dict or None, default=None
    Arguments of the class. ``module__x=...`` sets one of them by name, for searches.
"""


class _OwnModule(Architecture):
    """A module of the user's, whose arguments are parameters ``module__x``."""

    constraints: ClassVar[dict[str, list]] = {
        "module": [nn.Module, callable],
        "module_params": [dict, None],
    }
    is_foreign: ClassVar[bool] = True

    def fixed_names(self, net: Any) -> list[str]:
        """Return the module and its arguments, those that were given and those that are."""
        made_with = getattr(net, "_made_with", None)
        earlier = () if made_with is None else made_with.parameters
        arguments = {name for name in earlier if name.startswith(_PREFIX)}
        return [*self.constraints, *sorted(arguments | net._module_kwargs().keys())]

    def make(self, net: Any) -> nn.Module:
        """Return a new module, which is told the widths that it asks for."""
        widths: dict[str, Any] = {}
        if hasattr(net, "input_shape_"):
            values = (net.input_shape_[-1], net.input_shape_, net._n_outputs)
            widths = dict(zip(WIDTHS, values, strict=True))
        return build_user_module(net.module, self._arguments(net), widths)

    def _arguments(self, net: Any) -> dict[str, Any]:
        params = {name.removeprefix(_PREFIX): v for name, v in net._module_kwargs().items()}
        return {**(net.module_params or {}), **params}

    def check_widths_known(self, net: Any) -> None:
        """Raise if the module does not say all of its widths."""
        unknown = unknown_arguments(net.module, self._arguments(net))
        if unknown:
            raise NotInitializedError(
                f"module={net.module!r} needs {unknown}, which fit takes from the data. Call fit "
                f"first, or load_params, or give them as {_PREFIX}{unknown[0]}=..."
            )

    def check_batches(self, net: Any, n_rows: int) -> None:
        """Raise if batch normalization would see a single row."""
        norms = [m for m in net.module_.modules() if isinstance(m, _BatchNorm)]
        check_enough_rows(n_rows, "batch" if norms else None)

    def prepare(self, net: Any, module: nn.Module, rows: Rows) -> None:
        """Check a module that is not ours against the training rows."""
        # A callback may give the module other arguments when the training begins.
        with suppress(ValueError) if net.callbacks_ else nullcontext():
            check_user_output(module, rows.part(0, 2).X, net._n_outputs)
            try:
                net._look_at_outputs(module, rows)
            except IndexError as error:
                self._refuse(net, module, rows.part(0, min(LOOKED_AT, rows.n_rows)).X, error)

    def keep_statistics(self, net: Any, module: nn.Module) -> None:
        """Forget what the module before has ended in, if this is another one."""
        if "_forms" in vars(net) and describe_layers(module) != describe_layers(net.module_):
            net._forms = None

    def check_module(self, net: Any, rows: Rows) -> None:
        """Raise if callbacks have made a module that does not take the training rows."""
        if vars(net).get("_forms", ()) is None:
            net._look_at_outputs(net.module_, rows)
            net.initialize_criterion()
        if net.callbacks_:
            try:
                check_user_output(net.module_, rows.part(0, 2).X, net._n_outputs)
            except ValueError:
                del net.module_
                raise

    def refuse(self, net: Any, samples: torch.Tensor, error: IndexError) -> NoReturn:
        """Raise a ValueError that names the code that an embedding has no entry for."""
        self._refuse(net, net.module_, samples, error)

    def _refuse(
        self, net: Any, module: nn.Module, samples: torch.Tensor, error: IndexError
    ) -> NoReturn:
        names = getattr(net, "feature_names_in_", None)
        told = describe_unknown_code(module, samples, names)
        told = told or f"{error}. Has an embedding fewer entries than there are codes, from 0 on?"
        raise ValueError(
            f"module={type(module).__name__} does not take all samples of X: {told}"
        ) from error

    def forward(self, net: Any, samples: torch.Tensor) -> torch.Tensor:
        """Return the module's output for some samples to predict."""
        try:
            return super().forward(net, samples)
        except IndexError as error:
            self.refuse(net, samples, error)


class _OwnModuleNet(BaseNet):
    """What both estimators of a module of the user's have: parameters of the module."""

    _architecture = _OwnModule()
    _input_form = ModuleInput()
    _doc_words: ClassVar[dict[str, str]] = {"module": _TEXT}

    def _store(self, module: Any, module_params: Any, parameters: dict[str, Any]) -> None:
        own = {name: parameters.pop(name) for name in [*parameters] if name.startswith(_PREFIX)}
        for name in parameters.keys() - self._shared_defaults.keys():
            error = unexpected_argument(type(self), name)
            raise TypeError(f"{error} Arguments of the module are written {_PREFIX}{name}.")
        given = {"module": module, "module_params": module_params, **own, "shared": parameters}
        store_arguments(self, given)

    def _module_kwargs(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name.startswith(_PREFIX)}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, those of the module among them as ``module__x``."""
        params = super().get_params(deep=deep)
        return {**params, **self._module_kwargs()}

    def __getstate__(self) -> dict[str, Any]:
        check_picklable(type(self).__name__, self.module, vars(self).get("module_"))
        return super().__getstate__()

    def set_params(self, **params: Any) -> "_OwnModuleNet":
        """Set parameters, those of the module as ``module__x``."""
        own = {name: value for name, value in params.items() if name.startswith(_PREFIX)}
        for name, value in own.items():
            setattr(self, name, value)
        super().set_params(**{k: v for k, v in params.items() if k not in own})
        run = running(self)
        if run is not None:
            run.take_changed(own)
        return self


class _ModuleLabels(Labels):
    """Labels for a module that may give probabilities instead of logits."""

    def logits(self, net: Any, output: torch.Tensor) -> torch.Tensor:
        """Return logits of whatever the module gives."""
        return as_logits(output, net._output_forms.predicting, net._has_several_labels)

    def criterion(self, net: Any) -> nn.Module:
        """Return cross-entropy of whatever the module gives."""
        criterion, forms = super().criterion(net), net._output_forms
        if set(forms) == {LOGITS}:
            return criterion
        return LossOfForms(criterion, forms, net._has_several_labels)


class NetClassifier(_OwnModuleNet, ClassifierNet):
    """Any torch module as a classifier, trained with cross-entropy.

    The module gives one output for each class: logits, or what it makes of them in the end by
    softmax, sigmoid or their logarithms, as a layer or a function. That is seen from its outputs
    for some training rows and taken back in the loss, so that it trains as without it, but by
    autograd; ``module_`` is as it was given. A softmax over several labels a row, or not over the
    classes, is warned of. It gets the engine, the checks and the speed of the networks of this
    package.

    Parameters
    ----------
    <<module>>
    <<classifier>>
    <<training>>

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    <<attributes>>
    input_shape_ : tuple of int
        Shape of one sample.
    input_dtype_ : {"float32", "float64", "int64"}
        Type in which samples reach the module.

    See Also
    --------
    MLPNetClassifier : A dense network with its architecture as parameters.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from torch import nn
    >>> from sklearn_trainkit.neural_network import NetClassifier
    >>> class Tiny(nn.Sequential):
    ...     def __init__(self, n_features, n_outputs, width=8):
    ...         super().__init__(
    ...             nn.Linear(n_features, width), nn.Tanh(), nn.Linear(width, n_outputs)
    ...         )
    >>> X, y = load_iris(return_X_y=True)
    >>> net = NetClassifier(Tiny, module__width=16, max_epochs=100, random_state=0)
    >>> net.fit(X, y).score(X, y) > 0.9
    True
    """

    _of_samples: Targets = _ModuleLabels()

    def __init__(
        self,
        module: Any,
        *,
        module_params: dict | None = None,
        **module__kwargs: Annotated[Any, ClassifierParameters],
    ) -> None:
        self._store(module, module_params, module__kwargs)

    @property
    def _output_forms(self) -> OutputForms:
        return OutputForms(*(vars(self).get("_forms") or (LOGITS, LOGITS)))

    @property
    def _has_several_labels(self) -> bool:
        return isinstance(self._coding, MultiLabel)

    def _look_at_outputs(self, module: torch.nn.Module, rows: Rows) -> None:
        """Learn what the module ends in, and warn where that cannot be trained."""
        forms = forms_of(module, rows.part(0, min(LOOKED_AT, rows.n_rows)).X)
        self._forms = tuple(forms)  # a plain one, which files of weights can hold
        reason = why_not_logits(forms, self._has_several_labels)
        if reason is not None:
            warnings.warn(
                f"module={type(module).__name__} trains badly: {reason}.", UserWarning, stacklevel=2
            )


class NetRegressor(_OwnModuleNet, RegressorNet):
    """Any torch module as a regressor with one target or several.

    The module gives one output for each target, in standardized units unless
    ``standardize_y=False``; one that ends in a bounded function, such as Sigmoid, and cannot reach
    the targets is warned of. It gets the engine, the checks and the speed of the networks of this
    package.

    Parameters
    ----------
    <<module>>
    <<regressor>>
    <<training>>

    Attributes
    ----------
    y_mean_, y_scale_ : ndarray of shape (n_targets,)
        What was subtracted from the targets and what they were divided by.
    <<attributes>>
    input_shape_ : tuple of int
        Shape of one sample.
    input_dtype_ : {"float32", "float64", "int64"}
        Type in which samples reach the module.

    See Also
    --------
    MLPNetRegressor : A dense network with its architecture as parameters.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from torch import nn
    >>> from sklearn_trainkit.neural_network import NetRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = NetRegressor(nn.Linear, module__in_features=10, module__out_features=1)
    >>> net.fit(X, y).predict(X).shape
    (442,)
    """

    def __init__(
        self,
        module: Any,
        *,
        module_params: dict | None = None,
        **module__kwargs: Annotated[Any, RegressorParameters],
    ) -> None:
        self._store(module, module_params, module__kwargs)

    def _look_at_outputs(self, module: torch.nn.Module, rows: Rows) -> None:
        """Warn of a module that cannot reach the targets by what it ends in."""
        reason = unreachable_targets(module, rows.part(0, 2).X, rows.y)
        if reason is not None:
            advice = (
                "standardize_y=True gives them mean 0 and standard deviation 1: use "
                "standardize_y=False, or leave the function out."
                if self.standardize_y
                else "Scale y, or leave the function out."
            )
            warnings.warn(
                f"module={type(module).__name__} {reason}. {advice}", UserWarning, stacklevel=2
            )
