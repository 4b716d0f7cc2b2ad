"""Run one strategy on one outer fold: watch what it spends, score its winner on held-out rows."""

import datetime
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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

__all__ = ["RunRecord", "run_strategy"]

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
    trials: tuple[TrialRecord, ...]
    ends: TrialEnds
    epoch_ends: tuple[float, ...]
    step_ends: tuple[tuple[float, int], ...]


def run_strategy(
    searcher: Any, X: Any, y: Any, *, fold: OuterFold, seed: int, scoring: Any, progress: Progress
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
    scoring : object
        Replaces the searcher's own unless None.
    progress : Progress
        Told what is spent while the search runs.

    Returns
    -------
    record : RunRecord
        What happened.
    """
    meter = TrainingMeter()
    clock = RunClock(time.monotonic(), datetime.datetime.now())
    error, search, trials, test_score = "", None, [], NAN
    try:
        search = prepare_search(searcher, fold=fold, seed=seed, scoring=scoring, meter=meter)
        clock = RunClock(time.monotonic(), datetime.datetime.now())
        with progress.watching(meter):
            search.fit(take_rows(X, fold.train), take_rows(y, fold.train))
        seconds = time.monotonic() - clock.monotonic
        trials = read_trials(search)
        test_score = float(search.score(take_rows(X, fold.test), take_rows(y, fold.test)))
    except Exception as exception:  # one strategy that crashes must not end the comparison
        seconds = time.monotonic() - clock.monotonic
        error = f"{type(exception).__name__}: {exception}"
    traces = meter.traces()
    spent, counted_by = _count(traces, len(trials), len(fold.inner))
    return RunRecord(
        error=error,
        n_train=len(fold.train),
        n_test=len(fold.test),
        seconds=seconds,
        refit_seconds=float(getattr(search, "refit_time_", NAN)),
        spent=spent,
        counted_by=counted_by,
        inner_score=_inner_score(search, trials),
        test_score=test_score,
        trials=tuple(trials),
        ends=time_trials(trials, traces, len(fold.inner), clock),
        epoch_ends=_epoch_ends(traces, clock),
        step_ends=_step_ends(traces, clock),
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
