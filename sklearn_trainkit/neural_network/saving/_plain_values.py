"""What a network has learnt beside its weights, as JSON text and back, to the last bit."""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from sklearn_trainkit.neural_network.targets._label_coding import MultiLabel, SingleLabel

# What is no plain JSON is an object with this entry, which says what it is.
_KIND = "="
_CODINGS: tuple[type, ...] = (SingleLabel, MultiLabel)


def values_to_text(values: Mapping[str, Any]) -> str:
    """Return values as text that no code needs to run for to be read.

    Parameters
    ----------
    values : mapping of str
        Numbers, text, bytes, arrays of any type (of objects too, if these are plain), tensors,
        types of numpy, label codings, and containers of them.

    Returns
    -------
    text : str
        JSON.

    Raises
    ------
    TypeError
        For other values, naming the entry.

    Examples
    --------
    >>> text = values_to_text({"classes": np.array(["a", "b"])})
    >>> values_from_text(text)["classes"].tolist()
    ['a', 'b']
    """
    plain = {}
    for name, value in values.items():
        try:
            plain[name] = _encoded(value)
        except TypeError as error:
            raise TypeError(
                f"{name} cannot be written beside the weights without a pickle: {error}. "
                "Use labels that are numbers, text or dates."
            ) from error
    return json.dumps(plain)


def values_from_text(text: str) -> dict[str, Any]:
    """Return the values of :func:`values_to_text`, of the types that they had."""
    return {name: _decoded(value) for name, value in json.loads(text).items()}


def _encoded(value: Any) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray):
        return _encoded_array(value)
    if isinstance(value, np.generic):
        return {_KIND: "number", "array": _encoded_array(np.asarray(value))}
    if isinstance(value, torch.Tensor):
        return {_KIND: "tensor", "array": _encoded_array(value.numpy(force=True))}
    if isinstance(value, bytes):
        return {_KIND: "bytes", "data": _text(value)}
    if type(value) in (list, tuple):
        return {_KIND: type(value).__name__, "items": [_encoded(each) for each in value]}
    if type(value) is dict:
        return {_KIND: "dict", "items": [[_encoded(k), _encoded(v)] for k, v in value.items()]}
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return {_KIND: "type", "name": np.dtype(value).str, "dtype": isinstance(value, np.dtype)}
    if type(value).__name__ in _codings():
        return {
            _KIND: "coding",
            "class": type(value).__name__,
            "values": {name: _encoded(each) for name, each in vars(value).items()},
        }
    raise TypeError(f"{value!r} is a {type(value).__name__}")


def _encoded_array(array: np.ndarray) -> dict[str, Any]:
    kind, shape = array.dtype.kind, list(array.shape)
    if kind == "O" or kind == "T":  # objects, and numpy's strings of any length
        items = [_encoded(each) for each in array.ravel().tolist()]
        return {_KIND: "array", "type": kind, "shape": shape, "items": items}
    if kind == "V":
        raise TypeError(f"it is an array of type {array.dtype}")
    data = np.ascontiguousarray(array).tobytes()
    return {_KIND: "array", "type": array.dtype.str, "shape": shape, "data": _text(data)}


def _decoded(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    match value[_KIND]:
        case "array":
            return _decoded_array(value)
        case "number":
            return _decoded_array(value["array"])[()]
        case "tensor":
            return torch.from_numpy(_decoded_array(value["array"]))
        case "bytes":
            return base64.b64decode(value["data"])
        case "list":
            return [_decoded(each) for each in value["items"]]
        case "tuple":
            return tuple(_decoded(each) for each in value["items"])
        case "dict":
            return {_decoded(key): _decoded(each) for key, each in value["items"]}
        case "type":
            dtype = np.dtype(value["name"])
            return dtype if value["dtype"] else dtype.type
        case "coding":
            cls: Any = _codings()[value["class"]]
            coding = cls.__new__(cls)
            vars(coding).update((name, _decoded(each)) for name, each in value["values"].items())
            return coding
    raise ValueError(f"{value[_KIND]!r} is not known; the file is of a later version")


def _decoded_array(value: Mapping[str, Any]) -> np.ndarray:
    if "items" in value:
        dtype = object if value["type"] == "O" else np.dtypes.StringDType()
        array = np.empty(len(value["items"]), dtype=dtype)
        array[:] = [_decoded(each) for each in value["items"]]
        return array.reshape(value["shape"])
    flat = np.frombuffer(base64.b64decode(value["data"]), dtype=np.dtype(value["type"]))
    return flat.reshape(value["shape"]).copy()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _codings() -> dict[str, type]:
    return {cls.__name__: cls for cls in _with_subclasses(_CODINGS)}


def _with_subclasses(classes: Iterable[type]) -> Iterable[type]:
    for cls in classes:
        yield cls
        yield from _with_subclasses(cls.__subclasses__())
