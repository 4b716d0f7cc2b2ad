"""skorch's interface, with scikit-learn's parameters and our own generators behind it."""

import copy
from abc import abstractmethod
from collections.abc import Iterator
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

from sklearn_trainkit.neural_network._input_checks import (
    FLOAT_TYPES,
    checked_device,
    is_ready,
    writeable,
)
from sklearn_trainkit.neural_network._net_parameters import NetParameters
from sklearn_trainkit.neural_network._optimizers import make_optimizer
from sklearn_trainkit.neural_network._tensor_loader import RowsDataset, TensorLoader, TensorRows
from sklearn_trainkit.neural_network._training_loop import switch_mode
from sklearn_trainkit.neural_network._training_streams import TrainingStreams
from sklearn_trainkit.utils._random_streams import StreamSeeds, seeded_global_torch, stream_seeds
from sklearn_trainkit.utils._threads import torch_threads

_PREDICT_ROWS = 8192


class SkorchFace(NetParameters, CallbackSupportMixin, NeuralNet):
    """A skorch net with scikit-learn's manners.

    Parameters are flat and explicit, so scikit-learn's own ``get_params``, ``set_params`` and
    metadata routing serve, not skorch's; history, callbacks, ``module_`` and ``save_params`` are
    skorch's.
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

    # A module that is not ours may draw from torch's global generator and write into its input.
    _foreign_module = False
    # Whether a sample may have more than one dimension.
    _allow_nd = False

    dtype_: str
    input_shape_: tuple[int, ...]

    @abstractmethod
    def _make_module(self) -> torch.nn.Module:
        """Return a new module for ``n_features_in_`` inputs and the targets seen."""

    @abstractmethod
    def _make_criterion(self) -> torch.nn.Module:
        """Return the loss, a module called with (output, target, weight)."""

    def initialize(self) -> "SkorchFace":
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
        self.streams_ = TrainingStreams(seeds, device, self._foreign_module)

    def initialize_module(self) -> "SkorchFace":
        """Make new weights from ``random_state``."""
        self._initialize_weights(stream_seeds(self.random_state))
        return self

    def initialize_criterion(self) -> "SkorchFace":
        """Make the loss."""
        self.criterion_ = self._make_criterion().to(checked_device(self.device))
        return self

    def initialize_optimizer(self, triggered_directly: Any = None) -> "SkorchFace":
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
        return RowsDataset(TensorRows(self._input_tensor(X), torch.empty(0)))

    def _input_tensor(self, X: Any) -> torch.Tensor:
        """Return rows to predict as a tensor of the network's type, checked."""
        if isinstance(X, RowsDataset):
            return X.X
        # Names of features are compared by validate_data.
        if hasattr(self, "feature_names_in_") or not is_ready(X, self.dtype_, self.input_shape_):
            if isinstance(X, torch.Tensor):
                X = X.numpy(force=True)
            X = validate_data(
                self, X, reset=False, dtype=self.dtype_, order="C", allow_nd=self._allow_nd
            )
            self._learn_input(X, reset=False)
        return torch.from_numpy(writeable(X))

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
        rows = self._input_tensor(X)
        switch_mode(self.module_, training)
        own = next(self.module_.parameters()).device
        for part in rows.split(_PREDICT_ROWS):
            with torch_threads(self.n_threads), torch.inference_mode(not training):
                output = self.module_(part.to(own, copy=self._foreign_module)).to(device)
            yield output

    def _output(self, X: Any) -> torch.Tensor:
        """Return the module's output for all rows of ``X``, on the CPU."""
        chunks = list(self.forward_iter(X))
        return chunks[0] if len(chunks) == 1 else torch.cat(chunks)

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

    def _check_first_rows(self, module: torch.nn.Module, rows: TensorRows) -> None:
        """Raise if a module that is not ours does not fit the data."""
