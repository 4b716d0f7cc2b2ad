"""How good each strategy was at every moment of its search, over all runs of a comparison."""

from typing import Any, Self

import numpy as np
import pandas as pd

from sklearn_trainkit.comparison._anytime import GROUP
from sklearn_trainkit.comparison._ties import rounding_error
from sklearn_trainkit.inspection._drawing import literal, new_axes, strategy_styles
from sklearn_trainkit.inspection._given_tables import check_table

__all__ = ["AnytimeCurvesDisplay", "anytime_curves"]

CURRENCIES = {"trials": "trials", "epochs": "epochs trained", "seconds": "seconds"}
N_POINTS = 101


def anytime_curves(
    table: pd.DataFrame, *, by: str = "epochs", n_points: int = N_POINTS
) -> pd.DataFrame:
    """Return the height of the best score so far over the budget, for every run.

    Heights are made comparable within each data set, seed and outer fold: 0 is the lowest and 1
    the highest score of any trial there. Budgets are shares of what the strategy that spent most
    had spent; a search that ended earlier stays at what it had found. (The areas in
    ``summarize_strategies`` end where the first search ended.)

    Parameters
    ----------
    table : pandas.DataFrame
        What ``compare_searches`` returned.
    by : {"epochs", "seconds", "trials"}, default="epochs"
        What the budget is counted in.
    n_points : int, default=101
        Points of each curve.

    Returns
    -------
    curves : pandas.DataFrame
        Columns ``dataset``, ``seed``, ``fold``, ``strategy``, ``share`` (of the largest budget,
        0 to 1), ``spent`` (in the currency), ``height``, and ``ended``: the share at which the
        run ended. Runs whose costs are not known are left out.

    Raises
    ------
    ValueError
        When ``by`` is unknown, or no run knows what it spent of it.

    Examples
    --------
    See :class:`AnytimeCurvesDisplay`.
    """
    if by not in CURRENCIES:
        raise ValueError(f"by must be one of {sorted(CURRENCIES)}; got {by!r}")
    check_table(table, [*GROUP, "trial"], "table", "compare_searches")
    frames = [
        frame
        for key, group in table.dropna(subset=["trial"]).groupby(GROUP, sort=False)
        for frame in _group_curves(dict(zip(GROUP, key, strict=True)), group, by, n_points)
    ]
    if not frames:
        raise ValueError(f"by={by!r}, but no run of this table knows its {by}")
    return pd.concat(frames, ignore_index=True)


