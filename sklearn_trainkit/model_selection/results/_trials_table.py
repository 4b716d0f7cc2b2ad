"""The trials of a search as they are read afterwards: a row for each, and columns over them."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from sklearn_trainkit.model_selection.evaluation._trial_record import COMPLETE, PRUNED
from sklearn_trainkit.model_selection.results._shown_params import params_frame

__all__ = ["NO_CURVE", "TrialCurve", "TrialRow", "TrialsTable"]

NAN = float("nan")


@dataclass(frozen=True)
class TrialCurve:
    """What one trial reported on its way.

    Attributes
    ----------
    steps : ndarray of shape (n_steps,)
        Epochs trained, or folds done.
    values : ndarray of shape (n_steps,)
        Mean over the folds.
    fold_scores : ndarray of shape (n_steps, n_folds)
        Each fold's own; no columns where they were not kept.
    """

    steps: np.ndarray
    values: np.ndarray
    fold_scores: np.ndarray


NO_CURVE = TrialCurve(np.empty(0, dtype=int), np.empty(0), np.empty((0, 0)))


@dataclass(frozen=True)
class TrialRow:
    """One trial, whatever it was read from.

    Attributes
    ----------
    number : int
        The searcher's own number.
    params : mapping of str to object
        What the estimator was given.
    state : {"complete", "pruned", "failed"}
        How it ended: "failed" without a score.
    score : float
        The guiding score; of a pruned trial the last one that it reported; NaN without any.
    score_std : float
        Standard deviation over the folds; NaN where not known.
    resource, top_resource : float
        What a halving search gave to it, and the most that it gave to any; NaN elsewhere.
    seconds : float
        Since the search began when the trial ended. From ``cv_results_`` alone: fit and score
        times added up, as if trials had run one after another.
    epochs : float
        Epochs trained by then, over all folds; NaN where not known.
    completed_at : datetime or None
        When it ended, if the searcher keeps an optuna study.
    curve : TrialCurve
        Empty without reports.
    shown : mapping of str to object, or None
        Parameters for figures, where they differ from `params`: what a function of the user drew,
        and the labels that a study has for objects.
    """

    number: int
    params: Mapping[str, Any]
    state: str
    score: float
    score_std: float = NAN
    resource: float = NAN
    top_resource: float = NAN
    seconds: float = NAN
    epochs: float = NAN
    completed_at: datetime.datetime | None = None
    curve: TrialCurve = NO_CURVE
    shown: Mapping[str, Any] | None = None

    @property
    def state_at_end(self) -> str:
        """The state once the search is over.

        What a halving search tried with less than the largest resource counts as pruned then.
        """
        outgrown = self.state == COMPLETE and self.resource < self.top_resource
        return PRUNED if outgrown else self.state


@dataclass(frozen=True)
class TrialsTable:
    """The trials of one search, in their order: rows, or the same by columns.

    Attributes
    ----------
    rows : tuple of TrialRow
        One for each trial.
    log_params : frozenset of str
        Parameters that were drawn on a logarithmic scale.
    score_name : str
        For labels.
    maximize : bool
        Whether more is better.
    study : optuna.Study or None
        Behind the search, when its values are the scores here.
    """

    rows: tuple[TrialRow, ...]
    log_params: frozenset[str] = field(default_factory=frozenset)
    score_name: str = "score"
    maximize: bool = True
    study: Any = None

    @cached_property
    def number(self) -> np.ndarray:
        """The searcher's own numbers, of shape (n_trials,)."""
        return np.array([row.number for row in self.rows], dtype=int)

    @cached_property
    def state(self) -> np.ndarray:
        """The states once the search is over, of shape (n_trials,)."""
        return np.array([row.state_at_end for row in self.rows], dtype=object)

    @cached_property
    def score(self) -> np.ndarray:
        """The guiding scores, of shape (n_trials,)."""
        return np.array([row.score for row in self.rows], dtype=float)

    @cached_property
    def seconds(self) -> np.ndarray:
        """Seconds since the search began, of shape (n_trials,)."""
        return np.array([row.seconds for row in self.rows], dtype=float)

    @cached_property
    def epochs(self) -> np.ndarray:
        """Epochs since the search began, of shape (n_trials,)."""
        return np.array([row.epochs for row in self.rows], dtype=float)

    @property
    def curves(self) -> tuple[TrialCurve, ...]:
        """What each trial reported on its way."""
        return tuple(row.curve for row in self.rows)

    @cached_property
    def params(self) -> pd.DataFrame:
        """A column for each parameter: numbers, or labels of what is not a number.

        None where a trial lacks the parameter, NaN among numbers.
        """
        return params_frame([row.params if row.shown is None else row.shown for row in self.rows])

    @cached_property
    def complete(self) -> np.ndarray:
        """Whether each trial has a final score."""
        return (self.state == COMPLETE) & np.isfinite(self.score)
