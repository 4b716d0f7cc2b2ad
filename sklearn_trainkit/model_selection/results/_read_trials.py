"""The one reader of trials, for comparisons and for figures, from every source there is.

A source is a fitted searcher (ours, scikit-learn's, optuna-integration's), a plain
``cv_results_``, an optuna study, or the long table of a comparison.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from sklearn_trainkit.model_selection.evaluation._trial_record import (
    COMPLETE,
    FAILED,
    FOLD_SCORES,
    PRUNED,
)
from sklearn_trainkit.model_selection.results._shown_params import with_study_labels
from sklearn_trainkit.model_selection.results._trials_table import (
    NO_CURVE,
    TrialCurve,
    TrialRow,
    TrialsTable,
)
from sklearn_trainkit.model_selection.study._search_study import list_trials

__all__ = ["is_comparison", "read_runs", "read_trials"]

RUN_COLUMNS = ["strategy", "dataset", "seed", "fold"]
ACCEPTED = (
    "a fitted searcher, a cv_results_ (dict or DataFrame), an optuna study, or the table of "
    "compare_searches"
)


def read_trials(source: Any, metric: str | int | None = None) -> TrialsTable:
    """Read the trials of a source.

    Parameters
    ----------
    source : searcher, dict, DataFrame or optuna study
        See the module.
    metric : str, int or None, default=None
        Which score: a name in ``cv_results_``, or the number of an objective of a study. None
        takes the one that guides the search, or the first.

    Raises
    ------
    TypeError
        When ``source`` is none of these, or not fitted.
    ValueError
        When there is no such metric.
    """
    if isinstance(source, TrialsTable):
        return source
    if hasattr(source, "get_trials") and hasattr(source, "directions"):
        return _from_study(source, metric)
    if is_comparison(source):
        return _from_comparison(source)
    results = getattr(source, "cv_results_", source)
    if isinstance(results, Mapping | pd.DataFrame) and "params" in results:
        return _from_cv_results(source, results, metric)
    if hasattr(source, "study_"):
        return _from_study(source.study_, metric)
    raise TypeError(
        f"trials are read from {ACCEPTED}; got {type(source).__name__}{_what_it_lacks(source)}"
    )


def is_comparison(source: Any) -> bool:
    """Return whether this is the long table of a comparison, or some of its rows."""
    return isinstance(source, pd.DataFrame) and "run_fingerprint" in source


def read_runs(table: pd.DataFrame) -> list[tuple[str, TrialsTable]]:
    """Return strategy and trials of each run of a comparison."""
    runs = table.dropna(subset=["trial"]).groupby(RUN_COLUMNS, sort=False)
    return [(str(key[0]), _from_comparison(rows)) for key, rows in runs]


def _what_it_lacks(source: Any) -> str:
    if hasattr(source, "cv_results_"):
        return ", whose cv_results_ has no params"
    if hasattr(source, "history") or (isinstance(source, list) and hasattr(source, "to_list")):
        return ": one training, with an epoch in each row of pandas.DataFrame(history.to_list())"
    if hasattr(source, "get_params"):
        return ", which has no cv_results_: fit it first"
    return ""


# -- cv_results_ -----------------------------------------------------------------------------


def _from_cv_results(search: Any, results: Any, metric: str | int | None) -> TrialsTable:
    name = _metric_name(search, results, metric)
    params = list(results["params"])
    n_trials = len(params)
    unknown = np.full(n_trials, np.nan)
    scores = np.asarray(results[f"mean_test_{name}"], dtype=float).tolist()
    spreads = np.asarray(results.get(f"std_test_{name}", unknown), dtype=float).tolist()
    states = results.get("state", [COMPLETE] * n_trials)
    resources = np.asarray(results.get("n_resources", unknown), dtype=float)
    top_resource = float(np.fmax.reduce(resources, initial=np.nan))
    seconds = np.cumsum(_seconds_worked(search, results, name)).tolist()
    epochs = _cumulative_epochs(results, n_trials).tolist()
    rows = tuple(
        TrialRow(
            number=number,
            params=params[number],
            state=FAILED if state == COMPLETE and np.isnan(scores[number]) else state,
            score=scores[number],
            score_std=spreads[number],
            resource=float(resources[number]),
            top_resource=top_resource,
            seconds=seconds[number],
            epochs=epochs[number],
        )
        for number, state in enumerate(states)
    )
    table = TrialsTable(rows, score_name=name.replace("_", " "))
    study = getattr(search, "study_", None)
    return table if study is None else _join_study(table, search, study, name)


def _join_study(table: TrialsTable, search: Any, study: Any, metric: str) -> TrialsTable:
    """Add what only the study knows: draws, scales, moments, curves."""
    by_number = {trial.number: trial for trial in list_trials(study)}
    # A resumed study holds trials of earlier searches too, and ours what was cut off or withdrawn.
    numbers = getattr(search, "_trial_numbers", list(by_number))
    trials = [by_number[number] for number in numbers]
    if len(trials) != len(table.rows):
        return table
    guides = len(study.directions) == 1 and metric == _metric_name(search, search.cv_results_, None)
    drawn = callable(getattr(search, "param_distributions", None))
    rows = tuple(
        replace(
            row,
            number=trial.number,
            state=PRUNED if trial.state.name == "PRUNED" else row.state,
            seconds=seconds,
            completed_at=trial.datetime_complete,
            curve=_read_curve(trial) if guides else NO_CURVE,
            shown=dict(trial.params) if drawn else with_study_labels(row.params, trial),
        )
        for row, trial, seconds in zip(table.rows, trials, _elapsed(trials), strict=True)
    )
    study = study if guides else None
    return replace(table, rows=rows, log_params=_log_params(trials), study=study)


def _metric_name(search: Any, results: Any, metric: str | int | None) -> str:
    names = [str(key)[10:] for key in results if str(key).startswith("mean_test_")]
    if not names:
        raise ValueError("cv_results_ must have a column mean_test_score, or of another metric")
    refit = getattr(search, "refit", None)
    if metric is None:
        metric = refit if isinstance(refit, str) and refit in names else names[0]
    if metric not in names:
        raise ValueError(f"metric must be one of {names}; got {metric!r}")
    return str(metric)


def _seconds_worked(search: Any, results: Any, metric: str) -> np.ndarray:
    """Return fit and score times of each trial over all folds; NaN where they are not known."""
    n_splits = sum(
        str(key).startswith("split")
        and str(key)[5:6].isdigit()
        and str(key).endswith(f"_test_{metric}")
        for key in results
    )
    n_folds = results.get("n_folds", n_splits or getattr(search, "n_splits_", 0))
    times = [key for key in ("mean_fit_time", "mean_score_time") if key in results]
    if not times or not np.any(n_folds):
        return np.full(len(results["params"]), np.nan)
    worked = sum(np.nan_to_num(np.asarray(results[key], dtype=float)) for key in times)
    seconds: np.ndarray = np.asarray(worked * n_folds, dtype=float)
    return seconds


def _cumulative_epochs(results: Any, n_trials: int) -> np.ndarray:
    if "n_fold_epochs" not in results:
        return np.full(n_trials, np.nan)
    epochs = np.ma.filled(np.ma.asarray(results["n_fold_epochs"]).astype(float), np.nan)
    # What one trial spent may be unknown, such as of a failed one: those after it are not.
    return np.where(np.isnan(epochs), np.nan, np.nancumsum(epochs))


# -- an optuna study -------------------------------------------------------------------------


def _from_study(study: Any, metric: str | int | None) -> TrialsTable:
    objective = _objective_index(study, metric)
    trials = [trial for trial in list_trials(study) if trial.state.is_finished()]
    rows = tuple(
        TrialRow(
            number=trial.number,
            params=dict(trial.params),  # the study keeps its own
            state={"COMPLETE": COMPLETE, "PRUNED": PRUNED}.get(trial.state.name, FAILED),
            score=_study_score(trial, objective),
            score_std=float(trial.user_attrs.get("std_test_score", np.nan)),
            seconds=seconds,
            completed_at=trial.datetime_complete,
            curve=_read_curve(trial),
        )
        for trial, seconds in zip(trials, _elapsed(trials), strict=True)
    )
    return TrialsTable(
        rows,
        log_params=_log_params(trials),
        score_name=_objective_name(study, objective),
        maximize=study.directions[objective].name == "MAXIMIZE",
        study=study if len(study.directions) == 1 else None,
    )


def _objective_name(study: Any, objective: int) -> str:
    if names := getattr(study, "metric_names", None):
        return str(names[objective])
    return "score" if len(study.directions) == 1 else f"objective {objective}"


def _objective_index(study: Any, metric: str | int | None) -> int:
    n_objectives = len(study.directions)
    if metric is None:
        return 0
    names = list(getattr(study, "metric_names", None) or [])
    if metric in names:
        return names.index(str(metric))
    if isinstance(metric, int) and 0 <= metric < n_objectives:
        return metric
    raise ValueError(
        f"metric must be the number of an objective, 0 to {n_objectives - 1}"
        f"{f', or one of {names}' if names else ''}; got {metric!r}"
    )


def _study_score(trial: Any, objective: int) -> float:
    if trial.values is not None:
        return float(trial.values[objective])
    if trial.state.name == "PRUNED" and trial.intermediate_values and objective == 0:
        return float(trial.intermediate_values[max(trial.intermediate_values)])
    return float("nan")


def _elapsed(trials: Sequence[Any]) -> list[float]:
    starts = [trial.datetime_start for trial in trials if trial.datetime_start is not None]
    began = min(starts, default=None)
    ends = [trial.datetime_complete or trial.datetime_start for trial in trials]
    return [
        float("nan") if end is None else 0.0 if began is None else (end - began).total_seconds()
        for end in ends
    ]


def _log_params(trials: Sequence[Any]) -> frozenset[str]:
    return frozenset(
        name
        for trial in trials
        for name, distribution in trial.distributions.items()
        if getattr(distribution, "log", False)
    )


def _read_curve(trial: Any) -> TrialCurve:
    steps = sorted(trial.intermediate_values)
    values = np.array([trial.intermediate_values[step] for step in steps], dtype=float)
    # None stands for NaN there; in a race the first steps are of fewer folds.
    rows = trial.user_attrs.get(FOLD_SCORES, [])
    n_folds = max(map(len, rows), default=0)
    padded = [[*row, *[None] * (n_folds - len(row))] for row in rows]
    fold_scores = np.array(padded, dtype=float)
    if fold_scores.shape[:1] != (len(steps),) or fold_scores.ndim != 2:
        fold_scores = np.empty((len(steps), 0))
    elif padded != rows:  # the study has the last step as it was before the other folds came
        values = np.array([np.mean(np.array(row, dtype=float)) for row in rows])
    return TrialCurve(np.array(steps, dtype=int), values, fold_scores)


# -- the table of a comparison ---------------------------------------------------------------


def _from_comparison(table: pd.DataFrame) -> TrialsTable:
    table = table.dropna(subset=["trial"])
    # Numbers of several runs would collide.
    numbers = range(len(table)) if table["trial"].duplicated().any() else table["trial"]
    epochs = table["epochs"].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    columns = {
        "number": numbers,
        "params": map(_parse_params, table["params"]),
        "state": table["status"],  # under this name in files of every version
        "score": table["score"],
        "score_std": table["score_std"],
        "resource": table["resource"],
        # The largest resource of a run may follow its number of rows.
        "top_resource": table.groupby(RUN_COLUMNS)["resource"].transform("max"),
        "seconds": table["seconds"],
        "epochs": epochs,
        "curve": map(_parse_curve, table["curve"]),
    }
    return TrialsTable(
        tuple(
            TrialRow(**dict(zip(columns, values, strict=True)))
            for values in zip(*columns.values(), strict=True)
        )
    )


def _parse_params(text: str) -> dict[str, Any]:
    # JSON knows no tuples.
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in json.loads(text).items()
    }


def _parse_curve(text: Any) -> TrialCurve:
    pairs = json.loads(text) if isinstance(text, str) and text else []
    steps = np.array([step for step, _ in pairs], dtype=int)
    values = np.array([value for _, value in pairs], dtype=float)
    return TrialCurve(steps, values, np.empty((len(pairs), 0)))
