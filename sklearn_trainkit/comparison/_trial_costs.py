"""Say what a search had spent when each of its trials ended."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_trainkit.callbacks import EVALUATION_TASK, REFIT_TASK, FitTrace, sum_traces
from sklearn_trainkit.model_selection.results._trials_table import TrialRow

__all__ = ["RunClock", "TrialCosts", "cost_trials"]


@dataclass(frozen=True)
class RunClock:
    """The moment a search began, on the two clocks that its events are stamped with.

    Attributes
    ----------
    monotonic : float
        ``time.monotonic()``, used by the training meter.
    wall : datetime
        ``datetime.now()``, used by optuna.
    """

    monotonic: float
    wall: datetime.datetime


@dataclass(frozen=True)
class TrialCosts:
    """What a search had spent when each of its trials ended, in the order of the trials.

    Attributes
    ----------
    seconds : tuple of float
        Since the search began.
    epochs, steps : tuple of (int or None)
        Epochs and gradient steps of all estimators until then; None where not known.
    timed_by : {"study", "fits", "cv_results_"}
        Where the seconds come from: the stamps of an optuna study, the ends of the fits that were
        watched, or, when neither is known, the searcher's own fit and score times added up as if
        the trials had run one after another. In that last case epochs and steps are not known:
        they are stamped by another clock.
    """

    seconds: tuple[float, ...]
    epochs: tuple[int | None, ...]
    steps: tuple[int | None, ...]
    timed_by: str

    def take(self, indices: Sequence[int]) -> "TrialCosts":
        """Return the costs of some trials."""
        return TrialCosts(
            tuple(self.seconds[index] for index in indices),
            tuple(self.epochs[index] for index in indices),
            tuple(self.steps[index] for index in indices),
            self.timed_by,
        )


def cost_trials(
    trials: Sequence[TrialRow], traces: Sequence[FitTrace], n_splits: int, clock: RunClock
) -> TrialCosts:
    """Find the best source for the end of each trial, and add up what was spent until then.

    Parameters
    ----------
    trials : sequence of TrialRow
        What was tried.
    traces : sequence of FitTrace
        The fits that were watched.
    n_splits : int
        Inner folds of a trial.
    clock : RunClock
        When the search began.

    Returns
    -------
    costs : TrialCosts
        For each trial.
    """
    seconds, timed_by = _time_trials(trials, traces, n_splits, clock)
    spent = sum_traces(traces)
    on_clock = timed_by != "cv_results_"
    unknown: tuple[None, ...] = (None,) * len(trials)
    epochs = _add_up(_new_epochs(traces), seconds, clock)
    steps = _add_up(_new_steps(traces), seconds, clock)
    return TrialCosts(
        seconds=seconds,
        epochs=epochs if on_clock and spent.n_epochs is not None else unknown,
        steps=steps if on_clock and spent.n_steps is not None else unknown,
        timed_by=timed_by,
    )


def _time_trials(
    trials: Sequence[TrialRow], traces: Sequence[FitTrace], n_splits: int, clock: RunClock
) -> tuple[tuple[float, ...], str]:
    stamps = [trial.completed_at for trial in trials if trial.completed_at is not None]
    if trials and len(stamps) == len(trials):
        return tuple((stamp - clock.wall).total_seconds() for stamp in stamps), "study"
    ends = _ends_of_fits(traces, len(trials), n_splits)
    if ends is not None:
        return tuple((ends - clock.monotonic).tolist()), "fits"
    return tuple(trial.seconds for trial in trials), "cv_results_"


def _ends_of_fits(traces: Sequence[FitTrace], n_trials: int, n_splits: int) -> np.ndarray | None:
    # The label with the most fits is the one that sees every evaluation: see `TrainingSpent`.
    labels = [trace.label for trace in traces]
    if not labels:
        return None
    busiest = max(labels, key=labels.count)
    fits = [trace for trace in traces if trace.label == busiest]
    fits = [trace for trace in fits if trace.task_path[-1].task_name != REFIT_TASK]
    fits.sort(key=_evaluation_order)
    if len(fits) == n_trials * n_splits + 1:
        fits = fits[:-1]  # a refit that the searcher did not name
    if len(fits) != n_trials * n_splits:
        return None
    ends = np.array([trace.end for trace in fits]).reshape(n_trials, n_splits)
    return ends.max(axis=1)


def _evaluation_order(trace: FitTrace) -> tuple[Any, ...]:
    # scikit-learn numbers its evaluations candidate by candidate, fold by fold (in each iteration
    # of a halving search), which holds whatever order they ran in. Other searchers are taken to
    # evaluate one trial after another.
    names = [step.task_name for step in trace.task_path]
    if EVALUATION_TASK in names:
        depth = names.index(EVALUATION_TASK) + 1
        return tuple(step.task_id for step in trace.task_path[:depth])
    return (trace.begin,)


def _new_epochs(traces: Sequence[FitTrace]) -> list[tuple[float, int]]:
    return [(end, 1) for trace in traces for end in trace.epoch_ends]


def _new_steps(traces: Sequence[FitTrace]) -> list[tuple[float, int]]:
    added = []
    for trace in traces:
        before = 0
        for end, steps in zip(trace.epoch_ends, trace.epoch_steps, strict=True):
            if steps is not None:
                added.append((end, steps - before))
                before = steps
    return added


def _add_up(
    added: list[tuple[float, int]], seconds: Sequence[float], clock: RunClock
) -> tuple[int, ...]:
    added = sorted(added)
    moments = np.array([moment for moment, _ in added]) - clock.monotonic
    totals = np.concatenate([[0], np.cumsum([amount for _, amount in added])]).astype(int)
    return tuple(totals[np.searchsorted(moments, seconds, side="right")].tolist())
