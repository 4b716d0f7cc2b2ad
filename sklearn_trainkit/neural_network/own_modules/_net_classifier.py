"""Any torch module as a classifier."""

import warnings
from typing import Any, ClassVar

import torch

from sklearn_trainkit.neural_network.base._parameter_docs import (
    store_arguments,
    with_shared_parameters,
)
from sklearn_trainkit.neural_network.base._target_kinds import ClassifierNet
from sklearn_trainkit.neural_network.batches._tensor_loader import Rows
from sklearn_trainkit.neural_network.own_modules._output_forms import (
    LOGITS,
    LossOfForms,
    OutputForms,
    as_logits,
    forms_of,
    why_not_logits,
)
from sklearn_trainkit.neural_network.own_modules._user_net import UserModuleNet
from sklearn_trainkit.neural_network.targets._label_coding import MultiLabel


@with_shared_parameters()
class NetClassifier(UserModuleNet, ClassifierNet):
    """Any torch module as a classifier, trained with cross-entropy.

    The module gives one output for each class: logits, or what it makes of them in the end by
    softmax, sigmoid or their logarithms, as a layer or a function. That is seen from its outputs
    for some training rows and taken back in the loss, so that it trains as without it, but by
    autograd; ``module_`` is as it was given. A softmax over several labels a row, or not over the
    classes, is warned of. It gets the engine, the checks and the speed of the networks of this
    package.

    Parameters
    ----------
    module : Module class, callable or Module instance
        The network. A class is built anew by each fit, and its parameters ``n_features`` (or the
        shape of one sample, ``input_shape``) and ``n_outputs`` are filled in from the data. An
        instance is copied by each fit and goes on from its weights. It must map (n, ...) to
        (n, n_outputs).
        Integers in X reach it as int64 if it has an embedding or takes nothing
        else; whole numbers of a float type, too, if it takes nothing else.
    module_params : dict or None, default=None
        Arguments of the class. ``module__x=...`` sets one of them by name, for searches.
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

    _parameter_constraints: ClassVar[dict] = {
        **ClassifierNet._parameter_constraints,
        **UserModuleNet.user_constraints,
    }

    def __init__(
        self,
        module: Any,
        *,
        module_params: dict | None = None,
        label_smoothing: float = 0.05,
        class_weight: Any = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        clip_adaptive: float | None = None,
        optimizer: Any = "adamw",
        optimizer_params: dict | None = None,
        lr: float = 0.003,
        weight_decay: float | str = 0.0,
        lr_schedule: Any = "one_cycle",
        lr_schedule_params: dict | None = None,
        batch_size: int | str = "auto",
        max_epochs: int = 40,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        on_divergence: str = "raise",
        warm_start: bool = False,
        checkpoint_dir: Any = None,
        callbacks: list | None = None,
        device: str | torch.device = "cpu",
        dtype: str = "auto",
        precision: str = "full",
        compile: bool = False,  # noqa: A002
        n_threads: int | None = 1,
        verbose: int = 0,
        random_state: Any = None,
        **module__kwargs: Any,
    ) -> None:
        arguments = locals()
        module_kwargs = arguments.pop("module__kwargs")
        store_arguments(self, arguments)
        self._set_module_kwargs(module_kwargs)

    @property
    def _output_forms(self) -> OutputForms:
        return OutputForms(*vars(self).get("_forms", (LOGITS, LOGITS)))

    @property
    def _has_several_labels(self) -> bool:
        return isinstance(self._coding, MultiLabel)

    def _look_at_outputs(self, module: torch.nn.Module, rows: Rows) -> None:
        forms = forms_of(module, rows.part(0, min(16, rows.n_rows)).X)
        self._forms = tuple(forms)  # a plain one, which files of weights can hold
        reason = why_not_logits(forms, self._has_several_labels)
        if reason is not None:
            warnings.warn(
                f"module={type(module).__name__} trains badly: {reason}.", UserWarning, stacklevel=2
            )

    def _make_criterion(self) -> torch.nn.Module:
        criterion, forms = super()._make_criterion(), self._output_forms
        if set(forms) == {LOGITS}:
            return criterion
        return LossOfForms(criterion, forms, self._has_several_labels)

    def _as_logits(self, output: torch.Tensor) -> torch.Tensor:
        return as_logits(output, self._output_forms.predicting, self._has_several_labels)
