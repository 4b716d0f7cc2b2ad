"""What one trial leaves behind: the frozen records that travel between files and processes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "COMPLETE",
    "FAILED",
    "FOLD_SCORES",
    "PRUNED",
    "FoldOutcome",
    "Scores",
    "TrialRecord",
    "TrialResult",
]

COMPLETE = "complete"
PRUNED = "pruned"
FAILED = "failed"
# The attribute of an optuna trial with the folds' own scores at each step that was reported.
FOLD_SCORES = "fold_scores"
# The one objective that is not a score, and is minimized.
FIT_TIME = "fit_time"

Scores = float | dict[str, float]


@dataclass(frozen=True)
class FoldOutcome:
    """Scores and times of one fold of one trial.

    Attributes
    ----------
    test_scores, train_scores : float, dict of str to float, or None
        A dict when there are several metrics; ``train_scores`` is None unless asked for.
    fit_time, score_time : float
        Seconds.
    fit_error : str or None
        Traceback of a failed fit.
    """

    test_scores: Scores
    train_scores: Scores | None
    fit_time: float
    score_time: float
    fit_error: str | None = None


@dataclass(frozen=True)
class TrialRecord:
    """One trial, finished or stopped.

    Attributes
    ----------
    number : int
        The trial's number in its study.
    params : dict
        What the estimator was given.
    folds : tuple of FoldOutcome
        In the order of the splits; a pruned trial may have fewer than there are splits.
    state : {"complete", "pruned", "failed"}
        Failed: no score to compare, because of NaN or of an error.
    curve : tuple of (int, float)
        What was reported on the way: step and value.
    n_epochs : int or None
        Epochs trained per fold, where training is in epochs.
    reason : str or None
        Why the trial was pruned or failed.
    evaluation : str or None
        How it was evaluated and, where that is not what was asked for, why.
    fold_scores : tuple of tuple of float
        The folds' own scores at each step of ``curve``, where training is in epochs.
    n_fold_epochs : int or None
        Epochs trained in all, where that is not ``n_epochs`` for each fold.
    """

    number: int
    params: dict[str, Any]
    folds: tuple[FoldOutcome, ...]
    state: str = COMPLETE
    curve: tuple[tuple[int, float], ...] = ()
    n_epochs: int | None = None
    reason: str | None = None
    evaluation: str | None = None
    fold_scores: tuple[tuple[float, ...], ...] = ()
    n_fold_epochs: int | None = None

    def mean_score(self, metric: str | None) -> float:
        """Return the mean test score over folds, of one metric when there are several."""
        return mean_test_score(self.folds, metric)

    def objective(self, name: str, metric: str | None) -> float:
        """Return what the study is told under ``name``; the empty name is the guiding score."""
        if name == FIT_TIME:
            return float(np.mean([fold.fit_time for fold in self.folds]))
        return self.mean_score(name or metric)


class TrialResult(NamedTuple):
    """What comes back from a worker.

    Attributes
    ----------
    record : TrialRecord
    pruner_attrs : dict
        What the pruner noted on the trial.
    seconds : float
        Time of this job.
    kept : object
        What a trial that came to rest at a rung needs to go on; None where it has ended.
    """

    record: TrialRecord
    pruner_attrs: dict[str, Any]
    seconds: float
    kept: Any = None


def failed_record(number: int, params: dict[str, Any], reason: str) -> TrialRecord:
    """Return the record of a trial that left nothing but a reason."""
    nothing = FoldOutcome(np.nan, np.nan, 0.0, 0.0, reason)
    return TrialRecord(number, params, (nothing,), FAILED, reason=reason)


def mean_test_score(folds: Sequence[FoldOutcome], metric: str | None) -> float:
    """Return the mean of the folds' test scores; NaN when there is none or one is NaN."""
    values = [select_score(fold.test_scores, metric) for fold in folds]
    return float(np.mean(values)) if values else float("nan")


def select_score(scores: Scores, metric: str | None) -> float:
    """Return the score that guides the search: ``metric``, or the first one there is."""
    if not isinstance(scores, dict):
        return float(scores)
    if metric in scores:
        return float(scores[metric])
    return float(next(iter(scores.values()), float("nan")))
