"""The report of a comparison: one HTML file with tables, figures and how it was made."""

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sklearn_trainkit.comparison import rank_strategies, summarize_runs, summarize_strategies
from sklearn_trainkit.inspection._anytime_curves import AnytimeCurvesDisplay
from sklearn_trainkit.inspection._environment import describe_environment
from sklearn_trainkit.inspection._parameter_importances import (
    ParameterImportancesDisplay,
    parameter_importances,
)
from sklearn_trainkit.inspection._report_page import (
    figure,
    listing,
    page,
    paragraph,
    section,
    side_by_side,
    table,
)
from sklearn_trainkit.inspection._search_coverage import SearchCoverageDisplay, search_coverage
from sklearn_trainkit.inspection._strategy_ranks import StrategyRanksDisplay
from sklearn_trainkit.inspection._training_curves import TrainingCurvesDisplay
from sklearn_trainkit.inspection._winning_params import describe_winners
from sklearn_trainkit.model_selection.results._read_trials import read_trials
from sklearn_trainkit.utils._whole_files import replace_file, sweep_unfinished

__all__ = ["write_report"]

# Wide enough for a screen, and its letters are large enough when a phone shrinks it.
FIGURE_WIDTH = 4.6
MISSING = "-"
# Reasons of failures may name files; the folders tell of the machine.
FOLDERS = re.compile(r"(?<![\w/\\])(?:~|[A-Za-z]:)?[/\\](?:[^\s'\":/\\]+[/\\])+")
NO_IMPORTANCES = (
    "No parameter importances: they need four complete trials whose scores and parameters differ."
)


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
        section("Data set by data set", _dataset_parts(results, summary, baseline, params)),
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
        items.append(f"{strategy} on {where}: {FOLDERS.sub('', str(note))}")
    return [listing(items)]


def _rank_parts(results: pd.DataFrame, ranking: pd.DataFrame) -> list[str]:
    columns = {
        "strategy": ("strategy", str),
        "mean_rank": ("mean rank", "{:.2f}".format),
        "best_on": ("best on", str),
        "difference": ("difference", _signed),
        "p_holm": ("p (Holm)", _p_value),
        "runs": ("runs", str),
        "failed": ("failed", str),
    }
    caption = "Ranks by held-out score; differences from the baseline, mean over data sets"
    parts = [_frame_table(caption, ranking, columns)]
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


def _dataset_parts(
    results: pd.DataFrame, summary: pd.DataFrame, baseline: str, params: Sequence[str] | None
) -> list[str]:
    parts = []
    for dataset, rows in summary.groupby("dataset", sort=False):
        trials = results[results["dataset"] == dataset]
        importances = _importances(trials)
        figures = [
            *_importance_parts(str(dataset), trials, importances),
            *_coverage_parts(str(dataset), trials, params or _first_two(trials, importances)),
            *_curve_parts(str(dataset), trials),
        ]
        inside = [
            _summary_table(str(dataset), rows, baseline),
            paragraph("Parameters of each strategy's winners, by their inner score:"),
            listing(FOLDERS.sub("", text) for text in describe_winners(trials)),
            side_by_side(figures),
        ]
        parts.append(section(str(dataset), inside, level=3))
    return parts


def _summary_table(dataset: str, rows: pd.DataFrame, baseline: str) -> str:
    columns = {
        "strategy": ("strategy", str),
        "test_score": ("held-out", "{:.4f}".format),
        "interval": ("95 % interval", str),
        "difference": ("difference", _signed),
        "p_holm": ("p (Holm)", _p_value),
        "mean_rank": ("rank", "{:.2f}".format),
        "winners_curse": ("curse", _signed),
        "trials": ("trials", "{:.0f}".format),
        "epochs": ("epochs", "{:.0f}".format),
        "seconds": ("seconds", "{:.1f}".format),
        "peak_memory": ("peak MB", "{:.0f}".format),
    }
    ends = zip(rows["test_low"], rows["test_high"], strict=True)
    rows = rows.assign(interval=[_interval(low, high) for low, high in ends])
    caption = f"{dataset}: means over the runs; differences from {baseline}"
    best = int(np.nanargmax(rows["test_score"])) if rows["test_score"].notna().any() else -1
    return _frame_table(caption, rows, columns, bold={(best, "held-out")})


def _importances(trials: pd.DataFrame) -> pd.DataFrame | None:
    try:
        return parameter_importances(_widest(trials))
    except ValueError:
        return None


def _importance_parts(
    dataset: str, trials: pd.DataFrame, importances: pd.DataFrame | None
) -> list[str]:
    if importances is None or importances.empty:
        return [paragraph(NO_IMPORTANCES)]
    display = ParameterImportancesDisplay(importances).plot()
    display.figure_.set_figwidth(FIGURE_WIDTH)
    first = display.importances.columns[0]
    shares = ", ".join(f"{name} {share:.2f}" for name, share in display.importances[first].items())
    names = ", ".join(dict.fromkeys(_widest(trials)["strategy"]))
    caption = f"Parameter importances on {dataset}, from all trials of {names}."
    return [figure(display.figure_, f"Parameter importances by {first}: {shares}", caption)]


