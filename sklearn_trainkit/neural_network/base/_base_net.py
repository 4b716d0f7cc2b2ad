"""The network estimator: skorch's and scikit-learn's interfaces over three parts and a training."""

import copy
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import torch
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet
from skorch.history import History

from sklearn_trainkit.neural_network.base._architecture import Architecture
from sklearn_trainkit.neural_network.base._initialize import (
    initialize_all,
    initialize_without_data,
    make_weights,
    new_optimizer,
)
from sklearn_trainkit.neural_network.base._input_form import TableInput
from sklearn_trainkit.neural_network.base._known_names import KNOWN_NAMES
from sklearn_trainkit.neural_network.base._nested_parameters import (
    NESTED_PREFIXES,
    default_callbacks,
    get_params,
    refuse_others,
    set_params,
)
from sklearn_trainkit.neural_network.base._outputs import joined, outputs_of
from sklearn_trainkit.neural_network.base._shared_parameters import (
    SharedParameters,
    all_constraints,
    constraints_of,
)
from sklearn_trainkit.neural_network.base._signatures import spell_out
from sklearn_trainkit.neural_network.base._start_fit import checkpoint_file, start_fit
from sklearn_trainkit.neural_network.batches._input_checks import checked_device
from sklearn_trainkit.neural_network.batches._tensor_loader import (
    Rows,
    RowsDataset,
    TensorLoader,
)
from sklearn_trainkit.neural_network.engines._callback_hooks import quiet_hook
from sklearn_trainkit.neural_network.saving._made_with import MadeWith
from sklearn_trainkit.neural_network.saving._saved_net import load_files, save_files
from sklearn_trainkit.neural_network.targets._targets import Targets
from sklearn_trainkit.neural_network.training._training_run import TrainingRun
from sklearn_trainkit.utils._did_you_mean import accepts_known_names
from sklearn_trainkit.utils._random_streams import TrainingStreams, stream_seeds
from sklearn_trainkit.utils._sklearn_private import fit_context


