"""Read from a fitted searcher what it tried, how each trial scored, and when each trial ended."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_trainkit.callbacks import FitTrace

__all__ = ["RunClock", "TrialEnds", "TrialRecord", "read_trials", "time_trials"]

REFIT_TASK = "refit-with-best-params"
EVALUATION_TASK = "candidate-split-evaluation"


@dataclass(frozen=True)
class TrialRecord:
    """One set of parameters that a searcher evaluated.

    Attributes
    ----------
    number : int
        Position in the searcher's own order.
    params : mapping of str to object
        The parameters tried.
    status : {"complete", "pruned", "failed"}
        "failed" when its score is NaN.
    score, score_std : float
        Mean and standard deviation over the inner folds.
    resource : float
        What a halving search gave to it; NaN elsewhere.
    worked_seconds : float
        Fit and score times added over folds, as the searcher reports them.
    completed_at : datetime or None
        When it ended, if the searcher keeps an optuna study.
    """

    number: int
    params: Mapping[str, Any]
    status: str
    score: float
    score_std: float
    resource: float
    worked_seconds: float
    completed_at: datetime.datetime | None = None


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
class TrialEnds:
    """When the trials of a run ended.

    Attributes
    ----------
    seconds : tuple of float
        Seconds since the search began, in the order of the trials.
    timed_by : {"study", "fits", "cv_results_"}
        Where the times come from: the stamps of an optuna study, the ends of the fits that were
        watched, or, when neither is known, the searcher's own fit and score times added up as if
        the trials had run one after another.
    """

    seconds: tuple[float, ...]
    timed_by: str


def read_trials(search: Any) -> list[TrialRecord]:
    """Read the trials of a fitted searcher.

    Parameters
    ----------
    search : searcher
        Fitted, with scikit-learn's ``cv_results_`` or optuna-integration's ``study_``.

    Returns
    -------
    trials : list of TrialRecord
        In the searcher's own order.

    Raises
    ------
    TypeError
        When there is nothing to read them from.
    """
    results = getattr(search, "cv_results_", None)
    study = getattr(search, "study_", None)
    if isinstance(results, Mapping) and "params" in results:
        return _read_cv_results(search, results, _study_trials(study, len(results["params"])))
    if study is not None:
        return [_read_study_trial(trial, search.n_splits_) for trial in study.trials]
    raise TypeError(
        f"{type(search).__name__} has no cv_results_ with params after fit, so its trials cannot "
        "be read"
    )


def time_trials(
    trials: Sequence[TrialRecord], traces: Sequence[FitTrace], n_splits: int, clock: RunClock
) -> TrialEnds:
    """Say when each trial ended, from the best source there is.

    Parameters
    ----------
    trials : sequence of TrialRecord
        What was tried.
    traces : sequence of FitTrace
        The fits that were watched.
    n_splits : int
        Inner folds of a trial.
    clock : RunClock
        When the search began.

    Returns
    -------
    ends : TrialEnds
        Seconds since the search began, and where they come from.
    """
    stamps = [trial.completed_at for trial in trials]
    if trials and all(stamp is not None for stamp in stamps):
        since = [(stamp - clock.wall).total_seconds() for stamp in stamps if stamp is not None]
        return TrialEnds(tuple(since), "study")
    ends = _ends_of_fits(traces, len(trials), n_splits)
    if ends is not None:
        return TrialEnds(tuple(float(end - clock.monotonic) for end in ends), "fits")
    worked = np.cumsum([trial.worked_seconds for trial in trials])
    return TrialEnds(tuple(worked.tolist()), "cv_results_")


def _study_trials(study: Any, n_trials: int) -> list[Any] | None:
    # A resumed study holds trials of earlier searches too: then rows and trials do not match.
    trials = [] if study is None else list(study.trials)
    return trials if len(trials) == n_trials else None


def _read_cv_results(
    search: Any, results: Mapping[str, Any], study_trials: list[Any] | None
) -> list[TrialRecord]:
    n_trials = len(results["params"])
    metric = _refit_metric(search, results)
    unknown = np.full(n_trials, np.nan)
    worked = np.asarray(results.get("mean_fit_time", unknown), dtype=float)
    worked = worked + np.asarray(results.get("mean_score_time", unknown), dtype=float)
    scores = np.asarray(results[f"mean_test_{metric}"], dtype=float)
    spreads = np.asarray(results.get(f"std_test_{metric}", unknown), dtype=float)
    resources = np.asarray(results.get("n_resources", unknown), dtype=float)
    return [
        TrialRecord(
            number=number,
            params=results["params"][number],
            status=_status(scores[number], study_trials and study_trials[number]),
            score=float(scores[number]),
            score_std=float(spreads[number]),
            resource=float(resources[number]),
            worked_seconds=float(worked[number]) * search.n_splits_,
            completed_at=study_trials[number].datetime_complete if study_trials else None,
        )
        for number in range(n_trials)
    ]


def _refit_metric(search: Any, results: Mapping[str, Any]) -> str:
    refit = getattr(search, "refit", True)
    if isinstance(refit, str):
        return refit
    if "mean_test_score" in results:
        return "score"
    # Several metrics and a callable that picks the winner: the first metric draws the curve.
    prefix = "mean_test_"
    return next(key.removeprefix(prefix) for key in results if key.startswith(prefix))


def _read_study_trial(trial: Any, n_splits: int) -> TrialRecord:
    attributes = trial.user_attrs
    worked = attributes.get("mean_fit_time", np.nan) + attributes.get("mean_score_time", np.nan)
    score = float("nan") if trial.value is None else float(trial.value)
    return TrialRecord(
        number=trial.number,
        params=trial.params,
        status=_status(score, trial),
        score=score,
        score_std=float(attributes.get("std_test_score", np.nan)),
        resource=float("nan"),
        worked_seconds=float(worked) * n_splits,
        completed_at=trial.datetime_complete,
    )


def _status(score: float, study_trial: Any) -> str:
    if study_trial and study_trial.state.name == "PRUNED":
        return "pruned"
    return "failed" if np.isnan(score) else "complete"


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
