"""Files of weights, with a note on what they belong to and a checksum over both."""

import hashlib
import io
import json
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sklearn_trainkit.utils._whole_files import replace_file

_OURS = "sklearn_trainkit"
_ZIP, _SAFETENSORS = b"PK", b"{"


def write_weights(
    state: Mapping[str, Any], note: str | None, target: Any, use_safetensors: bool = False
) -> None:
    """Write weights as torch or safetensors does, and a note where both keep remarks.

    The file is a plain state dict to everybody else.

    Parameters
    ----------
    state : mapping
        ``state_dict()`` of a module.
    note : str or None
    target : path-like or binary file
    use_safetensors : bool, default=False
    """
    remarks = {} if note is None else {"note": note, "checksum": _checksum(state, note)}
    if use_safetensors:
        content = _as_safetensors(state, {f"{_OURS}.{k}": v for k, v in remarks.items()}, target)
    else:
        if remarks:
            # torch keeps the versions of layers here. It reads them back as plain values, and
            # passes over names that it does not know.
            metadata = {**getattr(state, "_metadata", {}), _OURS: remarks}
            state = OrderedDict(state)
            state._metadata = metadata  # type: ignore[attr-defined]
        memory = io.BytesIO()
        torch.save(state, memory)
        content = memory.getvalue()
    if isinstance(target, (str, os.PathLike)):
        replace_file(target, content, "file of weights")
    else:
        target.write(content)


def read_weights(
    source: Any,
    use_safetensors: bool = False,
    load_kwargs: Mapping[str, Any] | None = None,
    part: str = "module",
) -> tuple[dict[str, Any], str | None]:
    """Return the weights of a file, on the CPU, and its note; None for a file without one.

    Parameters
    ----------
    source : path-like or binary file
    use_safetensors : bool, default=False
        Accept nothing else. Such a file is also known without this.
    load_kwargs : mapping or None, default=None
        For ``torch.load``; by default ``weights_only=True``.
    part : str, default="module"
        Whose state it is, for messages: "optimizer" has no weights.

    Returns
    -------
    state : dict
    note : str or None

    Raises
    ------
    ValueError
        If the file is damaged or of another kind, naming it.
    """
    name = "The file of weights" if part == "module" else f"The file of {part}"
    if isinstance(source, (str, os.PathLike)):
        name, content = f"{name} {os.fspath(source)}", Path(source).read_bytes()
    else:
        content = source.read()
    try:
        if content[8:9] == _SAFETENSORS:
            state, remarks = _from_safetensors(content)
        elif use_safetensors:
            raise ValueError("it is not one of safetensors; read it with use_safetensors=False")
        else:
            state, remarks = _from_torch(content, load_kwargs or {})
        if not isinstance(state, Mapping):
            raise ValueError(f"it holds no state of a module but a {type(state).__name__}")
        note = remarks.get("note")
        if remarks and (note is None or remarks.get("checksum") != _checksum(state, note)):
            raise ValueError("it is damaged: its content is not what its checksum was made of")
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{name} cannot be read: it is damaged, or holds Python objects, which are not opened "
            "since they may run code."
        ) from error
    except Exception as error:  # whatever a torn or foreign file makes of the readers
        raise ValueError(f"{name} cannot be read ({error}).") from error
    return dict(state), note


def _from_torch(content: bytes, load_kwargs: Mapping[str, Any]) -> tuple[Any, dict[str, str]]:
    options = {"weights_only": True, **load_kwargs}
    state = torch.load(io.BytesIO(content), map_location="cpu", **options)
    remarks = getattr(state, "_metadata", {}).get(_OURS, {})
    if not remarks and content.startswith(_ZIP):
        _check_zip(content)
    return state, remarks


def _as_safetensors(state: Mapping[str, Any], remarks: dict[str, str], target: Any) -> bytes:
    from safetensors.torch import save

    others = [name for name, value in state.items() if not isinstance(value, torch.Tensor)]
    if others:
        raise ValueError(
            f"You are trying to store {target} using safetensors, which holds tensors only. Got "
            f"{others} beside them; store it with use_safetensors=False."
        )
    # Of their own and in one piece, which safetensors insists on.
    tensors = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in state.items()
    }
    return save(tensors, metadata=remarks or None)


def _from_safetensors(content: bytes) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    from safetensors.torch import load

    length = int.from_bytes(content[:8], "little")
    state = load(content)
    remarks = json.loads(content[8 : 8 + length]).get("__metadata__") or {}
    prefix = f"{_OURS}."
    return state, {k.removeprefix(prefix): v for k, v in remarks.items() if k.startswith(prefix)}


def _check_zip(content: bytes) -> None:
    """Raise if a file of torch is not what its own checksums were made of, which torch ignores."""
    broken = zipfile.ZipFile(io.BytesIO(content)).testzip()
    if broken is not None:
        raise ValueError(f"its part {broken!r} is damaged")


def _checksum(state: Mapping[str, Any], note: str) -> str:
    digest = hashlib.sha256(note.encode())
    for name in sorted(state):
        value = state[name]
        if isinstance(value, torch.Tensor):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            flat = value.detach().cpu().contiguous().reshape(-1)
            digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()
