"""Ranks of strategies over data sets, and how far apart they must be to differ."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy import stats

from sklearn_trainkit.comparison import rank_strategies, summarize_strategies
from sklearn_trainkit.comparison._ties import tie_scores
from sklearn_trainkit.inspection._drawing import COLORS, literal, new_axes
from sklearn_trainkit.inspection._given_tables import check_table

__all__ = ["RankComparison", "StrategyRanksDisplay", "strategy_ranks"]


@dataclass(frozen=True)
class RankComparison:
    """Mean ranks of strategies, the best first.

    Attributes
    ----------
    mean_rank : Series of shape (n_strategies,)
        By strategy; 1 would be the best everywhere.
    n_datasets : int
        Data sets over which the mean is taken: those that all strategies have.
    critical_difference : float
        Mean ranks closer than this do not differ; NaN for fewer than two data sets.
    friedman_p : float
        p-value of Friedman's test that all strategies are alike; NaN for fewer than three
        strategies or two data sets, 1 where all are equal everywhere.
    groups : tuple of tuple of str
        The largest sets of neighbours that do not differ.
    left_out : tuple of str, default=()
        Data sets that some strategy lacks: they are in no rank and no test.
    """

    mean_rank: pd.Series
    n_datasets: int
    critical_difference: float
    friedman_p: float
    groups: tuple[tuple[str, ...], ...]
    left_out: tuple[str, ...] = ()


def strategy_ranks(table: pd.DataFrame, *, alpha: float = 0.05) -> RankComparison:
    """Return the mean ranks of the strategies of a comparison, with Nemenyi's test.

    A strategy's rank on a data set is the mean of its ranks over seeds and outer folds, by
    held-out score. Data sets are independent of each other where folds are not, so they alone
    count as observations (Demsar, JMLR 7, 2006). Both tests need complete blocks: data sets on
    which some strategy has no run are left out.

    Parameters
    ----------
    table : pandas.DataFrame
        What ``compare_searches`` returned.
    alpha : float, default=0.05
        Probability of calling any two equal strategies different.

    Returns
    -------
    ranks : RankComparison
        Mean ranks, the critical difference and the groups that it leaves together.

    Raises
    ------
    ValueError
        When ``alpha`` does not lie between 0 and 1, or the table is not a comparison's.

    Examples
    --------
    See :class:`StrategyRanksDisplay`.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1; got {alpha!r}")
    check_table(table, [], "table", "compare_searches")
    mean_rank = rank_strategies(table).set_index("strategy")["mean_rank"]
    summary = summarize_strategies(table)
    by_dataset = summary.pivot(index="dataset", columns="strategy", values="mean_rank")
    blocks = by_dataset.dropna()
    n_datasets, n_strategies = blocks.shape
    difference = _critical_difference(n_strategies, n_datasets, alpha)
    return RankComparison(
        mean_rank,
        n_datasets,
        difference,
        _friedman_p(np.array([tie_scores(ranks) for ranks in blocks.to_numpy()])),
        _groups(mean_rank, difference),
        tuple(str(name) for name in by_dataset.index.difference(blocks.index, sort=False)),
    )


def _friedman_p(blocks: np.ndarray) -> float:
    """Return the p-value for ranks of shape (n_datasets, n_strategies)."""
    if len(blocks) < 2 or blocks.shape[1] < 3:
        return float("nan")
    if not np.ptp(blocks, axis=1).any():  # scipy divides the spread by itself
        return 1.0
    return float(stats.friedmanchisquare(*blocks.T).pvalue)


