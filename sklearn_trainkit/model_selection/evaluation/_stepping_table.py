"""The table of estimators by how they are trained in epochs, and why others are fitted whole.

Epochs are only taken one by one where that is, bit for bit, what ``fit`` does with the same
settings: then a search with a pruner trains what a search without one trains. A test holds every
line of the table against ``fit``.
"""

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_trainkit.utils._pipelines import last_step, own_fit_params, reason_to_keep_whole

__all__ = [
    "MLP",
    "PARTIAL_FIT",
    "SKORCH",
    "START_FIT",
    "Stepping",
    "epochs_name",
    "find_stepping",
    "reason_it_does_not_pay",
]

START_FIT = "start_fit"
SKORCH = "skorch"
MLP = "mlp"
PARTIAL_FIT = "partial_fit"

_SKORCH_METHODS = ("initialize", "notify", "get_split_datasets", "get_iterator", "run_single_epoch")
_STEPPED_MLPS = ("MLPClassifier", "MLPRegressor")
# partial_fit checks parameters and data anew. With this many batches a search that prunes nobody
# takes about 1.3 times as long as with whole fits, with half of them twice as long.
_FEWEST_BATCHES = 20

_SGD = "{name}.fit shuffles on, decays and stops by tol over its epochs; partial_fit does not"
_BATCHES = "{name}.fit goes through batches of batch_size; partial_fit takes all rows as one"
_ONE_PASS = "{name}.fit is one pass over the rows: there are no epochs"
_WRAPPER = "{name} fits other estimators: there are no epochs of its own"

# Why those with ``partial_fit`` are fitted whole, by their names in scikit-learn.
_WHOLE_FITS = {
    **dict.fromkeys(
        (
            "PassiveAggressiveClassifier",
            "PassiveAggressiveRegressor",
            "Perceptron",
            "SGDClassifier",
            "SGDOneClassSVM",
            "SGDRegressor",
        ),
        _SGD,
    ),
    **dict.fromkeys(
        ("BernoulliRBM", "MiniBatchDictionaryLearning", "MiniBatchKMeans", "MiniBatchNMF"),
        _BATCHES,
    ),
    "LatentDirichletAllocation": (
        "{name}.fit knows the number of its rows; partial_fit expects total_samples, online"
    ),
    **dict.fromkeys(
        (
            "BernoulliNB",
            "Birch",
            "CategoricalNB",
            "ComplementNB",
            "GaussianNB",
            "HashingVectorizer",
            "IncrementalPCA",
            "MaxAbsScaler",
            "MinMaxScaler",
            "MultinomialNB",
            "StandardScaler",
        ),
        _ONE_PASS,
    ),
    **dict.fromkeys(
        (
            "MultiOutputClassifier",
            "MultiOutputRegressor",
            "OneVsOneClassifier",
            "OneVsRestClassifier",
            "SelectFromModel",
        ),
        _WRAPPER,
    ),
}


@dataclass(frozen=True)
class Stepping:
    """How an estimator trains.

    Attributes
    ----------
    kind : str or None
        Which stepper trains it epoch by epoch; None where it is fitted whole.
    reason : str or None
        Why it is fitted whole; None if it is not, or if it could never be otherwise.
    """

    kind: str | None = None
    reason: str | None = None


def find_stepping(
    estimator: Any, fit_params: Iterable[str] = (), *, asked: bool = False
) -> Stepping:
    """Return how ``estimator``, or the last step of a Pipeline, trains in epochs.

    Parameters
    ----------
    estimator : estimator
    fit_params : iterable of str, default=()
        Names of the arguments that its ``fit`` will be given.
    asked : bool, default=False
        Whether the user asked for training in epochs. Then an estimator of which nothing is known
        is taken at its word (a ``partial_fit`` with all rows is an epoch), and one that draws from
        a global generator may find other numbers there than in ``fit``.

    >>> from sklearn.linear_model import Ridge, SGDClassifier
    >>> from sklearn.neural_network import MLPClassifier
    >>> find_stepping(MLPClassifier(random_state=0)).kind, find_stepping(Ridge()).kind
    ('mlp', None)
    >>> find_stepping(SGDClassifier()).reason
    'SGDClassifier.fit shuffles on, decays and stops by tol over its epochs; partial_fit does not'
    """
    own, _ = own_fit_params(estimator, dict.fromkeys(fit_params))
    stepping = _of_last_step(last_step(estimator), set(own), asked)
    reason = reason_to_keep_whole(estimator, fit_params)
    return stepping if stepping.kind is None or reason is None else Stepping(None, reason)


def epochs_name(estimator: Any) -> str:
    """Return the name of the parameter with the number of epochs."""
    return "max_epochs" if hasattr(estimator, "max_epochs") else "max_iter"


