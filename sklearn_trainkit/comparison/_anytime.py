"""How good a search was at every moment, not only at its end."""

from typing import Any

import numpy as np
import pandas as pd

from sklearn_trainkit.comparison._table import RUN_KEYS
from sklearn_trainkit.comparison._ties import rounding_error

__all__ = ["measure_anytime"]

# Strategies of one group saw the same rows and the same splits.
GROUP = ["dataset", "seed", "fold"]


def measure_anytime(table: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Measure the curve of the best score so far of every run.

    Parameters
    ----------
    table : pandas.DataFrame
        The long table of a comparison.
    baseline : str
        Strategy whose final best inner score is the target to reach.

    Returns
    -------
    measures : pandas.DataFrame
        One row for each run, with the columns that name it and

        - ``area_epochs``, ``area_seconds``: mean height of the curve from the start to the moment
          at which the first strategy of the same data set, seed and fold had ended, so that all
          are judged over one budget. Heights are scaled: 0 is the lowest score of any trial of
          that group, and stands until a run's first trial has ended; 1 is the group's best. NaN
          where the cost is not known;
        - ``epochs_to_baseline``, ``seconds_to_baseline``: cost at which the curve reached the
          baseline's final best, or came as near as rounding lets tell; NaN when it never did, or
          the cost is not known;
        - ``reached_baseline``: whether it did.
    """
    rows = []
    for _, group in table.groupby(GROUP, sort=False):
        with_trials = group.dropna(subset=["trial"])
        curves = {str(name): run for name, run in with_trials.groupby("strategy", sort=False)}
        for strategy in group["strategy"].unique():
            first = group[group["strategy"] == strategy].iloc[0]
            key = {name: first[name] for name in RUN_KEYS}
            rows.append({**key, **_measure_run(strategy, curves, curves.get(baseline))})
    return pd.DataFrame(rows)


def _measure_run(
    strategy: str, curves: dict[str, pd.DataFrame], target_curve: pd.DataFrame | None
) -> dict[str, Any]:
    curve = curves.get(strategy)
    measures: dict[str, Any] = {"reached_baseline": False}
    reached = _rows_at_target(curve, target_curve)
    for currency in ("epochs", "seconds"):
        measures[f"area_{currency}"] = _scaled_area(strategy, curves, currency)
        measures[f"{currency}_to_baseline"] = float("nan")
        if len(reached):
            measures["reached_baseline"] = True
            measures[f"{currency}_to_baseline"] = _as_floats(reached[currency])[0]
    return measures


def _rows_at_target(curve: pd.DataFrame | None, target_curve: pd.DataFrame | None) -> pd.DataFrame:
    if curve is None or target_curve is None:
        return pd.DataFrame()
    # A halving search may lose its best score when it moves to a larger resource, so the target
    # is where the baseline ended, and a curve reaches it when it first stands at it.
    target = float(target_curve["best_so_far"].iloc[-1])
    return curve[curve["best_so_far"] >= target - float(rounding_error(target))]


def _scaled_area(strategy: str, curves: dict[str, pd.DataFrame], currency: str) -> float:
    spent = {name: _as_floats(curve[currency]) for name, curve in curves.items()}
    spent = {name: costs for name, costs in spent.items() if not np.isnan(costs).any()}
    horizon = min((costs.max() for costs in spent.values()), default=0.0)
    if strategy not in spent or horizon <= 0:
        return float("nan")
    every_score = np.concatenate([_as_floats(curve["score"]) for curve in curves.values()])
    heights = _as_floats(curves[strategy]["best_so_far"])
    return _step_area(spent[strategy], heights, horizon, every_score)


def _step_area(
    costs: np.ndarray, heights: np.ndarray, horizon: float, every_score: np.ndarray
) -> float:
    # Worked example: horizon 4, costs (1, 3, 9), scaled heights (0.5, 1, 1): nothing until 1, a
    # half until 3, one until 4, hence (0 * 1 + 0.5 * 2 + 1 * 1) / 4 = 0.5.
    every_score = every_score[np.isfinite(every_score)]
    if not len(every_score):
        return float("nan")
    low, high = every_score.min(), every_score.max()
    if high - low <= rounding_error([low, high]).max():
        return 1.0
    scaled = np.nan_to_num((heights - low) / (high - low), nan=0.0, neginf=0.0)
    edges = np.minimum(np.concatenate([[0.0], costs, [horizon]]), horizon)
    return float((np.concatenate([[0.0], scaled]) * np.diff(edges)).sum() / horizon)


def _as_floats(column: pd.Series) -> np.ndarray:
    return column.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
