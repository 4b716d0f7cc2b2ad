"""The parameters that every network estimator has, and what they may be."""

import os
from numbers import Integral, Real
from typing import Any

import torch

from sklearn_trainkit.neural_network.batches._input_checks import FLOAT_TYPES
from sklearn_trainkit.neural_network.engines._learning_rates import LR_SCHEDULES
from sklearn_trainkit.neural_network.engines._optimizers import OPTIMIZERS
from sklearn_trainkit.neural_network.engines._precision import PRECISIONS
from sklearn_trainkit.utils._sklearn_private import Interval, Options, StrOptions

NET_CONSTRAINTS: dict = {
    "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
    "optimizer_params": [dict, None],
    "lr": [Interval(Real, 0, None, closed="neither")],
    "weight_decay": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
    "lr_schedule": [StrOptions(set(LR_SCHEDULES)), callable],
    "lr_schedule_params": [dict, None],
    "batch_size": [
        Interval(Integral, 1, None, closed="left"),
        StrOptions({"auto"}),
        Options(Integral, {-1}),
    ],
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
    "clip_value": [Interval(Real, 0, None, closed="neither"), None],
    "clip_adaptive": [Interval(Real, 0, None, closed="neither"), None],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "patience": [Interval(Integral, 1, None, closed="left")],
    "on_divergence": [StrOptions({"raise", "warn"})],
    "warm_start": ["boolean"],
    "checkpoint_dir": [str, os.PathLike, None],
    "callbacks": [list, None],
    "device": [str, torch.device],
    "dtype": [StrOptions({"auto", *FLOAT_TYPES})],
    "precision": [StrOptions(set(PRECISIONS))],
    "compile": ["boolean"],
    "n_threads": [Interval(Integral, 1, None, closed="left"), None],
    "verbose": ["verbose"],
    "random_state": ["random_state"],
}


class NetParameters:
    """Names and types of the shared parameters; sub-classes set them in ``__init__``."""

    optimizer: Any
    optimizer_params: dict | None
    lr: float
    weight_decay: float | str
    lr_schedule: Any
    lr_schedule_params: dict | None
    batch_size: Any
    max_epochs: int
    clip_norm: float | None
    clip_value: float | None
    clip_adaptive: float | None
    early_stopping: bool
    validation_fraction: float
    patience: int
    on_divergence: str
    warm_start: bool
    checkpoint_dir: Any
    callbacks: list | None
    device: Any
    dtype: str
    precision: str
    compile: bool
    n_threads: int | None
    verbose: Any
    random_state: Any
