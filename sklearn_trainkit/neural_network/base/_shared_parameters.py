"""The parameters that many networks share: each with its type, default, constraint and text."""

import functools
import os
from numbers import Integral, Real
from typing import Annotated, Any, NamedTuple, TypedDict, get_type_hints

import torch

from sklearn_trainkit.neural_network.batches._input_checks import FLOAT_TYPES
from sklearn_trainkit.neural_network.engines._choose_engine import ENGINE_NAMES
from sklearn_trainkit.neural_network.engines._learning_rates import LR_SCHEDULES
from sklearn_trainkit.neural_network.engines._optimizers import OPTIMIZERS
from sklearn_trainkit.neural_network.engines._precision import PRECISIONS
from sklearn_trainkit.neural_network.modules._losses import REGRESSION_LOSSES
from sklearn_trainkit.utils._sklearn_private import Interval, Options, StrOptions

__all__ = [
    "ClassifierParameters",
    "RegressorParameters",
    "Shared",
    "SharedParameters",
    "all_constraints",
    "constraints_of",
    "entries_of",
]


class Shared(NamedTuple):
    """What stands beside the type of a shared parameter; its text follows, if it needs one.

    Attributes
    ----------
    default : object
        The usual one; estimators may differ in it.
    kind : str
        What is accepted, in the words of a docstring.
    constraint : list
        The same for scikit-learn's validation.
    """

    default: Any
    kind: str
    constraint: list


