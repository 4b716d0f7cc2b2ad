"""Run one strategy on one outer fold: watch what it spends, score its winner on held-out rows."""

import datetime
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from sklearn_trainkit.callbacks import FitTrace, TrainingMeter, TrainingSpent, sum_traces
from sklearn_trainkit.comparison._progress import Progress
from sklearn_trainkit.comparison._splits import OuterFold, take_rows
from sklearn_trainkit.comparison._strategy import prepare_search
from sklearn_trainkit.comparison._trials import (
    RunClock,
    TrialEnds,
    TrialRecord,
    read_trials,
    time_trials,
)

__all__ = ["RunRecord", "RunSettings", "run_strategy"]

NAN = float("nan")


@dataclass(frozen=True)
class RunRecord:
    """What one strategy did on one outer fold.

    Attributes
    ----------
    error : str
        Why it failed; empty when it did not.
    n_train, n_test : int
        Rows that it was given, and rows held out.
    seconds : float
        Wall time of ``fit``, its refit included.
    refit_seconds : float
        Wall time of the refit, NaN when not told.
    spent : TrainingSpent
        Fits, epochs and gradient steps, the refit included.
    counted_by : {"watching", "cv_results_", "nothing"}
        Whether the estimators were watched, or the fits derived from the number of trials.
    inner_score, test_score : float
        The winner's mean inner score, and its score on the held-out rows.
    fresh_score : float
        Mean score of the winner's parameters on inner folds drawn anew; NaN when not asked for
        or not possible.
    trials : tuple of TrialRecord
        Everything it tried.
    ends : TrialEnds
        When each trial ended.
    epoch_ends : tuple of float
        Seconds since the search began at which each epoch ended, in ascending order.
    step_ends : tuple of (seconds, n_steps)
        Gradient steps that were added at a moment, in ascending order of the moment.
    """

    error: str
    n_train: int
    n_test: int
    seconds: float
    refit_seconds: float
    spent: TrainingSpent
    counted_by: str
    inner_score: float
    test_score: float
    fresh_score: float
    trials: tuple[TrialRecord, ...]
    ends: TrialEnds
    epoch_ends: tuple[float, ...]
    step_ends: tuple[tuple[float, int], ...]


@dataclass(frozen=True)
class RunSettings:
    """What all runs of a comparison share.

    Attributes
    ----------
    scoring : object
        Replaces the searchers' own unless None.
    recheck_winner : bool
        Whether winners are scored on fresh inner folds.
    """

    scoring: Any
    recheck_winner: bool


@dataclass
class Outcome:
    """What is known of a run so far; a strategy may fail at any point."""

    search: Any = None
    seconds: float = NAN
    trials: Sequence[TrialRecord] = ()
    traces: Sequence[FitTrace] = ()
    test_score: float = NAN
    fresh_score: float = NAN
    error: str = ""


def run_strategy(
    searcher: Any,
    X: Any,
    y: Any,
    *,
    fold: OuterFold,
    seed: int,
    settings: RunSettings,
    progress: Progress,
) -> RunRecord:
    """Fit a clone of ``searcher`` on the training rows and score its winner on the others.

    An exception of the strategy is recorded with what had been spent by then.

    Parameters
    ----------
    searcher : searcher
        Left as it is.
    X : array-like of shape (n_samples, ...)
        All rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.
    fold : OuterFold
        Which rows are held out, and the inner splits of the others.
    seed : int
        Seed of the searcher and of everything in it.
    settings : RunSettings
        What all runs share.
    progress : Progress
        Told what is spent while the search runs.

    Returns
    -------
    record : RunRecord
        What happened.
    """
    outcome = Outcome()
    meter = TrainingMeter()
    clock = RunClock(time.monotonic(), datetime.datetime.now())
    train = take_rows(X, fold.train), take_rows(y, fold.train)
    try:
        outcome.search = prepare_search(
            searcher, fold=fold, seed=seed, scoring=settings.scoring, meter=meter
        )
        clock = RunClock(time.monotonic(), datetime.datetime.now())
        _fit_watched(outcome, train, clock, meter, progress)
        outcome.trials = read_trials(outcome.search)
        test = take_rows(X, fold.test), take_rows(y, fold.test)
        outcome.test_score = float(outcome.search.score(*test))
        if settings.recheck_winner:
            outcome.fresh_score = _score_on_fresh_folds(outcome.search, train, fold)
    except Exception as exception:  # one strategy that crashes must not end the comparison
        outcome.error = f"{type(exception).__name__}: {exception}"
    return _make_record(outcome, fold, clock)


