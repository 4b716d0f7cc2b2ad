"""What the table of shared parameters gives estimators: signatures, docstrings, stored arguments.

A constructor spells what only its kind has and takes ``**shared: Unpack[...]`` of a table, by which
editors and type checkers know the names; or ``Annotated[Any, ...]``, where others may come too.
Python, scikit-learn and users see the whole signature.
"""

import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Unpack, get_args, get_origin

from sklearn_trainkit.neural_network.base._shared_parameters import (
    ClassifierParameters,
    Entry,
    RegressorParameters,
    SharedParameters,
    entries_of,
)

ACTIVATION = """\
activation : str or callable, default={default}
    "elu", "gelu", "identity", "leaky_relu", "mish", "relu", "selu", "sigmoid", "silu",
    "tanh", or a callable that returns a module.
"""

INIT = """\
init : str or callable, default={default}
    "default" (torch's own), "kaiming_normal", "kaiming_uniform", "lecun_normal",
    "orthogonal", "xavier_normal", "xavier_uniform" (zero biases, scaled for the activation),
    or a callable that fills a weight tensor.
"""

ATTRIBUTES = """\
module_ : torch.nn.Module
history_ : skorch.history.History
    One record an epoch: ``train_loss``, ``lr``, ``dur`` (seconds) and, with validation
    {samples}, ``valid_loss`` and ``{score}``.
dtype_ : {"float32", "float64"}
    Type the network computes in.
engine_ : EngineName
    Which engine trained the last epoch: a str, whose ``passed_over`` says why no faster one did.
n_steps_ : int
    Optimizer steps taken.
best_epoch_ : int
    Epoch whose weights were kept, with ``early_stopping``.
n_features_in_ : int
feature_names_in_ : ndarray of shape (n_features,)
    If X had string column names.
"""

# What stands in a docstring as <<name>>, or {name} in a text, for an estimator that says no other.
_WORDS = {
    "activation": ACTIVATION,
    "attributes": ATTRIBUTES,
    "auto_batch": "near a twentieth of them, from 64 to 256",
    "init": INIT,
    "samples": "rows",
    "score": "valid_acc",
    "stratified": ", stratified by class",
}
_TABLES: dict[str, type] = {
    "training": SharedParameters,
    "classifier": ClassifierParameters,
    "regressor": RegressorParameters,
}


def spell_out(cls: Any) -> None:
    """Give a class's constructor its whole signature, and its docstring the shared texts.

    Parameters
    ----------
    cls : class
        ``_own_defaults`` has defaults in which it differs from the table, ``_doc_words`` texts for
        ``<<name>>`` and words for ``{name}``.

    Raises
    ------
    TypeError
        If a default or word is that of nothing.
    """
    make = vars(cls).get("__init__")
    if make is not None:
        _spell_signature(cls, make)
    text = vars(cls).get("__doc__") or ""
    if "<<" in text:
        words = _words_of(cls)
        blocks = re.findall("<<(.*)>>", "".join([text, *words.values()]))
        _refuse_unknown(cls, vars(cls).get("_doc_words", {}), [*_WORDS, *blocks])
        defaults = {n: p.default for n, p in inspect.signature(cls.__init__).parameters.items()}
        cls.__doc__ = _filled(text, {**words, "Samples": words["samples"].capitalize()}, defaults)


def store_arguments(estimator: Any, arguments: Mapping[str, Any]) -> None:
    """Set a constructor's arguments on the estimator, unchanged, under their own names.

    Parameters
    ----------
    estimator : estimator
    arguments : mapping
        ``locals()`` of the constructor, as its first statement; the entry "shared" has those
        shared parameters that were given.
    """
    own = {name: value for name, value in arguments.items() if name not in ("self", "__class__")}
    shared = own.pop("shared", None)
    if shared is not None:
        own.update({**estimator._shared_defaults, **shared})
    for name, value in own.items():
        setattr(estimator, name, value)


def _spell_signature(cls: Any, make: Callable) -> None:
    signature = inspect.signature(make)
    *own, last = signature.parameters.values()
    origin = get_origin(last.annotation)
    if origin not in (Unpack, Annotated):
        return
    *_, table = get_args(last.annotation)
    entries = entries_of(table)
    defaults = {entry.name: entry.shared.default for entry in entries}
    _refuse_unknown(cls, cls._own_defaults, defaults)
    defaults.update(cls._own_defaults)
    cls._shared_defaults = defaults
    shared = [
        inspect.Parameter(
            e.name, inspect.Parameter.KEYWORD_ONLY, default=defaults[e.name], annotation=e.type
        )
        for e in entries
    ]
    # Readers of the signature are to see what else may come, not where the table stands.
    rest = [last.replace(annotation=last.annotation.__origin__)] if origin is Annotated else []
    make.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*own, *shared, *rest]
    )


def _refuse_unknown(cls: type, own: Mapping[str, Any], known: Iterable[str]) -> None:
    for name in own.keys() - set(known):
        raise TypeError(f"{cls.__name__}: {name}={own[name]!r} is in none of the shared texts.")


def _words_of(cls: Any) -> dict[str, str]:
    words = dict(_WORDS)
    for base in reversed(cls.__mro__):
        words.update(vars(base).get("_doc_words", {}))
    return words


def _filled(text: str, words: Mapping[str, str], defaults: Mapping[str, Any]) -> str:
    """Return ``text`` with its lines ``<<name>>`` replaced; blocks may hold such lines too."""
    lines = []
    for line in text.split("\n"):
        name = line.strip()
        if name.startswith("<<") and name.endswith(">>"):
            indent = line[: len(line) - len(line.lstrip())]
            block = _block(name[2:-2], words, defaults)
            lines += [f"{indent}{each}" for each in _filled(block, words, defaults).split("\n")]
        else:
            lines.append(line)
    return "\n".join(lines)


def _block(name: str, words: Mapping[str, str], defaults: Mapping[str, Any]) -> str:
    """Return a block of parameters, with its words and defaults filled in."""
    if name in _TABLES:
        own = entries_of(_TABLES[name])
        text = "\n".join(_described(entry) for entry in own if entry.table is _TABLES[name])
    else:
        text = words[name]
    text = re.sub(r"\{(\w+)\}", lambda found: words.get(found[1], found[0]), text.rstrip("\n"))
    return re.sub(
        r"^(\w+)( : .*default=)\{default\}$",
        lambda found: f"{found[1]}{found[2]}{_shown(defaults[found[1]])}",
        text,
        flags=re.MULTILINE,
    )


def _described(entry: Entry) -> str:
    text = textwrap.indent(inspect.cleandoc(entry.text), "    ")
    return f"{entry.name} : {entry.shared.kind}, default={{default}}" + (text and f"\n{text}")


def _shown(default: Any) -> str:
    return f'"{default}"' if isinstance(default, str) else repr(default)
