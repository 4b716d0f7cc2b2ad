"""Methods of a network for its parameters, those of callbacks and of the optimizer among them."""

from collections import Counter
from numbers import Real
from typing import Any

from sklearn.base import BaseEstimator
from skorch.callbacks import PrintLog

from sklearn_trainkit.neural_network.training._training_run import running
from sklearn_trainkit.utils._did_you_mean import explain_unknown

_CALLBACK = "callbacks__"
_OPTIMIZER = "optimizer__"
NESTED_PREFIXES = (_CALLBACK, _OPTIMIZER)


def get_params(self: Any, deep: bool = True) -> dict[str, Any]:
    """Return the parameters.

    Parameters
    ----------
    deep : bool, default=True
        Whether ``callbacks__name``, ``callbacks__name__parameter`` and ``optimizer__option``
        are among them.

    Returns
    -------
    params : dict
    """
    params = BaseEstimator.get_params(self, deep=deep)
    if not deep:
        return params
    # Nothing is stored under these names: a callback has its parameters itself, as a step of a
    # Pipeline has.
    options = self.optimizer_params
    # What is of a wrong type has no parts; fit says so, get_params and repr have to work.
    for name, value in options.items() if isinstance(options, dict) else ():
        params[f"{_OPTIMIZER}{name}"] = value
    for name, callback in named_callbacks(self):
        params[f"{_CALLBACK}{name}"] = callback
        for part, value in _parameters_of(callback).items():
            params[f"{_CALLBACK}{name}__{part}"] = value
    run = running(self)
    if run is not None:  # skorch's ProgressBar looks here
        params.update(run.batch_sizes)
    return params


def set_params(self: Any, **params: Any) -> Any:
    """Set parameters, also those of callbacks and options of the optimizer.

    ``callbacks__name__parameter`` and ``optimizer__option`` are their names;
    ``callbacks__name=None`` switches a callback off. A callback that sets ``lr``,
    ``weight_decay`` or an option of the optimizer while the network trains changes the rest of
    the training.

    Returns
    -------
    self : estimator

    Raises
    ------
    ValueError
        For a name that is none; the message says which one may be meant.
    """
    own = {k: v for k, v in params.items() if not k.startswith(NESTED_PREFIXES)}
    known = type(self)._known_names
    explain_unknown(type(self), [n if n in known else n.partition("__")[0] for n in own])
    BaseEstimator.set_params(self, **own)
    for name, value in params.items():
        if name.startswith(_OPTIMIZER):
            option = name.removeprefix(_OPTIMIZER)
            explain_unknown(type(self), [name] if option in ("lr", "weight_decay") else [])
            self.optimizer_params = {**(self.optimizer_params or {}), option: value}
        elif name.startswith(_CALLBACK):
            _set_callback(self, *name.removeprefix(_CALLBACK).partition("__")[::2], value)
    run = running(self)
    if run is not None:
        run.take_changed(params)
    return self


def default_callbacks(net: Any) -> list:
    """Return the callbacks that a network has unless its user gives others of their names."""
    given = any(name == "print_log" for name, _ in _named(net.callbacks))
    verbose = isinstance(net.verbose, Real) and bool(net.verbose)
    return [("print_log", PrintLog())] if verbose and not given else []


def named_callbacks(net: Any) -> list[tuple[str, Any]]:
    """Return all callbacks, in their order, with their names."""
    return [*default_callbacks(net), *_named(net.callbacks)]


def refuse_others(net: Any) -> None:
    """Raise for something among the callbacks that is no skorch callback."""
    for name, callback in named_callbacks(net):
        if callback is not None and not hasattr(callback, "initialize"):
            raise TypeError(
                f"callbacks has {name!r}, {callback!r}, which is no skorch callback: it has no "
                "method initialize. scikit-learn's callbacks are set with set_callbacks."
            )


def _set_callback(net: Any, name: str, parameter: str, value: Any) -> None:
    """Replace a callback, or set one parameter of it."""
    named = named_callbacks(net)
    has_default = bool(default_callbacks(net))
    place = next((i for i, (each, _) in enumerate(named) if each == name), None)
    if place is None:
        raise ValueError(
            f"{type(net).__name__} has no callback {name!r}, whose "
            f"{parameter or 'place'!s} {_CALLBACK}{name} would be. Its callbacks are "
            f"{[each for each, _ in named]}; a name is given by (name, callback)."
        )
    callback = named[place][1]
    if parameter and isinstance(callback, type):
        value = callback(**{parameter: value})
    elif parameter:
        if callback is None:
            raise ValueError(
                f"The callback {name!r} is None, so it has no {parameter!r}; set "
                f"{_CALLBACK}{name} first."
            )
        callback.set_params(**{parameter: value})
        if has_default and not place:  # each time, the default one is a new one
            net.callbacks = [*(net.callbacks or []), (name, callback)]
        return
    named[place] = (name, value)
    if has_default and place:
        named = named[1:]
    net.callbacks = named


def _named(callbacks: Any) -> list[tuple[str, Any]]:
    """Return callbacks with the names that skorch gives them: those of a kind are numbered."""
    if not isinstance(callbacks, (list, tuple)):
        return []
    pairs = [
        (*each, True) if isinstance(each, (tuple, list)) else (_kind(each), each, False)
        for each in callbacks
    ]
    of_a_kind = Counter(name for name, _, by_user in pairs if not by_user)
    seen: Counter = Counter()
    named = []
    for name, callback, by_user in pairs:
        if not by_user and of_a_kind[name] > 1:
            seen[name] += 1
            name = f"{name}_{seen[name]}"
        named.append((name, callback))
    return named


def _kind(callback: Any) -> str:
    return callback.__name__ if isinstance(callback, type) else type(callback).__name__


def _parameters_of(callback: Any) -> dict[str, Any]:
    if callback is None or isinstance(callback, type) or not hasattr(callback, "get_params"):
        return {}
    params = callback.get_params()
    if not isinstance(params, dict):  # such as that of a mock
        return {}
    return {name: value for name, value in params.items() if not name.startswith("_")}