class AnytimeCurvesDisplay:
    """Mean height of the best score so far over the budget, by strategy.

    A large marker shows where a strategy ended, on average.

    Parameters
    ----------
    curves : DataFrame
        As :func:`anytime_curves` returns it.
    by : {"epochs", "seconds", "trials"}, default="epochs"
        What the budget is counted in.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The whole figure.
    lines_ : dict of str to Line2D
        The mean curve of each strategy.
    ends_ : dict of str to Line2D
        The markers where the strategies ended.
    bands_ : dict of str to PolyCollection
        Between the quartiles of the runs, where there are four or more.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
    >>> from sklearn_trainkit.comparison import compare_searches
    >>> from sklearn_trainkit.inspection import AnytimeCurvesDisplay
    >>> model = LogisticRegression(max_iter=1000)
    >>> table = compare_searches(
    ...     {
    ...         "grid": GridSearchCV(model, {"C": [0.001, 1.0]}),
    ...         "random": RandomizedSearchCV(model, {"C": [0.001, 0.1, 1.0]}, n_iter=2),
    ...     },
    ...     *load_iris(return_X_y=True), cv=3,
    ... )
    >>> display = AnytimeCurvesDisplay.from_results(table, by="trials")
    >>> sorted(display.lines_)
    ['grid', 'random']
    """

    def __init__(self, curves: pd.DataFrame, *, by: str = "epochs") -> None:
        self.curves = curves
        self.by = by

    @classmethod
    def from_results(
        cls, table: pd.DataFrame, *, by: str = "epochs", n_points: int = N_POINTS, ax: Any = None
    ) -> Self:
        """Draw the curves of a comparison.

        Parameters
        ----------
        table : pandas.DataFrame
            What ``compare_searches`` returned.
        by : {"epochs", "seconds", "trials"}, default="epochs"
            What the budget is counted in.
        n_points : int, default=101
            Points of each curve.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : AnytimeCurvesDisplay
            Drawn.
        """
        return cls(anytime_curves(table, by=by, n_points=n_points), by=by).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : AnytimeCurvesDisplay
            Itself.
        """
        self.ax_ = new_axes(ax, "AnytimeCurvesDisplay.plot")
        self.figure_ = self.ax_.figure
        self.lines_, self.ends_, self.bands_ = {}, {}, {}
        styles = strategy_styles(dict.fromkeys(self.curves["strategy"]))
        for name, rows in self.curves.groupby("strategy", sort=False):
            style = styles[str(name)]
            heights = rows.groupby("share")["height"]
            mean = heights.mean()
            marker = style.pop("marker")
            [line] = self.ax_.plot(mean.index, mean, lw=2, **style)
            self.lines_[str(name)] = line
            end = rows["ended"].mean()
            style["label"] = literal(name)
            [self.ends_[str(name)]] = self.ax_.plot(
                end, np.interp(end, mean.index, mean), marker=marker, ms=8, mec="white",
                clip_on=False, zorder=4, **style,
            )  # fmt: skip
            if heights.size().min() >= 4 and len(styles) <= 4:
                self.bands_[str(name)] = self.ax_.fill_between(
                    mean.index, heights.quantile(0.25), heights.quantile(0.75),
                    color=style["color"], alpha=0.12, lw=0,
                )  # fmt: skip
        self.ax_.set(
            xlim=(0, 1.01), xlabel=f"share of the largest budget in {CURRENCIES[self.by]}",
            ylabel="best score so far (0 lowest, 1 highest)",
        )  # fmt: skip
        # Steep at the start, flat at the end: the flat part tells strategies apart.
        settled = self.curves[self.curves["share"] >= 0.1].groupby(["strategy", "share"])["height"]
        self.ax_.set_ylim(max(settled.mean().min() - 0.05, -0.02), 1.02)
        self.ax_.grid(alpha=0.3)
        self.ax_.legend(fontsize="small", loc="lower right", ncols=2)
        return self


def _group_curves(
    key: dict[str, Any], group: pd.DataFrame, by: str, n_points: int
) -> list[pd.DataFrame]:
    runs = {str(name): run for name, run in group.groupby("strategy", sort=False)}
    spent = {name: _spent(run, by) for name, run in runs.items()}
    spent = {name: costs for name, costs in spent.items() if not np.isnan(costs).any()}
    finite = group["score"][np.isfinite(group["score"])]
    low, high = finite.min(), finite.max()
    if not spent or np.isnan(low):
        return []
    is_flat = high - low <= rounding_error([low, high]).max()
    horizon = max(costs.max() for costs in spent.values())
    shares = np.linspace(0, 1, n_points)
    frames = []
    for name, costs in spent.items():
        best = runs[name]["best_so_far"].to_numpy(dtype=float)
        scaled = np.ones_like(best) if is_flat else (best - low) / (high - low)
        steps = np.concatenate([[0.0], np.nan_to_num(scaled, neginf=0.0)])
        heights = steps[np.searchsorted(costs, shares * horizon * (1 + 1e-12), side="right")]
        frames.append(
            pd.DataFrame(
                {
                    **key,
                    "strategy": name,
                    "share": shares,
                    "spent": shares * horizon,
                    "height": heights,
                    "ended": costs.max() / horizon,
                }
            )
        )
    return frames


def _spent(run: pd.DataFrame, by: str) -> np.ndarray:
    if by == "trials":
        return np.arange(1.0, len(run) + 1)
    return run[by].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
