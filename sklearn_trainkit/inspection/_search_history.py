"""The history of a search: score by trial or by cost, best so far, states."""

from typing import Any, Self

import numpy as np
import pandas as pd

from sklearn_trainkit.inspection._drawing import STATE_MARKERS, TrialsDisplay, new_axes
from sklearn_trainkit.model_selection.evaluation._trial_record import COMPLETE, FAILED
from sklearn_trainkit.model_selection.results._read_trials import read_trials
from sklearn_trainkit.model_selection.results._trials_table import TrialsTable

__all__ = ["SearchHistoryDisplay", "search_history"]

LABELS = {
    "trial": "trial",
    "seconds": "seconds since the search began",
    "epochs": "epochs trained, all folds",
}
STATE_COLORS = {"complete": "#0072B2", "pruned": "#D55E00", "failed": "#444444"}


def search_history(source: Any, *, metric: str | int | None = None) -> pd.DataFrame:
    """Return the trials of a search in their order, with the best score so far.

    Parameters
    ----------
    source : searcher, dict, DataFrame or optuna study
        A fitted searcher, a ``cv_results_``, rows of a comparison's table, or a study.
    metric : str or int, default=None
        Which score; None takes the one that guides the search, or the first.

    Returns
    -------
    history : pandas.DataFrame
        Columns ``trial``, ``state``, ``score`` (of a pruned trial the last that it reported),
        ``best_so_far`` (of the complete trials; the lowest of a minimized study), ``seconds``
        and ``epochs`` since the search began, NaN where not known.

    Examples
    --------
    >>> from sklearn_trainkit.inspection import search_history
    >>> results = {"params": [{"C": 1}, {"C": 2}, {"C": 3}], "mean_test_score": [0.7, 0.9, 0.8]}
    >>> search_history(results)[["trial", "state", "score", "best_so_far"]]
       trial     state  score  best_so_far
    0      0  complete    0.7          0.7
    1      1  complete    0.9          0.9
    2      2  complete    0.8          0.9
    """
    trials = read_trials(source, metric)
    final = pd.Series(np.where(trials.complete, trials.score, np.nan))
    best = _running_best(final, maximize=trials.maximize)
    return pd.DataFrame(
        {
            "trial": trials.number,
            "state": trials.state,
            "score": trials.score,
            "best_so_far": best,
            "seconds": trials.seconds,
            "epochs": trials.epochs,
        }
    )


class SearchHistoryDisplay(TrialsDisplay):
    """Scores of a search by trial, seconds or epochs, and the best so far.

    Parameters
    ----------
    history : DataFrame
        As :func:`search_history` returns it.
    by : {"trial", "seconds", "epochs"}, default="trial"
        The horizontal axis.
    score_name : str, default="score"
        Label of the scores.
    maximize : bool, default=True
        Whether more is better.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The whole figure.
    line_ : Line2D
        The best so far.
    points_ : dict of str to PathCollection
        The trials, by state.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_trainkit.inspection import SearchHistoryDisplay
    >>> grid = GridSearchCV(LogisticRegression(max_iter=1000), {"C": [0.01, 0.1, 1.0]})
    >>> display = SearchHistoryDisplay.from_estimator(grid.fit(*load_iris(return_X_y=True)))
    >>> display.ax_.get_xlabel()
    'trial'
    """

    def __init__(
        self,
        history: pd.DataFrame,
        *,
        by: str = "trial",
        score_name: str = "score",
        maximize: bool = True,
    ) -> None:
        if by not in LABELS:
            raise ValueError(f"by must be one of {sorted(LABELS)}; got {by!r}")
        if history.empty:
            raise ValueError("there is nothing to draw: no trial of this search has ended")
        if history[by].isna().all():
            raise ValueError(f"by={by!r}, but the {by} of this search are not known")
        self.history = history
        self.by = by
        self.score_name = score_name
        self.maximize = maximize

    @classmethod
    def _from_trials(cls, trials: TrialsTable, **options: Any) -> Self:
        history = search_history(trials)
        return cls(history, score_name=trials.score_name, maximize=trials.maximize, **options)

    def plot(self, ax: Any = None) -> Self:
        """Draw the history.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : SearchHistoryDisplay
            Itself.
        """
        self.ax_ = new_axes(ax, "SearchHistoryDisplay.plot")
        self.figure_ = self.ax_.figure
        history = self.history.sort_values(self.by, kind="stable")
        best = history["best_so_far"]
        if self.by != "trial":
            # Trials that ran at the same time did not end in the order of their numbers.
            final = history["score"].where(history["state"] == COMPLETE)
            best = _running_best(final, maximize=self.maximize)
        [self.line_] = self.ax_.step(
            history[self.by], best, where="post", color="#0072B2", lw=2,
            label="best so far",
        )  # fmt: skip
        self.points_ = {}
        for state, rows in history.groupby("state"):
            heights = rows["score"]
            if state == FAILED and heights.isna().all():
                # They have no height: a mark at the lower edge keeps them in sight.
                heights = heights.fillna(history["score"].min())
            self.points_[str(state)] = self.ax_.scatter(
                rows[self.by], heights, marker=STATE_MARKERS[str(state)], s=22, alpha=0.7,
                color=STATE_COLORS[str(state)], label=f"{state} ({len(rows)})", zorder=3,
            )  # fmt: skip
        self.ax_.set(xlabel=LABELS[self.by], ylabel=self.score_name)
        self.ax_.grid(alpha=0.3)
        self.ax_.legend(fontsize="small")
        return self


def _running_best(final: pd.Series, *, maximize: bool) -> pd.Series:
    finite = final.where(np.isfinite(final))
    return (finite.cummax() if maximize else finite.cummin()).ffill()
