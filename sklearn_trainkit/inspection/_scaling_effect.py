"""What scaling the input does: the same estimator on raw, min-max scaled and standardized input."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv, cross_validate
from sklearn.pipeline import Pipeline

from sklearn_trainkit.inspection._drawing import COLORS, literal, new_axes
from sklearn_trainkit.inspection._given_tables import check_table
from sklearn_trainkit.preprocessing import MinMaxScaler, StandardScaler

__all__ = ["ScalingEffectDisplay", "scaling_effect"]


def scaling_effect(
    estimator: Any,
    X: Any = None,
    y: Any = None,
    *,
    scalers: Mapping[str, Any] | None = None,
    cv: Any = 5,
    groups: Any = None,
    scoring: Any = None,
    n_jobs: int | None = None,
    error_score: Any = np.nan,
) -> pd.DataFrame:
    """Cross-validate an estimator behind several scalers, on the same folds.

    Each scaler is fitted on the training rows of each fold only.

    Parameters
    ----------
    estimator : estimator
        What is scored behind the scalers; cloned, left as it is.
    X : array-like of shape (n_samples, n_features)
        Unscaled input.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    scalers : dict of str to transformer or "passthrough", default=None
        By name; None takes raw, min-max scaled and standardized input.
    cv : int, splitter or iterable, default=5
        As in :func:`sklearn.model_selection.cross_validate`; the splits are drawn once.
    groups : array-like of shape (n_samples,), default=None
        Groups for the splitter.
    scoring : str, callable or None, default=None
        One score; None takes the estimator's own.
    n_jobs : int or None, default=None
        Fits at a time.
    error_score : "raise" or float, default=np.nan
        Score of a fit that fails.

    Returns
    -------
    scores : pandas.DataFrame
        Columns ``scaler``, ``fold``, ``score`` and ``fit_seconds``.

    Raises
    ------
    TypeError
        Without `X`.
    ValueError
        When ``scalers`` is empty.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn_trainkit.inspection import scaling_effect
    >>> scores = scaling_effect(KNeighborsClassifier(), *load_wine(return_X_y=True))
    >>> scores.groupby("scaler", sort=False)["score"].mean().round(2)
    scaler
    raw             0.69
    min-max         0.95
    standardized    0.95
    Name: score, dtype: float64
    """
    if X is None:
        raise TypeError(
            "X must be the unscaled rows on which the estimator is cross-validated behind each "
            f"scaler, and y their targets; got X=None. {type(estimator).__name__} holds no scores "
            "of it, fitted or not."
        )
    if scalers is None:
        scalers = {"raw": "passthrough"}
        scalers |= {"min-max": MinMaxScaler(), "standardized": StandardScaler()}
    if not scalers:
        raise ValueError("scalers must name at least one scaler; got an empty dict")
    splitter = check_cv(cv, y, classifier=is_classifier(estimator))
    splits = list(splitter.split(X, y, groups))  # once: a shuffled cv would draw others each time
    frames = []
    for name, scaler in scalers.items():
        scaled = Pipeline([("scaler", clone(scaler, safe=False)), ("estimator", clone(estimator))])
        results = cross_validate(
            scaled, X, y, cv=splits, scoring=check_scoring(scaled, scoring), n_jobs=n_jobs,
            error_score=error_score,
        )  # fmt: skip
        columns = {"score": results["test_score"], "fit_seconds": results["fit_time"]}
        frames.append(pd.DataFrame({"scaler": name, "fold": range(len(splits)), **columns}))
    return pd.concat(frames, ignore_index=True)


class ScalingEffectDisplay:
    """Scores of the folds behind each scaler; lines join the same fold.

    Parameters
    ----------
    scores : DataFrame
        As :func:`scaling_effect` returns it.
    score_name : str, default="score"
        Label of the scores.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The whole figure.
    means_ : PathCollection
        Mean score behind each scaler.
    folds_ : list of Line2D
        One for each fold.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn_trainkit.inspection import ScalingEffectDisplay
    >>> display = ScalingEffectDisplay.from_estimator(
    ...     KNeighborsClassifier(), *load_wine(return_X_y=True), cv=3
    ... )
    >>> len(display.folds_)
    3
    """

    def __init__(self, scores: pd.DataFrame, *, score_name: str = "score") -> None:
        self.scores = scores
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: Any = None,
        *,
        scalers: Mapping[str, Any] | None = None,
        cv: Any = 5,
        groups: Any = None,
        scoring: Any = None,
        n_jobs: int | None = None,
        error_score: Any = np.nan,
        ax: Any = None,
    ) -> Self:
        """Cross-validate an estimator behind each scaler and draw the scores.

        Parameters
        ----------
        estimator, X, y, scalers, cv, groups, scoring, n_jobs, error_score
            As for :func:`scaling_effect`.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : ScalingEffectDisplay
            Drawn.
        """
        scores = scaling_effect(
            estimator, X, y, scalers=scalers, cv=cv, groups=groups, scoring=scoring,
            n_jobs=n_jobs, error_score=error_score,
        )  # fmt: skip
        name = scoring if isinstance(scoring, str) else None
        if name is None:
            name = "accuracy" if is_classifier(estimator) and scoring is None else "score"
        return cls(scores, score_name=name.replace("_", " ")).plot(ax=ax)

    @classmethod
    def from_results(
        cls, scores: pd.DataFrame, *, score_name: str = "score", ax: Any = None
    ) -> Self:
        """Draw the scores that :func:`scaling_effect` returned.

        Parameters
        ----------
        scores : DataFrame
            The table.
        score_name : str, default="score"
            Label of the scores.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : ScalingEffectDisplay
            Drawn.
        """
        check_table(scores, ["scaler", "fold", "score"], "scores", "scaling_effect")
        return cls(scores, score_name=score_name).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the scores.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : ScalingEffectDisplay
            Itself.
        """
        self.ax_ = new_axes(ax, "ScalingEffectDisplay.plot", (5.0, 3.8))
        self.figure_ = self.ax_.figure
        by_fold = self.scores.pivot(index="scaler", columns="fold", values="score")
        by_fold = by_fold.loc[list(dict.fromkeys(self.scores["scaler"]))]
        places = np.arange(len(by_fold))
        self.folds_ = self.ax_.plot(
            places, by_fold.to_numpy(), color="#777777", marker="o", ms=4, lw=0.8, alpha=0.7
        )
        means = by_fold.mean(axis=1)
        self.means_ = self.ax_.scatter(
            places, means, marker="_", s=1600, linewidths=3, color=COLORS[0], zorder=3
        )
        for place, mean in zip(places, means, strict=True):
            self.ax_.annotate(
                f"{mean:.3f}", (place, mean), xytext=(24, 0), textcoords="offset points",
                va="center", color=COLORS[0],
            )  # fmt: skip
        self.ax_.set_xticks(places, [literal(name) for name in by_fold.index])
        self.ax_.set(xlim=(-0.5, len(places) - 0.35), ylabel=self.score_name)
        self.ax_.set_title("bars: means; dots: folds", fontsize="medium", loc="left")
        self.ax_.grid(axis="y", alpha=0.3)
        return self
