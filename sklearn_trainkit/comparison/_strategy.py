"""Check the searchers of a comparison, and make each ready for one run: same splits, same seed."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import clone, is_classifier
from sklearn.utils.parallel import Parallel, delayed

from sklearn_trainkit.callbacks import TrainingMeter
from sklearn_trainkit.comparison._splits import OuterFold, count_rows, take_rows
from sklearn_trainkit.comparison._starting_candidates import add_starting_candidates
from sklearn_trainkit.utils._sklearn_callbacks import add_callback, supports_callbacks

__all__ = ["all_classifiers", "check_searchers", "prepare_search", "warm_up"]

# Where searchers keep candidate values, which may be estimators themselves.
SPACE_PARAMETERS = ("param_grid", "param_distributions", "search_spaces", "enqueue")
WARM_UP_ROWS = 60


def check_searchers(searchers: Mapping[str, Any], scoring: Any) -> None:
    """Raise when the searchers cannot be compared.

    Parameters
    ----------
    searchers : mapping of str to searcher
        The strategies by name.
    scoring : object
        The scoring that all will be given, or None when each keeps its own.

    Raises
    ------
    TypeError
        When something is not a searcher.
    ValueError
        When there is none, one does not refit, or their scorings differ.
    """
    if not isinstance(searchers, Mapping):
        raise TypeError(
            f"searchers must be a dict of name to unfitted searcher; got {type(searchers).__name__}"
        )
    if not searchers:
        raise ValueError("searchers must name at least one searcher; got an empty dict")
    for name, searcher in searchers.items():
        _check_searcher(name, searcher)
    if scoring is None:
        _check_same_scoring(searchers)


def all_classifiers(searchers: Mapping[str, Any]) -> bool:
    """Return whether the searchers tune classifiers; raise ValueError when some do not."""
    kinds = {name: is_classifier(searcher.estimator) for name, searcher in searchers.items()}
    if len(set(kinds.values())) > 1:
        raise ValueError(
            "searchers must all tune classifiers or all tune something else; "
            f"is a classifier: {kinds}"
        )
    return all(kinds.values())


def prepare_search(
    searcher: Any,
    *,
    fold: OuterFold,
    seed: int,
    scoring: Any,
    candidates: Sequence[Mapping[str, Any]],
    meter: TrainingMeter,
) -> tuple[Any, str]:
    """Return a clone of ``searcher`` that uses the given splits and seed and is watched.

    Parameters
    ----------
    searcher : searcher
        Left as it is.
    fold : OuterFold
        Its inner splits replace the searcher's ``cv``.
    seed : int
        Replaces every parameter named ``random_state``, of the searcher and of every estimator in
        it. A sampler object keeps the seed that it was built with.
    scoring : object
        Replaces the searcher's ``scoring`` unless None.
    candidates : sequence of dict
        Parameters to try first.
    meter : TrainingMeter
        Set on everything in the searcher that trains and takes scikit-learn callbacks.

    Returns
    -------
    search : searcher
        Ready to be fitted.
    note : str
        What could not be done; empty when all could.
    """
    search, note = clone(searcher), ""
    search.set_params(cv=list(fold.inner))
    if candidates:
        search, note = add_starting_candidates(search, clone(list(candidates), safe=False), seed)
    if scoring is not None:
        search.set_params(scoring=scoring)
    if meter.limit is not None:
        _obey_limit(search, meter)
    _set_seed(search, seed)
    for label, estimator in _find_estimators(search):
        _set_seed(estimator, seed)
        _watch(label, estimator, meter)
    return search, note


def warm_up(searcher: Any, X: Any, y: Any) -> None:
    """Fit clones of the tuned estimator on a few rows, one epoch, and forget them.

    The first fit in a process imports modules and starts threads, which took 0.9 s for a network
    and 20 s in two new worker processes on a busy machine: without this, the strategy that
    happens to run first would pay for all.

    Parameters
    ----------
    searcher : searcher
        Left as it is. Clones are fitted in this process, and in its worker processes if it has any.
    X : array-like of shape (n_samples, ...)
        Rows to take a few from.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.
    """
    rows = np.arange(min(WARM_UP_ROWS, count_rows(y)))
    few = take_rows(X, rows), take_rows(y, rows)
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        # Whatever is wrong with the estimator shows, and is recorded, in its own run.
        warnings.simplefilter("ignore")
        brief = _make_brief(clone(searcher.estimator))
        _fit_quietly(clone(brief), *few)  # the refit runs in this process
        n_jobs = effective_n_jobs(searcher.get_params(deep=False).get("n_jobs"))
        if n_jobs > 1:
            _warm_up_workers(searcher, brief, few, n_jobs)


def _warm_up_workers(searcher: Any, brief: Any, few: tuple[Any, Any], n_jobs: int) -> None:
    # Two fits for each worker: one may be ready sooner than the other.
    parameters = searcher.get_params(deep=False)
    if "n_trials" in parameters:  # its workers are its own, not joblib's
        small = {"estimator": brief, "n_trials": 2 * n_jobs, "cv": 2, "random_state": 0}
        alone = dict.fromkeys(["storage", "study", "study_name", "callbacks", "enqueue"])
        options = {**small, **alone, "resume": False, "refit": False}
        search = clone(searcher)
        search.set_params(**{name: options[name] for name in options.keys() & parameters.keys()})
        search.fit(*few)
    else:
        clones = [clone(brief) for _ in range(2 * n_jobs)]
        Parallel(n_jobs=n_jobs)(delayed(_fit_quietly)(one, *few) for one in clones)


def _make_brief(estimator: Any) -> Any:
    for part in [estimator, *estimator.get_params(deep=True).values()]:
        if _is_estimator(part):
            names = part.get_params(deep=False).keys() & {"max_epochs", "max_iter"}
            part.set_params(**dict.fromkeys(names, 1))
    return estimator


def _fit_quietly(estimator: Any, X: Any, y: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(X, y)


@dataclass(frozen=True)
class StopStudyAtLimit:
    """Callback of an optuna search that ends it once the meter's limit is reached."""

    meter: TrainingMeter

    def __call__(self, study: Any, trial: Any) -> None:
        """Stop the study if it is time."""
        if self.meter.limit_reached():
            study.stop()


