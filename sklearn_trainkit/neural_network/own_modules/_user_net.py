"""What the two bring-your-own-module estimators share."""

from contextlib import nullcontext, suppress
from typing import Any, ClassVar

import numpy as np
from skorch.exceptions import NotInitializedError
from skorch.helper import SliceDataset
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import Dataset

from sklearn_trainkit.neural_network.batches._input_checks import FLOAT_TYPES, check_enough_rows
from sklearn_trainkit.neural_network.batches._source_rows import (
    DatasetSource,
    SlicedSamples,
    is_mapped,
    stays_as_it_is,
)
from sklearn_trainkit.neural_network.batches._tensor_loader import Rows
from sklearn_trainkit.neural_network.own_modules._integer_codes import (
    INTEGER_TYPES,
    as_integers,
    wants_integers,
)
from sklearn_trainkit.neural_network.own_modules._user_module import (
    WIDTHS,
    build_user_module,
    check_user_output,
    unknown_arguments,
)
from sklearn_trainkit.neural_network.training._training_run import running
from sklearn_trainkit.utils._did_you_mean import unexpected_argument
from sklearn_trainkit.utils._random_streams import seeded_global_torch

_PREFIX = "module__"


class UserModuleNet:
    """Trains a module of the user's, whose arguments are parameters ``module__x``."""

    user_constraints: ClassVar[dict] = {
        "module": [nn.Module, callable],
        "module_params": [dict, None],
    }
    _fixed_parameters: ClassVar[tuple[str, ...]] = ("module", "module_params")
    _allow_nd = True
    _foreign_module = True
    _takes_sparse = True

    module: Any
    module_: nn.Module
    module_params: dict | None
    dtype_: str
    input_dtype_: str
    input_shape_: tuple[int, ...]
    _n_outputs: int
    callbacks_: list

    def _set_module_kwargs(self, module_kwargs: dict[str, Any]) -> None:
        for name, value in module_kwargs.items():
            if not name.startswith(_PREFIX):
                error = unexpected_argument(type(self), name)
                raise TypeError(f"{error} Arguments of the module are written {_PREFIX}{name}.")
            setattr(self, name, value)

    def _module_kwargs(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name.startswith(_PREFIX)}

    def _fixed_names(self) -> list[str]:
        made_with = getattr(self, "_made_with", None)
        earlier = () if made_with is None else made_with.parameters
        arguments = {name for name in earlier if name.startswith(_PREFIX)}
        return [*super()._fixed_names(), *sorted(arguments | self._module_kwargs().keys())]  # type: ignore[misc]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, those of the module among them as ``module__x``."""
        params = super().get_params(deep=deep)  # type: ignore[misc]
        return {**params, **self._module_kwargs()}

    def set_params(self, **params: Any) -> "UserModuleNet":
        """Set parameters, those of the module as ``module__x``."""
        own = {name: value for name, value in params.items() if name.startswith(_PREFIX)}
        for name, value in own.items():
            setattr(self, name, value)
        super().set_params(**{k: v for k, v in params.items() if k not in own})  # type: ignore[misc]
        run = running(self)
        if run is not None:
            run.take_changed(own)
        return self

    def _make_module(self) -> nn.Module:
        widths: dict[str, Any] = {}
        if hasattr(self, "input_shape_"):
            n_features, n_outputs = self.input_shape_[-1], self._n_outputs
            values = (n_features, self.input_shape_, n_outputs)
            widths = dict(zip(WIDTHS, values, strict=True))
        return build_user_module(self.module, self._module_arguments(), widths)

    def _module_arguments(self) -> dict[str, Any]:
        params = {name.removeprefix(_PREFIX): v for name, v in self._module_kwargs().items()}
        return {**(self.module_params or {}), **params}

    def _check_widths_known(self) -> None:
        unknown = unknown_arguments(self.module, self._module_arguments())
        if unknown:
            raise NotInitializedError(
                f"module={self.module!r} needs {unknown}, which fit takes from the data. Call fit "
                f"first, or load_params, or give them as {_PREFIX}{unknown[0]}=..."
            )

    def _check_data(self, X: Any, y: Any, reset: bool) -> tuple[Any, np.ndarray]:
        data: tuple[Any, np.ndarray] = super()._check_data(_opened(X), y, reset)  # type: ignore[misc]
        return data

    def _checked_samples(self, X: Any, reset: bool) -> Any:
        return super()._checked_samples(_opened(X), reset)  # type: ignore[misc]

    def _array_dtypes(self, X: Any, reset: bool) -> Any:
        # Integers are kept until it is known whether the module wants them.
        dtypes = super()._array_dtypes(X, reset)  # type: ignore[misc]
        if reset:
            return [*dtypes, *INTEGER_TYPES]
        return ["float64", "float32", *INTEGER_TYPES] if dtypes == "int64" else dtypes

    def _settle_input(self, X: Any) -> Any:
        with seeded_global_torch(0):
            if wants_integers(X, self._trial_module, FLOAT_TYPES[self.dtype_]):
                self.input_dtype_ = "int64"
        return self._as_input(X)

    def _trial_module(self) -> nn.Module:
        return self._make_module().to(FLOAT_TYPES[self.dtype_])

    def _as_input(self, X: Any) -> Any:
        if self.input_dtype_ == "int64":
            return as_integers(X)
        kept = not isinstance(X, np.ndarray) or is_mapped(X) or stays_as_it_is(X)
        return X if kept else X.astype(self.dtype_, copy=False)

    def _checked_source(self, dataset: Dataset) -> DatasetSource:
        return DatasetSource(dataset)

    def _check_batches(self, n_rows: int) -> None:
        norms = [m for m in self.module_.modules() if isinstance(m, _BatchNorm)]
        check_enough_rows(n_rows, "batch" if norms else None)

    def _prepare_module(self, module: nn.Module, rows: Rows) -> None:
        """Check a module that is not ours against the training rows."""
        # A callback may give the module other arguments when the training begins.
        with suppress(ValueError) if self.callbacks_ else nullcontext():
            check_user_output(module, rows.part(0, 2).X, self._n_outputs)
            self._look_at_outputs(module, rows)

    def _look_at_outputs(self, module: nn.Module, rows: Rows) -> None:
        """Learn what the module ends in, and warn where that cannot be trained."""

    def _check_module(self, rows: Rows) -> None:
        if self.callbacks_:
            try:
                check_user_output(self.module_, rows.part(0, 2).X, self._n_outputs)
            except ValueError:
                del self.module_
                raise


def _opened(X: Any) -> Any:
    """Return skorch's slices of a data set as the torch Dataset that they are."""
    return SlicedSamples(X) if isinstance(X, SliceDataset) else X
