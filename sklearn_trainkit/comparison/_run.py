"""Run one strategy on one outer fold: watch what it spends, score its winner on held-out rows."""

import datetime
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sklearn.exceptions import FitFailedWarning

from sklearn_trainkit.callbacks import FitTrace, TrainingMeter, TrainingSpent, sum_traces
from sklearn_trainkit.comparison._budget import Budget, BudgetError
from sklearn_trainkit.comparison._memory import PeakMemory
from sklearn_trainkit.comparison._progress import Progress
from sklearn_trainkit.comparison._splits import OuterFold, take_rows
from sklearn_trainkit.comparison._strategy import prepare_search
from sklearn_trainkit.comparison._trial_costs import RunClock, TrialCosts, cost_trials
from sklearn_trainkit.comparison._winner import (
    Winner,
    choose_among,
    choose_own,
    score_on_fresh_folds,
)
from sklearn_trainkit.model_selection.results._read_trials import read_trials
from sklearn_trainkit.model_selection.results._trials_table import TrialRow

__all__ = ["RunRecord", "RunSettings", "run_strategy"]

NAN = float("nan")


@dataclass(frozen=True)
class RunRecord:
    """What one strategy did on one outer fold.

    Attributes
    ----------
    error : str
        Why it failed; empty when it did not.
    note : str
        What could not be done as asked; empty when all could.
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
    peak_memory : float
        Highest resident memory in megabytes of this process and its children during ``fit``.
    trials : tuple of TrialRow
        What it tried, within the budget if there is one.
    costs : TrialCosts
        What had been spent when each of them ended.
    """

    error: str
    note: str
    n_train: int
    n_test: int
    seconds: float
    refit_seconds: float
    spent: TrainingSpent
    counted_by: str
    inner_score: float
    test_score: float
    fresh_score: float
    peak_memory: float
    trials: tuple[TrialRow, ...]
    costs: TrialCosts


@dataclass(frozen=True)
class RunSettings:
    """What all runs of a comparison share.

    Attributes
    ----------
    scoring : object
        Replaces the searchers' own unless None.
    recheck_winner : bool
        Whether winners are scored on fresh inner folds.
    budget : Budget or None
        What each run may spend.
    starting_candidates : sequence of dict
        Parameters that every search tries first.
    """

    scoring: Any = None
    recheck_winner: bool = True
    budget: Budget | None = None
    starting_candidates: Sequence[Mapping[str, Any]] = ()


@dataclass
class Outcome:
    """What is known of a run so far; a strategy may fail at any point."""

    clock: RunClock
    search: Any = None
    seconds: float = NAN
    peak_memory: float = NAN
    traces: Sequence[FitTrace] = ()
    trials: Sequence[TrialRow] = ()
    inner_score: float = NAN
    test_score: float = NAN
    fresh_score: float = NAN
    error: str = ""
    note: str = ""


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
    train = take_rows(X, fold.train), take_rows(y, fold.train)
    test = take_rows(X, fold.test), take_rows(y, fold.test)
    outcome = Outcome(RunClock(time.monotonic(), datetime.datetime.now()))
    limit = settings.budget.limit(outcome.clock.monotonic) if settings.budget else None
    meter = TrainingMeter(limit=limit)
    try:
        outcome.search, outcome.note = prepare_search(
            searcher,
            fold=fold,
            seed=seed,
            scoring=settings.scoring,
            candidates=settings.starting_candidates,
            meter=meter,
        )
        _fit_watched(outcome, train, meter, progress)
        outcome.trials = read_trials(outcome.search).rows
        _check_split_count(outcome.search, len(fold.inner))
        winner = _choose_winner(outcome, train, len(fold.inner), settings.budget)
        outcome.inner_score = winner.inner_score
        outcome.test_score = winner.score(*test)
        if settings.recheck_winner:
            outcome.fresh_score = score_on_fresh_folds(winner, *train, fold)
    except Exception as exception:  # one strategy that crashes must not end the comparison
        outcome.error = f"{type(exception).__name__}: {exception}"
    return _make_record(outcome, fold, settings.budget)


def _fit_watched(
    outcome: Outcome, train: tuple[Any, Any], meter: TrainingMeter, progress: Progress
) -> None:
    memory = PeakMemory()
    try:
        with memory, progress.watching(meter), _quiet_about_refusals(meter):
            outcome.search.fit(*train)
    finally:
        outcome.seconds = time.monotonic() - outcome.clock.monotonic
        outcome.peak_memory = memory.megabytes
        # Read now: fits on fresh folds later are ours, not the strategy's.
        outcome.traces = meter.traces()


@contextmanager
def _quiet_about_refusals(meter: TrainingMeter) -> Iterator[None]:
    # Fits that a budget refuses are failed fits to the search, which warns about each of them.
    with warnings.catch_warnings():
        if meter.limit is not None:
            warnings.simplefilter("ignore", FitFailedWarning)
            warnings.filterwarnings("ignore", message="One or more of the test scores")
        yield


def _check_split_count(search: Any, n_splits: int) -> None:
    n_used = getattr(search, "n_splits_", n_splits)
    if n_used != n_splits:
        raise ValueError(
            f"the searcher used {n_used} inner folds where it was given {n_splits}, so its scores "
            "cannot be compared"
        )


def _choose_winner(
    outcome: Outcome, train: tuple[Any, Any], n_splits: int, budget: Budget | None
) -> Winner:
    if budget is None:
        return choose_own(outcome.search, outcome.trials)
    costs = _costs(outcome, n_splits)
    within = budget.select(outcome.trials, costs)
    order = sorted(within, key=lambda index: costs.seconds[index])
    return choose_among(outcome.search, outcome.trials, order, *train)


def _costs(outcome: Outcome, n_splits: int) -> TrialCosts:
    _, counted_by = _count(outcome.traces, len(outcome.trials), n_splits)
    traces = outcome.traces if counted_by == "watching" else ()
    return cost_trials(outcome.trials, traces, n_splits, outcome.clock)


def _make_record(outcome: Outcome, fold: OuterFold, budget: Budget | None) -> RunRecord:
    n_splits = len(fold.inner)
    spent, counted_by = _count(outcome.traces, len(outcome.trials), n_splits)
    trials, costs = tuple(outcome.trials), _costs(outcome, n_splits)
    if budget is not None:
        trials, costs = _within_budget(budget, trials, costs)
    return RunRecord(
        error=outcome.error,
        note=outcome.note,
        n_train=len(fold.train),
        n_test=len(fold.test),
        seconds=outcome.seconds,
        refit_seconds=float(getattr(outcome.search, "refit_time_", NAN)),
        spent=spent,
        counted_by=counted_by,
        inner_score=outcome.inner_score,
        test_score=outcome.test_score,
        fresh_score=outcome.fresh_score,
        peak_memory=outcome.peak_memory,
        trials=trials,
        costs=costs,
    )


def _within_budget(
    budget: Budget, trials: tuple[TrialRow, ...], costs: TrialCosts
) -> tuple[tuple[TrialRow, ...], TrialCosts]:
    try:
        within = budget.select(trials, costs)
    except BudgetError:
        within = []  # the run's error says why
    return tuple(trials[index] for index in within), costs.take(within)


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