class SharedParameters(TypedDict, total=False):
    """Parameters of all networks. Words in braces are those of the estimator's samples."""

    clip_norm: Annotated[
        float | None,
        Shared(None, "float or None", [Interval(Real, 0, None, closed="neither"), None]),
        """Largest total 2-norm of the gradient of a step.""",
    ]
    clip_value: Annotated[
        float | None,
        Shared(None, "float or None", [Interval(Real, 0, None, closed="neither"), None]),
        """Largest absolute entry of the gradient.""",
    ]
    clip_adaptive: Annotated[
        float | None,
        Shared(None, "float or None", [Interval(Real, 0, None, closed="neither"), None]),
        """Largest ratio of gradient norm to weight norm, unit by unit.""",
    ]
    optimizer: Annotated[
        Any,
        Shared(
            "adamw", "str, Optimizer class or callable", [StrOptions(set(OPTIMIZERS)), callable]
        ),
        """
        "adagrad", "adam", "adamax", "adamw", "lbfgs", "nadam", "radam", "rmsprop", "sgd", or
        something called as ``optimizer(parameters, lr=..., **optimizer_params)``.
        """,
    ]
    optimizer_params: Annotated[
        dict | None,
        Shared(None, "dict or None", [dict, None]),
        """
        Further arguments of the optimizer, such as ``{"momentum": 0.9}``; one of them is set by
        ``optimizer__momentum``, for searches. "param_groups" is a list of (pattern, options) for
        parameters by name: ``{"param_groups": [("0.*", {"lr": 0.001})]}``.
        """,
    ]
    lr: Annotated[
        float,
        Shared(0.003, "float", [Interval(Real, 0, None, closed="neither")]),
        """Learning rate, the highest that the schedule reaches.""",
    ]
    weight_decay: Annotated[
        float | str,
        Shared(
            0.0,
            'float or "auto"',
            [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        ),
        """
        Decoupled from the gradient by "adamw" (Loshchilov and Hutter, ICLR 2019), where a step
        shrinks the weights by ``lr * weight_decay``; an addition to the gradient elsewhere, where
        much smaller values are usual. "auto" is 0.3 for "adamw" and 0 for all others.
        """,
    ]
    lr_schedule: Annotated[
        Any,
        Shared("one_cycle", "str or callable", [StrOptions(set(LR_SCHEDULES)), callable]),
        """
        "constant", "cosine", "exponential", "linear", "one_cycle", "plateau", "step", or
        ``f(progress) -> factor`` with progress in [0, 1]. Its length is that of the fit;
        ``partial_fit``, whose end nobody knows, keeps ``lr`` constant.
        """,
    ]
    lr_schedule_params: Annotated[
        dict | None,
        Shared(None, "dict or None", [dict, None]),
        """
        Settings of the schedule; ``{"warmup": 0.05}`` warms up over a twentieth of the steps.
        """,
    ]
    batch_size: Annotated[
        Any,
        Shared(
            "auto",
            'int or "auto"',
            [
                Interval(Integral, 1, None, closed="left"),
                StrOptions({"auto"}),
                Options(Integral, {-1}),
            ],
        ),
        """
        {Samples} of a batch; -1 takes all, and so does a number beyond them, with a warning.
        "auto" is {auto_batch}.
        A single one left over at the end of an epoch joins the batch before it.
        """,
    ]
    max_epochs: Annotated[
        int,
        Shared(40, "int", [Interval(Integral, 1, None, closed="left")]),
        """Passes over the training {samples}.""",
    ]
    early_stopping: Annotated[
        bool,
        Shared(False, "bool", ["boolean"]),
        """
        Stop when the validation loss has not fallen for ``patience`` epochs, and restore the
        weights of the best epoch. Not for ``partial_fit``.
        """,
    ]
    validation_fraction: Annotated[
        float,
        Shared(0.1, "float", [Interval(Real, 0, 1, closed="neither")]),
        """
        Share of the {samples} set aside for early stopping{stratified}, unless ``fit``
        is given ``X_val``.
        """,
    ]
    patience: Annotated[
        int,
        Shared(10, "int", [Interval(Integral, 1, None, closed="left")]),
        """Epochs without a lower validation loss before stopping.""",
    ]
    on_divergence: Annotated[
        str,
        Shared("raise", '{"raise", "warn"}', [StrOptions({"raise", "warn"})]),
        """
        What to do when the loss or a weight becomes NaN or infinite: raise
        :class:`~sklearn_trainkit.exceptions.DivergenceError`, or warn and keep the weights of
        the last sound epoch.
        """,
    ]
    warm_start: Annotated[
        bool,
        Shared(False, "bool", ["boolean"]),
        """
        Whether ``fit`` goes on from the weights of the fit before. What these were made with
        (architecture, ``dtype``, ``init``, ``standardize_y``) must be as it was then, or ``fit``
        raises, and so does ``partial_fit``; any other parameter is taken up.
        """,
    ]
    checkpoint_dir: Annotated[
        Any,
        Shared(None, "str, path or None", [str, os.PathLike, None]),
        """
        Folder for checkpoints. A fit that was cut short and is started again, with the same
        parameters and data, goes on where it was, bit for bit; one that had ended returns at
        once. Fits of other parameters or folds have files of their own. What skorch callbacks keep
        for themselves, an EarlyStopping's patience for example, is not in them. A checkpoint whose
        bytes were damaged raises, naming its path. A full disk does not end the training: a warning
        names the path, and ``fit`` raises at its end if the last checkpoint could not be written
        either, with the network fitted.
        """,
    ]
    callbacks: Annotated[
        list | None,
        Shared(None, "list or None", [list, None]),
        """skorch callbacks. scikit-learn's are set with ``set_callbacks``.""",
    ]
    device: Annotated[
        Any,
        Shared("cpu", "str or torch.device", [str, torch.device]),
    ]
    dtype: Annotated[
        str,
        Shared("auto", '{"auto", "float32", "float64"}', [StrOptions({"auto", *FLOAT_TYPES})]),
        """
        Type of weights, inputs and outputs. "auto" takes float32 where that holds every number of
        the training data (float32, integers of up to 16 bits, wider ones up to 2**24) and float64
        for all else: doubles, lists, nullable and mixed columns, decimals. "float32" trains 1.1 to
        1.7 times as fast.
        """,
    ]
    precision: Annotated[
        str,
        Shared("full", '{"full", "bf16", "fp16"}', [StrOptions(set(PRECISIONS))]),
        """
        Numbers of the forward pass while training. The 16-bit kinds pay off on a GPU; weights and
        predictions stay in ``dtype``. Gradients are unscaled before they are clipped.
        """,
    ]
    compile: Annotated[
        bool,
        Shared(False, "bool", ["boolean"]),
        """Whether training runs through :func:`torch.compile`, which takes a while to start.""",
    ]
    engine: Annotated[
        str,
        Shared(
            "auto", '{"auto", "compiled", "stacked", "autograd"}', [StrOptions(set(ENGINE_NAMES))]
        ),
        """
        What trains an epoch. "auto" takes the fastest that is exact for this network: "compiled"
        (dense networks, after :func:`~sklearn_trainkit.compile_engines`), "stacked" (gradients
        by hand, one block of weights; dense networks) or "autograd" (any network). ``engine_``
        says which it was and why no faster one. They agree to rounding.
        """,
    ]
    n_threads: Annotated[
        int | None,
        Shared(1, "int or None", [Interval(Integral, 1, None, closed="left"), None]),
        """Torch threads while training and predicting; None leaves torch's setting alone.""",
    ]
    verbose: Annotated[
        Any,
        Shared(0, "int", ["verbose"]),
        """1 prints a line an epoch.""",
    ]
    random_state: Annotated[
        Any,
        Shared(None, "int, RandomState instance or None", ["random_state"]),
        """
        Seeds weights, the order of {samples}, dropout and the validation split. An int gives the
        same network on the same machine, bit for bit, whatever numpy's and torch's global seeds;
        those stay untouched.
        """,
    ]


class ClassifierParameters(SharedParameters, total=False):
    """Parameters of classifiers."""

    label_smoothing: Annotated[
        float,
        Shared(0.05, "float", [Interval(Real, 0, 1, closed="left")]),
        """
        Share of each target's probability spread over all classes (Szegedy et al., CVPR 2016),
        here in proportion to their weight in the training rows: it curbs overconfidence, and rare
        classes are not expected more often than they come. 0 trains on the labels as they are. The
        losses in the history are those of the smoothed labels.
        """,
    ]
    class_weight: Annotated[
        Any,
        Shared(
            None,
            'dict, list of dicts, "balanced" or None',
            [dict, list, tuple, StrOptions({"balanced"}), None],
        ),
        """
        Weight of each class in the loss, by label (1 where none is given); "balanced" is inverse to
        class frequency. With several labels a row a list has a dict for each label, such as
        ``{0: 1, 1: 9}``, for its own loss. Probabilities are then those of the weighted rows, as in
        scikit-learn.
        """,
    ]


class RegressorParameters(SharedParameters, total=False):
    """Parameters of regressors."""

    loss: Annotated[
        str,
        Shared(
            "squared_error",
            '{"squared_error", "absolute_error", "huber"}',
            [StrOptions(set(REGRESSION_LOSSES))],
        ),
        """In units of the standardized target; "huber" turns linear at 1.""",
    ]
    standardize_y: Annotated[
        bool,
        Shared(True, "bool", ["boolean"]),
        """Train on targets of mean 0 and standard deviation 1, and undo it when predicting.""",
    ]


class Entry(NamedTuple):
    """A shared parameter, as a table has it."""

    table: type
    name: str
    type: Any
    shared: Shared
    text: str


@functools.cache
def entries_of(table: type) -> tuple[Entry, ...]:
    """Return the parameters of a table: those of its own first, then those of all networks."""
    entries = []
    hints = get_type_hints(table, include_extras=True)
    for name in sorted(hints, key=SharedParameters.__annotations__.__contains__):
        own = SharedParameters if name in SharedParameters.__annotations__ else table
        shared, *text = hints[name].__metadata__
        entries.append(Entry(own, name, hints[name].__origin__, shared, "".join(text)))
    return tuple(entries)


def constraints_of(table: type) -> dict[str, list]:
    """Return the constraints of a table's parameters, for scikit-learn's validation."""
    return {entry.name: entry.shared.constraint for entry in entries_of(table)}


def all_constraints(cls: Any) -> dict[str, list]:
    """Return the constraints of an estimator's parameters: its bases', its parts' and its own."""
    gathered: dict[str, list] = {}
    for base in reversed(cls.__mro__[1:]):
        gathered.update(vars(base).get("_parameter_constraints", {}))
    for part in ("_architecture", "_input_form"):
        gathered.update(getattr(vars(cls).get(part), "constraints", {}))
    return {**gathered, **vars(cls).get("_parameter_constraints", {})}