class BaseNet(CallbackSupportMixin, NeuralNet):
    """A network made of three parts: architecture, input form and targets.

    Parameters are flat and explicit, so scikit-learn's own ``get_params``, ``set_params`` and
    metadata routing serve, not skorch's; history, callbacks, ``module_`` and ``save_params`` are
    skorch's.
    """

    _architecture: Architecture
    _input_form: TableInput = TableInput()
    _of_samples: Targets
    _parameter_constraints: ClassVar[dict] = constraints_of(SharedParameters)
    # Where its shared parameters and their texts differ from the table.
    _own_defaults: ClassVar[dict[str, Any]] = {}
    _doc_words: ClassVar[dict[str, str]] = {}
    _shared_defaults: ClassVar[dict[str, Any]]

    # scikit-learn's behaviour where skorch has its own.
    get_metadata_routing = BaseEstimator.get_metadata_routing
    __repr__ = BaseEstimator.__repr__
    __setattr__ = object.__setattr__
    __delattr__ = object.__delattr__
    _get_param_names: Any = classmethod(BaseEstimator._get_param_names.__func__)
    _validate_params = BaseEstimator._validate_params
    get_params, set_params = get_params, set_params
    on_train_begin = on_train_end = on_epoch_begin = on_epoch_end = quiet_hook
    on_batch_begin = on_batch_end = on_grad_computed = quiet_hook

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

    criterion_: torch.nn.Module
    streams_: TrainingStreams
    # Whether there are weights, but no data have said yet what goes in and comes out.
    _waits_for_data = False
    _made_with: MadeWith | None = None  # also of networks that earlier versions have pickled

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._parameter_constraints = all_constraints(cls)
        spell_out(cls)
        accepts_known_names(cls, KNOWN_NAMES, NESTED_PREFIXES)

    @property
    def _targets(self) -> Targets:
        return self._of_samples

    @property
    def _n_outputs(self) -> int:
        return self._targets.n_outputs(self)

    def _fixed_names(self) -> list[str]:
        """Return the parameters that cannot change while the same weights are trained on."""
        return sorted({*self._architecture.fixed_names(self), *self._targets.fixed})

    @property
    def _default_callbacks(self) -> list:
        return default_callbacks(self)

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
        OSError
            If ``checkpoint_dir`` does not take files: before the training; or, for a disk that
            was full at its end, after it, with the network fitted.
        """
        checkpoint = checkpoint_file(self, X, y, sample_weight, X_val, y_val, groups)
        if checkpoint is not None:
            checkpoint.prepare()
        run = self.start_fit(X, y, sample_weight, X_val=X_val, y_val=y_val, groups=groups)
        run.train(checkpoint)
        return self

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
        return start_fit(self, X, y, sample_weight, X_val=X_val, y_val=y_val, groups=groups)

    def initialize(self) -> "BaseNet":
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
            initialize_all(self, stream_seeds(self.random_state))
        else:
            self._architecture.check_widths_known(self)
            initialize_without_data(self)
        return self

    def _remake_module(self, rows: Rows) -> None:
        """Make module, loss and optimizer of a training that begins anew, by other arguments."""
        streams = self.streams_
        make_weights(self, stream_seeds(self.random_state), rows)
        self.streams_ = streams
        self.initialize_criterion()
        self.initialize_optimizer()

    def initialize_callbacks(self) -> "BaseNet":
        """Set the callbacks back to their beginnings, as skorch does.

        Raises
        ------
        TypeError
            For something that is no skorch callback.
        """
        refuse_others(self)
        return super().initialize_callbacks()

    def initialize_module(self) -> "BaseNet":
        """Make new weights from ``random_state``."""
        make_weights(self, stream_seeds(self.random_state))
        return self

    def initialize_criterion(self) -> "BaseNet":
        """Make the loss."""
        self.criterion_ = self._targets.criterion(self).to(checked_device(self.device))
        return self

    def initialize_optimizer(self, triggered_directly: Any = None) -> "BaseNet":
        """Make a new optimizer over the parameters of module and loss."""
        self.optimizer_ = new_optimizer(self)
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
        return X if isinstance(X, RowsDataset) else RowsDataset(self._input_form.rows(self, X))

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
        rows = self._input_form.rows(self, X)
        return (output.to(device) for output in outputs_of(self, rows, training))

    def _output(
        self, X: Any, convert: Callable[[torch.Tensor], torch.Tensor] | None = None
    ) -> torch.Tensor:
        """Return the module's output for all rows of ``X``, or what ``convert`` makes of it."""
        self.check_is_fitted()
        rows = self._input_form.rows(self, X)
        # forward_iter may be skorch's, with the outputs that a callback has collected.
        return joined(self.forward_iter(RowsDataset(rows)), rows.n_rows, convert)

    def save_params(
        self,
        f_params: Any = None,
        f_optimizer: Any = None,
        f_criterion: Any = None,
        f_history: Any = None,
        use_safetensors: bool = False,
        **kwargs: Any,
    ) -> None:
        """Save the weights with all that predictions need, the optimizer, the loss, the history.

        The file of weights is a state dict that plain torch reads as well. Beside the weights it
        holds, as text: classes or mean and scale of the targets, type and shape of the input,
        names of features, the architecture, and a checksum.

        Parameters
        ----------
        f_params, f_optimizer, f_criterion, f_history : path-like, binary file or None
            Where to; None does not save.
        use_safetensors : bool, default=False
            Whether files are those of the safetensors library, which hold tensors and text.
        **kwargs
            ``f_mymodule`` of further modules, as in skorch.

        Raises
        ------
        NotInitializedError
            If there are no weights yet.
        OSError
            If a file cannot be written; an earlier one is then left as it was.
        """
        files = {"f_params": f_params, "f_optimizer": f_optimizer, "f_criterion": f_criterion}
        save_files(self, {**kwargs, **files, "f_history": f_history}, use_safetensors)

    def load_params(
        self,
        f_params: Any = None,
        f_optimizer: Any = None,
        f_criterion: Any = None,
        f_history: Any = None,
        checkpoint: Any = None,
        use_safetensors: bool = False,
        **kwargs: Any,
    ) -> None:
        """Load what :meth:`save_params` has saved; afterwards the network predicts the same.

        It need not have been fitted before. If it has been, what it knew of its own data, such as
        classes and the scale of the targets, is replaced by what the weights belong to.

        Parameters
        ----------
        f_params, f_optimizer, f_criterion, f_history : path-like, binary file or None
            Where from; None does not load.
        checkpoint : skorch.callbacks.Checkpoint or None, default=None
            Load the files of this callback, but for those named here.
        use_safetensors : bool, default=False
            Whether to accept no other weights than those of the safetensors library.
        **kwargs
            ``f_mymodule`` of further modules, as in skorch.

        Raises
        ------
        ValueError
            If the file is damaged, or the weights are those of another kind of network or of other
            parameters; they are named, and the network stays as it was.
        NotInitializedError
            If the file holds weights alone, as plain skorch and earlier versions write it, and
            the network has never been fitted.
        """
        files = {"f_params": f_params, "f_optimizer": f_optimizer, "f_criterion": f_criterion}
        files = {**kwargs, **files, "f_history": f_history}
        load_files(self, files, checkpoint, use_safetensors)

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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        self._input_form.set_tags(self, tags)
        return tags
