"""Learning curves over epochs of the trials of a search, pruned ones marked."""

from typing import Any, Self

import numpy as np
import pandas as pd

from sklearn_trainkit.inspection._drawing import TrialsDisplay, new_axes
from sklearn_trainkit.model_selection.evaluation._trial_record import COMPLETE, PRUNED
from sklearn_trainkit.model_selection.results._read_trials import read_trials
from sklearn_trainkit.model_selection.results._trials_table import TrialsTable

__all__ = ["TrainingCurvesDisplay", "training_curves"]

COMPLETE_COLOR, PRUNED_COLOR, BEST_COLOR = "#56B4E9", "#D55E00", "#0072B2"


def training_curves(source: Any, *, metric: str | None = None) -> pd.DataFrame:
    """Return what every trial reported on its way, of each fold and their mean.

    Only a search with a pruner has reports: after each epoch where training is in epochs, after
    each fold otherwise.

    Parameters
    ----------
    source : searcher, DataFrame or optuna study
        A fitted ``OptunaSearchCV`` or another search with a study, the study itself, or rows of
        what ``compare_searches`` returned.
    metric : str, default=None
        Which score; reports exist for the one that guides the search.

    Returns
    -------
    curves : pandas.DataFrame
        Columns ``trial``, ``state``, ``step`` (epochs trained, or folds done), ``fold`` (missing
        for the mean over folds) and ``score``.

    Raises
    ------
    ValueError
        When nothing was reported.

    Examples
    --------
    >>> import optuna
    >>> from sklearn_trainkit.inspection import training_curves
    >>> study = optuna.create_study(direction="maximize")
    >>> trial = study.ask()
    >>> for step, score in [(1, 0.5), (2, 0.8)]:
    ...     trial.report(score, step)
    >>> _ = study.tell(trial, 0.8)
    >>> training_curves(study)
       trial     state  step  fold  score
    0      0  complete     1  <NA>    0.5
    1      0  complete     2  <NA>    0.8
    """
    trials = read_trials(source, metric)
    rows = []
    for number, state, curve in zip(trials.number, trials.state, trials.curves, strict=True):
        for index, step in enumerate(curve.steps):
            head = {"trial": number, "state": state, "step": step}
            rows.append({**head, "fold": None, "score": curve.values[index]})
            rows.extend(
                {**head, "fold": fold, "score": score}
                for fold, score in enumerate(curve.fold_scores[index])
            )
    if not rows:
        raise ValueError(
            "no trial reported anything on its way: a search reports with a pruner, such as "
            "OptunaSearchCV(..., pruner='auto')"
        )
    return pd.DataFrame(rows).astype({"fold": "Int64", "score": float})


class TrainingCurvesDisplay(TrialsDisplay):
    """Learning curves of the trials of a search.

    Thin lines are the means over folds of all trials; a pruned one ends in a triangle. The best
    trial is thick, with the curve of each of its folds.

    Parameters
    ----------
    curves : DataFrame
        As :func:`training_curves` returns it.
    best_trial : int or None, default=None
        Number of the trial to stress.
    score_name : str, default="score"
        Label of the scores.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The whole figure.
    lines_ : dict of int to Line2D
        The mean curve of each trial.
    pruned_ : PathCollection or None
        The ends of the pruned trials.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Scores over the number of training rows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_trainkit.inspection import TrainingCurvesDisplay
    >>> from sklearn_trainkit.model_selection import OptunaSearchCV
    >>> from sklearn_trainkit.neural_network import MLPNetClassifier
    >>> search = OptunaSearchCV(
    ...     MLPNetClassifier((8,), max_epochs=3), {"lr": [1e-3, 1e-2]},
    ...     n_trials=2, sampler="grid", pruner="median", cv=2, random_state=0,
    ... ).fit(*load_iris(return_X_y=True))
    >>> display = TrainingCurvesDisplay.from_estimator(search)
    >>> sorted(display.lines_)
    [0, 1]
    """

    def __init__(
        self, curves: pd.DataFrame, *, best_trial: int | None = None, score_name: str = "score"
    ) -> None:
        self.curves = curves
        self.best_trial = best_trial
        self.score_name = score_name

    @classmethod
    def _from_trials(cls, trials: TrialsTable, **options: Any) -> Self:
        return cls(
            training_curves(trials, **options),
            best_trial=_best_trial(trials),
            score_name=trials.score_name,
        )

    def plot(self, ax: Any = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : TrainingCurvesDisplay
            Itself.
        """
        self.ax_ = new_axes(ax, "TrainingCurvesDisplay.plot")
        self.figure_ = self.ax_.figure
        means = self.curves[self.curves["fold"].isna()]
        self.lines_: dict[Any, Any] = {}
        for trial, curve in means.groupby("trial"):
            state = curve["state"].iloc[0]
            color = PRUNED_COLOR if state == PRUNED else COMPLETE_COLOR
            style = {"color": color, "lw": 1, "alpha": 0.6, "zorder": 2}
            if trial == self.best_trial:
                style = {"color": BEST_COLOR, "lw": 2.5, "zorder": 4}
            marker = "." if len(curve) == 1 else None
            [line] = self.ax_.plot(curve["step"], curve["score"], marker=marker, **style)
            self.lines_[trial] = line
        self._draw_folds_of_best()
        self._draw_pruned_ends(means)
        self._draw_legend(means)
        self.ax_.set(xlabel=_step_label(self.curves), ylabel=f"mean {self.score_name} over folds")
        self.ax_.grid(alpha=0.3)
        return self

    def _draw_folds_of_best(self) -> None:
        folds = self.curves[(self.curves["trial"] == self.best_trial)].dropna(subset=["fold"])
        for _, curve in folds.groupby("fold"):
            self.ax_.plot(curve["step"], curve["score"], color=BEST_COLOR, lw=0.8, ls=":", zorder=3)

    def _draw_pruned_ends(self, means: pd.DataFrame) -> None:
        pruned = means[means["state"] == PRUNED].groupby("trial").last()
        self.pruned_ = None
        if len(pruned):
            self.pruned_ = self.ax_.scatter(
                pruned["step"], pruned["score"], marker="v", color=PRUNED_COLOR, s=26, zorder=5
            )

    def _draw_legend(self, means: pd.DataFrame) -> None:
        from matplotlib.lines import Line2D

        states = means.groupby("trial")["state"].first().value_counts()
        entries = [
            Line2D([], [], color=COMPLETE_COLOR, label=f"complete ({states.get(COMPLETE, 0)})"),
            Line2D(
                [], [], color=PRUNED_COLOR, marker="v", label=f"pruned ({states.get(PRUNED, 0)})"
            ),
        ]
        if self.best_trial in self.lines_:
            label = f"best: trial {self.best_trial}"
            entries.append(Line2D([], [], color=BEST_COLOR, lw=2.5, label=label))
        if self.curves["fold"].notna().any():
            entries.append(Line2D([], [], color=BEST_COLOR, lw=0.8, ls=":", label="its folds"))
        self.ax_.legend(handles=entries, fontsize="small")


def _best_trial(trials: TrialsTable) -> int | None:
    if not trials.complete.any():
        return None
    scores = np.where(trials.complete, trials.score if trials.maximize else -trials.score, -np.inf)
    return int(trials.number[int(np.argmax(scores))])


def _step_label(curves: pd.DataFrame) -> str:
    # Reports after folds have no scores of single folds.
    return "epochs trained" if curves["fold"].notna().any() else "step (epochs trained or folds)"
