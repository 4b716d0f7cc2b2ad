"""Summaries of the long table that a comparison returns: of each run, strategy, and data set."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from sklearn_trainkit.comparison._anytime import GROUP, measure_anytime
from sklearn_trainkit.comparison._corrected_test import SMALLEST_SPREAD, corrected_mean, holm
from sklearn_trainkit.comparison._table import COLUMNS, RUN_KEYS

__all__ = ["rank_strategies", "summarize_runs", "summarize_strategies"]

SPENT = ["trials", "fits", "epochs", "steps", "seconds", "peak_memory"]


def summarize_runs(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each run: what it spent and how well its winner did.

    Parameters
    ----------
    table : pandas.DataFrame
        What :func:`compare_searches` returned.

    Returns
    -------
    runs : pandas.DataFrame
        The columns that name the run, then the table's ``run_...`` columns without that prefix.

    Raises
    ------
    ValueError
        When columns are missing.

    Examples
    --------
    See :func:`compare_searches`.
    """
    prefix = "run_"
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise ValueError(
            f"table must be what compare_searches returned; it lacks the columns {missing}"
        )
    columns = [*RUN_KEYS, *(name for name in COLUMNS if name.startswith(prefix))]
    runs = table[columns].drop_duplicates(list(RUN_KEYS), ignore_index=True)
    return runs.rename(columns=lambda name: name.removeprefix(prefix))


def summarize_strategies(
    table: pd.DataFrame, *, baseline: str | None = None, confidence: float = 0.95
) -> pd.DataFrame:
    """Return one row for each data set and strategy: score, rank, cost, and what can be said.

    Parameters
    ----------
    table : pandas.DataFrame
        What :func:`compare_searches` returned.
    baseline : str, default=None
        Strategy that the others are compared with; None takes the first of the table.
    confidence : float, default=0.95
        Coverage of the intervals.

    Returns
    -------
    summary : pandas.DataFrame
        - ``dataset``, ``strategy``, ``runs`` (seeds times outer folds), ``failed``;
        - ``test_score`` on held-out rows with ``test_low`` and ``test_high``; ``inner_score``;
          ``winners_curse``, the inner minus the score on fresh inner folds;
        - ``mean_rank`` of the held-out score among the strategies of a run, 1 the best, a failed
          run last;
        - ``difference`` in held-out score from the baseline, run by run, with
          ``difference_low``, ``difference_high`` and ``p_value``. Intervals and p-values are
          those of Nadeau and Bengio for overlapping splits, and missing with fewer than two runs
          or without any spread; ``p_holm`` is the p-value corrected by Holm's method for the
          number of strategies compared with the baseline on this data set;
        - ``trials``, ``fits``, ``epochs``, ``steps``, ``seconds``, ``peak_memory`` (megabytes):
          means over the runs where they are known, failed ones with what they had spent;
        - ``reached_baseline``: number of runs whose best inner score came up to the baseline's
          final one; ``epochs_to_baseline``, ``seconds_to_baseline``: the median cost at which
          they did;
        - ``area_epochs``, ``area_seconds``: mean scaled height of the best score so far over a
          common budget, 1 the best;
        - ``note``: what is missing or unequal: runs that only other strategies have, failed runs
          with their reason, another number of trials than the baseline's, epochs that
          could not be watched, starting candidates that could not be given.

    Raises
    ------
    ValueError
        When columns are missing, or the baseline or the confidence is not possible.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
    >>> from sklearn_trainkit.comparison import compare_searches, summarize_strategies
    >>> model = LogisticRegression(max_iter=1000)
    >>> searchers = {
    ...     "grid": GridSearchCV(model, {"C": [0.001, 1.0]}),
    ...     "random": RandomizedSearchCV(model, {"C": [0.001, 0.1, 1.0]}, n_iter=2),
    ... }
    >>> table = compare_searches(searchers, *load_iris(return_X_y=True), cv=3, seeds=[0, 1])
    >>> summary = summarize_strategies(table, baseline="grid")
    >>> summary[["strategy", "runs", "failed", "trials", "fits"]]
      strategy  runs  failed  trials  fits
    0     grid     2       0     2.0   7.0
    1   random     2       0     2.0   7.0
    """
    runs = summarize_runs(table)
    baseline = _check_baseline(runs, baseline)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1; got {confidence!r}")
    runs = runs.merge(measure_anytime(table, baseline), on=list(RUN_KEYS))
    runs["rank"] = _ranks(runs)
    runs["difference"] = _differences(runs, baseline)
    rows = [
        _summarize(
            strategy_runs,
            base=_of_baseline(runs, dataset, baseline),
            level=confidence,
            n_planned=len(runs[runs["dataset"] == dataset].drop_duplicates(GROUP)),
        )
        for (dataset, _), strategy_runs in runs.groupby(["dataset", "strategy"], sort=False)
    ]
    summary = pd.DataFrame(rows)
    corrected = summary.groupby("dataset", sort=False)["p_value"].transform(holm)
    summary.insert(list(summary).index("p_value") + 1, "p_holm", corrected)
    return summary


