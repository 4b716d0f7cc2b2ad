"""What a search says while it runs, when ``verbose`` asks for it."""

from typing import Any

from sklearn_trainkit.model_selection.evaluation._evaluator import TrialJob
from sklearn_trainkit.model_selection.evaluation._trial_record import (
    PRUNED,
    FoldOutcome,
    Scores,
    TrialRecord,
)

__all__ = ["print_fold", "print_start", "print_trial"]


def print_start(n_splits: int, n_trials: int | None, sampler: Any, evaluator: str) -> None:
    """Print the size of the search."""
    name = sampler if isinstance(sampler, str) else type(sampler).__name__
    how = f"sampler {name}, {evaluator} evaluation"
    if n_trials is None:
        _say(f"Fitting {n_splits} folds for each candidate until the time is up ({how})")
        return
    _say(
        f"Fitting {n_splits} folds for each of {n_trials} candidates, totalling "
        f"{n_splits * n_trials} fits ({how})"
    )


def print_fold(
    verbose: int, job: TrialJob, index: int, n_splits: int, outcome: FoldOutcome
) -> None:
    """Print one finished fold: parameters from ``verbose=2`` on, scores from 3 on."""
    params = ", ".join(f"{name}={job.params[name]}" for name in sorted(job.params))
    place = f" {index + 1}/{n_splits}; trial {job.number}" if verbose > 2 else ""
    scores = f" {_format_scores(outcome)}" if verbose > 2 else ""
    total = outcome.fit_time + outcome.score_time
    _say(f"[CV{place}] END {params};{scores} total time={total:6.1f}s")


def print_trial(record: TrialRecord, value: float, best: float, n_pruned: int) -> None:
    """Print one finished trial, the best score so far and how many were pruned."""
    ending = record.reason or f"mean score {value:.4f}"
    if record.state == PRUNED:
        ending = f"{record.reason} at {value:.4f}"
    _say(f"[trial {record.number}] {ending}; best so far {best:.4f}; {n_pruned} pruned")


def _format_scores(outcome: FoldOutcome) -> str:
    test, train = outcome.test_scores, outcome.train_scores
    if isinstance(test, dict):
        return " ".join(
            f"{name}: ({_train_part(train, name)}test={test[name]:.3f})" for name in sorted(test)
        )
    if train is not None:
        return f"score=(train={train:.3f}, test={test:.3f})"
    return f"score={test:.3f}"


def _train_part(train: Scores | None, name: str) -> str:
    return f"train={train[name]:.3f}, " if isinstance(train, dict) else ""


def _say(message: Any) -> None:
    print(message)  # noqa: T201
