"""Whether a module of the user's wants its samples as integers, such as codes for an embedding."""

from collections.abc import Callable
from contextlib import suppress
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

_TABLES = (nn.Embedding, nn.EmbeddingBag)


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
    return any(isinstance(layer, _TABLES) for layer in module.modules())


def _runs(module: nn.Module, samples: torch.Tensor) -> bool:
    try:
        with torch.no_grad():
            module(samples.clone())
    except Exception:  # whatever a module that is not ours makes of the other type
        return False
    return True


def describe_unknown_code(module: nn.Module, samples: torch.Tensor, names: Any = None) -> str:
    """Return a sentence about a code that an embedding has no entry for; "" if there is none.

    Parameters
    ----------
    module : Module
        It is run once more.
    samples : Tensor of shape (n_samples, ...)
    names : sequence of str or None, default=None
        Names of the columns.

    Examples
    --------
    >>> describe_unknown_code(nn.Sequential(nn.Embedding(2, 1)), torch.tensor([[1, 0], [1, 7]]))
    "X has the code 7 in column 1, but the module's embedding '0' has entries for 0 to 1 only."
    """
    unknown: list[tuple[str, int, int]] = []

    def look(name: str, size: int, codes: torch.Tensor) -> None:
        beyond = codes[(codes < 0) | (codes >= size)].flatten()
        unknown.extend((name, size, int(code)) for code in beyond[:1])

    tables = [(n, layer) for n, layer in module.named_modules() if isinstance(layer, _TABLES)]
    handles = [
        table.register_forward_pre_hook(
            lambda layer, given, name=name: look(name, layer.num_embeddings, given[0])
        )
        for name, table in tables
    ]
    with suppress(Exception), torch.no_grad():
        module(samples.clone())
    for handle in handles:
        handle.remove()
    if not unknown:
        return ""
    name, size, code = unknown[0]
    places = (samples == code).nonzero()
    columns = [] if places.shape[1] < 2 else places[:, 1].unique().tolist()
    named = [repr(names[i]) if names is not None and samples.ndim == 2 else str(i) for i in columns]
    where = f" in column {' or '.join(named[:5])}" if named else ""
    return (
        f"X has the code {code}{where}, but the module's embedding {name!r} has entries for 0 to "
        f"{size - 1} only."
    )