def rank_strategies(table: pd.DataFrame, *, baseline: str | None = None) -> pd.DataFrame:
    """Return one row for each strategy, over all data sets, best mean rank first.

    Parameters
    ----------
    table : pandas.DataFrame
        What :func:`compare_searches` returned.
    baseline : str, default=None
        Strategy that the others are compared with; None takes the first of the table.

    Returns
    -------
    ranking : pandas.DataFrame
        - ``strategy``, ``datasets``, ``runs``, ``failed``;
        - ``mean_rank``: mean over data sets of the mean rank on each;
        - ``best_on``: number of data sets on which its mean held-out score is the highest, ties
          counted for each;
        - ``difference``: mean over data sets of its mean difference from the baseline;
        - ``p_value``: Wilcoxon's signed-rank test over data sets, which are independent of each
          other where folds are not. It cannot fall below 0.05 with fewer than six data sets, and
          is missing for the baseline and for a single data set;
        - ``p_holm``: corrected by Holm's method for the number of strategies.

    Raises
    ------
    ValueError
        When columns are missing, or the baseline is not in the table.

    Examples
    --------
    See :func:`summarize_strategies`, which takes the same table.
    """
    summary = summarize_strategies(table, baseline=baseline)
    best = summary.groupby("dataset")["test_score"].transform("max")
    summary = summary.assign(best_on=summary["test_score"] >= best - SMALLEST_SPREAD)
    rows = [_rank_row(strategy, rows) for strategy, rows in summary.groupby("strategy", sort=False)]
    ranking = pd.DataFrame(rows).sort_values("mean_rank", kind="stable", ignore_index=True)
    return ranking.assign(p_holm=holm(ranking["p_value"]))


def _check_baseline(runs: pd.DataFrame, baseline: str | None) -> str:
    strategies = runs["strategy"].unique().tolist()
    if not strategies:
        raise ValueError("table must hold at least one run; it is empty")
    if baseline is None:
        return str(strategies[0])
    if baseline not in strategies:
        raise ValueError(f"baseline must be one of the strategies {strategies}; got {baseline!r}")
    return baseline


def _ranks(runs: pd.DataFrame) -> pd.Series:
    scores = runs.groupby(GROUP, sort=False)["test_score"]
    return scores.rank(ascending=False, na_option="bottom")


def _differences(runs: pd.DataFrame, baseline: str) -> pd.Series:
    base = runs[runs["strategy"] == baseline].set_index(GROUP)["test_score"]
    paired = runs.join(base.rename("base_score"), on=GROUP)
    return paired["test_score"] - paired["base_score"]


def _of_baseline(runs: pd.DataFrame, dataset: Any, baseline: str) -> pd.DataFrame:
    return runs[(runs["dataset"] == dataset) & (runs["strategy"] == baseline)]


