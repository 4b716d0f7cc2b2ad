"""Summaries of the long table that a comparison returns: of each run, strategy, and data set."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from sklearn_trainkit.comparison._anytime import GROUP, measure_anytime
from sklearn_trainkit.comparison._corrected_test import corrected_mean, holm, score_range
from sklearn_trainkit.comparison._table import COLUMNS, RUN_KEYS
from sklearn_trainkit.comparison._ties import rounding_error, tie_scores

__all__ = ["rank_strategies", "summarize_runs", "summarize_strategies"]

SCORES = ["score", "best_so_far", "run_inner_score", "run_test_score", "run_fresh_score"]
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
          run last. Scores that differ by rounding alone (1e-10 of the score, and 1e-14) share
          a rank. Only seeds and folds that all strategies of the data set have are ranked;
          missing where there is none;
        - ``difference`` in held-out score from the baseline, run by run, with
          ``difference_low``, ``difference_high`` and ``p_value``. Intervals and p-values are
          those of Nadeau and Bengio for overlapping splits, and missing with fewer than two runs
          or without any spread; ``p_holm`` is the p-value corrected by Holm's method for the
          number of strategies compared with the baseline on this data set. An interval stays
          where all scores of the data set are, trials included: between 0 and 1 it is
          Wilson's with the same corrected variance, scores that are all below 0, or below 1,
          end there;
        - ``trials``, ``fits``, ``epochs``, ``steps``, ``seconds``, ``peak_memory`` (megabytes):
          means over the runs where they are known, failed ones with what they had spent;
        - ``reached_baseline``: number of runs whose best inner score came up to the baseline's
          final one (but for rounding); ``epochs_to_baseline``, ``seconds_to_baseline``: the
          median cost at which they did;
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
    return _summarize_all(_paired_runs(table, baseline), table, confidence)


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
        - ``mean_rank``: mean over data sets of the mean rank on each. Only data sets on which
          all strategies have runs count, ``common_datasets`` of them: a rank among few is no
          rank among many. Missing where there is none;
        - ``best_on``: number of these data sets on which its mean held-out score is the highest,
          ties (but for rounding) counted for each;
        - ``difference``: mean over the data sets that it shares with the baseline of its mean
          difference from it;
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
    runs = _paired_runs(table, baseline)
    summary = _summarize_all(runs, table, confidence=0.95)
    common = _common_datasets(summary)
    is_common = summary["dataset"].isin(common)
    summary["mean_rank"] = summary["mean_rank"].where(is_common)
    summary["best_on"] = is_common & _is_best(summary, runs)
    rows = [_rank_row(strategy, rows) for strategy, rows in summary.groupby("strategy", sort=False)]
    ranking = pd.DataFrame(rows).sort_values(
        "mean_rank", kind="stable", ignore_index=True, key=lambda ranks: -tie_scores(-ranks)
    )
    ranking.insert(list(ranking).index("mean_rank") + 1, "common_datasets", len(common))
    return ranking.assign(p_holm=holm(ranking["p_value"]))


def _paired_runs(table: pd.DataFrame, baseline: str | None) -> pd.DataFrame:
    """Return the runs with their ranks and their differences from the baseline."""
    runs = summarize_runs(table)
    baseline = _check_baseline(runs, baseline)
    runs = runs.merge(measure_anytime(table, baseline), on=list(RUN_KEYS))
    runs["tied_score"] = runs.groupby(GROUP, sort=False)["test_score"].transform(tie_scores)
    runs["is_common"] = _are_common(runs)
    runs["rank"] = _ranks(runs)
    runs["difference"] = _differences(runs, baseline)
    runs["is_baseline"] = runs["strategy"] == baseline
    return runs


def _summarize_all(runs: pd.DataFrame, table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1; got {confidence!r}")
    ranges: dict[Any, tuple[float, float]] = {
        dataset: score_range(rows[SCORES].to_numpy(dtype=float))
        for dataset, rows in table.groupby("dataset", sort=False)
    }
    rows = [
        _summarize(
            strategy_runs,
            base=runs[(runs["dataset"] == dataset) & runs["is_baseline"]],
            level=confidence,
            within=ranges[dataset],
            n_planned=len(runs[runs["dataset"] == dataset].drop_duplicates(GROUP)),
        )
        for (dataset, _), strategy_runs in runs.groupby(["dataset", "strategy"], sort=False)
    ]
    summary = pd.DataFrame(rows)
    corrected = summary.groupby("dataset", sort=False)["p_value"].transform(holm)
    summary.insert(list(summary).index("p_value") + 1, "p_holm", corrected)
    return summary


def _check_baseline(runs: pd.DataFrame, baseline: str | None) -> str:
    strategies = runs["strategy"].unique().tolist()
    if not strategies:
        raise ValueError("table must hold at least one run; it is empty")
    if baseline is None:
        return str(strategies[0])
    if baseline not in strategies:
        raise ValueError(f"baseline must be one of the strategies {strategies}; got {baseline!r}")
    return baseline


def _are_common(runs: pd.DataFrame) -> pd.Series:
    """Tell of each run whether all strategies of its data set have one of its seed and fold."""
    n_there = runs.groupby("dataset", sort=False)["strategy"].transform("nunique")
    return runs.groupby(GROUP, sort=False)["strategy"].transform("nunique") == n_there


def _ranks(runs: pd.DataFrame) -> pd.Series:
    scores = runs.groupby(GROUP, sort=False)["tied_score"]
    ranks = scores.rank(ascending=False, na_option="bottom")
    # The second of two is not as good as the second of three.
    return ranks.where(runs["is_common"])


def _differences(runs: pd.DataFrame, baseline: str) -> pd.Series:
    base = runs[runs["strategy"] == baseline].set_index(GROUP)["tied_score"]
    paired = runs.join(base.rename("base_score"), on=GROUP)
    return paired["tied_score"] - paired["base_score"]


def _common_datasets(summary: pd.DataFrame) -> list[Any]:
    """Return the data sets on which every strategy of the table has a rank."""
    n_ranked = summary.dropna(subset=["mean_rank"]).groupby("dataset", sort=False).size()
    return n_ranked.index[n_ranked == summary["strategy"].nunique()].tolist()


def _is_best(summary: pd.DataFrame, runs: pd.DataFrame) -> pd.Series:
    """Tell of each row whether its mean score over the common runs is its data set's highest."""
    means = (
        runs[runs["is_common"]].groupby(["dataset", "strategy"], sort=False)["tied_score"].mean()
    )
    scores = summary.join(means, on=["dataset", "strategy"]).groupby("dataset", sort=False)
    tied = scores["tied_score"].transform(tie_scores)
    return tied == tied.groupby(summary["dataset"]).transform("max")


