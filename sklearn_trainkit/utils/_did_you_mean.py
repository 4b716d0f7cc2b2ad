"""Unknown parameters are answered with the name that is meant."""

import difflib
import functools
import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["accepts_known_names", "close_names", "explain_unknown", "unexpected_argument"]


def accepts_known_names(
    cls: type, known: Mapping[str, str | tuple[str, ...]], nested: tuple[str, ...] = ()
) -> None:
    """Let the constructor of a class say which of its parameters an unknown one may be.

    Its signature stays as it is; one that takes any keyword sees to them itself.

    Parameters
    ----------
    cls : class
    known : mapping
        Names of other libraries; for each the names here, or a sentence where it is no parameter.
    nested : tuple of str, default=()
        Beginnings of names that are handed to ``set_params`` once the object is there.
    """
    cls._known_names = known  # type: ignore[attr-defined]
    if "__init__" not in vars(cls):
        return
    make = cls.__init__  # type: ignore[misc]
    parameters = inspect.signature(make).parameters
    is_open = any(p.kind is p.VAR_KEYWORD for p in parameters.values())

    @functools.wraps(make)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        if parameters.keys() >= kwargs.keys():
            make(self, *args, **kwargs)
            return
        others = [name for name in kwargs if name not in parameters]
        inside = {name: kwargs.pop(name) for name in others if name.startswith(nested or (" ",))}
        for name in [] if is_open else others:
            if name not in inside:
                raise unexpected_argument(cls, name)
        make(self, *args, **kwargs)
        if inside:
            self.set_params(**inside)

    cls.__init__ = __init__  # type: ignore[misc]


def unexpected_argument(cls: Any, name: str) -> TypeError:
    """Return Python's error of an unknown argument, with the name that may be meant."""
    return TypeError(
        f"{cls.__name__}.__init__() got an unexpected keyword argument {name!r}. "
        f"{_answer(cls, name)}"
    )


def explain_unknown(cls: Any, names: Iterable[str]) -> None:
    """Raise for the first name that is no parameter of an estimator's class.

    Raises
    ------
    ValueError
        As scikit-learn's ``set_params``, with the name that may be meant.
    """
    valid = cls._get_param_names()
    for name in names:
        if name not in valid:
            raise ValueError(
                f"Invalid parameter {name!r} for estimator {cls.__name__}. {_answer(cls, name)} "
                f"Valid parameters are: {valid!r}."
            )


def close_names(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that a misspelt one may stand for, the nearest first."""
    known = list(known)
    spellings = (difflib.get_close_matches(n, known, cutoff=0.6) for n in (name, name.lower()))
    return next(filter(None, spellings), [])


def _answer(cls: Any, name: str) -> str:
    valid = cls._get_param_names()
    theirs = cls._known_names.get(name, ())
    if isinstance(theirs, str):
        return theirs
    ours = [each for each in theirs if re.match(r"\w+", each)[0] in valid]  # type: ignore[index]
    if not ours:
        ours = close_names(name, valid)
    if not ours:
        return f"It takes {valid}."
    *first, last = ours
    return f"Did you mean {', '.join(first) + ' or ' if first else ''}{last}?"
