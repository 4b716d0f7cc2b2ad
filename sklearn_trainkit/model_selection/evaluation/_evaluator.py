"""The contract of an evaluator: parameters and frozen folds in, one record out.

An evaluator is a function ``evaluate(setup, job, watch) -> TrialRecord``. It owns the loop over
folds, because only then can a trial be stopped between two folds or two epochs.

What a worker runs is a :class:`JobEvaluator`: it takes jobs that belong together, and yields what
came out of each as it ends, or comes to rest at a rung.
"""

import zlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sklearn.base import clone

from sklearn_trainkit.model_selection.evaluation._epoch_steppers import limit_epochs
from sklearn_trainkit.model_selection.evaluation._folds import FrozenFolds, count_rows
from sklearn_trainkit.model_selection.evaluation._stepping_table import (
    Stepping,
    find_stepping,
    reason_it_does_not_pay,
)
from sklearn_trainkit.model_selection.evaluation._trial_record import TrialRecord
from sklearn_trainkit.model_selection.evaluation._trial_watch import TrialWatch

__all__ = [
    "EvaluationSetup",
    "Evaluator",
    "JobEvaluator",
    "OneByOne",
    "Resting",
    "TrialJob",
    "build_candidate",
    "fill_seeds",
]


@dataclass(frozen=True)
class EvaluationSetup:
    """What every trial of a search shares.

    Attributes
    ----------
    estimator : estimator
        Template, never fitted.
    folds : FrozenFolds
        The data and its splits.
    scorer : callable
        Returns a number or a dict of numbers.
    metric : str or None
        The score that guides the search, when there are several.
    error_score : float or "raise"
        Score of a fold whose fit fails.
    return_train_score : bool
        Whether training rows are scored too.
    verbose : int
        As in :class:`OptunaSearchCV`.
    seed : int or None
        Seed of every ``random_state`` that the user left at None.
    caller : OptunaSearchCV or None
        The searcher, for scikit-learn's callbacks.
    report_folds : bool
        Report each fold's own score, not the mean so far.
    force_stack : bool
        Train folds as one network wherever that is exact, faster or not.
    in_epochs : bool
        Train in epochs what can be, whether anybody listens or not.
    max_epochs : int or None
        Epochs after which every candidate ends, with its schedule.
    asked_for_epochs : bool
        Whether the user asked for training in epochs by name.
    explains_whole_fits : bool
        Whether records say why a candidate was not trained in epochs.
    """

    estimator: Any
    folds: FrozenFolds
    scorer: Callable[..., Any]
    metric: str | None
    error_score: Any
    return_train_score: bool
    verbose: int = 0
    seed: int | None = None
    caller: Any = None
    report_folds: bool = False
    force_stack: bool = False
    in_epochs: bool = False
    max_epochs: int | None = None
    asked_for_epochs: bool = False
    explains_whole_fits: bool = False

    def stepping_of(self, candidate: Any) -> Stepping:
        """Return how a candidate trains in epochs, with the arguments of ``fit`` that there are."""
        return find_stepping(candidate, self.folds.fit_params, asked=self.asked_for_epochs)

    def own_stepping(self) -> Stepping:
        """Return how the estimator as it is trains in epochs, once its seeds are filled in."""
        return self.stepping_of(build_candidate(self, {}))

    def reason_it_does_not_pay(self) -> str | None:
        """Return why stepping the estimator would take longer than pruning can save."""
        return reason_it_does_not_pay(self.estimator, count_rows(self.folds.folds[0].train))

    def describe_whole_fit(self, candidate: Any) -> str:
        """Return what a record says of a candidate that was fitted whole."""
        stepping = self.stepping_of(candidate)
        reason = stepping.reason
        if stepping.kind is not None:
            reason = self.own_stepping().reason or self.reason_it_does_not_pay()
        return "whole-fit" if reason is None else f"whole-fit: {reason}"


@dataclass(frozen=True)
class TrialJob:
    """One trial to evaluate, to its end or up to a rung.

    Attributes
    ----------
    number : int
        The trial's number in its study.
    params : dict
        What the estimator gets.
    callback_ctx : CallbackContext or None
        The trial's task in scikit-learn's task tree.
    rung : int
        Up to where, if candidates wait for each other.
    kept : object
        What the job before this one left, to go on from; None for a new candidate.
    spent : float
        Seconds of the jobs before this one.
    """

    number: int
    params: dict[str, Any]
    callback_ctx: Any = None
    rung: int = 0
    kept: Any = None
    spent: float = 0.0


class Resting(NamedTuple):
    """A trial that came to rest at a rung.

    Attributes
    ----------
    record : TrialRecord
        For the case that this was its end.
    kept : object
        What it needs to go on; never None.
    """

    record: TrialRecord
    kept: Any


Evaluator = Callable[[EvaluationSetup, TrialJob, TrialWatch], TrialRecord]


class JobEvaluator(Protocol):
    """Evaluates jobs that belong together, in any worker: it can be pickled."""

    def __call__(
        self,
        setup: EvaluationSetup,
        jobs: Sequence[TrialJob],
        start_watch: Callable[[int], TrialWatch],
    ) -> "Generator[tuple[int, TrialRecord | Resting], None, None]":
        """Yield the place in ``jobs`` of each trial, and what came out of it, as it ends.

        ``start_watch`` takes a place in ``jobs`` and is called when that trial begins.
        """


@dataclass(frozen=True)
class OneByOne:
    """Evaluates each trial by itself, to its end or to where it rests."""

    evaluate: Callable[[EvaluationSetup, TrialJob, TrialWatch], TrialRecord | Resting]

    def __call__(
        self,
        setup: EvaluationSetup,
        jobs: Sequence[TrialJob],
        start_watch: Callable[[int], TrialWatch],
    ) -> "Generator[tuple[int, TrialRecord | Resting], None, None]":
        """Evaluate one after the other."""
        for place, job in enumerate(jobs):
            yield place, self.evaluate(setup, job, start_watch(place))


def build_candidate(setup: EvaluationSetup, params: dict[str, Any]) -> Any:
    """Return an unfitted estimator with ``params`` set and, if asked, its seeds filled in.

    Parameters are cloned: they may be estimators, and those of the user are never modified.
    """
    candidate = clone(setup.estimator)
    if params:
        candidate = candidate.set_params(**clone(params, safe=False))
    if setup.seed is not None:
        fill_seeds(candidate, setup.seed, keep=params)
    if setup.max_epochs is not None and setup.stepping_of(candidate).kind is not None:
        limit_epochs(candidate, setup.max_epochs)
    return candidate


def fill_seeds(estimator: Any, seed: int, *, keep: Any = (), only_none: bool = True) -> None:
    """Set each ``random_state`` to a seed derived from ``seed`` and its name.

    Those in ``keep`` stay, and with ``only_none`` those that are set already.
    """
    seeds = {
        name: (seed + zlib.crc32(name.encode())) % (2**31 - 1)
        for name, value in estimator.get_params(deep=True).items()
        if (value is None or not only_none)
        and (name == "random_state" or name.endswith("__random_state"))
        and name not in keep
    }
    if seeds:
        estimator.set_params(**seeds)
