"""Checkpoints: a fit that was cut short goes on where it was, bit for bit."""

import errno
import hashlib
import io
import json
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from sklearn_trainkit.callbacks._gradient_flow import LayerFlow
from sklearn_trainkit.utils._fingerprint import FINGERPRINT_VERSION, Fingerprinter, fingerprint
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
    FingerprintError
        If a parameter has a state that cannot be read.
    """
    prints = Fingerprinter()
    parts = [
        prints.digest(_as_tuples(value), f"{owner}.{name}", cloned=True)
        for name, value in sorted(params.items())
    ]
    rows = [prints.digest(each, f"{owner}.fit: data") for each in data]
    return fingerprint([FINGERPRINT_VERSION, owner, sorted(params), parts, rows])[:40]


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


def _as_tuples(value: Any) -> Any:
    """Return lists as tuples: a net takes both for the same."""
    return tuple(map(_as_tuples, value)) if isinstance(value, list | tuple) else value


def history_to_text(history: list) -> str:
    """Return a skorch history as JSON, floats to the last digit."""
    return json.dumps(history, default=lambda v: v.item() if hasattr(v, "item") else repr(v))


def best_losses(history: list) -> dict[str, float]:
    """Return the lowest training and validation loss of a history, where there is one.

    As skorch has it, a training that goes on, from a checkpoint or another fit, goes by them.
    """
    best = {}
    for name in ("train_loss", "valid_loss"):
        row = next((row for row in reversed(history) if row.get(f"{name}_best")), None)
        if row is not None:
            best[name] = row[name]
    return best


def history_from_text(text: str) -> list:
    """Return the rows of :func:`history_to_text`."""
    rows = json.loads(text)
    for row in rows:
        if "gradient_flow" in row:
            row["gradient_flow"] = [LayerFlow(*layer) for layer in row["gradient_flow"]]
    return rows