def _coverage_parts(dataset: str, trials: pd.DataFrame, params: Sequence[str]) -> list[str]:
    if not len(params):
        return []
    names = f"{params[0]} and {params[1]}"
    with_both = trials[trials["params"].map(lambda text: set(params) <= json.loads(text).keys())]
    if with_both.empty:
        return [paragraph(f"No trial has both {names}.")]
    seed = with_both["seed"].iloc[0]
    first = _same_fold(trials, with_both)
    display = SearchCoverageDisplay(search_coverage(first, params=params)).plot(n_columns=2)
    display.figure_.set_size_inches(FIGURE_WIDTH, 0.5 + 2.1 * -(-len(display.axes_) // 2))
    caption = (
        f"Where each strategy looked on {dataset}, seed {seed}: {names}. Light "
        "points are early trials, dark ones late; triangles were pruned; the star is the best."
    )
    alt = f"Trials of {', '.join(display.coverage.strategies)} in {names}"
    return [figure(display.figure_, alt, caption)]


def _curve_parts(dataset: str, trials: pd.DataFrame) -> list[str]:
    parts = []
    with_curves = trials[trials["curve"].map(lambda text: isinstance(text, str) and len(text) > 2)]
    first = _same_fold(with_curves, with_curves)
    for strategy, rows in first.groupby("strategy", sort=False):
        display = TrainingCurvesDisplay.from_results(rows)
        display.figure_.set_size_inches(FIGURE_WIDTH, 3.6)
        n_pruned = int((rows["status"] == "pruned").sum())
        caption = (
            f"Learning curves of {strategy} on {dataset}, seed {rows['seed'].iloc[0]}: means over "
            f"the inner folds; {n_pruned} of {len(rows)} trials were pruned."
        )
        alt = f"Learning curves of {len(rows)} trials, {n_pruned} pruned"
        parts.append(figure(display.figure_, alt, caption))
    return parts


def _same_fold(trials: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """Return the trials of the seed and outer fold of the first that is chosen."""
    if chosen.empty:
        return chosen
    first = chosen.iloc[0]
    return trials[(trials["seed"] == first["seed"]) & (trials["fold"] == first["fold"])]


def _check_params(results: pd.DataFrame, params: Sequence[str]) -> None:
    known = dict.fromkeys(name for text in results["params"] for name in json.loads(text))
    if isinstance(params, str) or len(params) != 2 or (known and not set(params) <= known.keys()):
        raise ValueError(f"params must be two of {list(known)}; got {params!r}")


def _environment_parts() -> list[str]:
    found = describe_environment()
    rows = [{"what": name, "value": value} for name, value in found.items()]
    return [table("Machine and versions", ["what", "value"], rows)]


def _first_two(trials: pd.DataFrame, importances: pd.DataFrame | None) -> list[str]:
    """Return the two parameters that most strategies vary, of these the most important."""
    names = [] if importances is None else [str(name) for name in importances.index]
    if len(names) < 2:
        return []
    varied = _varied(trials).values()
    return sorted(names, key=lambda name: -sum(name in params for params in varied))[:2]


def _widest(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials of the strategies that vary the most parameters: a grid varies few."""
    trials = trials.dropna(subset=["trial"])
    varied = _varied(trials)
    # Not what one strategy alone varies, such as the resource of a halving search.
    counts = Counter(name for params in varied.values() for name in params)
    shared = {name for name, count in counts.items() if count > 1 or len(varied) == 1}
    n_varied = {strategy: len(params & shared) for strategy, params in varied.items()}
    most = max(n_varied.values(), default=0)
    return trials[trials["strategy"].map(n_varied) == most]


def _varied(trials: pd.DataFrame) -> dict[Any, set[str]]:
    found = {}
    for strategy, rows in trials.dropna(subset=["trial"]).groupby("strategy", sort=False):
        params = read_trials(rows).params
        found[strategy] = {str(name) for name in params if params[name].nunique() > 1}
    return found


def _frame_table(caption: str, frame: pd.DataFrame, columns: dict[str, Any], bold: Any = ()) -> str:
    rows = []
    for record in frame.to_dict("records"):
        cells = {}
        for key, (heading, show) in columns.items():
            value = record[key]
            missing = isinstance(value, float) and np.isnan(value)
            cells[heading] = MISSING if missing else show(value)
        rows.append(cells)
    return table(caption, [heading for heading, _ in columns.values()], rows, bold=bold)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _signed(value: float) -> str:
    return f"{value:+.4f}"


def _p_value(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _interval(low: float, high: float) -> str:
    return MISSING if np.isnan(low) else f"{low:.3f} to {high:.3f}"