def _summarize(
    runs: pd.DataFrame, *, base: pd.DataFrame, level: float, n_planned: int
) -> dict[str, Any]:
    first = runs.iloc[0]
    ratio = float((runs["n_test"] / runs["n_train"]).mean())
    score = corrected_mean(runs["test_score"].to_numpy(), ratio, level)
    is_baseline = bool(len(base)) and first["strategy"] == base.iloc[0]["strategy"]
    differences = [np.nan] if is_baseline else runs["difference"].to_numpy()
    difference = corrected_mean(differences, ratio, level)
    return {
        "dataset": first["dataset"],
        "strategy": first["strategy"],
        "runs": len(runs),
        "failed": int((runs["error"] != "").sum()),
        "test_score": score.mean,
        "test_low": score.low,
        "test_high": score.high,
        "inner_score": runs["inner_score"].mean(),
        "winners_curse": runs["winners_curse"].mean(),
        "mean_rank": runs["rank"].mean(),
        "difference": difference.mean,
        "difference_low": difference.low,
        "difference_high": difference.high,
        "p_value": difference.p_value,
        **{name: _mean(runs[name]) for name in SPENT},
        "reached_baseline": int(runs["reached_baseline"].sum()),
        "epochs_to_baseline": runs["epochs_to_baseline"].median(),
        "seconds_to_baseline": runs["seconds_to_baseline"].median(),
        "area_epochs": runs["area_epochs"].mean(),
        "area_seconds": runs["area_seconds"].mean(),
        "note": "; ".join(filter(None, [_note_absent(runs, n_planned), _note(runs, base)])),
    }


def _mean(column: pd.Series) -> float:
    known = column.dropna()
    return float(known.mean()) if len(known) else float("nan")


def _note_absent(runs: pd.DataFrame, n_planned: int) -> str:
    # The file of a comparison that was interrupted, for instance.
    n_absent = n_planned - len(runs)
    return f"{n_absent} of {n_planned} runs are not in the table" if n_absent else ""


def _note(runs: pd.DataFrame, base: pd.DataFrame) -> str:
    notes = []
    failed = runs[runs["error"] != ""]
    if len(failed):
        reason = _shorten(failed["error"].iloc[0])
        notes.append(f"{len(failed)} of {len(runs)} runs failed: {reason}")
    trials, base_trials = (_mean(sound["trials"]) for sound in (_sound(runs), _sound(base)))
    if trials != base_trials and not np.isnan(trials + base_trials):
        known = f"{round(trials, 1):g} trials a run, the baseline {round(base_trials, 1):g}"
        notes.append(known)
    if len(_sound(runs)) and _sound(runs)["epochs"].isna().any():
        notes.append("epochs not watched")
    notes.extend(note for note in runs["note"].unique() if note)
    return "; ".join(notes)


def _shorten(error: str) -> str:
    # scikit-learn's "All the fits failed" begins with an empty line and ends with the cause.
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    if lines[0].endswith(":") and len(lines) > 1:
        lines = [f"{lines[0]} {lines[1]}", *lines[2:]]
    return lines[0] if len(lines) < 3 else f"{lines[0]} ... {lines[-1]}"


def _sound(runs: pd.DataFrame) -> pd.DataFrame:
    return runs[runs["error"] == ""]


def _rank_row(strategy: Any, rows: pd.DataFrame) -> dict[str, Any]:
    differences = rows["difference"].dropna().to_numpy()
    # Means of equal scores vary in their last digits, and a test of ranks would count them.
    differences = np.where(np.abs(differences) < SMALLEST_SPREAD, 0.0, differences)
    p_value = float("nan")
    if len(differences) > 1:
        all_equal = not differences.any()
        p_value = 1.0 if all_equal else float(stats.wilcoxon(differences).pvalue)
    return {
        "strategy": strategy,
        "datasets": len(rows),
        "runs": int(rows["runs"].sum()),
        "failed": int(rows["failed"].sum()),
        "mean_rank": rows["mean_rank"].mean(),
        "best_on": int(rows["best_on"].sum()),
        "difference": rows["difference"].mean(),
        "p_value": p_value,
    }
