"""skorch's interface, with scikit-learn's parameters and our own generators behind it."""

import copy
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch import NeuralNet
from skorch.exceptions import NotInitializedError
from skorch.history import History
from torch.utils.data import Dataset

from sklearn_trainkit.neural_network.base._known_names import KNOWN_NAMES
from sklearn_trainkit.neural_network.base._nested_parameters import (
    NESTED_PREFIXES,
    NestedParameters,
)
from sklearn_trainkit.neural_network.base._spelled_out import spell_out
from sklearn_trainkit.neural_network.batches._input_checks import (
    FLOAT_TYPES,
    INPUT_TYPES,
    checked_device,
    is_ready,
)
from sklearn_trainkit.neural_network.batches._input_lists import as_list
from sklearn_trainkit.neural_network.batches._input_types import (
    as_plain,
    float_type,
    in_native_order,
)
from sklearn_trainkit.neural_network.batches._source_rows import (
    DatasetSource,
    SourceRows,
    as_source,
    shared_tensor,
    stays_as_it_is,
)
from sklearn_trainkit.neural_network.batches._sparse_rows import dense_rows
from sklearn_trainkit.neural_network.batches._tensor_loader import (
    Rows,
    RowsDataset,
    TensorLoader,
    TensorRows,
    TrainingSamples,
)
from sklearn_trainkit.neural_network.batches._training_streams import TrainingStreams
from sklearn_trainkit.neural_network.engines._callback_hooks import QuietHooks
from sklearn_trainkit.neural_network.engines._optimizers import (
    make_optimizer,
    resolved_weight_decay,
)
from sklearn_trainkit.neural_network.engines._parameter_groups import parameter_groups
from sklearn_trainkit.neural_network.modules._input_standardization import InputStandardization
from sklearn_trainkit.neural_network.modules._module_hooks import switch_mode
from sklearn_trainkit.neural_network.saving._made_with import MadeWith, describe_layers, own_copy
from sklearn_trainkit.neural_network.saving._saved_net import SavedNet
from sklearn_trainkit.utils._bad_columns import naming_columns
from sklearn_trainkit.utils._did_you_mean import accepts_known_names
from sklearn_trainkit.utils._random_streams import StreamSeeds, seeded_global_torch, stream_seeds
from sklearn_trainkit.utils._threads import torch_threads

_PREDICT_ROWS = 8192
_NO_TARGETS = torch.empty(0)
_ENCODE = "Encode them first, with a OneHotEncoder in a ColumnTransformer for instance."


