"""What the two bring-your-own-module estimators share."""

from typing import Any, ClassVar

from sklearn.base import BaseEstimator
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import Dataset

from sklearn_trainkit.neural_network._input_checks import check_enough_rows
from sklearn_trainkit.neural_network._source_rows import DatasetSource
from sklearn_trainkit.neural_network._tensor_loader import Rows
from sklearn_trainkit.neural_network._user_module import build_user_module, check_user_output

_PREFIX = "module__"


class UserModuleNet:
    """Trains a module of the user's, whose arguments are parameters ``module__x``."""

    user_constraints: ClassVar[dict] = {
        "module": [nn.Module, callable],
        "module_params": [dict, None],
    }
    _allow_nd = True
    _foreign_module = True

    module: Any
    module_: nn.Module
    module_params: dict | None
    input_shape_: tuple[int, ...]
    _n_outputs: int

    def _set_module_kwargs(self, module_kwargs: dict[str, Any]) -> None:
        unknown = sorted(name for name in module_kwargs if not name.startswith(_PREFIX))
        if unknown:
            raise TypeError(
                f"{type(self).__name__} got unexpected arguments {unknown}; arguments of the "
                f"module are written {_PREFIX}x."
            )
        for name, value in module_kwargs.items():
            setattr(self, name, value)

    def _module_kwargs(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name.startswith(_PREFIX)}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, those of the module among them as ``module__x``."""
        params = BaseEstimator.get_params(self, deep=False)
        return {**params, **self._module_kwargs()}

    def set_params(self, **params: Any) -> "UserModuleNet":
        """Set parameters, those of the module as ``module__x``."""
        for name in [name for name in params if name.startswith(_PREFIX)]:
            setattr(self, name, params.pop(name))
        BaseEstimator.set_params(self, **params)
        return self

    def _make_module(self) -> nn.Module:
        params = {name.removeprefix(_PREFIX): v for name, v in self._module_kwargs().items()}
        widths = {
            "n_features": self.input_shape_[-1],
            "input_shape": self.input_shape_,
            "n_outputs": self._n_outputs,
        }
        return build_user_module(self.module, {**(self.module_params or {}), **params}, widths)

    def _checked_source(self, dataset: Dataset) -> DatasetSource:
        return DatasetSource(dataset)

    def _check_batches(self, n_rows: int) -> None:
        norms = [m for m in self.module_.modules() if isinstance(m, _BatchNorm)]
        check_enough_rows(n_rows, "batch" if norms else None)

    def _prepare_module(self, module: nn.Module, rows: Rows) -> None:
        """Check a module that is not ours against the training rows."""
        check_user_output(module, rows.part(0, 2).X, self._n_outputs)