class StrategyRanksDisplay:
    """Mean ranks on a line, the best at the left; bars join those that do not differ.

    Parameters
    ----------
    ranks : RankComparison
        As :func:`strategy_ranks` returns it.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The whole figure.
    points_ : PathCollection
        The mean ranks.
    bars_ : list of Line2D
        One for each group that does not differ.

    Examples
    --------
    >>> from sklearn.datasets import load_iris, load_wine
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_trainkit.comparison import compare_searches
    >>> from sklearn_trainkit.inspection import StrategyRanksDisplay
    >>> grids = {"stump": {"max_depth": [1]}, "deeper": {"max_depth": [2, 3]}}
    >>> table = compare_searches(
    ...     {name: GridSearchCV(DecisionTreeClassifier(), grid) for name, grid in grids.items()},
    ...     datasets={"iris": load_iris(return_X_y=True), "wine": load_wine(return_X_y=True)},
    ...     cv=2,
    ... )
    >>> StrategyRanksDisplay.from_results(table).ranks.mean_rank.to_dict()
    {'deeper': 1.0, 'stump': 2.0}
    """

    def __init__(self, ranks: RankComparison) -> None:
        self.ranks = ranks

    @classmethod
    def from_results(cls, table: pd.DataFrame, *, alpha: float = 0.05, ax: Any = None) -> Self:
        """Draw the ranks of a comparison.

        Parameters
        ----------
        table : pandas.DataFrame
            What ``compare_searches`` returned.
        alpha : float, default=0.05
            Probability of calling any two equal strategies different.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : StrategyRanksDisplay
            Drawn.
        """
        return cls(strategy_ranks(table, alpha=alpha)).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the ranks.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : StrategyRanksDisplay
            Itself.

        Raises
        ------
        ValueError
            When no data set has runs of all strategies.
        """
        ranks = self.ranks.mean_rank
        if not self.ranks.n_datasets:
            raise ValueError(
                "ranks are of 0 data sets: no data set has runs of all strategies "
                f"{list(ranks.index)}, so that there is nothing to draw"
            )
        n_groups = len(self.ranks.groups)
        size = (6.4, 1.3 + 0.32 * len(ranks) + 0.18 * n_groups)
        self.ax_ = new_axes(ax, "StrategyRanksDisplay.plot", size)
        self.figure_ = self.ax_.figure
        rows = np.arange(len(ranks))
        self.ax_.hlines(rows, 1, ranks, color="#bbbbbb", lw=1, zorder=1)
        self.points_ = self.ax_.scatter(ranks, rows, color=COLORS[0], s=40, zorder=3)
        for row, rank in zip(rows, ranks, strict=True):
            self.ax_.annotate(
                f"{rank:.2f}", (rank, row), xytext=(8, 0), textcoords="offset points",
                va="center", fontsize="small",
            )  # fmt: skip
        self.bars_ = []
        for level, group in enumerate(self.ranks.groups):
            height = len(ranks) - 0.3 + 0.5 * level
            ends = ranks[group[0]], ranks[group[-1]]
            [bar] = self.ax_.plot(
                ends, [height, height], color="black", lw=3, solid_capstyle="butt"
            )
            self.bars_.append(bar)
        self._dress(n_groups)
        return self

    def _dress(self, n_groups: int) -> None:
        ranks = self.ranks.mean_rank
        self.ax_.set_yticks(range(len(ranks)), [literal(name) for name in ranks.index])
        low_end = len(ranks) - 0.3 + 0.5 * n_groups
        self.ax_.set(xlim=(0.9, len(ranks) + 0.3), ylim=(low_end, -0.6))
        self.ax_.set_xlabel("mean rank by held-out score (1 is best)")
        text = f"{self.ranks.n_datasets} data sets"
        if self.ranks.left_out:
            text += f" of {self.ranks.n_datasets + len(self.ranks.left_out)}, the complete ones"
        if np.isfinite(self.ranks.critical_difference):
            text += f"; critical difference {self.ranks.critical_difference:.2f}"
        self.ax_.set_title(text, fontsize="small", loc="left")
        self.ax_.grid(axis="x", alpha=0.3)


def _critical_difference(n_strategies: int, n_datasets: int, alpha: float) -> float:
    if n_datasets < 2 or n_strategies < 2:
        return float("nan")
    quantile = stats.studentized_range.ppf(1 - alpha, n_strategies, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(n_strategies * (n_strategies + 1) / (6 * n_datasets)))


def _groups(mean_rank: pd.Series, difference: float) -> tuple[tuple[str, ...], ...]:
    if np.isnan(difference):
        return ()
    ranks = mean_rank.to_numpy()
    spans: dict[int, int] = {}
    for start, rank in enumerate(ranks):
        end = int(np.flatnonzero(ranks - rank < difference)[-1])
        if end > start and end > max(spans.values(), default=-1):
            spans[start] = end
    return tuple(tuple(mean_rank.index[start : end + 1]) for start, end in spans.items())
