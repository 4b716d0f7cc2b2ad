"""What every network estimator shares: skorch's interface over our own training loop."""

import copy
import os
from abc import abstractmethod
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch import NeuralNet
from skorch.callbacks import PrintLog
from skorch.exceptions import NotInitializedError
from skorch.history import History

from sklearn_trainkit.neural_network._checkpoint import CheckpointFile, fit_fingerprint
from sklearn_trainkit.neural_network._input_checks import (
    FLOAT_TYPES,
    checked_device,
    mean_one_weights,
    resolved_batch_size,
)
from sklearn_trainkit.neural_network._lr_schedules import LR_SCHEDULES, LRSchedule
from sklearn_trainkit.neural_network._optimizers import OPTIMIZERS, make_optimizer
from sklearn_trainkit.neural_network._precision import PRECISIONS
from sklearn_trainkit.neural_network._tensor_loader import RowsDataset, TensorLoader, TensorRows
from sklearn_trainkit.neural_network._training_loop import LoopSettings, TrainingRun, switch_mode
from sklearn_trainkit.neural_network._training_streams import TrainingStreams
from sklearn_trainkit.neural_network._validation_split import validation_split
from sklearn_trainkit.utils._random_streams import StreamSeeds, seeded_global_torch, stream_seeds
from sklearn_trainkit.utils._sklearn_private import Interval, Options, StrOptions, fit_context
from sklearn_trainkit.utils._threads import torch_threads

_PREDICT_ROWS = 8192
_NOT_IN_FINGERPRINT = ("callbacks", "checkpoint_dir", "device", "n_threads", "verbose")


