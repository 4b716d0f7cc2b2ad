"""The convolutional network as a classifier."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from sklearn_trainkit.neural_network.base._parameter_docs import (
    store_arguments,
    with_shared_parameters,
)
from sklearn_trainkit.neural_network.base._target_kinds import ClassifierNet
from sklearn_trainkit.neural_network.images._conv_architecture import (
    CONV_CONSTRAINTS,
    ConvParameters,
)


@with_shared_parameters(activation="relu", max_epochs=20, samples="images")
class ConvNetClassifier(ConvParameters, ClassifierNet):
    """Convolutional network for classification of images.

    Stages of convolutions, each at half the size of the one before, then global pooling and a
    linear layer.

    Parameters
    ----------
    <<conv>>
    <<classifier>>
    <<training>>

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    input_shape_ : tuple of (channels, height, width)
    <<attributes>>

    See Also
    --------
    ConvNetRegressor : The same for numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_trainkit.neural_network import ConvNetClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> net = ConvNetClassifier((16, 32), image_shape=(8, 8), lr=0.01, random_state=0)
    >>> net.fit(X, y).score(X, y) > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **ClassifierNet._parameter_constraints,
        **CONV_CONSTRAINTS,
    }

    def __init__(
        self,
        channels: Sequence[int] = (16, 32, 64, 128),
        *,
        n_blocks: int | Sequence[int] = 1,
        kernel_size: int = 3,
        activation: Any = "relu",
        norm: str | None = "batch",
        norm_groups: int | str = "auto",
        skip: str | None = None,
        growth_rate: int = 12,
        downsample: str = "max_pool",
        pooling: str | None = "average",
        dropout: float = 0.0,
        init: Any = "default",
        image_shape: tuple[int, ...] | None = None,
        standardize_X: bool = True,
        flip: str | None = None,
        max_shift: int = 0,
        crop_size: int | tuple[int, int] | None = None,
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
        max_epochs: int = 20,
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
