"""The sections of a report on each data set: its table, its winners, its figures."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sklearn_trainkit.inspection._parameter_importances import (
    ParameterImportancesDisplay,
    parameter_importances,
)
from sklearn_trainkit.inspection._report_page import (
    FIGURE_WIDTH,
    MISSING,
    figure,
    frame_table,
    listing,
    p_value,
    paragraph,
    section,
    side_by_side,
    signed,
    without_folders,
)
from sklearn_trainkit.inspection._search_coverage import SearchCoverageDisplay, search_coverage
from sklearn_trainkit.inspection._training_curves import TrainingCurvesDisplay
from sklearn_trainkit.inspection._winning_params import describe_winners
from sklearn_trainkit.model_selection.evaluation._trial_record import PRUNED
from sklearn_trainkit.model_selection.results._read_trials import read_trials

__all__ = ["dataset_sections"]

NO_IMPORTANCES = (
    "No parameter importances: they need four complete trials whose scores and parameters differ."
)


def dataset_sections(
    results: pd.DataFrame, summary: pd.DataFrame, baseline: str, params: Sequence[str] | None
) -> list[str]:
    """Return a section for each data set.

    Parameters
    ----------
    results : DataFrame
        The table of a comparison.
    summary : DataFrame
        As `summarize_strategies` returns it.
    baseline : str
        Strategy that the others are compared with.
    params : sequence of two str, or None
        In which to show where each strategy looked; None takes the two most important.
    """
    parts = []
    for dataset, rows in summary.groupby("dataset", sort=False):
        trials = results[results["dataset"] == dataset]
        varied = _varied(trials)
        widest = _widest(trials, varied)
        importances = _importances(widest)
        figures = [
            *_importance_parts(str(dataset), widest, importances),
            *_coverage_parts(str(dataset), trials, params or _first_two(varied, importances)),
            *_curve_parts(str(dataset), trials),
        ]
        inside = [
            _summary_table(str(dataset), rows, baseline),
            paragraph("Parameters of each strategy's winners, by their inner score:"),
            listing(without_folders(text) for text in describe_winners(trials)),
            side_by_side(figures),
        ]
        parts.append(section(str(dataset), inside, level=3))
    return parts


def _summary_table(dataset: str, rows: pd.DataFrame, baseline: str) -> str:
    columns = {
        "strategy": ("strategy", str),
        "test_score": ("held-out", "{:.4f}".format),
        "interval": ("95 % interval", str),
        "difference": ("difference", signed),
        "p_holm": ("p (Holm)", p_value),
        "mean_rank": ("rank", "{:.2f}".format),
        "winners_curse": ("curse", signed),
        "trials": ("trials", "{:.0f}".format),
        "epochs": ("epochs", "{:.0f}".format),
        "seconds": ("seconds", "{:.1f}".format),
        "peak_memory": ("peak MB", "{:.0f}".format),
    }
    ends = zip(rows["test_low"], rows["test_high"], strict=True)
    rows = rows.assign(interval=[_interval(low, high) for low, high in ends])
    caption = f"{dataset}: means over the runs; differences from {baseline}"
    best = int(np.nanargmax(rows["test_score"])) if rows["test_score"].notna().any() else -1
    return frame_table(caption, rows, columns, bold={(best, "held-out")})


def _importances(widest: pd.DataFrame) -> pd.DataFrame | None:
    try:
        return parameter_importances(widest)
    except ValueError:
        return None


def _importance_parts(
    dataset: str, widest: pd.DataFrame, importances: pd.DataFrame | None
) -> list[str]:
    if importances is None or importances.empty:
        return [paragraph(NO_IMPORTANCES)]
    display = ParameterImportancesDisplay(importances).plot()
    display.figure_.set_figwidth(FIGURE_WIDTH)
    first = display.importances.columns[0]
    shares = ", ".join(f"{name} {share:.2f}" for name, share in display.importances[first].items())
    names = ", ".join(dict.fromkeys(widest["strategy"]))
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
        n_pruned = int((rows["status"] == PRUNED).sum())
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


def _first_two(varied: dict[Any, set[str]], importances: pd.DataFrame | None) -> list[str]:
    """Return the two parameters that most strategies vary, of these the most important."""
    names = [] if importances is None else [str(name) for name in importances.index]
    if len(names) < 2:
        return []
    strategies = varied.values()
    return sorted(names, key=lambda name: -sum(name in params for params in strategies))[:2]


def _widest(trials: pd.DataFrame, varied: dict[Any, set[str]]) -> pd.DataFrame:
    """Return the trials of the strategies that vary the most parameters: a grid varies few."""
    trials = trials.dropna(subset=["trial"])
    # Not what one strategy alone varies, such as the resource of a halving search.
    counts = Counter(name for params in varied.values() for name in params)
    shared = {name for name, count in counts.items() if count > 1 or len(varied) == 1}
    n_varied = {strategy: len(params & shared) for strategy, params in varied.items()}
    most = max(n_varied.values(), default=0)
    return trials[trials["strategy"].map(n_varied) == most]


def _varied(trials: pd.DataFrame) -> dict[Any, set[str]]:
    """Return which parameters each strategy varies."""
    found = {}
    for strategy, rows in trials.dropna(subset=["trial"]).groupby("strategy", sort=False):
        params = read_trials(rows).params
        found[strategy] = {str(name) for name in params if params[name].nunique() > 1}
    return found


def _interval(low: float, high: float) -> str:
    return MISSING if np.isnan(low) else f"{low:.3f} to {high:.3f}"
