"""Samples for a module of the user's: in the type that it takes, arrays or a torch Dataset."""

from typing import Any, ClassVar

import numpy as np
from skorch.helper import SliceDataset
from torch import nn
from torch.utils.data import Dataset

from sklearn_trainkit.neural_network.base._input_form import TableInput
from sklearn_trainkit.neural_network.batches._input_checks import FLOAT_TYPES
from sklearn_trainkit.neural_network.batches._source_rows import (
    DatasetSource,
    SlicedSamples,
    is_mapped,
    stays_as_it_is,
)
from sklearn_trainkit.neural_network.own_modules._integer_codes import (
    INTEGER_TYPES,
    as_integers,
    wants_integers,
)
from sklearn_trainkit.utils._random_streams import seeded_global_torch


class ModuleInput(TableInput):
    """Samples of any shape; integers stay such for a module that wants them."""

    allow_nd: ClassVar[bool] = True

    def read_with_targets(self, net: Any, X: Any, y: Any, reset: bool) -> tuple[Any, np.ndarray]:
        """Return the checked data."""
        return super().read_with_targets(net, _opened(X), y, reset)

    def read(self, net: Any, X: Any, reset: bool) -> Any:
        """Return samples as an array, or the source of a data set."""
        return super().read(net, _opened(X), reset)

    def array_dtypes(self, net: Any, X: Any, reset: bool) -> Any:
        """Keep integers until it is known whether the module wants them."""
        dtypes = super().array_dtypes(net, X, reset)
        if reset:
            return [*dtypes, *INTEGER_TYPES]
        return ["float64", "float32", *INTEGER_TYPES] if dtypes == "int64" else dtypes

    def settle(self, net: Any, X: Any) -> Any:
        """Return X, that of a new network, in the type in which its module takes it."""

        def make() -> nn.Module:
            return net._architecture.make(net).to(FLOAT_TYPES[net.dtype_])

        with seeded_global_torch(0):
            if wants_integers(X, make, FLOAT_TYPES[net.dtype_]):
                net.input_dtype_ = "int64"
        return self.as_input(net, X)

    def as_input(self, net: Any, X: Any) -> Any:
        """Return checked X in the type in which the module takes it."""
        if net.input_dtype_ == "int64":
            return as_integers(X)
        kept = not isinstance(X, np.ndarray) or is_mapped(X) or stays_as_it_is(X)
        return X if kept else X.astype(net.dtype_, copy=False)

    def as_source(self, net: Any, dataset: Dataset) -> DatasetSource:
        """Return the samples of a torch Dataset."""
        return DatasetSource(dataset)


def _opened(X: Any) -> Any:
    """Return skorch's slices of a data set as the torch Dataset that they are."""
    return SlicedSamples(X) if isinstance(X, SliceDataset) else X
