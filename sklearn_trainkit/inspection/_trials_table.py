"""Trials from every source that the figures take, in one form.

A source is a fitted searcher (ours, scikit-learn's, optuna-integration's), a plain
``cv_results_``, an optuna study, or the long table of a comparison.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from optuna.distributions import CategoricalDistribution

from sklearn_trainkit.model_selection.evaluation._trial_record import FOLD_SCORES
from sklearn_trainkit.model_selection.space._distributions import describe, label_apart
from sklearn_trainkit.model_selection.space._search_space import BRANCH

__all__ = ["COMPLETE", "FAILED", "PRUNED", "TrialCurve", "TrialsTable", "read_trials"]

RUN_COLUMNS = ["dataset", "seed", "fold", "strategy"]
COMPLETE, PRUNED, FAILED = "complete", "pruned", "failed"
ACCEPTED = (
    "a fitted searcher, a cv_results_ (dict or DataFrame), an optuna study, or the table of "
    "compare_searches"
)


@dataclass(frozen=True)
class TrialCurve:
    """What one trial reported on its way.

    Attributes
    ----------
    steps : ndarray of shape (n_steps,)
        Epochs trained, or folds done.
    values : ndarray of shape (n_steps,)
        Mean over the folds.
    fold_scores : ndarray of shape (n_steps, n_folds)
        Each fold's own; no columns where they were not kept.
    """

    steps: np.ndarray
    values: np.ndarray
    fold_scores: np.ndarray


@dataclass(frozen=True)
class TrialsTable:
    """The trials of one search, in their order.

    Attributes
    ----------
    number : ndarray of shape (n_trials,)
        The searcher's own numbers.
    state : ndarray of shape (n_trials,)
        "complete", "pruned" or "failed". What a halving search tried with less than the largest
        resource counts as pruned.
    score : ndarray of shape (n_trials,)
        The guiding score; of a pruned trial the last one that it reported; NaN without any.
    params : DataFrame of shape (n_trials, n_params)
        Numbers, or labels of what is not a number; None where a trial lacks the parameter.
    seconds : ndarray of shape (n_trials,)
        Since the search began when the trial ended. From ``cv_results_`` alone: fit and score
        times added up, as if trials had run one after another.
    epochs : ndarray of shape (n_trials,)
        Epochs trained by then, over all folds; NaN where not known.
    curves : tuple of TrialCurve
        In the order of the trials, empty without reports.
    log_params : frozenset of str
        Parameters that were drawn on a logarithmic scale.
    score_name : str
        For labels.
    maximize : bool
        Whether more is better.
    study : optuna.Study or None
        Behind the search, when its values are the scores here.
    """

    number: np.ndarray
    state: np.ndarray
    score: np.ndarray
    params: pd.DataFrame
    seconds: np.ndarray
    epochs: np.ndarray
    curves: tuple[TrialCurve, ...]
    log_params: frozenset[str] = field(default_factory=frozenset)
    score_name: str = "score"
    maximize: bool = True
    study: Any = None

    @property
    def complete(self) -> np.ndarray:
        """Whether each trial has a final score."""
        return (self.state == COMPLETE) & np.isfinite(self.score)


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
    if hasattr(source, "trials") and hasattr(source, "directions"):
        return _from_study(source, metric)
    if isinstance(source, pd.DataFrame) and "run_fingerprint" in source:
        return _from_comparison(source)
    results = getattr(source, "cv_results_", source)
    if isinstance(results, Mapping | pd.DataFrame) and "params" in results:
        return _from_cv_results(source, results, metric)
    if hasattr(source, "study_"):
        return _from_study(source.study_, metric)
    hint = ""
    if hasattr(source, "get_params") and not hasattr(source, "cv_results_"):
        hint = ", which has no cv_results_: fit it first"
    raise TypeError(f"trials are read from {ACCEPTED}; got {type(source).__name__}{hint}")


def _from_cv_results(search: Any, results: Any, metric: str | int | None) -> TrialsTable:
    name = _metric_name(search, results, metric)
    score = np.asarray(results[f"mean_test_{name}"], dtype=float)
    n_trials = len(score)
    state = np.asarray(results["state"] if "state" in results else [COMPLETE] * n_trials, object)
    state = np.where((state == COMPLETE) & np.isnan(score), FAILED, state)
    state = _stopped_below_top(state, results.get("n_resources"))
    n_folds = sum(1 for key in results if str(key).endswith(f"_test_{name}") and _is_split(key))
    times = [key for key in ("mean_fit_time", "mean_score_time") if key in results]
    worked: Any = sum(np.nan_to_num(np.asarray(results[key], dtype=float)) for key in times)
    worked = worked * results.get("n_folds", n_folds)
    if not times or not n_folds:
        worked = np.nan
    table = TrialsTable(
        number=np.arange(n_trials),
        state=state,
        score=score,
        params=_params_frame(list(results["params"])),
        seconds=np.cumsum(np.broadcast_to(np.asarray(worked, dtype=float), n_trials)),
        epochs=_cumulative_epochs(results, n_trials),
        curves=(_NO_CURVE,) * n_trials,
        score_name=name.replace("_", " "),
    )
    study = getattr(search, "study_", None)
    return table if study is None else _join_study(table, search, study, name)


def _join_study(table: TrialsTable, search: Any, study: Any, metric: str) -> TrialsTable:
    """Add what only the study knows: draws, scales, moments, curves."""
    by_number = {trial.number: trial for trial in study.trials}
    numbers = getattr(search, "_trial_numbers", list(by_number))
    trials = [by_number[number] for number in numbers]
    if len(trials) != len(table.number):
        return table
    guides = len(study.directions) == 1 and metric in ("score", getattr(search, "refit", None))
    drawn = callable(getattr(search, "param_distributions", None))
    return TrialsTable(
        number=np.array(numbers),
        state=table.state,
        score=table.score,
        params=_params_frame(
            [trial.params for trial in trials]
            if drawn
            else list(map(_with_labels, search.cv_results_["params"], trials))
        ),
        seconds=_elapsed(trials),
        epochs=table.epochs,
        curves=tuple(map(_read_curve, trials)) if guides else table.curves,
        log_params=_log_params(trials),
        score_name=table.score_name,
        study=study if guides else None,
    )


def _from_study(study: Any, metric: str | int | None) -> TrialsTable:
    objective = _objective_index(study, metric)
    trials = [trial for trial in study.trials if trial.state.is_finished()]
    curves = tuple(map(_read_curve, trials))
    state = np.array([_study_state(trial) for trial in trials], dtype=object)
    return TrialsTable(
        number=np.array([trial.number for trial in trials], dtype=int),
        state=state,
        score=np.array([_study_score(trial, objective) for trial in trials], dtype=float),
        params=_params_frame([trial.params for trial in trials]),
        seconds=_elapsed(trials),
        epochs=np.full(len(trials), np.nan),
        curves=curves,
        log_params=_log_params(trials),
        score_name=_objective_name(study, objective),
        maximize=study.directions[objective].name == "MAXIMIZE",
        study=study if len(study.directions) == 1 else None,
    )


def _from_comparison(rows: pd.DataFrame) -> TrialsTable:
    rows = rows.dropna(subset=["trial"])
    # Numbers of several runs would collide.
    number = np.arange(len(rows)) if rows["trial"].duplicated().any() else rows["trial"]
    # The largest resource of a run may follow its number of rows.
    largest = rows.groupby(RUN_COLUMNS)["resource"].transform("max")
    status = rows["status"].to_numpy(dtype=object)
    below = (status == COMPLETE) & (rows["resource"] < largest).to_numpy()
    return TrialsTable(
        number=np.asarray(number, dtype=int),
        state=np.where(below, PRUNED, status),
        score=rows["score"].to_numpy(dtype=float),
        params=_params_frame([_parse_params(text) for text in rows["params"]]),
        seconds=rows["seconds"].to_numpy(dtype=float),
        epochs=rows["epochs"].astype("Float64").to_numpy(dtype=float, na_value=np.nan),
        curves=tuple(_parse_curve(text) for text in rows["curve"]),
    )


def _parse_params(text: str) -> dict[str, Any]:
    # JSON knows no tuples.
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in json.loads(text).items()
    }


_NO_CURVE = TrialCurve(np.empty(0, dtype=int), np.empty(0), np.empty((0, 0)))


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


def _stopped_below_top(state: np.ndarray, resources: Any) -> np.ndarray:
    """Count what a halving search tried with less than the largest resource as pruned."""
    if resources is None:
        return state
    given = np.asarray(resources, dtype=float)
    return np.where((state == COMPLETE) & (given < np.nanmax(given)), PRUNED, state)


def _is_split(key: Any) -> bool:
    return str(key).startswith("split") and str(key)[5:6].isdigit()


def _cumulative_epochs(results: Any, n_trials: int) -> np.ndarray:
    if "n_fold_epochs" not in results:
        return np.full(n_trials, np.nan)
    epochs = np.ma.filled(np.ma.asarray(results["n_fold_epochs"]).astype(float), np.nan)
    # What one trial spent may be unknown, such as of a failed one: those after it are not.
    return np.where(np.isnan(epochs), np.nan, np.nancumsum(epochs))


def _elapsed(trials: Sequence[Any]) -> np.ndarray:
    starts = [trial.datetime_start for trial in trials if trial.datetime_start is not None]
    if not starts:
        return np.full(len(trials), np.nan)
    ends = [trial.datetime_complete or trial.datetime_start for trial in trials]
    return np.array(
        [np.nan if end is None else (end - min(starts)).total_seconds() for end in ends]
    )


def _study_state(trial: Any) -> str:
    return {"COMPLETE": COMPLETE, "PRUNED": PRUNED}.get(trial.state.name, FAILED)


def _study_score(trial: Any, objective: int) -> float:
    if trial.values is not None:
        return float(trial.values[objective])
    if trial.state.name == "PRUNED" and trial.intermediate_values and objective == 0:
        return float(trial.intermediate_values[max(trial.intermediate_values)])
    return float("nan")


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


def _parse_curve(text: Any) -> TrialCurve:
    pairs = json.loads(text) if isinstance(text, str) and text else []
    steps = np.array([step for step, _ in pairs], dtype=int)
    values = np.array([value for _, value in pairs], dtype=float)
    return TrialCurve(steps, values, np.empty((len(pairs), 0)))


def _log_params(trials: Sequence[Any]) -> frozenset[str]:
    return frozenset(
        name
        for trial in trials
        for name, distribution in trial.distributions.items()
        if getattr(distribution, "log", False)
    )


def _with_labels(params: Mapping[str, Any], trial: Any) -> dict[str, Any]:
    """Put the labels of a study in the place of objects: it tells choices apart."""
    index = trial.params.get(BRANCH)
    shown = dict(params)
    for name, value in params.items():
        key = name if name in trial.params else f"{name} [{index}]"
        chosen = isinstance(trial.distributions.get(key), CategoricalDistribution)
        if chosen and isinstance(trial.params[key], str) and not isinstance(value, str):
            shown[name] = _Choice(trial.params[key], value)
    return shown


@dataclass(frozen=True)
class _Choice:
    """An object by the label that its study has for it."""

    label: str
    value: Any


def _params_frame(params: list[Mapping[str, Any]]) -> pd.DataFrame:
    names = list(dict.fromkeys(name for row in params for name in row))
    columns = {name: _plain_column([row.get(name, _ABSENT) for row in params]) for name in names}
    return pd.DataFrame(columns, index=range(len(params)), columns=names)


_ABSENT = object()


def _is_finite_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and bool(np.isfinite(value))


def _plain_column(values: list[Any]) -> pd.Series:
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    present = [value for value in plain if value is not _ABSENT]
    # An infinite number, such as C=inf, has no place on a scale: it is a choice.
    if all(_is_finite_number(value) for value in present):
        return pd.Series([np.nan if value is _ABSENT else float(value) for value in plain])
    return pd.Series(_label(plain), dtype=object)


def _name_value(value: Any) -> str:
    if isinstance(value, _Choice):
        return value.label
    return value if isinstance(value, str) else describe(value)


def _label(values: list[Any]) -> list[str | None]:
    """Return a label for each value, the same for equal values only; None where it is absent."""
    present = [value for value in values if value is not _ABSENT]
    items = [value.value if isinstance(value, _Choice) else value for value in present]
    texts = iter(label_apart(items, list(map(_name_value, present))))
    return [None if value is _ABSENT else next(texts) for value in values]