class SkorchFace(SavedNet, NestedParameters, CallbackSupportMixin, QuietHooks, NeuralNet):
    """A skorch net with scikit-learn's manners.

    Parameters are flat and explicit, so scikit-learn's own ``get_params``, ``set_params`` and
    metadata routing serve, not skorch's; history, callbacks, ``module_`` and ``save_params`` are
    skorch's.
    """

    # scikit-learn's behaviour where skorch has its own.
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
    _modules: ClassVar[list[str]] = ["module"]
    _criteria: ClassVar[list[str]] = ["criterion"]
    _optimizers: ClassVar[list[str]] = ["optimizer"]

    # A module that is not ours may draw from torch's global generator and write into its input.
    _foreign_module = False
    # Whether a sample may be a row of a sparse matrix.
    _takes_sparse = False
    # Whether a sample may have more than one dimension, and NaN where it has ended.
    _allow_nd = False
    _ensure_all_finite: bool | str = True

    # Where its shared parameters and their texts differ from the table.
    _own_defaults: ClassVar[dict[str, Any]] = {}
    _doc_words: ClassVar[dict[str, str]] = {}

    # Parameters that the first fit settles for as long as its weights are trained.
    _fixed_parameters: ClassVar[tuple[str, ...]] = ()

    criterion_: torch.nn.Module
    dtype_: str
    input_dtype_: str
    input_shape_: tuple[int, ...]
    _made_with: MadeWith | None = None  # also of networks that earlier versions have pickled

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        spell_out(cls)
        accepts_known_names(cls, KNOWN_NAMES, NESTED_PREFIXES)

    @abstractmethod
    def _make_module(self) -> torch.nn.Module:
        """Return a new module for ``n_features_in_`` inputs and the targets seen."""

    @abstractmethod
    def _make_criterion(self) -> torch.nn.Module:
        """Return the loss, a module called with (output, target, weight)."""

    @property
    def cuda_dependent_attributes_(self) -> list[str]:
        """Attributes with tensors, which skorch pickles as one and moves off a missing GPU."""
        own = isinstance(self.module, torch.nn.Module) and hasattr(self, "module_")
        return ["module_", "criterion_", "optimizer_", "streams_", *(["module"] if own else [])]

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if self._made_with is not None:
            state["_made_with"] = self._made_with.without_module(self.module)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self._made_with is not None:
            self._made_with = self._made_with.with_module(self.module)

    def _fixed_names(self) -> list[str]:
        """Return the parameters that cannot change while the same weights are trained on."""
        kinds = [vars(kind).get("_fixed_parameters", ()) for kind in type(self).__mro__]
        return sorted({name for names in kinds for name in names})

    def initialize(self) -> "SkorchFace":
        """Make new weights, optimizer and history, as skorch does.

        Before the first fit, only for a module of your own that says its own widths: an instance,
        or a class of which all arguments are given. It then has weights to load or to train, but
        predicts only once it knows its classes, or the scale of its targets.

        Raises
        ------
        NotInitializedError
            If the widths of the module are to come from data, and there have been none.
        """
        if hasattr(self, "input_shape_"):
            self._initialize_all(stream_seeds(self.random_state))
        else:
            self._check_widths_known()
            self._initialize_without_data()
        return self

    def _initialize_without_data(self) -> None:
        self.initialize_callbacks()
        self.history_ = History()
        self.n_steps_ = 0
        self.initialize_module()
        self._waits_for_data = True
        self.criterion_ = torch.nn.Identity()  # the loss comes with the targets
        self.initialize_optimizer()
        self.initialized_ = True

    def _check_widths_known(self) -> None:
        """Raise if the widths of the module are to come from data."""
        raise NotInitializedError(
            f"{type(self).__name__} learns its input and output widths from data; call fit first, "
            "or load_params, which needs no initialize."
        )

    def _initialize_all(self, seeds: StreamSeeds, rows: Rows | None = None) -> None:
        self.initialize_callbacks()
        self.history_ = History()
        self.n_steps_ = 0
        self._initialize_weights(seeds, rows)
        self._waits_for_data = False
        self.initialize_criterion()
        self.initialize_optimizer()
        self.initialized_ = True

    def _initialize_weights(self, seeds: StreamSeeds, rows: Rows | None = None) -> None:
        device = checked_device(self.device)
        dtype = FLOAT_TYPES[self.dtype_ if hasattr(self, "dtype_") else self._input_dtypes()[0]]
        with seeded_global_torch(seeds.weights):
            module = self._make_module()
            layers = describe_layers(module)
            module.to(device=device, dtype=dtype)
            if rows is not None:
                with torch_threads(self.n_threads):
                    self._prepare_module(module, rows)
        self.module_ = module
        self._made_with = MadeWith(own_copy(self.get_params(deep=False)), layers)
        self.streams_ = TrainingStreams(seeds, device, self._foreign_module)

    def _remake_module(self, rows: Rows) -> None:
        """Make module, loss and optimizer of a training that begins anew, by other arguments."""
        streams = self.streams_
        self._initialize_weights(stream_seeds(self.random_state), rows)
        self.streams_ = streams
        self.initialize_criterion()
        self.initialize_optimizer()

    def initialize_callbacks(self) -> "SkorchFace":
        """Set the callbacks back to their beginnings, as skorch does.

        Raises
        ------
        TypeError
            For something that is no skorch callback.
        """
        for name, callback in self._named_callbacks():
            if callback is not None and not hasattr(callback, "initialize"):
                raise TypeError(
                    f"callbacks has {name!r}, {callback!r}, which is no skorch callback: it has no "
                    "method initialize. scikit-learn's callbacks are set with set_callbacks."
                )
        return super().initialize_callbacks()

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
        options = dict(self.optimizer_params or {})
        groups = options.pop("param_groups", None)
        self.optimizer_ = make_optimizer(
            self.optimizer,
            parameter_groups(self.get_all_learnable_params(), groups),
            lr=self.lr,
            weight_decay=resolved_weight_decay(self.weight_decay, self.optimizer),
            params=options,
        )
        return self

    def _snapshot_attributes(self) -> dict[str, Any]:
        """Return what a copy of this estimator needs to predict as of now."""
        return {"module_": copy.deepcopy(self.module_)}

    def check_is_fitted(self, attributes: Any = None, *args: Any, **kwargs: Any) -> None:
        """Raise scikit-learn's NotFittedError before the first fit."""
        if self._waits_for_data and not attributes:
            raise NotFittedError(
                f"This {type(self).__name__} is initialized but not fitted: it knows neither its "
                "input nor its classes or the scale of its targets. Call fit, or load_params with "
                "a file of a fitted network."
            )
        check_is_fitted(self, attributes or ["module_"], *args, **kwargs)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_") and not self._waits_for_data

    def get_dataset(self, X: Any, y: Any = None) -> RowsDataset:
        """Return ``X`` checked and wrapped as the data set that skorch's methods pass around."""
        return X if isinstance(X, RowsDataset) else RowsDataset(self._input_rows(X))

    def _checked_samples(self, X: Any, reset: bool) -> Any:
        """Return samples as the module takes them: an array, or the source of a data set."""
        if isinstance(X, Dataset):
            X = self._checked_source(X)
        else:
            X = self._as_samples(self._validated(X, reset))
        self._learn_input(X, reset)
        return X

    def _validated(self, X: Any, reset: bool, **options: Any) -> Any:
        """Return X, and y where it is among ``options``, as scikit-learn's checks leave them."""
        shape = tuple(getattr(X, "shape", ()))
        # A column whose entries are images has few numbers in its shape, too.
        if not reset and self._is_one_sample(shape) and as_list(X) is X:
            sizes = ", ".join(map(str, X.shape))
            raise ValueError(
                f"X has the shape ({sizes}) of a single sample. {type(self).__name__} takes "
                f"(n_samples, {sizes}), so pass X[None], of shape (1, {sizes})."
            )
        with naming_columns(X, _ENCODE):
            array = self._as_array(X)
            options = {**self._validation_options(array, reset), **options}
            checked = validate_data(self, array, reset=reset, **options)
        if isinstance(checked, tuple):  # X and y
            return tuple(map(in_native_order, checked))
        return in_native_order(checked)

    def _is_one_sample(self, shape: tuple[int, ...]) -> bool:
        """Tell whether an array of this shape is one sample of those that the network knows."""
        return len(shape) > 1 and shape == self.input_shape_

    def _checked_source(self, dataset: Dataset) -> DatasetSource:
        raise TypeError(
            f"{type(self).__name__} takes arrays. Got a torch Dataset, {type(dataset).__name__}; "
            "NetClassifier and NetRegressor take one."
        )

    def _validation_options(self, X: Any, reset: bool) -> dict[str, Any]:
        """Return how ``validate_data`` treats what ``_as_array`` has returned."""
        return {
            "dtype": None if stays_as_it_is(X) else self._array_dtypes(X, reset),
            "accept_sparse": "csr" if self._takes_sparse else False,
            "order": "C",
            "allow_nd": self._allow_nd,
            "ensure_all_finite": self._ensure_all_finite,
        }

    def _array_dtypes(self, X: Any, reset: bool) -> Any:
        """Return what ``validate_data`` may leave the type of X at."""
        return [self._float_type(X)] if reset else self.input_dtype_

    def _float_type(self, X: Any) -> str:
        """Return the type of a new network for X."""
        dtypes = self._input_dtypes()
        return dtypes[0] if len(dtypes) == 1 else float_type(X)

    def _input_dtypes(self) -> list[str]:
        """Return what the network may compute in."""
        if self.precision != "full":
            if self.dtype == "float64":
                raise ValueError(
                    f"precision={self.precision!r} works on float32 networks. Got "
                    "dtype='float64'; use dtype='float32' or precision='full'."
                )
            return ["float32"]
        return ["float32", "float64"] if self.dtype == "auto" else [self.dtype]

    def _as_array(self, X: Any) -> Any:
        """Return what ``validate_data`` can read; lists of sequences are joined here."""
        return as_plain(X)

    def _as_samples(self, X: Any) -> Any:
        """Return checked X with one sample an entry, in the layout of the module."""
        return dense_rows(X) if hasattr(X, "tocsr") else X

    def _input_rows(self, X: Any) -> Rows:
        """Return samples to predict, checked, without targets."""
        if isinstance(X, RowsDataset):
            return X.rows
        if isinstance(X, TrainingSamples):
            return TensorRows(X.as_subclass(torch.Tensor), _NO_TARGETS)
        # Names of features are compared by validate_data.
        dtype = self.input_dtype_
        if hasattr(self, "feature_names_in_") or not is_ready(X, dtype, self.input_shape_):
            X = self._as_input(self._checked_samples(X, reset=False))
        if isinstance(X, np.ndarray) and X.dtype == dtype:
            return TensorRows(shared_tensor(X), _NO_TARGETS)
        return SourceRows(as_source(X), torch.empty(len(X)), None, INPUT_TYPES[dtype])

    def _augmentation(self) -> Callable[[TensorRows, torch.Generator], TensorRows] | None:
        """Return what changes a training batch at random, or None."""
        return None

    def _rows_per_pass(self, sample_shape: tuple[int, ...]) -> int:
        """Return how many samples go through the network at once when no gradient is needed."""
        return _PREDICT_ROWS

    def forward_iter(
        self, X: Any, training: bool = False, device: Any = "cpu"
    ) -> Iterator[torch.Tensor]:
        """Yield the module's output for ``X``, a part of the samples at a time.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or a data set of this package
        training : bool, default=False
            Whether to run in train mode, with dropout and batch statistics.
        device : str, default="cpu"
            Where the outputs go.
        """
        self.check_is_fitted()
        rows = self._input_rows(X)
        switch_mode(self.module_, training)
        own = next(self.module_.parameters()).device
        n_rows, step = rows.n_rows, self._rows_per_pass(rows.sample_shape)
        for start in range(0, n_rows, step):
            part = rows.part(start, min(start + step, n_rows)).X
            with torch_threads(self.n_threads), torch.inference_mode(not training):
                output = self._forward(part.to(own, copy=self._foreign_module)).to(device)
            yield output

    def _forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Return the module's output for some samples to predict."""
        return self.module_(samples)

    def _output(
        self, X: Any, convert: Callable[[torch.Tensor], torch.Tensor] | None = None
    ) -> torch.Tensor:
        """Return the module's output for all rows of ``X``, or what ``convert`` makes of it."""
        self.check_is_fitted()
        rows = self._input_rows(X)
        output: torch.Tensor | None = None
        start = 0
        # Parts kept until the end would lie between freed activations and spread the heap.
        # forward_iter may be skorch's, with the outputs that a callback has collected.
        for part in self.forward_iter(RowsDataset(rows)):
            if convert is not None:
                part = convert(part)
            if len(part) == rows.n_rows:
                return part
            if output is None:
                output = part.new_empty((rows.n_rows, *part.shape[1:]))
            output[start : start + len(part)] = part
            start += len(part)
        assert output is not None
        return output

    def _learn_input(self, X: Any, reset: bool) -> None:
        """Keep type and shape of the samples, or compare with what was kept."""
        if reset:
            self.dtype_ = self.input_dtype_ = self._float_type(X)
            self.input_shape_ = tuple(X.shape[1:])
        else:
            self._check_sample_shape(tuple(X.shape[1:]))

    def _settle_input(self, X: Any) -> Any:
        """Return X, that of a new network, in the type in which its module takes it."""
        return X

    def _as_input(self, X: Any) -> Any:
        """Return checked X in the type in which the module takes it."""
        return X

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._takes_sparse
        return tags

    def _check_sample_shape(self, shape: tuple[int, ...]) -> None:
        """Raise if samples of this shape are not what the network was fitted with."""
        if shape != self.input_shape_:
            raise ValueError(
                f"X has samples of shape {shape}, but {type(self).__name__} was fitted with "
                f"samples of shape {self.input_shape_}."
            )

    def _check_module(self, rows: Rows) -> None:
        """Raise if the module, as callbacks have left it, does not take the training rows."""

    def _prepare_module(self, module: torch.nn.Module, rows: Rows) -> None:
        """Let a new module's layers learn what the training rows are like."""
        for layer in module.children():
            if isinstance(layer, InputStandardization):
                layer.learn(rows)