def _summarize(
    runs: pd.DataFrame,
    *,
    base: pd.DataFrame,
    level: float,
    within: tuple[float, float],
    n_planned: int,
) -> dict[str, Any]:
    first = runs.iloc[0]
    ratio = float((runs["n_test"] / runs["n_train"]).mean())
    score = corrected_mean(runs["test_score"].to_numpy(), ratio, level, within=within)
    differences = [np.nan] if first["is_baseline"] else runs["difference"].to_numpy()
    widest = within[1] - within[0]
    difference = corrected_mean(
        differences,
        ratio,
        level,
        within=(-widest, widest),
        tolerance=float(2 * rounding_error(runs["test_score"]).max()),
    )
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
    return {
        "strategy": strategy,
        "datasets": len(rows),
        "runs": int(rows["runs"].sum()),
        "failed": int(rows["failed"].sum()),
        "mean_rank": rows["mean_rank"].mean(),
        "best_on": int(rows["best_on"].sum()),
        "difference": rows["difference"].mean(),
        "p_value": _signed_rank_p(rows.dropna(subset=["difference"])),
    }


def _signed_rank_p(rows: pd.DataFrame) -> float:
    """Return the p-value of Wilcoxon's test, differences that are equal but for rounding tied."""
    differences = rows["difference"].to_numpy(dtype=float)
    if len(differences) < 2:
        return float("nan")
    tolerance = rounding_error(rows["test_score"].abs() + np.abs(differences))
    sizes = tie_scores(np.abs(differences), tolerance)
    # As between two of them: a size that cannot be told from none is none.
    differences = np.where(sizes <= tolerance, 0.0, np.sign(differences) * sizes)
    return float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0
