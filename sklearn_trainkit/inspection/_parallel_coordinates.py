"""All parameters of all trials at once: one line a trial across one axis a parameter."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from sklearn_trainkit.inspection._drawing import TrialsDisplay, best_last, literal, new_axes
from sklearn_trainkit.inspection._param_axis import ParamAxis, check_params, make_axis, shorten
from sklearn_trainkit.model_selection.results._read_trials import read_trials
from sklearn_trainkit.model_selection.results._trials_table import TrialsTable

__all__ = ["Coordinates", "ParallelCoordinatesDisplay", "parallel_coordinates"]


@dataclass(frozen=True)
class Coordinates:
    """Where the line of each trial crosses each axis.

    Attributes
    ----------
    trial : ndarray of shape (n_lines,)
        Numbers of the complete trials that have all parameters.
    score : ndarray of shape (n_lines,)
        Their scores.
    axes : tuple of ParamAxis
        One for each parameter.
    heights : ndarray of shape (n_lines, n_params)
        From 0 at the lower end of an axis to 1 at its upper end.
    score_name : str
        For the label.
    maximize : bool
        Whether more is better.
    """

    trial: np.ndarray
    score: np.ndarray
    axes: tuple[ParamAxis, ...]
    heights: np.ndarray
    score_name: str = "score"
    maximize: bool = True


def parallel_coordinates(
    source: Any, *, params: Any = None, metric: str | int | None = None
) -> Coordinates:
    """Return where each trial crosses the axis of each parameter.

    Parameters
    ----------
    source : searcher, dict, DataFrame or optuna study
        A fitted searcher, a ``cv_results_``, rows of a comparison's table, or a study.
    params : list of str, default=None
        Which parameters, from left to right; None takes all that vary and all trials have.
    metric : str or int, default=None
        Which score; None takes the one that guides the search, or the first.

    Returns
    -------
    coordinates : Coordinates
        Of the complete trials.

    Raises
    ------
    ValueError
        When no complete trial has all the parameters; in a space with branches the message names
        some that go together.

    Examples
    --------
    >>> from sklearn_trainkit.inspection import parallel_coordinates
    >>> results = {
    ...     "params": [{"C": 1.0, "k": "a"}, {"C": 2.0, "k": "b"}, {"C": 3.0, "k": "b"}],
    ...     "mean_test_score": [0.7, 0.9, 0.8],
    ... }
    >>> parallel_coordinates(results).heights
    array([[0. , 0. ],
           [0.5, 1. ],
           [1. , 1. ]])
    """
    trials = read_trials(source, metric)
    names = check_params(trials, params)
    if params is None:
        sound = trials.params[trials.complete]
        shared = [name for name in names if sound[name].notna().all()]
        if names and not shared:
            raise ValueError(_describe_branches(sound[names]))
        names = shared
    axes = tuple(make_axis(trials, name) for name in names)
    rows = trials.complete & ~np.any([np.isnan(axis.values) for axis in axes], axis=0)
    if not rows.any():
        raise ValueError(f"no complete trial has all of {names}")
    heights = np.column_stack([_heights(axis) for axis in axes])[rows]
    return Coordinates(
        trials.number[rows], trials.score[rows], axes, heights, trials.score_name, trials.maximize
    )


def _describe_branches(params: pd.DataFrame) -> str:
    """Return what to pass where no parameter is in all trials."""
    held = params.notna()
    counts = ", ".join(f"{name!r} in {held[name].sum()}" for name in params)
    together = held.value_counts().index[0]
    names = [name for name, is_held in zip(params, together, strict=True) if is_held]
    return (
        f"no parameter that varies is in all {len(params)} complete trials, as the space has "
        f"branches: {counts}. Pass those of one branch, such as params={names}."
    )


class ParallelCoordinatesDisplay(TrialsDisplay):
    """All parameters of all trials at once, the best trials in the strongest colour.

    Parameters
    ----------
    coordinates : Coordinates
        As :func:`parallel_coordinates` returns it.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The whole figure.
    lines_ : LineCollection
        One line a trial.

    Examples
    --------
    >>> from sklearn_trainkit.inspection import ParallelCoordinatesDisplay
    >>> results = {
    ...     "params": [{"C": 1.0, "k": "a"}, {"C": 2.0, "k": "b"}], "mean_test_score": [0.7, 0.9]
    ... }
    >>> display = ParallelCoordinatesDisplay.from_results(results)
    >>> [text.get_text() for text in display.ax_.get_xticklabels()]
    ['C', 'k']
    """

    def __init__(self, coordinates: Coordinates) -> None:
        self.coordinates = coordinates

    @classmethod
    def _from_trials(cls, trials: TrialsTable, **options: Any) -> Self:
        return cls(parallel_coordinates(trials, **options))

    def plot(self, ax: Any = None, *, cmap: str = "viridis") -> Self:
        """Draw the lines.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        cmap : str, default="viridis"
            Colours from the worst to the best score.

        Returns
        -------
        display : ParallelCoordinatesDisplay
            Itself.
        """
        found = self.coordinates
        n_params = len(found.axes)
        width = max(6.4, 1.3 * n_params + 1.5)
        self.ax_ = new_axes(ax, "ParallelCoordinatesDisplay.plot", (width, 4.2))
        self.figure_ = self.ax_.figure
        from matplotlib.collections import LineCollection
        from matplotlib.colors import Normalize

        order = np.argsort(found.score if found.maximize else -found.score)  # the best on top
        places = np.arange(n_params)
        segments = [np.column_stack([places, heights]) for heights in found.heights[order]]
        # A few hopeless trials would take all the colours.
        shades = Normalize(np.quantile(found.score, 0.1), found.score.max())
        if not found.maximize:
            shades = Normalize(found.score.min(), np.quantile(found.score, 0.9))
        colors = best_last(cmap, maximize=found.maximize)
        self.lines_ = LineCollection(segments, cmap=colors, norm=shades, lw=1.2, alpha=0.8)
        self.lines_.set_array(found.score[order])
        self.ax_.add_collection(self.lines_)
        for place, axis in enumerate(found.axes):
            self._draw_axis(place, axis)
        self.ax_.set(xlim=(-0.15, n_params - 0.3), ylim=(-0.05, 1.05), yticks=[])
        self.ax_.set_xticks(places, [literal(axis.name) for axis in found.axes])
        if max(len(axis.name) for axis in found.axes) > 10:
            self.ax_.tick_params(axis="x", rotation=20)
            for text in self.ax_.get_xticklabels():
                text.set(ha="right", rotation_mode="anchor")
        for side in self.ax_.spines.values():
            side.set_visible(False)
        self.figure_.colorbar(self.lines_, ax=self.ax_, label=found.score_name)
        return self

    def _draw_axis(self, place: int, axis: ParamAxis) -> None:
        self.ax_.axvline(place, color="black", lw=0.8, zorder=3)
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
        for height, text in _ticks(axis):
            self.ax_.text(
                place + 0.03, height, text, fontsize="x-small", va="center", bbox=box, zorder=4
            )


def _heights(axis: ParamAxis) -> np.ndarray:
    low, high = np.nanmin(axis.positions), np.nanmax(axis.positions)
    if high == low:
        return np.full(len(axis.positions), 0.5)
    return np.asarray((axis.positions - low) / (high - low))


def _ticks(axis: ParamAxis) -> list[tuple[float, str]]:
    if axis.labels is not None:
        top = max(len(axis.labels) - 1, 1)
        return [(code / top, literal(shorten(label))) for code, label in enumerate(axis.labels)]
    low, high = np.nanmin(axis.values), np.nanmax(axis.values)
    middle = np.sqrt(low * high) if axis.log else (low + high) / 2
    return [(0.0, f"{low:.3g}"), (0.5, f"{middle:.3g}"), (1.0, f"{high:.3g}")]
