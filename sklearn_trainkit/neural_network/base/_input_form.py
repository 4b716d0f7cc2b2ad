"""Which arrays a network takes: the part of an estimator that checks and converts them."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_array, check_consistent_length, validate_data
from skorch.helper import SliceDataset
from torch.utils.data import Dataset

from sklearn_trainkit.neural_network.batches._input_checks import (
    INPUT_TYPES,
    is_ready,
    refuse_masked,
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
    dataset_targets,
    shared_tensor,
    stays_as_it_is,
)
from sklearn_trainkit.neural_network.batches._sparse_rows import dense_rows
from sklearn_trainkit.neural_network.batches._tensor_loader import (
    Rows,
    RowsDataset,
    TensorRows,
    TrainingSamples,
)
from sklearn_trainkit.utils._bad_columns import naming_columns

_PREDICT_ROWS = 8192
_NO_TARGETS = torch.empty(0)
_ENCODE = "Encode them first, with a OneHotEncoder in a ColumnTransformer for instance."


class TableInput:
    """Tables of numbers, a row for each sample. Other forms derive from it.

    It keeps nothing itself: on the network stand ``n_features_in_``, ``feature_names_in_``,
    ``input_shape_`` (of one sample), ``dtype_`` and ``input_dtype_`` (as the module takes it).
    """

    # Its own parameters.
    constraints: ClassVar[dict[str, list]] = {}
    # Whether a sample may be a row of a sparse matrix, whether it may have more than one dimension,
    # and NaN where it has ended.
    takes_sparse: ClassVar[bool] = True
    allow_nd: ClassVar[bool] = False
    all_finite: ClassVar[bool | str] = True

    def read_with_targets(self, net: Any, X: Any, y: Any, reset: bool) -> tuple[Any, np.ndarray]:
        """Return the checked data: samples as the module takes them, and targets."""
        targets = net._targets
        if targets.have_own_shape:
            self.require_targets(net, y)
            X = self.read(net, X, reset)
            y = targets.read(net, X, y)
            check_consistent_length(X, y)
            return X, y
        if isinstance(X, Dataset):
            X = self.read(net, X, reset)
            y = plain_targets(dataset_targets(X.dataset) if y is None else y)
            y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
            check_consistent_length(X, y)
        else:
            y = plain_targets(y)
            numeric = targets.are_numbers
            X, y = self._validated(net, X, reset, y=y, multi_output=True, y_numeric=numeric)
            X = self.as_samples(net, X)
            self.learn(net, X, reset)
        return X, targets.check(net, y)

    def require_targets(self, net: Any, y: Any) -> None:
        """Raise if there are none."""
        if y is None:
            raise ValueError(
                f"This {type(net).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )

    def read(self, net: Any, X: Any, reset: bool) -> Any:
        """Return samples as the module takes them: an array, or the source of a data set."""
        if isinstance(X, Dataset):
            X = self.as_source(net, X)
        else:
            X = self.as_samples(net, self._validated(net, X, reset))
        self.learn(net, X, reset)
        return X

    def rows(self, net: Any, X: Any) -> Rows:
        """Return samples to predict, checked, without targets."""
        if isinstance(X, RowsDataset):
            return X.rows
        if isinstance(X, TrainingSamples):
            return TensorRows(X.as_subclass(torch.Tensor), _NO_TARGETS)
        # Names of features are compared by validate_data.
        dtype = net.input_dtype_
        if hasattr(net, "feature_names_in_") or not is_ready(X, dtype, net.input_shape_):
            X = self.as_input(net, self.read(net, X, reset=False))
        if isinstance(X, np.ndarray) and X.dtype == dtype:
            return TensorRows(shared_tensor(X), _NO_TARGETS)
        return SourceRows(as_source(X), torch.empty(len(X)), None, INPUT_TYPES[dtype])

    def learn(self, net: Any, X: Any, reset: bool) -> None:
        """Keep type and shape of the samples, or compare with what was kept."""
        if reset:
            net.dtype_ = net.input_dtype_ = self._float_type(net, X)
            net.input_shape_ = tuple(X.shape[1:])
        else:
            self.check_sample_shape(net, tuple(X.shape[1:]))

    def check_sample_shape(self, net: Any, shape: tuple[int, ...]) -> None:
        """Raise if samples of this shape are not what the network was fitted with."""
        if shape != net.input_shape_:
            raise ValueError(
                f"X has samples of shape {shape}, but {type(net).__name__} was fitted with "
                f"samples of shape {net.input_shape_}."
            )

    def is_one_sample(self, net: Any, shape: tuple[int, ...]) -> bool:
        """Tell whether an array of this shape is one sample of those that the network knows."""
        return len(shape) > 1 and shape == net.input_shape_

    def as_array(self, net: Any, X: Any) -> Any:
        """Return what ``validate_data`` can read; lists of sequences are joined here."""
        refuse_masked(X, "X")
        return as_plain(X)

    def as_samples(self, net: Any, X: Any) -> Any:
        """Return checked X with one sample an entry, in the layout of the module."""
        return dense_rows(X) if hasattr(X, "tocsr") else X

    def as_source(self, net: Any, dataset: Dataset) -> DatasetSource:
        """Return the samples of a torch Dataset, where the module may take these."""
        raise TypeError(
            f"{type(net).__name__} takes arrays. Got a torch Dataset, {type(dataset).__name__}; "
            "NetClassifier and NetRegressor take one."
        )

    def settle(self, net: Any, X: Any) -> Any:
        """Return X, that of a new network, in the type in which its module takes it."""
        return X

    def as_input(self, net: Any, X: Any) -> Any:
        """Return checked X in the type in which the module takes it."""
        return X

    def augmentation(self, net: Any) -> Callable[[TensorRows, torch.Generator], TensorRows] | None:
        """Return what changes a training batch at random, or None."""
        return None

    def rows_per_pass(self, net: Any, sample_shape: tuple[int, ...]) -> int:
        """Return how many samples go through the network at once when no gradient is needed."""
        return _PREDICT_ROWS

    def set_tags(self, net: Any, tags: Any) -> None:
        """Tell scikit-learn which input there may be."""
        tags.input_tags.sparse = self.takes_sparse

    def _validated(self, net: Any, X: Any, reset: bool, **options: Any) -> Any:
        """Return X, and y where it is among ``options``, as scikit-learn's checks leave them."""
        shape = tuple(getattr(X, "shape", ()))
        # A column whose entries are images has few numbers in its shape, too.
        if not reset and self.is_one_sample(net, shape) and as_list(X) is X:
            sizes = ", ".join(map(str, X.shape))
            raise ValueError(
                f"X has the shape ({sizes}) of a single sample. {type(net).__name__} takes "
                f"(n_samples, {sizes}), so pass X[None], of shape (1, {sizes})."
            )
        with naming_columns(X, _ENCODE):
            array = self.as_array(net, X)
            options = {**self.validation_options(net, array, reset), **options}
            checked = validate_data(net, array, reset=reset, **options)
        if isinstance(checked, tuple):  # X and y
            return tuple(map(in_native_order, checked))
        return in_native_order(checked)

    def validation_options(self, net: Any, X: Any, reset: bool) -> dict[str, Any]:
        """Return how ``validate_data`` treats what ``as_array`` has returned."""
        return {
            "dtype": None if stays_as_it_is(X) else self.array_dtypes(net, X, reset),
            "accept_sparse": "csr" if self.takes_sparse else False,
            "order": "C",
            "allow_nd": self.allow_nd,
            "ensure_all_finite": self.all_finite,
        }

    def array_dtypes(self, net: Any, X: Any, reset: bool) -> Any:
        """Return what ``validate_data`` may leave the type of X at."""
        return [self._float_type(net, X)] if reset else net.input_dtype_

    def _float_type(self, net: Any, X: Any) -> str:
        """Return the type of a new network for X."""
        dtypes = possible_dtypes(net)
        return dtypes[0] if len(dtypes) == 1 else float_type(X)


def plain_targets(y: Any) -> Any:
    """Return targets as scikit-learn's checks read them."""
    refuse_masked(y, "y")
    return as_plain(y) if isinstance(y, SliceDataset) else y


def possible_dtypes(net: Any) -> list[str]:
    """Return what the network may compute in.

    Raises
    ------
    ValueError
        If ``precision`` and ``dtype`` contradict each other.
    """
    if net.precision != "full":
        if net.dtype == "float64":
            raise ValueError(
                f"precision={net.precision!r} works on float32 networks. Got "
                "dtype='float64'; use dtype='float32' or precision='full'."
            )
        return ["float32"]
    return ["float32", "float64"] if net.dtype == "auto" else [net.dtype]
