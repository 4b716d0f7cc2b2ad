"""Where each strategy looked, in two chosen parameters: one panel a strategy."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from sklearn_trainkit.inspection._drawing import literal, new_panels
from sklearn_trainkit.inspection._param_axis import ParamAxis, check_params, make_axis, shorten
from sklearn_trainkit.model_selection.evaluation._trial_record import COMPLETE, PRUNED
from sklearn_trainkit.model_selection.results._read_trials import (
    is_comparison,
    read_runs,
    read_trials,
)
from sklearn_trainkit.model_selection.results._trials_table import TrialsTable

__all__ = ["SearchCoverage", "SearchCoverageDisplay", "search_coverage"]


@dataclass(frozen=True)
class SearchCoverage:
    """Where the trials of several strategies lie, on common axes.

    Attributes
    ----------
    strategy, state : ndarray of shape (n_trials,)
        Whose trial, and how it ended.
    order : ndarray of shape (n_trials,)
        From 0 for the first trial of a run to 1 for its last.
    score : ndarray of shape (n_trials,)
        Its score.
    x, y : ParamAxis
        The two parameters.
    strategies : tuple of str
        All names, also of those whose trials lack one of the parameters.
    maximize : dict of str to bool
        By strategy, whether more is better.
    """

    strategy: np.ndarray
    state: np.ndarray
    order: np.ndarray
    score: np.ndarray
    x: ParamAxis
    y: ParamAxis
    strategies: tuple[str, ...]
    maximize: dict[str, bool]


def search_coverage(results: Any, *, params: Any) -> SearchCoverage:
    """Return where each strategy looked in two parameters.

    Parameters
    ----------
    results : DataFrame, or dict of str to source
        The table of ``compare_searches`` (rows of one data set, or the points of several lie on
        top of each other), or by name of strategy: fitted searchers, ``cv_results_`` or studies.
    params : sequence of two str
        The parameters, horizontal and vertical.

    Returns
    -------
    coverage : SearchCoverage
        Of the trials that have both parameters.

    Raises
    ------
    ValueError
        When a name is not known, or no trial has both.

    Examples
    --------
    >>> from sklearn_trainkit.inspection import search_coverage
    >>> grid = {"params": [{"a": 1, "b": 1}, {"a": 2, "b": 2}], "mean_test_score": [0.1, 0.2]}
    >>> search_coverage({"grid": grid}, params=["a", "b"]).x.values
    array([1., 2.])
    """
    parts = _read_parts(results)
    names = [name for name, trials in parts for _ in trials.rows]
    joined = TrialsTable(
        tuple(row for _, trials in parts for row in trials.rows),
        log_params=frozenset().union(*(trials.log_params for _, trials in parts)),
    )
    order = np.concatenate([np.linspace(0, 1, len(trials.rows)) for _, trials in parts])
    x, y = (make_axis(joined, name) for name in check_params(joined, params, 2))
    rows = ~np.isnan(x.values) & ~np.isnan(y.values)
    if not rows.any():
        raise ValueError(f"no trial has both of {list(params)}")
    return SearchCoverage(
        np.array(names, dtype=object)[rows],
        joined.state[rows],
        order[rows],
        joined.score[rows],
        replace(x, values=x.values[rows]),
        replace(y, values=y.values[rows]),
        tuple(dict.fromkeys(name for name, _ in parts)),
        {name: trials.maximize for name, trials in parts},
    )


class SearchCoverageDisplay:
    """Where each strategy looked: one panel a strategy, early trials light, late ones dark.

    Parameters
    ----------
    coverage : SearchCoverage
        As :func:`search_coverage` returns it.

    Attributes
    ----------
    axes_ : ndarray of Axes
        One for each strategy.
    ax_ : matplotlib Axes
        The first of them.
    figure_ : matplotlib Figure
        The whole figure.
    points_ : dict of str to PathCollection
        The trials of each strategy.

    Examples
    --------
    >>> from sklearn_trainkit.inspection import SearchCoverageDisplay
    >>> grid = {"params": [{"a": 1, "b": 1}, {"a": 2, "b": 2}], "mean_test_score": [0.1, 0.2]}
    >>> random = {"params": [{"a": 1.3, "b": 1.8}], "mean_test_score": [0.3]}
    >>> display = SearchCoverageDisplay.from_results(
    ...     {"grid": grid, "random": random}, params=["a", "b"]
    ... )
    >>> [ax.get_title() for ax in display.axes_]
    ['grid', 'random']
    """

    def __init__(self, coverage: SearchCoverage) -> None:
        self.coverage = coverage

    @classmethod
    def from_results(cls, results: Any, *, params: Any, ax: Any = None) -> Self:
        """Draw where the strategies of a comparison, or some searches by name, looked.

        Parameters
        ----------
        results : DataFrame, or dict of str to source
            As for :func:`search_coverage`.
        params : sequence of two str
            The parameters, horizontal and vertical.
        ax : matplotlib Axes or array of Axes, default=None
            One for all panels, or one for each; None makes a new figure.

        Returns
        -------
        display : SearchCoverageDisplay
            Drawn.
        """
        return cls(search_coverage(results, params=params)).plot(ax=ax)

    @classmethod
    def from_estimator(cls, estimator: Any, *, params: Any, ax: Any = None) -> Self:
        """Draw where one fitted searcher, or several by name, looked.

        Parameters
        ----------
        estimator : searcher, or dict of str to searcher
            Fitted.
        params : sequence of two str
            The parameters, horizontal and vertical.
        ax : matplotlib Axes or array of Axes, default=None
            One for all panels, or one for each; None makes a new figure.

        Returns
        -------
        display : SearchCoverageDisplay
            Drawn.
        """
        named = estimator if isinstance(estimator, Mapping) else {"": estimator}
        if not isinstance(estimator, Mapping):
            named = {type(estimator).__name__: estimator}
        return cls.from_results(named, params=params, ax=ax)

    def plot(self, ax: Any = None, *, cmap: str = "Blues", n_columns: int = 3) -> Self:
        """Draw the panels.

        Parameters
        ----------
        ax : matplotlib Axes or array of Axes, default=None
            One for all panels, or one for each; None makes a new figure.
        cmap : str, default="Blues"
            Colours from the first to the last trial.
        n_columns : int, default=3
            Panels in a row.

        Returns
        -------
        display : SearchCoverageDisplay
            Itself.
        """
        found = self.coverage
        names = found.strategies
        self.axes_ = new_panels(ax, len(names), "SearchCoverageDisplay.plot", n_columns=n_columns)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        for panel in self.axes_:  # those given need not share their scales
            found.x.dress(panel, "x")
            found.y.dress(panel, "y")
        places = _place(found.x), _place(found.y)
        self.points_: dict[str, Any] = {}
        for index, (panel, name) in enumerate(zip(self.axes_, names, strict=True)):
            rows = found.strategy == name
            self._draw_strategy(panel, name, rows, places, cmap)
            panel.set_title(literal(name), fontsize="medium")
            panel.grid(alpha=0.25)
            self._label(panel, index, len(names), n_columns)
        return self

    def _draw_strategy(
        self, panel: Any, name: str, rows: np.ndarray, places: Any, cmap: str
    ) -> None:
        found = self.coverage
        x, y = places
        if not rows.any():
            text = "does not vary both"
            panel.text(0.5, 0.5, text, transform=panel.transAxes, ha="center", fontsize="small")
        for pruned, marker in ((False, "o"), (True, "v")):
            chosen = rows & ((found.state == PRUNED) == pruned)
            if chosen.any() or not pruned:
                points = panel.scatter(
                    x[chosen], y[chosen], c=0.25 + 0.75 * found.order[chosen], cmap=cmap, vmin=0,
                    vmax=1, marker=marker, s=20, edgecolors="#333333", linewidths=0.4, zorder=2,
                )  # fmt: skip
            if not pruned:
                self.points_[name] = points
        complete = rows & (found.state == COMPLETE) & np.isfinite(found.score)
        if complete.any():
            heights = found.score if found.maximize[name] else -found.score
            best = int(np.argmax(np.where(complete, heights, -np.inf)))
            panel.scatter(
                x[best], y[best], marker="*", s=150, color="#D55E00", edgecolors="white", zorder=4
            )

    def _label(self, panel: Any, index: int, n_panels: int, n_columns: int) -> None:
        n_columns = min(n_columns, n_panels)
        at_left, at_bottom = index % n_columns == 0, index + n_columns >= n_panels
        at_left |= not panel.get_shared_y_axes().joined(panel, self.ax_)
        at_bottom |= not panel.get_shared_x_axes().joined(panel, self.ax_)
        panel.tick_params(labelleft=at_left, labelbottom=at_bottom, labelsize="small")
        panel.set_xlabel(literal(self.coverage.x.name) if at_bottom else "", fontsize="small")
        panel.set_ylabel(literal(self.coverage.y.name) if at_left else "", fontsize="small")
        if at_bottom and self.coverage.x.labels is not None:
            long = max(map(len, map(shorten, self.coverage.x.labels))) > 4
            panel.tick_params(axis="x", rotation=90 if long else 0)
            for text in panel.get_xticklabels():
                text.set(ha="center", rotation_mode="default")


def _read_parts(results: Any) -> list[tuple[str, TrialsTable]]:
    if is_comparison(results):
        return read_runs(results)
    if isinstance(results, Mapping) and results and "params" not in results:
        return [(str(name), read_trials(source)) for name, source in results.items()]
    raise TypeError(
        "results must be the table of compare_searches, or a dict of name to searcher, cv_results_ "
        f"or study; got {type(results).__name__}"
    )


def _place(axis: ParamAxis) -> np.ndarray:
    """Move trials of the same choice a little apart."""
    if axis.labels is None:
        return axis.values
    return axis.values + np.random.default_rng(0).uniform(-0.3, 0.3, len(axis.values))