def _fit_watched(
    outcome: Outcome, train: tuple[Any, Any], clock: RunClock, meter: TrainingMeter, progress: Any
) -> None:
    try:
        with progress.watching(meter):
            outcome.search.fit(*train)
    finally:
        outcome.seconds = time.monotonic() - clock.monotonic
        # Read now: fits on fresh folds later are ours, not the strategy's.
        outcome.traces = meter.traces()


def _score_on_fresh_folds(search: Any, train: tuple[Any, Any], fold: OuterFold) -> float:
    scorer = getattr(search, "scorer_", None)
    if isinstance(scorer, Mapping):
        scorer = scorer.get(search.refit)
    if not fold.fresh or scorer is None:
        return NAN
    winner = clone(search.best_estimator_)
    scores = cross_val_score(winner, *train, cv=list(fold.fresh), scoring=scorer)
    return float(np.mean(scores))


def _make_record(outcome: Outcome, fold: OuterFold, clock: RunClock) -> RunRecord:
    n_splits = len(fold.inner)
    spent, counted_by = _count(outcome.traces, len(outcome.trials), n_splits)
    return RunRecord(
        error=outcome.error,
        n_train=len(fold.train),
        n_test=len(fold.test),
        seconds=outcome.seconds,
        refit_seconds=float(getattr(outcome.search, "refit_time_", NAN)),
        spent=spent,
        counted_by=counted_by,
        inner_score=_inner_score(outcome.search, outcome.trials),
        test_score=outcome.test_score,
        fresh_score=outcome.fresh_score,
        trials=tuple(outcome.trials),
        ends=time_trials(outcome.trials, outcome.traces, n_splits, clock),
        epoch_ends=_epoch_ends(outcome.traces, clock),
        step_ends=_step_ends(outcome.traces, clock),
    )


def _count(traces: Sequence[FitTrace], n_trials: int, n_splits: int) -> tuple[TrainingSpent, str]:
    watched = sum_traces(traces)
    n_expected = n_trials * n_splits + 1
    # The refit runs in this process and is always seen where anything can be; one fit or none
    # means that the others ran unseen: no support for callbacks, or workers on another host.
    if watched.n_fits > min(1, n_trials):
        return watched, "watching"
    if n_trials:
        return TrainingSpent(n_expected, None, None), "cv_results_"
    return watched, "nothing"


def _inner_score(search: Any, trials: Sequence[TrialRecord]) -> float:
    if not trials:
        return NAN
    if hasattr(search, "best_score_"):
        return float(search.best_score_)
    return trials[search.best_index_].score  # a callable picked the winner


def _epoch_ends(traces: Sequence[FitTrace], clock: RunClock) -> tuple[float, ...]:
    return tuple(sorted(end - clock.monotonic for trace in traces for end in trace.epoch_ends))


def _step_ends(traces: Sequence[FitTrace], clock: RunClock) -> tuple[tuple[float, int], ...]:
    added = []
    for trace in traces:
        before = 0
        for end, steps in zip(trace.epoch_ends, trace.epoch_steps, strict=True):
            if steps is not None:
                added.append((end - clock.monotonic, steps - before))
                before = steps
    return tuple(sorted(added))
