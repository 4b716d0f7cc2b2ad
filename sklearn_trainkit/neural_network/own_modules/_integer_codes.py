"""Whether a module of the user's wants its samples as integers, such as codes for an embedding."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from sklearn_trainkit.neural_network.batches._source_rows import (
    DatasetSource,
    is_mapped,
    stays_as_it_is,
)

# Arrays of these types are left as they are until it is known what the module takes.
INTEGER_TYPES = ["int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "bool"]


def wants_integers(X: Any, make_module: Callable[[], nn.Module], dtype: torch.dtype) -> bool:
    """Tell whether a module takes the samples of ``X`` as integers, by two of them.

    Integers go to a module that has an embedding, or that takes nothing else; floats that are
    whole numbers, as an encoder makes them, only to one that takes nothing else.

    Parameters
    ----------
    X : ndarray or DatasetSource
    make_module : callable
        Returns a module that nobody needs afterwards.
    dtype : torch.dtype
        What the samples are without this.

    Examples
    --------
    >>> codes = np.array([[1], [0]])
    >>> wants_integers(codes, lambda: nn.Embedding(2, 3), torch.float32)
    True
    >>> wants_integers(codes, lambda: nn.Linear(1, 3), torch.float32)
    False
    """
    samples = _two_samples(X)
    if samples is None:
        return False
    module = make_module().eval()
    if not samples.is_floating_point() and _has_embedding(module):
        return _runs(module, samples.long()) or not _runs(module, samples.to(dtype))
    if _runs(module, samples.to(dtype)) or not _runs(module, samples.long()):
        return False
    return not samples.is_floating_point() or bool((np.floor(X) == X).all())


def as_integers(X: Any) -> Any:
    """Return ``X`` as int64; what is read batch by batch stays as it is.

    Raises
    ------
    ValueError
        If it has other numbers than integers.
    """
    if isinstance(X, DatasetSource) or is_mapped(X):
        if _is_float(X):
            raise ValueError(
                f"X has the type {X.dtype}, but the module takes integers; store them as such."
            )
        return X
    if X.dtype == np.int64 or stays_as_it_is(X):
        return X
    if _is_float(X):
        fractions = np.argwhere(np.floor(X) != X)
        if len(fractions):
            place = tuple(int(index) for index in fractions[0])
            raise ValueError(
                f"The module takes integers. Got {X[place]!s} in X, at {place}; has the network "
                "been fitted with codes that were not scaled?"
            )
    return X.astype(np.int64)


def _is_float(X: Any) -> bool:
    return X.dtype.is_floating_point if isinstance(X.dtype, torch.dtype) else X.dtype.kind == "f"


def _two_samples(X: Any) -> torch.Tensor | None:
    """Return the first samples if they are integers, or floats without a fraction."""
    if isinstance(X, DatasetSource):
        return None if _is_float(X) else X[torch.arange(min(2, len(X)))]
    samples = np.array(X[:2])
    if samples.dtype.kind == "f" and (is_mapped(X) or (samples != np.floor(samples)).any()):
        return None
    return torch.from_numpy(samples.astype(np.int64) if samples.dtype.kind == "u" else samples)


def _has_embedding(module: nn.Module) -> bool:
    return any(isinstance(layer, (nn.Embedding, nn.EmbeddingBag)) for layer in module.modules())


def _runs(module: nn.Module, samples: torch.Tensor) -> bool:
    try:
        with torch.no_grad():
            module(samples.clone())
    except Exception:  # whatever a module that is not ours makes of the other type
        return False
    return True
