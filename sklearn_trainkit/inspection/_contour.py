"""The score over two parameters, as a forest sees it, with the trials on top."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from sklearn_trainkit.inspection._drawing import TrialsDisplay, best_last, new_axes
from sklearn_trainkit.inspection._param_axis import ParamAxis, check_params, make_axis
from sklearn_trainkit.model_selection.results._read_trials import read_trials
from sklearn_trainkit.model_selection.results._trials_table import TrialsTable

__all__ = ["ContourDisplay", "ScoreSurface", "score_surface"]

FEWEST_TRIALS = 4


@dataclass(frozen=True)
class ScoreSurface:
    """The score over two parameters.

    Attributes
    ----------
    x, y : ParamAxis
        The two parameters, with the values of the complete trials that have both.
    score : ndarray of shape (n_trials,)
        Scores of these trials.
    x_grid : ndarray of shape (n_x,)
        Values of the first parameter: numbers, or codes of its labels.
    y_grid : ndarray of shape (n_y,)
        Values of the second.
    surface : ndarray of shape (n_y, n_x)
        Expected score there, averaged over what the trials had in all other parameters.
    score_name : str
        For the label.
    maximize : bool
        Whether more is better.
    """

    x: ParamAxis
    y: ParamAxis
    score: np.ndarray
    x_grid: np.ndarray
    y_grid: np.ndarray
    surface: np.ndarray
    score_name: str = "score"
    maximize: bool = True


def score_surface(
    source: Any,
    *,
    params: Any,
    metric: str | int | None = None,
    n_points: int = 30,
    random_state: int | None = 0,
) -> ScoreSurface:
    """Return the expected score over two parameters, the others averaged out.

    Trials differ in all parameters at once, so lines through their scores would mostly show the
    other parameters. A random forest is fitted to all of them, and its partial dependence on the
    two is returned. Where no trial lies near, it is a guess: look at the points.

    Parameters
    ----------
    source : searcher, dict, DataFrame or optuna study
        A fitted searcher, a ``cv_results_``, rows of a comparison's table, or a study.
    params : sequence of two str
        The parameters, horizontal and vertical.
    metric : str or int, default=None
        Which score; None takes the one that guides the search, or the first.
    n_points : int, default=30
        Points of the grid along a parameter of numbers.
    random_state : int or None, default=0
        Seed of the forest.

    Returns
    -------
    surface : ScoreSurface
        Grid, surface and trials.

    Raises
    ------
    ValueError
        When fewer than four complete trials have both parameters, or a name is not known.

    Examples
    --------
    >>> from sklearn_trainkit.inspection import score_surface
    >>> grid = [{"a": a, "b": b} for a in (0.0, 1.0, 2.0) for b in ("low", "high")]
    >>> results = {"params": grid, "mean_test_score": [p["a"] for p in grid]}
    >>> surface = score_surface(results, params=["a", "b"], n_points=5)
    >>> surface.surface.shape
    (2, 5)
    """
    trials = read_trials(source, metric)
    names = check_params(trials, params, 2)
    axes = {str(name): make_axis(trials, str(name)) for name in trials.params}
    pair = [axes[name] for name in names]
    rows = trials.complete & ~np.isnan(pair[0].values) & ~np.isnan(pair[1].values)
    if rows.sum() < FEWEST_TRIALS:
        raise ValueError(
            f"a surface needs {FEWEST_TRIALS} complete trials with both {names}; got {rows.sum()}"
        )
    x, y = (_take(axis, rows) for axis in pair)
    x_grid, y_grid = x.grid(n_points), y.grid(n_points)
    features = np.column_stack([axis.positions[rows] for axis in axes.values()])
    forest = RandomForestRegressor(100, min_samples_leaf=2, random_state=random_state)
    forest.fit(np.nan_to_num(features, nan=-1.0), trials.score[rows])
    columns = [list(axes).index(name) for name in names]
    even = [np.log10(g) if a.log else g for g, a in zip((x_grid, y_grid), (x, y), strict=True)]
    surface = _partial_dependence(forest, features, columns, even)
    return ScoreSurface(
        x, y, trials.score[rows], x_grid, y_grid, surface, trials.score_name, trials.maximize
    )


class ContourDisplay(TrialsDisplay):
    """The score over two parameters: expected as colour, found as points.

    Parameters
    ----------
    surface : ScoreSurface
        As :func:`score_surface` returns it.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The whole figure.
    surface_ : QuadContourSet or QuadMesh
        The expected score; a mesh where a parameter is a choice.
    points_ : PathCollection
        The trials, in the colour of their own scores.

    Examples
    --------
    >>> from sklearn_trainkit.inspection import ContourDisplay
    >>> grid = [{"a": a, "b": b} for a in (0.0, 1.0, 2.0) for b in (1.0, 2.0)]
    >>> results = {"params": grid, "mean_test_score": [p["a"] for p in grid]}
    >>> display = ContourDisplay.from_results(results, params=["a", "b"])
    >>> display.ax_.get_xlabel(), display.ax_.get_ylabel()
    ('a', 'b')
    """

    def __init__(self, surface: ScoreSurface) -> None:
        self.surface = surface

    @classmethod
    def _from_trials(cls, trials: TrialsTable, **options: Any) -> Self:
        return cls(score_surface(trials, **options))

    def plot(self, ax: Any = None, *, cmap: str = "viridis") -> Self:
        """Draw surface and points.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        cmap : str, default="viridis"
            Colours from the worst to the best score.

        Returns
        -------
        display : ContourDisplay
            Itself.
        """
        self.ax_ = new_axes(ax, "ContourDisplay.plot")
        self.figure_ = self.ax_.figure
        found = self.surface
        # A few hopeless trials would take all the colours.
        low, high = min(np.quantile(found.score, 0.1), found.surface.min()), found.score.max()
        if not found.maximize:
            low = found.score.min()
            high = max(np.quantile(found.score, 0.9), found.surface.max())
        colors = best_last(cmap, maximize=found.maximize)
        shades = {"cmap": colors, "vmin": low, "vmax": high}
        found.x.dress(self.ax_, "x")
        found.y.dress(self.ax_, "y")
        draw: Any = self.ax_.contourf
        if found.x.labels is not None or found.y.labels is not None:
            draw = self.ax_.pcolormesh
        options = {"levels": 12} if draw == self.ax_.contourf else {"shading": "nearest"}
        self.surface_ = draw(found.x_grid, found.y_grid, found.surface, **options, **shades)
        self.points_ = self.ax_.scatter(
            _spread(found.x), _spread(found.y), c=found.score, **shades,
            edgecolors="white", linewidths=0.8, s=30, zorder=3, clip_on=False,
        )  # fmt: skip
        self.figure_.colorbar(self.points_, ax=self.ax_, label=found.score_name)
        return self


def _take(axis: ParamAxis, rows: np.ndarray) -> ParamAxis:
    return ParamAxis(axis.name, axis.values[rows], axis.labels, axis.log)


def _partial_dependence(
    forest: Any, features: np.ndarray, columns: list[int], grids: list[np.ndarray]
) -> np.ndarray:
    n_y, n_x = len(grids[1]), len(grids[0])
    filled = np.nan_to_num(features, nan=-1.0)
    cells = np.repeat(filled[np.newaxis], n_y * n_x, axis=0)
    cells[:, :, columns[0]] = np.tile(grids[0], n_y)[:, np.newaxis]
    cells[:, :, columns[1]] = np.repeat(grids[1], n_x)[:, np.newaxis]
    expected = forest.predict(cells.reshape(-1, filled.shape[1]))
    return np.asarray(expected.reshape(n_y, n_x, -1).mean(axis=2))


def _spread(axis: ParamAxis) -> np.ndarray:
    """Move trials of the same choice a little apart."""
    if axis.labels is None:
        return axis.values
    jitter = np.random.default_rng(0).uniform(-0.25, 0.25, len(axis.values))
    return axis.values + jitter
