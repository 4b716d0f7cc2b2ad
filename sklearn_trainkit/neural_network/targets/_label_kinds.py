"""Labels that are compared must be of one kind: a number equals no text, silently in numpy."""

from typing import Any

import numpy as np

__all__ = ["check_label_kind", "check_same_kind"]


def check_label_kind(labels: np.ndarray, label: Any, name: str, parameter: str) -> None:
    """Raise if a label is a number where the labels beside it are text, or the other way round.

    Among objects there may be both; there it is an error if the label is written the other way.

    Parameters
    ----------
    labels : ndarray
    label : number, str or None
    name, parameter : str
        What errors call the two.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> check_label_kind(np.array(["cat", "255"]), 255, "y", "ignore_index")
    Traceback (most recent call last):
    ...
    ValueError: ignore_index=255 is a number, but y has text, such as 'cat', which it never...
    """
    if label is None or not labels.size:
        return
    is_text = isinstance(label, str)
    if labels.dtype != object:
        found = labels.ravel()[:1].tolist() if _holds_text(labels) != is_text else []
    else:
        found = [each for each in labels.ravel() if isinstance(each, str) != is_text]
        found = [each for each in found if str(each) == str(label)][:1]
    if found:
        kinds = ("text", "numbers") if is_text else ("a number", "text")
        wanted = "the number" if is_text else f"{parameter}={str(label)!r}"
        raise ValueError(
            f"{parameter}={label!r} is {kinds[0]}, but {name} has {kinds[1]}, such as "
            f"{found[0]!r}, which it never equals. Write {wanted} as it stands in {name}."
        )


def check_same_kind(one: np.ndarray, other: np.ndarray, one_name: str, other_name: str) -> None:
    """Raise if of two arrays of labels one holds text and the other numbers.

    Raises
    ------
    ValueError
    """
    if object in (one.dtype, other.dtype) or not (one.size and other.size):
        return
    if _holds_text(one) != _holds_text(other):
        raise ValueError(
            f"{one_name} and {other_name} must have labels of one kind. Got "
            f"{one.ravel()[0].item()!r} in {one_name} and {other.ravel()[0].item()!r} in "
            f"{other_name}, of which one is text and never equals a number."
        )


def _holds_text(labels: np.ndarray) -> bool:
    return labels.dtype.kind in "UST"
