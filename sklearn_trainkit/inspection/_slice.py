"""The scores against one parameter at a time."""

from typing import Any, Self

import numpy as np
import pandas as pd

from sklearn_trainkit.inspection._drawing import TrialsDisplay, new_panels
from sklearn_trainkit.inspection._param_axis import ParamAxis, check_params, make_axis
from sklearn_trainkit.model_selection.evaluation._trial_record import PRUNED
from sklearn_trainkit.model_selection.results._read_trials import read_trials
from sklearn_trainkit.model_selection.results._trials_table import TrialsTable

__all__ = ["SliceDisplay", "score_slices"]


def score_slices(
    source: Any, *, params: Any = None, metric: str | int | None = None
) -> pd.DataFrame:
    """Return each trial's score beside the value of each parameter.

    Parameters
    ----------
    source : searcher, dict, DataFrame or optuna study
        A fitted searcher, a ``cv_results_``, rows of a comparison's table, or a study.
    params : list of str, default=None
        Which parameters; None takes all that vary.
    metric : str or int, default=None
        Which score; None takes the one that guides the search, or the first.

    Returns
    -------
    slices : pandas.DataFrame
        Columns ``parameter``, ``trial``, ``state``, ``value`` (a number or a label) and
        ``score``, for the trials that have both.

    Examples
    --------
    >>> from sklearn_trainkit.inspection import score_slices
    >>> results = {"params": [{"C": 1.0}, {"C": 2.0}], "mean_test_score": [0.7, 0.9]}
    >>> score_slices(results)
      parameter  trial     state value  score
    0         C      0  complete   1.0    0.7
    1         C      1  complete   2.0    0.9
    """
    trials = read_trials(source, metric)
    frames = [
        pd.DataFrame(
            {
                "parameter": name,
                "trial": trials.number,
                "state": trials.state,
                "value": trials.params[name].astype(object).to_numpy(),
                "score": trials.score,
            }
        )
        for name in check_params(trials, params)
    ]
    return pd.concat(frames, ignore_index=True).dropna(ignore_index=True)


class SliceDisplay(TrialsDisplay):
    """The scores against one parameter at a time, a panel for each.

    Parameters
    ----------
    slices : DataFrame
        As :func:`score_slices` returns it.
    axes : dict of str to ParamAxis
        Scale and labels of each parameter.
    score_name : str, default="score"
        Label of the scores.

    Attributes
    ----------
    axes_ : ndarray of Axes
        One for each parameter.
    ax_ : matplotlib Axes
        The first of them.
    figure_ : matplotlib Figure
        The whole figure.

    Examples
    --------
    >>> from sklearn_trainkit.inspection import SliceDisplay
    >>> results = {"params": [{"C": 1.0}, {"C": 2.0}], "mean_test_score": [0.7, 0.9]}
    >>> SliceDisplay.from_results(results).ax_.get_xlabel()
    'C'
    """

    def __init__(
        self, slices: pd.DataFrame, axes: dict[str, ParamAxis], *, score_name: str = "score"
    ) -> None:
        self.slices = slices
        self.axes = axes
        self.score_name = score_name

    @classmethod
    def _from_trials(cls, trials: TrialsTable, **options: Any) -> Self:
        slices = score_slices(trials, **options)
        if not np.isfinite(slices["score"]).any():
            raise ValueError("there is nothing to draw: no trial of this search has a score")
        axes = {name: make_axis(trials, name) for name in slices["parameter"].unique()}
        return cls(slices, axes, score_name=trials.score_name)

    def plot(self, ax: Any = None) -> Self:
        """Draw the panels.

        Parameters
        ----------
        ax : matplotlib Axes or array of Axes, default=None
            One for all panels, or one for each; None makes a new figure.

        Returns
        -------
        display : SliceDisplay
            Itself.
        """
        self.axes_ = new_panels(ax, len(self.axes), "SliceDisplay.plot", share=False)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        scores = self.slices["score"].to_numpy(dtype=float)
        scores = scores[np.isfinite(scores)]
        low, high = scores.min(), scores.max()
        margin = 0.05 * (high - low) or 0.05
        for panel, (name, axis) in zip(self.axes_, self.axes.items(), strict=True):
            rows = self.slices[self.slices["parameter"] == name]
            axis.dress(panel, "x")
            self._draw_points(panel, rows, axis)
            panel.set(ylim=(low - margin, high + margin))
            panel.grid(alpha=0.3)
            if panel is self.axes_[0]:
                panel.set(ylabel=self.score_name)
        if (self.slices["state"] == PRUNED).any():
            self.axes_[0].legend(fontsize="x-small")
        return self

    def _draw_points(self, panel: Any, rows: pd.DataFrame, axis: ParamAxis) -> None:
        codes = {label: code for code, label in enumerate(axis.labels or ())}
        places = rows["value"].map(lambda value: codes.get(value, value)).to_numpy(dtype=float)
        if axis.labels is not None:
            places = places + np.random.default_rng(0).uniform(-0.2, 0.2, len(places))
        pruned = (rows["state"] == PRUNED).to_numpy()
        scores = rows["score"].to_numpy()
        for chosen, marker, color, label in (
            (~pruned, "o", "#0072B2", "complete"),
            (pruned, "v", "#D55E00", "pruned"),
        ):
            panel.scatter(
                places[chosen], scores[chosen], marker=marker, color=color, s=18, alpha=0.6,
                label=label,
            )  # fmt: skip
