"""Any torch module as a regressor."""

import warnings
from typing import Any, ClassVar

import torch

from sklearn_trainkit.neural_network.base._parameter_docs import (
    store_arguments,
    with_shared_parameters,
)
from sklearn_trainkit.neural_network.base._target_kinds import RegressorNet
from sklearn_trainkit.neural_network.batches._tensor_loader import Rows
from sklearn_trainkit.neural_network.own_modules._output_forms import unreachable_targets
from sklearn_trainkit.neural_network.own_modules._user_net import UserModuleNet


@with_shared_parameters(score="valid_r2", stratified="")
class NetRegressor(UserModuleNet, RegressorNet):
    """Any torch module as a regressor with one target or several.

    The module gives one output for each target, in standardized units unless
    ``standardize_y=False``; one that ends in a bounded function, such as Sigmoid, and cannot reach
    the targets is warned of. It gets the engine, the checks and the speed of the networks of this
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

    _parameter_constraints: ClassVar[dict] = {
        **RegressorNet._parameter_constraints,
        **UserModuleNet.user_constraints,
    }

    def __init__(
        self,
        module: Any,
        *,
        module_params: dict | None = None,
        loss: str = "squared_error",
        standardize_y: bool = True,
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

    def _look_at_outputs(self, module: torch.nn.Module, rows: Rows) -> None:
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
