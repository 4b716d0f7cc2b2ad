"""``cv_results_``: the table of all trials, in the shape that scikit-learn's searches have."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import rankdata

from sklearn_trainkit.model_selection.evaluation._trial_record import (
    PRUNED,
    FoldOutcome,
    TrialRecord,
)
from sklearn_trainkit.utils._sklearn_private import (
    insert_error_scores,
    normalize_scores,
    warn_or_raise_about_fit_failures,
    yield_masked_arrays,
)
from sklearn_trainkit.utils._warn_user import warn_user

__all__ = ["break_ties", "format_results", "settle_failures"]


def settle_failures(records: Sequence[TrialRecord], error_score: Any) -> list[TrialRecord]:
    """Warn once about all failed fits, or raise when every fit failed.

    A scorer that is a function shows only now that it returns several metrics: the folds that
    failed get ``error_score`` under every name.
    """
    outcomes = [_to_sklearn(fold) for record in records for fold in record.folds]
    warn_or_raise_about_fit_failures(outcomes, error_score)
    insert_error_scores(outcomes, error_score)
    settled = iter(outcomes)
    return [
        _replace_folds(record, [_from_sklearn(next(settled)) for _ in record.folds])
        for record in records
    ]


def format_results(
    records: Sequence[TrialRecord],
    n_splits: int,
    *,
    return_train_score: bool,
    extended: bool,
) -> dict[str, Any]:
    """Return the dict of columns, one row per record.

    Parameters
    ----------
    records : sequence of TrialRecord
        Rows, in order; each has at least one fold.
    n_splits : int
        Number of splits; folds that a pruned trial never reached are NaN.
    return_train_score : bool
        Whether there are columns of training scores.
    extended : bool
        Add what scikit-learn has no name for: ``state``, ``n_folds``, ``n_epochs``,
        ``n_fold_epochs`` and the standard error of each score.
    """
    results: dict[str, Any] = {}
    for key in ("fit_time", "score_time"):
        times = _to_table([[getattr(fold, key) for fold in row.folds] for row in records], n_splits)
        results[f"mean_{key}"] = np.nanmean(times, axis=1)
        results[f"std_{key}"] = np.nanstd(times, axis=1)
    params = [record.params for record in records]
    results.update(yield_masked_arrays(params))
    results["params"] = params
    pruned = np.array([record.state == PRUNED for record in records])
    reach = np.array([_reach(record) for record in records])
    test = _tables(records, "test_scores", n_splits)
    train = _tables(records, "train_scores", n_splits) if return_train_score else {}
    for metric, table in test.items():
        _store_scores(results, f"test_{metric}", table, pruned)
        results[f"rank_test_{metric}"] = _rank(results[f"mean_test_{metric}"], pruned, reach)
        if extended:
            results[f"sem_test_{metric}"] = _standard_errors(table)
        if metric in train:
            _store_scores(results, f"train_{metric}", train[metric], pruned)
    if extended:
        results["state"] = np.array([record.state for record in records], dtype=object)
        results["reason"] = np.array([record.reason for record in records], dtype=object)
        results["n_folds"] = np.array([len(record.folds) for record in records])
        results["n_epochs"] = _masked_counts([record.n_epochs for record in records])
        results["n_fold_epochs"] = _masked_counts([_fold_epochs(record) for record in records])
    return results


def break_ties(ranks: np.ndarray, records: Sequence[TrialRecord]) -> int:
    """Return the row to prefer among those ranked first: fewest epochs, then the earliest."""
    first = np.flatnonzero(ranks == ranks.min()).tolist()
    return min(first, key=lambda row: (records[row].n_epochs or 0, row))


def _fold_epochs(record: TrialRecord) -> int | None:
    if record.n_fold_epochs is not None or record.n_epochs is None:
        return record.n_fold_epochs
    return record.n_epochs * len(record.folds)


def _masked_counts(counts: Sequence[int | None]) -> np.ma.MaskedArray:
    return np.ma.masked_equal([-1 if count is None else count for count in counts], -1)


def _store_scores(
    results: dict[str, Any], name: str, table: np.ndarray, pruned: np.ndarray
) -> None:
    for index in range(table.shape[1]):
        results[f"split{index}_{name}"] = table[:, index]
    means = _means(table, pruned)
    results[f"mean_{name}"] = means
    if not np.all(np.isfinite(means)):
        kind = name.split("_")[0]
        warn_user(f"One or more of the {kind} scores are non-finite: {means}")
    results[f"std_{name}"] = np.sqrt(_means((table - means[:, np.newaxis]) ** 2, pruned))


def _means(table: np.ndarray, pruned: np.ndarray) -> np.ndarray:
    """Average over folds: all of them, or those reached when the trial was pruned."""
    means = np.average(table, axis=1)
    for row in np.flatnonzero(pruned):
        reached = table[row][~np.isnan(table[row])]
        means[row] = reached.mean() if reached.size else np.nan
    return means


def _rank(means: np.ndarray, pruned: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Rank scores from 1; NaN below every number, pruned below every complete row.

    Among pruned rows, those that came further rank first.

    >>> means, pruned = np.array([0.5, np.nan, 0.9, 0.7]), np.array([False, False, True, False])
    >>> _rank(means, pruned, reach=np.array([3, 3, 1, 3]))
    array([2, 3, 4, 1], dtype=int32)
    """
    ranks = np.empty(len(means), dtype=np.int32)
    scored = ~pruned & ~np.isnan(means)
    ranks[scored] = rankdata(-means[scored], method="min")
    ranks[~pruned & ~scored] = scored.sum() + 1
    stopped = sorted(np.flatnonzero(pruned), key=lambda row: (-reach[row], -means[row]))
    ranks[stopped] = (~pruned).sum() + 1 + np.arange(len(stopped))
    return ranks


def _standard_errors(table: np.ndarray) -> np.ndarray:
    counts = np.sum(~np.isnan(table), axis=1)
    errors = np.full(len(table), np.nan)
    for row in np.flatnonzero(counts > 1):
        errors[row] = np.nanstd(table[row], ddof=1) / np.sqrt(counts[row])
    return errors


def _reach(record: TrialRecord) -> int:
    return record.n_epochs if record.n_epochs is not None else len(record.folds)


def _tables(records: Sequence[TrialRecord], key: str, n_splits: int) -> dict[str, np.ndarray]:
    flat = normalize_scores([getattr(fold, key) for record in records for fold in record.folds])
    lengths = [len(record.folds) for record in records]
    ends = np.cumsum(lengths)
    return {
        metric: _to_table(
            [values[end - length : end] for end, length in zip(ends, lengths, strict=True)],
            n_splits,
        )
        for metric, values in flat.items()
    }


def _to_table(rows: Sequence[Sequence[float]], n_columns: int) -> np.ndarray:
    table = np.full((len(rows), n_columns), np.nan)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return table


def _to_sklearn(fold: FoldOutcome) -> dict[str, Any]:
    result = {
        "test_scores": fold.test_scores,
        "fit_time": fold.fit_time,
        "score_time": fold.score_time,
        "fit_error": fold.fit_error,
    }
    if fold.train_scores is not None:
        result["train_scores"] = fold.train_scores
    return result


def _from_sklearn(result: dict[str, Any]) -> FoldOutcome:
    return FoldOutcome(
        result["test_scores"],
        result.get("train_scores"),
        result["fit_time"],
        result["score_time"],
        result["fit_error"],
    )


def _replace_folds(record: TrialRecord, folds: list[FoldOutcome]) -> TrialRecord:
    return replace(record, folds=tuple(folds))
