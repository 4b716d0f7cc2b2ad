"""Read from a fitted searcher what it tried, and how each trial scored."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["TrialRecord", "read_trials"]


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
    curve : tuple of (int, float)
        Step and score of what it reported on its way, epochs for instance.
    """

    number: int
    params: Mapping[str, Any]
    status: str
    score: float
    score_std: float
    resource: float
    worked_seconds: float
    completed_at: datetime.datetime | None = None
    curve: tuple[tuple[int, float], ...] = ()


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
        return _read_cv_results(search, results, _study_trials(search, len(results["params"])))
    if study is not None:
        return [_read_study_trial(trial, search.n_splits_) for trial in study.trials]
    raise TypeError(
        f"{type(search).__name__} has no cv_results_ with params after fit, so its trials cannot "
        "be read"
    )


def _study_trials(search: Any, n_trials: int) -> list[Any] | None:
    # A resumed study holds trials of earlier searches too, and ours what was cut off or withdrawn:
    # trials_ are those of the rows.
    study = getattr(search, "study_", None)
    trials = list(getattr(search, "trials_", [] if study is None else study.trials))
    return trials if len(trials) == n_trials else None


def _read_cv_results(
    search: Any, results: Mapping[str, Any], study_trials: list[Any] | None
) -> list[TrialRecord]:
    n_trials = len(results["params"])
    metric = _refit_metric(search, results)
    unknown = np.full(n_trials, np.nan)
    worked = np.asarray(results.get("mean_fit_time", unknown), dtype=float)
    worked = worked + np.asarray(results.get("mean_score_time", unknown), dtype=float)
    worked = worked * results.get("n_folds", search.n_splits_)
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
            worked_seconds=float(worked[number]),
            completed_at=study_trials[number].datetime_complete if study_trials else None,
            curve=_read_curve(study_trials[number]) if study_trials else (),
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
        curve=_read_curve(trial),
    )


def _read_curve(study_trial: Any) -> tuple[tuple[int, float], ...]:
    return tuple(sorted(study_trial.intermediate_values.items()))


def _status(score: float, study_trial: Any) -> str:
    if study_trial and study_trial.state.name == "PRUNED":
        return "pruned"
    return "failed" if np.isnan(score) else "complete"
