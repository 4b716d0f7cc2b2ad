"""The report of a comparison: one HTML file with tables, figures and how it was made."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from sklearn_trainkit.comparison import rank_strategies, summarize_runs, summarize_strategies
from sklearn_trainkit.inspection._anytime_curves import AnytimeCurvesDisplay
from sklearn_trainkit.inspection._environment import describe_environment
from sklearn_trainkit.inspection._report_datasets import dataset_sections
from sklearn_trainkit.inspection._report_page import (
    FIGURE_WIDTH,
    figure,
    frame_table,
    listing,
    p_value,
    page,
    paragraph,
    section,
    side_by_side,
    signed,
    table,
    without_folders,
)
from sklearn_trainkit.inspection._strategy_ranks import StrategyRanksDisplay
from sklearn_trainkit.utils._whole_files import replace_file, sweep_unfinished

__all__ = ["write_report"]


def write_report(
    results: pd.DataFrame,
    path: str | os.PathLike[str],
    *,
    baseline: str | None = None,
    params: Sequence[str] | None = None,
    title: str = "Comparison of search strategies",
    method: str | None = None,
) -> None:
    """Write what a comparison found as one self-contained HTML file.

    It holds the ranking, a table for each data set with the winning parameters, anytime curves,
    parameter importances, where each strategy looked, learning curves with the pruned ones
    marked, what is missing, and what was installed where the report is written. It needs no
    network, and reads on a phone and on paper.

    Parameters
    ----------
    results : pandas.DataFrame
        What ``compare_searches`` returned.
    path : path-like
        The file, which is replaced in one step: a full disk leaves the old one.
    baseline : str, default=None
        Strategy that the others are compared with; None takes the first of the table.
    params : sequence of two str, default=None
        The parameters in which to show where each strategy looked; None takes, on each data set,
        the two most important of those that most strategies vary.
    title : str, default="Comparison of search strategies"
        Heading.
    method : str, default=None
        What a reader should know about how it was made, in addition to what the table tells.

    Raises
    ------
    ValueError
        When the table is not a comparison's, or the baseline or a parameter is not in it.
    ImportError
        When matplotlib is not installed.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_trainkit.comparison import compare_searches
    >>> from sklearn_trainkit.inspection import write_report
    >>> tree, grid = DecisionTreeClassifier(), {"max_depth": [1, 2], "min_samples_leaf": [1, 5]}
    >>> table = compare_searches(
    ...     {"grid": GridSearchCV(tree, grid), "random": RandomizedSearchCV(tree, grid, n_iter=3)},
    ...     *load_iris(return_X_y=True), cv=2, seeds=[0, 1],
    ... )
    >>> with TemporaryDirectory() as folder:
    ...     write_report(table, Path(folder, "report.html"))
    ...     Path(folder, "report.html").read_text()[:15]
    '<!DOCTYPE html>'
    """
    runs = summarize_runs(results)
    if params is not None:
        _check_params(results, params)
    summary = summarize_strategies(results, baseline=baseline)
    ranking = rank_strategies(results, baseline=baseline)
    baseline = baseline or str(runs["strategy"].iloc[0])
    parts = [
        paragraph(_describe_outcome(ranking, summary)),
        section("How it was made", _method_parts(results, runs, method)),
        section("What is missing or unequal", _missing_parts(summary)),
        section("Ranks over all data sets", _rank_parts(results, ranking)),
        section("How fast", _anytime_parts(results)),
        section("Data set by data set", dataset_sections(results, summary, baseline, params)),
        section("Where this report was written", _environment_parts()),
    ]
    text = page(title, [part for part in parts if part])
    sweep_unfinished(Path(path).parent, Path(path).name)
    replace_file(path, text.encode("utf-8", "backslashreplace"), "report")


def _describe_outcome(ranking: pd.DataFrame, summary: pd.DataFrame) -> str:
    best = ranking.iloc[0]
    text = "No data set has runs of all strategies, so that they have no ranks. "
    if best["common_datasets"]:
        text = (
            f"{best['strategy']} has the best mean rank, {best['mean_rank']:.2f} over "
            f"{_count(int(best['common_datasets']), 'data set')}, and the highest mean "
            f"held-out score on {int(best['best_on'])} of them. "
        )
    n_tests = int(summary["p_holm"].notna().sum())
    n_found = int((summary["p_holm"] < 0.05).sum())
    if not n_tests:
        return text + "There are too few runs to test any difference."
    return text + (
        f"Of {n_tests} differences from the baseline on a data set, {n_found} "
        f"{'has' if n_found == 1 else 'have'} a corrected p-value below 0.05."
    )


def _method_parts(results: pd.DataFrame, runs: pd.DataFrame, method: str | None) -> list[str]:
    n_seeds, n_folds = runs["seed"].nunique(), runs["fold"].nunique()
    text = (
        f"{_count(runs['strategy'].nunique(), 'strategy', 'strategies')} searched on "
        f"{_count(runs['dataset'].nunique(), 'data set')} with {_count(n_seeds, 'seed')} and "
        f"{_count(n_folds, 'outer fold')}: {_count(len(runs), 'run')} and "
        f"{_count(int(results['trial'].count()), 'trial')}. "
        "Within a data set, seed and outer fold every strategy got the same training rows, the "
        "same inner folds and the same seed; its winner was refitted and scored on rows that no "
        "strategy had seen (held-out score). Fits, epochs and seconds were counted by watching "
        "the estimators train. The winner's curse is the best inner score minus the score of the "
        "same parameters on inner folds drawn anew. Intervals and p-values are those of Nadeau "
        "and Bengio for overlapping splits, p-values corrected by Holm's method for the number "
        "of strategies. A score of few runs is uncertain: read the interval before the mean."
    )
    return [paragraph(text), *([paragraph(method)] if method else [])]


def _missing_parts(summary: pd.DataFrame) -> list[str]:
    noted = summary[summary["note"] != ""]
    if noted.empty:
        return [paragraph("Nothing: every run ended, with as many trials as the baseline's.")]
    items = []
    for (strategy, note), rows in noted.groupby(["strategy", "note"], sort=False):
        where = ", ".join(rows["dataset"])
        items.append(f"{strategy} on {where}: {without_folders(str(note))}")
    return [listing(items)]


def _rank_parts(results: pd.DataFrame, ranking: pd.DataFrame) -> list[str]:
    columns = {
        "strategy": ("strategy", str),
        "mean_rank": ("mean rank", "{:.2f}".format),
        "best_on": ("best on", str),
        "difference": ("difference", signed),
        "p_holm": ("p (Holm)", p_value),
        "runs": ("runs", str),
        "failed": ("failed", str),
    }
    caption = "Ranks by held-out score; differences from the baseline, mean over data sets"
    parts = [frame_table(caption, ranking, columns)]
    ranks_known = ranking["mean_rank"].notna().all()
    if ranking["strategy"].nunique() > 1 and not ranks_known:
        parts.append(paragraph("No mean ranks: no data set has runs of all strategies."))
    elif ranking["strategy"].nunique() > 1:
        display = StrategyRanksDisplay.from_results(results)
        ranks = ", ".join(f"{name} {rank:.2f}" for name, rank in display.ranks.mean_rank.items())
        display.figure_.set_figwidth(FIGURE_WIDTH)
        caption = "Mean ranks. Strategies joined by a bar do not differ by Nemenyi's test."
        if display.ranks.left_out:
            names = ", ".join(display.ranks.left_out)
            caption += f" Without {names}, where some strategy has no runs to be ranked."
        parts.append(figure(display.figure_, f"Mean ranks: {ranks}", caption))
    return parts


def _anytime_parts(results: pd.DataFrame) -> list[str]:
    parts = []
    for by, words in (("epochs", "epochs trained"), ("seconds", "seconds")):
        try:
            display = AnytimeCurvesDisplay.from_results(results, by=by)
        except ValueError:
            parts.append(paragraph(f"The {words} of these searches are not known."))
            continue
        display.figure_.set_size_inches(FIGURE_WIDTH, 4.0)
        ends = display.curves[display.curves["share"] == 1.0].groupby("strategy", sort=False)
        heights = ", ".join(f"{name} {mean:.2f}" for name, mean in ends["height"].mean().items())
        caption = (
            f"Best inner score so far over {words}, mean over all runs; 0 is the lowest and 1 the "
            "highest score of any trial of a data set, seed and fold. Markers: where a strategy "
            "ended. Higher and further left is better."
        )
        alt = f"Anytime curves over {words}. At the end: {heights}"
        parts.append(figure(display.figure_, alt, caption))
    return [side_by_side(parts)]


def _check_params(results: pd.DataFrame, params: Sequence[str]) -> None:
    known = dict.fromkeys(name for text in results["params"] for name in json.loads(text))
    if isinstance(params, str) or len(params) != 2 or (known and not set(params) <= known.keys()):
        raise ValueError(f"params must be two of {list(known)}; got {params!r}")


def _environment_parts() -> list[str]:
    found = describe_environment()
    rows = [{"what": name, "value": value} for name, value in found.items()]
    return [table("Machine and versions", ["what", "value"], rows)]


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
