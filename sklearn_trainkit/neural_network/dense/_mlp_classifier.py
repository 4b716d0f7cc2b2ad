"""The dense network as a classifier."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from sklearn_trainkit.neural_network.base._parameter_docs import (
    store_arguments,
    with_shared_parameters,
)
from sklearn_trainkit.neural_network.base._target_kinds import ClassifierNet
from sklearn_trainkit.neural_network.dense._mlp_parameters import MLP_CONSTRAINTS, MLPParameters
from sklearn_trainkit.neural_network.dense._mlp_portfolio import CLASSIFIER_PORTFOLIO


@with_shared_parameters(weight_decay='"auto"')
class MLPNetClassifier(MLPParameters, ClassifierNet):
    """Dense network for classification, trained with cross-entropy.

    Put a scaler in front of it: gradient descent moves each weight in proportion to its
    feature's values.

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
    <<classifier>>
    <<training>>

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    <<attributes>>

    See Also
    --------
    MLPNetRegressor : The same for numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_trainkit.neural_network import MLPNetClassifier
    >>> from sklearn_trainkit.preprocessing import StandardScaler
    >>> X, y = load_iris(return_X_y=True)
    >>> net = make_pipeline(StandardScaler(), MLPNetClassifier(norm="layer", random_state=0))
    >>> net.fit(X, y).score(X, y) > 0.95
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **ClassifierNet._parameter_constraints,
        **MLP_CONSTRAINTS,
    }
    _portfolio: ClassVar[tuple] = CLASSIFIER_PORTFOLIO

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
        label_smoothing: float = 0.05,
        class_weight: Any = None,
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