class BaseNet(CallbackSupportMixin, NeuralNet):
    """A skorch net with scikit-learn's manners.

    Sub-classes give the module, the loss and the treatment of targets. Parameters are flat and
    explicit, so scikit-learn's own ``get_params``, ``set_params`` and metadata routing serve, not
    skorch's; history, callbacks, ``module_`` and ``save_params`` are skorch's.
    """

    # scikit-learn's behaviour where skorch has its own.
    get_params = BaseEstimator.get_params
    set_params = BaseEstimator.set_params
    get_metadata_routing = BaseEstimator.get_metadata_routing
    __repr__ = BaseEstimator.__repr__
    __setattr__ = object.__setattr__
    __delattr__ = object.__delattr__
    _get_param_names: Any = classmethod(BaseEstimator._get_param_names.__func__)
    _validate_params = BaseEstimator._validate_params

    # What skorch's constructor would have set.
    module: Any = None
    criterion: Any = None
    predict_nonlinearity: Any = None
    train_split: Any = None
    iterator_train: Any = TensorLoader
    iterator_valid: Any = TensorLoader
    dataset: Any = RowsDataset
    use_caching = "auto"
    torch_load_kwargs: Any = None
    initialized_ = False
    history_: History | None = None
    virtual_params_: ClassVar[dict] = {}
    prefixes_: ClassVar[list[str]] = [*NeuralNet.prefixes_, "module", "criterion", "optimizer"]
    cuda_dependent_attributes_: ClassVar[list[str]] = ["module_", "criterion_", "optimizer_"]
    _modules: ClassVar[list[str]] = ["module"]
    _criteria: ClassVar[list[str]] = ["criterion"]
    _optimizers: ClassVar[list[str]] = ["optimizer"]

    # Ours draw from generators of their own; modules that are not ours may not.
    _module_draws_globally = False
    # Whether a sample may have more than one dimension.
    _allow_nd = False
    _batch_score_name: str

    _parameter_constraints: ClassVar[dict] = {
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "optimizer_params": [dict, None],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
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

    # Parameters of the sub-classes, for the type checker.
    optimizer: Any
    optimizer_params: dict | None
    lr: float
    weight_decay: float
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

    @abstractmethod
    def _make_module(self) -> torch.nn.Module:
        """Return a new module for ``n_features_in_`` inputs and the targets seen."""

    @abstractmethod
    def _make_criterion(self) -> torch.nn.Module:
        """Return the loss, a module called with (output, target, weight)."""

    @abstractmethod
    def _batch_score(self, output: torch.Tensor, batch: TensorRows) -> float:
        """Return the score recorded for a validation batch."""

    @abstractmethod
    def _learn_targets(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Set what is learnt from the training targets: classes, mean and scale."""

    @abstractmethod
    def _encode_targets(self, y: np.ndarray, name: str) -> np.ndarray:
        """Return ``y`` in training units: class codes, standardized values."""

    @abstractmethod
    def _check_data(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return the checked data as arrays."""

    def _stratify_by(self, codes: np.ndarray) -> np.ndarray | None:
        """Return what a validation split keeps the shares of; None for nothing."""
        return None

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        groups: Any = None,
    ) -> "BaseNet":
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, converted to ``dtype``. NaN and infinity are refused.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Class labels of any kind, or numbers for a regressor.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each row in the loss. With all rows in one batch a weight of 2 is the same
            as the row given twice, but for ``norm="batch"``, whose statistics are unweighted.
        X_val, y_val : array-like or None, default=None
            Rows for early stopping; without them ``validation_fraction`` of X is set aside. In a
            Pipeline, ``transform_input=["X_val"]`` sends them through the same steps.
        groups : array-like of shape (n_samples,) or None, default=None
            Rows of one group are set aside together.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            For parameters or data that cannot be trained on.
        DivergenceError
            If the loss or a weight becomes NaN or infinite and ``on_divergence="raise"``.
        """
        run = self.start_fit(X, y, sample_weight, X_val=X_val, y_val=y_val, groups=groups)
        run.train(self._checkpoint_file(X, y, sample_weight, X_val, y_val, groups))
        return self

    def _checkpoint_file(self, *data: Any) -> CheckpointFile | None:
        if self.checkpoint_dir is None:
            return None
        if not isinstance(self.random_state, Integral):
            raise ValueError(
                f"checkpoint_dir={self.checkpoint_dir!r} needs an int random_state, so that a "
                f"fit can be told from another. Got random_state={self.random_state!r}."
            )
        params = {k: v for k, v in self.get_params().items() if k not in _NOT_IN_FINGERPRINT}
        return CheckpointFile(
            self.checkpoint_dir, fit_fingerprint(type(self).__name__, params, *data)
        )

    def start_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        groups: Any = None,
    ) -> TrainingRun:
        """Prepare a fit and return it, to be advanced epoch by epoch.

        ``fit`` is this followed by ``train()``. Between epochs the network can predict; after
        the last one ``finish()`` restores the best weights and tells the callbacks.

        Parameters
        ----------
        X, y, sample_weight, X_val, y_val, groups
            As for :meth:`fit`.

        Returns
        -------
        run : TrainingRun
            With ``advance()``, ``done``, ``epoch``, ``train()`` and ``finish()``.
        """
        fresh = not (self.warm_start and hasattr(self, "module_"))
        X, y = self._check_data(X, y, reset=fresh)
        weight = self._training_weights(sample_weight, X, y)
        if fresh:
            self._learn_targets(y, weight)
        seeds = stream_seeds(self.random_state)
        train, valid = self._split(X, y, weight, X_val, y_val, groups, seeds)
        if fresh:
            self._initialize_all(seeds, train)
        return self._training_run(train, valid, self.max_epochs, (X, y))

    def _train_one_epoch(self, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Train one epoch on checked data, going on from the present weights."""
        rows = self._rows(X, self._encode_targets(y, "y"), weight)
        if not hasattr(self, "module_"):
            self._initialize_all(stream_seeds(self.random_state), rows)
        self._training_run(rows, None, 1, (X, y)).train()

    def _training_run(
        self,
        train: TensorRows,
        valid: TensorRows | None,
        n_epochs: int,
        callback_data: tuple[Any, Any],
    ) -> TrainingRun:
        batch_size = resolved_batch_size(self.batch_size, train.n_rows)
        self._check_batches(min(batch_size, train.n_rows))
        settings = LoopSettings(
            n_epochs=n_epochs,
            batch_size=batch_size,
            clip_norm=self.clip_norm,
            clip_value=self.clip_value,
            clip_adaptive=self.clip_adaptive,
            early_stopping=self.early_stopping and valid is not None,
            patience=self.patience,
            on_divergence=self.on_divergence,
            n_threads=self.n_threads,
            precision=self.precision,
            compile=self.compile,
        )
        n_batches = len(TensorLoader(train, batch_size))
        return TrainingRun(
            self,
            train=train,
            valid=valid,
            streams=self.streams_,
            settings=settings,
            schedule=LRSchedule(
                self.lr_schedule, self.lr_schedule_params, self.max_epochs, n_batches
            ),
            callback_data=callback_data,
        )

    def _check_first_rows(self, module: torch.nn.Module, rows: TensorRows) -> None:
        """Raise if a module that is not ours does not fit the data."""

    def _check_batches(self, n_rows: int) -> None:
        """Raise if batches of ``n_rows`` rows cannot be trained on."""

    def _learn_input(self, X: np.ndarray, reset: bool) -> None:
        """Keep type and shape of the samples, or compare with what was kept."""
        shape = X.shape[1:]
        if reset:
            self.dtype_ = X.dtype.name
            self.input_shape_ = shape
        elif shape != self.input_shape_:
            raise ValueError(
                f"X has samples of shape {shape}, but {type(self).__name__} was fitted with "
                f"samples of shape {self.input_shape_}."
            )

    def _input_dtypes(self, reset: bool) -> Any:
        """Return what ``validate_data`` may leave the type of X at."""
        if not reset:
            return self.dtype_
        return ["float32", "float64"] if self.dtype == "auto" else self.dtype

    def _training_weights(
        self, sample_weight: Any, X: np.ndarray, y: np.ndarray
    ) -> np.ndarray | None:
        """Return the weight of each row in the loss, with mean 1, or None for equal weights."""
        if sample_weight is None:
            return None
        return mean_one_weights(sample_weight, X)

    def _split(
        self,
        X: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray | None,
        X_val: Any,
        y_val: Any,
        groups: Any,
        seeds: StreamSeeds,
    ) -> tuple[TensorRows, TensorRows | None]:
        """Return the training rows and, for early stopping, the validation rows."""
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together; only one of them was given.")
        codes = self._encode_targets(y, "y")
        if X_val is not None:
            X_val, y_val = self._check_data(X_val, y_val, reset=False)
            valid = self._rows(X_val, self._encode_targets(y_val, "y_val"), None)
            return self._rows(X, codes, weight), valid
        if not self.early_stopping:
            return self._rows(X, codes, weight), None
        train, held_out = (
            self._rows(X[index], codes[index], None if weight is None else weight[index])
            for index in validation_split(
                len(X), self.validation_fraction, seeds.split, self._stratify_by(codes), groups
            )
        )
        return train, held_out

    def _rows(self, X: np.ndarray, codes: np.ndarray, weight: np.ndarray | None) -> TensorRows:
        device = checked_device(self.device)
        arrays = [X, codes] if weight is None else [X, codes, weight.astype(X.dtype)]
        return TensorRows(*(torch.from_numpy(writeable(array)).to(device) for array in arrays))

    def initialize(self) -> "BaseNet":
        """Make new weights, optimizer and history, as skorch does.

        Only for a network that has seen data, since input and output widths come from them.

        Raises
        ------
        NotInitializedError
            Before the first fit.
        """
        if not hasattr(self, "n_features_in_"):
            raise NotInitializedError(
                f"{type(self).__name__} learns its input and output widths from data; call fit "
                "first."
            )
        self._initialize_all(stream_seeds(self.random_state))
        return self

    def _initialize_all(self, seeds: StreamSeeds, rows: TensorRows | None = None) -> None:
        self.initialize_callbacks()
        self.history_ = History()
        self.n_steps_ = 0
        self._initialize_weights(seeds, rows)
        self.initialize_criterion()
        self.initialize_optimizer()
        self.initialized_ = True

    def _initialize_weights(self, seeds: StreamSeeds, rows: TensorRows | None = None) -> None:
        device = checked_device(self.device)
        with seeded_global_torch(seeds.weights):
            module = self._make_module().to(device=device, dtype=FLOAT_TYPES[self.dtype_])
            if rows is not None:
                self._check_first_rows(module, rows)
        self.module_ = module
        self.streams_ = TrainingStreams(seeds, device, self._module_draws_globally)

    def initialize_module(self) -> "BaseNet":
        """Make new weights from ``random_state``."""
        self._initialize_weights(stream_seeds(self.random_state))
        return self

    def initialize_criterion(self) -> "BaseNet":
        """Make the loss."""
        self.criterion_ = self._make_criterion().to(checked_device(self.device))
        return self

    def initialize_optimizer(self, triggered_directly: Any = None) -> "BaseNet":
        """Make a new optimizer over the parameters of module and loss."""
        parameters = [parameter for _, parameter in self.get_all_learnable_params()]
        self.optimizer_ = make_optimizer(
            self.optimizer,
            parameters,
            lr=self.lr,
            weight_decay=self.weight_decay,
            params=self.optimizer_params,
        )
        return self

    @property
    def _default_callbacks(self) -> list:
        return [("print_log", PrintLog())] if self.verbose else []

    def _snapshot_attributes(self) -> dict[str, Any]:
        """Return what a copy of this estimator needs to predict as of now."""
        return {"module_": copy.deepcopy(self.module_)}

    def check_is_fitted(self, attributes: Any = None, *args: Any, **kwargs: Any) -> None:
        """Raise scikit-learn's NotFittedError before the first fit."""
        check_is_fitted(self, attributes or ["module_"], *args, **kwargs)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")

    def get_dataset(self, X: Any, y: Any = None) -> RowsDataset:
        """Return ``X`` checked and wrapped as the data set that skorch's methods pass around."""
        if isinstance(X, RowsDataset):
            return X
        if not isinstance(X, torch.Tensor):
            X = validate_data(
                self, X, reset=False, dtype=self.dtype_, order="C", allow_nd=self._allow_nd
            )
            X = torch.from_numpy(writeable(X))
        return RowsDataset(TensorRows(X.to(FLOAT_TYPES[self.dtype_]), torch.empty(len(X), 0)))

    def forward_iter(
        self, X: Any, training: bool = False, device: Any = "cpu"
    ) -> Iterator[torch.Tensor]:
        """Yield the module's output for ``X``, some thousand rows at a time.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or a data set of this package
        training : bool, default=False
            Whether to run in train mode, with dropout and batch statistics.
        device : str, default="cpu"
            Where the outputs go.
        """
        self.check_is_fitted()
        rows = self.get_dataset(X).X
        switch_mode(self.module_, training)
        own = next(self.module_.parameters()).device
        with torch_threads(self.n_threads), torch.inference_mode(not training):
            for start in range(0, len(rows), _PREDICT_ROWS):
                yield self.module_(rows[start : start + _PREDICT_ROWS].to(own)).to(device)

    def _output(self, X: Any) -> torch.Tensor:
        """Return the module's output for all rows of ``X``, on the CPU."""
        chunks = list(self.forward_iter(X))
        return chunks[0] if len(chunks) == 1 else torch.cat(chunks)


def writeable(array: np.ndarray) -> np.ndarray:
    """Return ``array``, copied where it is read-only: torch would warn about it."""
    return array if array.flags.writeable else array.copy()
