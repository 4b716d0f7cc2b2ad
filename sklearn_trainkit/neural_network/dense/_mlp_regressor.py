"""The dense network as a regressor."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from sklearn_trainkit.neural_network.base._parameter_docs import (
    store_arguments,
    with_shared_parameters,
)
from sklearn_trainkit.neural_network.base._target_kinds import RegressorNet
from sklearn_trainkit.neural_network.dense._mlp_parameters import MLP_CONSTRAINTS, MLPParameters
from sklearn_trainkit.neural_network.dense._mlp_portfolio import REGRESSOR_PORTFOLIO


@with_shared_parameters(score="valid_r2", stratified="", weight_decay='"auto"')
class MLPNetRegressor(MLPParameters, RegressorNet):
    """Dense network for regression with one target or several.

    Put a scaler in front of it; the targets are standardized inside, by default.

    Parameters
    ----------
    hidden_units : sequence of int, default=(256, 128)
        Width of each hidden layer; ``()`` is a linear model.
    <<activation>>
    norm : {"batch", "layer", "instance", "group", "rms"} or None, default=None
        Normalization between each hidden linear layer and its activation.
    norm_groups : int or "auto", default="auto"
        Groups of ``norm="group"``; it has to divide every width. "auto" takes the most groups,
        up to 32, that leave at least 8 features each.
    skip : {"add", "concat", "long"} or None, default=None
        "add": residual layers, with a linear projection where widths differ. "concat": each
        layer sees all earlier features. "long": a U-Net's skips between mirrored layers, for
        widths that read the same from both ends.
    dropout : float or sequence of float, default=0.0
        Share of hidden features dropped while training, for all hidden layers or one each.
    <<init>>
    <<regressor>>
    <<training>>

    Attributes
    ----------
    y_mean_, y_scale_ : ndarray of shape (n_targets,)
        What was subtracted from the targets and what they were divided by.
    <<attributes>>

    See Also
    --------
    MLPNetClassifier : The same for classes.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_trainkit.neural_network import MLPNetRegressor
    >>> from sklearn_trainkit.preprocessing import StandardScaler
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = make_pipeline(
    ...     StandardScaler(), MLPNetRegressor((32,), early_stopping=True, random_state=0)
    ... )
    >>> net.fit(X, y).predict(X).shape
    (442,)
    """

    _parameter_constraints: ClassVar[dict] = {
        **RegressorNet._parameter_constraints,
        **MLP_CONSTRAINTS,
    }
    _portfolio: ClassVar[tuple] = REGRESSOR_PORTFOLIO

    def __init__(
        self,
        hidden_units: Sequence[int] = (256, 128),
        *,
        activation: Any = "gelu",
        norm: str | None = None,
        norm_groups: int | str = "auto",
        skip: str | None = None,
        dropout: float | Sequence[float] = 0.0,
        init: Any = "default",
        loss: str = "squared_error",
        standardize_y: bool = True,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        clip_adaptive: float | None = None,
        optimizer: Any = "adamw",
        optimizer_params: dict | None = None,
        lr: float = 0.003,
        weight_decay: float | str = "auto",
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
    ) -> None:
        store_arguments(self, locals())