def reason_it_does_not_pay(estimator: Any, n_rows: int) -> str | None:
    """Return why stepping would take longer than it can save; None where it pays."""
    final = last_step(estimator)
    if type(final).__name__ not in _STEPPED_MLPS:
        return None
    batch_size = final.batch_size
    n_batches = int(np.ceil(n_rows / (200 if batch_size == "auto" else batch_size)))
    if n_batches >= _FEWEST_BATCHES:
        return None
    return f"an epoch of {n_batches} batches hardly takes longer than the checks of partial_fit"


def _of_last_step(final: Any, fit_params: set[str], asked: bool) -> Stepping:
    if hasattr(final, "max_epochs"):
        if hasattr(final, "start_fit"):
            own = _defined_elsewhere(final, "sklearn_trainkit", ("fit",))
            return Stepping(None, own) if own else Stepping(START_FIT)
        if all(hasattr(final, method) for method in _SKORCH_METHODS):
            return _of_skorch_net(final, asked)
    known = _known_kind(final, asked)
    if known in _STEPPED_MLPS:
        reason = _obstacle_of_mlp(final, fit_params, asked)
        return Stepping(None, reason) if reason else Stepping(MLP)
    if known in _WHOLE_FITS:
        return Stepping(None, _WHOLE_FITS[known].format(name=known))
    if hasattr(final, "partial_fit"):
        return _of_stranger(final, fit_params, asked)
    if hasattr(final, "warm_start"):
        return Stepping(None, f"{type(final).__name__} has no partial_fit; warm_start is not used")
    return Stepping()


def _known_kind(final: Any, asked: bool) -> str | None:
    """Return the name of the estimator in scikit-learn, if it is one.

    What a subclass changes is not known. Only if the user asks for epochs, and ``fit`` and
    ``partial_fit`` are inherited, it counts as the class it comes from.
    """
    for kind in type(final).__mro__:
        if kind.__module__.partition(".")[0] == "sklearn":
            names = (*_STEPPED_MLPS, *_WHOLE_FITS)
            is_listed = kind is type(final) or (asked and kind.__name__ in names)
            return kind.__name__ if is_listed else None
        if {"fit", "partial_fit"} & set(vars(kind)):
            return None
    return None


def _of_skorch_net(final: Any, asked: bool) -> Stepping:
    reason = _defined_elsewhere(final, "skorch", ("fit", "partial_fit", "fit_loop"))
    if reason is None and not asked:
        reason = (
            f"{type(final).__name__} draws from torch's global generator, where folds in turns "
            "would find other numbers than in fit; evaluator='per-epoch' allows it"
        )
    return Stepping(SKORCH) if reason is None else Stepping(None, reason)


def _of_stranger(final: Any, fit_params: set[str], asked: bool) -> Stepping:
    """Return how an estimator trains of which nothing is known but its methods."""
    name = type(final).__name__
    if not hasattr(final, epochs_name(final)):
        return Stepping(None, f"{name} has no max_iter or max_epochs")
    if not asked:
        return Stepping(
            None,
            f"whether partial_fit of {name} is an epoch of its fit is not known; "
            "evaluator='per-epoch' takes it for one",
        )
    if getattr(final, "early_stopping", False):
        return Stepping(None, f"{name} stops by itself in fit (early_stopping)")
    if getattr(final, "class_weight", None) == "balanced":
        return Stepping(None, f"class_weight='balanced' of {name} needs all rows in fit")
    return _check_arguments(final, fit_params) or Stepping(PARTIAL_FIT)


def _obstacle_of_mlp(final: Any, fit_params: set[str], asked: bool) -> str | None:
    if final.solver not in ("adam", "sgd"):
        return f"solver={final.solver!r} does not train in epochs"
    if final.early_stopping:
        return "early_stopping=True sets rows aside in fit, which partial_fit refuses"
    if not isinstance(final.max_iter, (int, np.integer)):
        return f"max_iter={final.max_iter!r} is no number of epochs"
    seed = final.random_state
    if seed is None and not asked:
        return (
            "random_state=None draws from numpy's global generator, where folds in turns would "
            "find other numbers than in fit; set random_state"
        )
    if isinstance(seed, np.random.RandomState):
        generator = seed.get_state(legacy=False)["bit_generator"]
        if generator != "MT19937":
            return f"the order of rows is not known for a RandomState of {generator}"
    refused = _check_arguments(final, fit_params)
    return refused.reason if refused else None


def _check_arguments(final: Any, fit_params: set[str]) -> Stepping | None:
    unknown = sorted(fit_params - set(inspect.signature(final.partial_fit).parameters))
    if not unknown:
        return None
    return Stepping(None, f"partial_fit of {type(final).__name__} has no argument {unknown}")


def _defined_elsewhere(final: Any, package: str, methods: tuple[str, ...]) -> str | None:
    """Return which of these methods a subclass brings itself, as a reason to call it."""
    for method in methods:
        module = getattr(getattr(type(final), method, None), "__module__", "")
        if module.partition(".")[0] != package:
            return f"{type(final).__name__} has a {method} of its own"
    return None
