"""Checkpoints: a fit that was cut short goes on where it was, bit for bit."""

import errno
import hashlib
import io
import json
import os
import pickle
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from skorch.callbacks import Callback

from sklearn_trainkit.callbacks._gradient_flow import LayerFlow
from sklearn_trainkit.utils._whole_files import replace_file, sweep_unfinished

# At most this many seconds of training are lost, and writing stays far below a hundredth.
_SECONDS_BETWEEN_WRITES = 1.0
_MAGIC = b"sklearn_trainkit checkpoint 1, sha256 "


def fit_fingerprint(owner: str, params: dict[str, Any], *data: Any) -> str:
    """Return a hash of an estimator's name and parameters and of its training data.

    Parameters
    ----------
    owner : str
    params : dict
        Parameters that matter for the result.
    *data : array or None

    Returns
    -------
    fingerprint : str of 40 hexadecimal digits

    Raises
    ------
    ValueError
        If a parameter cannot be pickled.
    """
    try:
        return joblib.hash([owner, plain_value(params), *data], hash_name="sha1")
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"checkpoint_dir needs parameters that can be pickled, to tell fits apart: {error}. "
            "Use a named function in place of a lambda."
        ) from error


class CheckpointFile:
    """One fit's checkpoint, replaced in one stroke so that it is never half written.

    Holds tensors and plain numbers only and is read with ``weights_only=True``: opening one runs
    no code. A checksum in its first line tells when its content is not what was written.

    Parameters
    ----------
    directory : str or path
    fingerprint : str
        Names the file; another estimator, parameter or data set has another one.
    """

    def __init__(self, directory: str | os.PathLike, fingerprint: str) -> None:
        self.path = Path(directory) / f"{fingerprint}.pt"
        self._written = time.monotonic()
        self._problem: OSError | None = None

    def prepare(self) -> None:
        """Make the directory, sweep what dead processes left in it, and see that it takes files.

        Raises
        ------
        OSError
            If it does not; better now than after the training.
        """
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            sweep_unfinished(folder)
            if not self.path.exists():
                with tempfile.TemporaryFile(dir=folder):
                    pass
        except OSError as error:
            raise OSError(
                error.errno or errno.EIO,
                f"checkpoint_dir must be a directory that files can be written to "
                f"({error.strerror or error})",
                os.fspath(folder),
            ) from error

    def due(self) -> bool:
        """Tell whether the last write is long enough ago."""
        return time.monotonic() - self._written >= _SECONDS_BETWEEN_WRITES

    def write(self, state: dict[str, Any]) -> None:
        """Store the state of a training run; warn where the disk does not take it.

        The training goes on: what it has learnt in memory is worth more than its checkpoint, and
        by the next write the disk may have room again.
        """
        memory = io.BytesIO()
        torch.save(state, memory)
        content = memory.getbuffer()
        try:
            replace_file(self.path, b"".join([_first_line(content), content]), "checkpoint")
        except OSError as error:
            if self._problem is None:
                warnings.warn(f"{error}. The training goes on.", UserWarning, stacklevel=2)
            self._problem = error
        else:
            self._problem = None
        self._written = time.monotonic()

    def check_written(self) -> None:
        """Raise if the last state of the run could not be written.

        Raises
        ------
        OSError
            Naming the file. By now the network is trained.
        """
        if self._problem is not None:
            raise OSError(
                self._problem.errno,
                f"{self._problem.strerror}. The network in memory is trained and can be used",
                self._problem.filename,
            ) from self._problem

    def read(self, device: torch.device) -> dict[str, Any] | None:
        """Return the stored state, or None if there is none.

        Raises
        ------
        ValueError
            If the file is damaged, or none of ours.
        """
        if not self.path.exists():
            return None
        try:
            first, newline, content = self.path.read_bytes().partition(b"\n")
            if not first.startswith(_MAGIC):
                raise ValueError("it is no checkpoint of this package, or its beginning is damaged")
            if first + newline != _first_line(content):
                raise ValueError("it is damaged: its content is not what its checksum was made of")
            return torch.load(io.BytesIO(content), map_location=device, weights_only=True)
        except Exception as error:  # whatever a torn or foreign file makes of the reader
            raise ValueError(
                f"The checkpoint {self.path} cannot be read; delete it to start anew. ({error})"
            ) from error


def _first_line(content: bytes | memoryview) -> bytes:
    return _MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n"


def plain_value(value: Any) -> Any:
    """Return a parameter as something whose hash depends on nothing but its content.

    Numbers of numpy become Python's, sequences lists, tensors and modules their values, callbacks
    their class and parameters.

    Examples
    --------
    >>> plain_value({"b": (1, np.float64(0.5)), "a": None})
    [['a', None], ['b', [1, 0.5]]]
    """
    if isinstance(value, dict):
        return [[key, plain_value(value[key])] for key in sorted(value, key=repr)]
    if isinstance(value, (list, tuple)):
        return [plain_value(each) for each in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, torch.Tensor):
        return value.numpy(force=True)
    if isinstance(value, torch.nn.Module):
        return [type(value).__qualname__, repr(value), plain_value(value.state_dict())]
    if isinstance(value, Callback):
        # skorch takes every attribute without a trailing underscore for a parameter.
        params = {k: v for k, v in value.get_params().items() if not k.startswith("_")}
        return [type(value).__qualname__, plain_value(params)]
    return value


def history_to_text(history: list) -> str:
    """Return a skorch history as JSON, floats to the last digit."""
    return json.dumps(history, default=lambda v: v.item() if hasattr(v, "item") else repr(v))


def history_from_text(text: str) -> list:
    """Return the rows of :func:`history_to_text`."""
    rows = json.loads(text)
    for row in rows:
        if "gradient_flow" in row:
            row["gradient_flow"] = [LayerFlow(*layer) for layer in row["gradient_flow"]]
    return rows