def _obey_limit(search: Any, meter: TrainingMeter) -> None:
    parameters = search.get_params(deep=False)
    if parameters.get("error_score") == "raise":
        # Evaluations that a limit refuses are failed fits to the search, not the end of it.
        search.set_params(error_score=np.nan)
    if "callbacks" in parameters:  # ours and optuna-integration's
        search.set_params(callbacks=[*(search.callbacks or []), StopStudyAtLimit(meter)])


def _check_searcher(name: str, searcher: Any) -> None:
    if not isinstance(name, str):
        raise TypeError(f"searchers must have names that are strings; got {name!r}")
    missing = _missing_parts(searcher)
    if missing:
        raise TypeError(
            f"searchers[{name!r}] must be a searcher instance such as GridSearchCV(...), with "
            f"`fit` and the parameters estimator, cv and refit; got {searcher!r}, which lacks "
            f"{missing}"
        )
    if searcher.refit is False:
        raise ValueError(
            f"searchers[{name!r}] must refit its winner, which is scored on held-out rows; got "
            "refit=False"
        )


def _missing_parts(searcher: Any) -> list[str]:
    if isinstance(searcher, type) or not hasattr(searcher, "get_params"):
        return ["get_params of an instance"]
    parameters = searcher.get_params(deep=False)
    missing = [name for name in ("estimator", "cv", "refit") if name not in parameters]
    return missing if hasattr(searcher, "fit") else ["fit", *missing]


def _check_same_scoring(searchers: Mapping[str, Any]) -> None:
    found = {
        name: searcher.get_params(deep=False).get("scoring") for name, searcher in searchers.items()
    }
    first = next(iter(found.values()))
    if any(scoring != first for scoring in found.values()):
        raise ValueError(
            "searchers must share one scoring, or their scores cannot be compared; pass `scoring` "
            f"to set it for all. Got {found}"
        )


def _find_estimators(search: Any) -> Iterator[tuple[str, Any]]:
    # Yields (parameter path inside the tuned estimator, estimator), each object once.
    seen: set[int] = set()
    roots = [("", search.estimator)]
    for name, value in search.get_params(deep=False).items():
        if name in SPACE_PARAMETERS:
            roots.extend(_find_choices(value, ""))
    for label, root in roots:
        parts = [(label, root)]
        for name, value in root.get_params(deep=True).items():
            if _is_estimator(value):
                parts.append((f"{label}__{name}" if label else name, value))
        for part_label, part in parts:
            if id(part) not in seen:
                seen.add(id(part))
                yield part_label, part


def _find_choices(space: Any, key: str) -> Iterator[tuple[str, Any]]:
    if _is_estimator(space):
        yield key, space
    elif isinstance(space, Mapping):
        for name, value in space.items():
            yield from _find_choices(value, name)
    elif isinstance(space, list | tuple):
        for value in space:
            yield from _find_choices(value, key)
    elif hasattr(space, "choices"):  # optuna's CategoricalDistribution
        yield from _find_choices(space.choices, key)


def _is_estimator(value: object) -> bool:
    return hasattr(value, "get_params") and hasattr(value, "fit") and not isinstance(value, type)


def _set_seed(estimator: Any, seed: int) -> None:
    if "random_state" in estimator.get_params(deep=False):
        estimator.set_params(random_state=seed)


def _watch(label: str, estimator: Any, meter: TrainingMeter) -> None:
    # Plain transformers are left alone: they have no epochs, and a scaler would leave its fast
    # path for a callback.
    trains = hasattr(estimator, "predict") or "max_epochs" in estimator.get_params(deep=False)
    if supports_callbacks(estimator) and (label == "" or trains):
        with warnings.catch_warnings():
            # LogisticRegression warns that some of its solvers report no iterations.
            warnings.simplefilter("ignore", UserWarning)
            add_callback(estimator, meter.labelled(label))
