"""The long table of a comparison: one row for each trial, with the facts of its run repeated."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sklearn_trainkit.comparison._incumbent import follow_incumbent
from sklearn_trainkit.comparison._run import RunRecord
from sklearn_trainkit.model_selection.results._trials_table import TrialCurve
from sklearn_trainkit.model_selection.space._labels import label_by_value

__all__ = ["COLUMNS", "RUN_KEYS", "RunKey", "build_table", "run_rows"]


class RunKey(NamedTuple):
    """What identifies one run.

    Attributes
    ----------
    dataset : str
        Name of the data set.
    seed : int
        Seed of splits, searcher and estimators.
    fold : int
        Outer fold, 0 for a single hold-out.
    strategy : str
        Name of the searcher.
    """

    dataset: str
    seed: int
    fold: int
    strategy: str


RUN_KEYS = RunKey._fields

# Columns and their types. "Int64" can be missing: not known is not zero.
COLUMNS: dict[str, str] = {
    "dataset": "object",
    "seed": "int64",
    "fold": "int64",
    "strategy": "object",
    "trial": "Int64",
    "params": "object",
    "status": "object",  # the state, under the name that it has in files of every version
    "resource": "float64",
    "score": "float64",
    "score_std": "float64",
    "best_so_far": "float64",
    "seconds": "float64",
    "epochs": "Int64",
    "steps": "Int64",
    "timed_by": "object",
    "curve": "object",
    "run_error": "object",
    "run_note": "object",
    "run_trials": "int64",
    "run_fits": "Int64",
    "run_epochs": "Int64",
    "run_steps": "Int64",
    "run_seconds": "float64",
    "run_refit_seconds": "float64",
    "run_peak_memory": "float64",
    "run_counted_by": "object",
    "run_inner_score": "float64",
    "run_test_score": "float64",
    "run_fresh_score": "float64",
    "run_winners_curse": "float64",
    "run_n_train": "int64",
    "run_n_test": "int64",
    "run_fingerprint": "object",
}


def build_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return the rows as a data frame with the columns and types of ``COLUMNS``."""
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype(COLUMNS)


def run_rows(key: RunKey, run: RunRecord, fingerprint: str) -> list[dict[str, Any]]:
    """Return the rows of one run: one a trial, in the order in which the trials ended.

    A run without trials gives one row, whose trial is missing.

    Parameters
    ----------
    key : RunKey
        Which run.
    run : RunRecord
        What happened in it.
    fingerprint : str
        Of its settings and data.

    Returns
    -------
    rows : list of dict
        With the keys of ``COLUMNS``.
    """
    shared = {**key._asdict(), **_run_columns(run), "run_fingerprint": fingerprint}
    if not run.trials:
        blank = {"params": "{}", "status": "", "timed_by": "", "curve": "[]"}
        return [{**shared, "trial": None, **blank}]
    order = np.argsort(run.costs.seconds, kind="stable").tolist()
    best = follow_incumbent(run.trials, order)
    return [
        {**shared, **_trial_columns(run, index), "best_so_far": _score_of(run, incumbent)}
        for index, incumbent in zip(order, best, strict=True)
    ]


def _run_columns(run: RunRecord) -> dict[str, Any]:
    return {
        "run_error": _writable(run.error),
        "run_note": _writable(run.note),
        "run_trials": len(run.trials),
        "run_fits": run.spent.n_fits,
        "run_epochs": run.spent.n_epochs,
        "run_steps": run.spent.n_steps,
        "run_seconds": run.seconds,
        "run_refit_seconds": run.refit_seconds,
        "run_peak_memory": run.peak_memory,
        "run_counted_by": run.counted_by,
        "run_inner_score": run.inner_score,
        "run_test_score": run.test_score,
        "run_fresh_score": run.fresh_score,
        "run_winners_curse": run.inner_score - run.fresh_score,
        "run_n_train": run.n_train,
        "run_n_test": run.n_test,
    }


def _trial_columns(run: RunRecord, index: int) -> dict[str, Any]:
    trial = run.trials[index]
    return {
        "trial": trial.number,
        "params": _params_text(trial.params),
        "status": trial.state,
        "resource": trial.resource,
        "score": trial.score,
        "score_std": trial.score_std,
        "seconds": run.costs.seconds[index],
        "epochs": run.costs.epochs[index],
        "steps": run.costs.steps[index],
        "timed_by": run.costs.timed_by,
        "curve": _curve_text(trial.curve),
    }


def _curve_text(curve: TrialCurve) -> str:
    pairs = zip(curve.steps.tolist(), curve.values.tolist(), strict=True)
    return json.dumps([[step, round(score, 6)] for step, score in pairs])


def _score_of(run: RunRecord, incumbent: int | None) -> float:
    return float("nan") if incumbent is None else run.trials[incumbent].score


def _params_text(params: Any) -> str:
    plain = {name: _plain(value) for name, value in params.items()}
    return json.dumps(plain, default=label_by_value)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _writable(text: str) -> str:
    """Return a text whose every character has a place in UTF-8: half a surrogate pair has none."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
