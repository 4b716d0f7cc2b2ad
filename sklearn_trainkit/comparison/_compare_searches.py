"""Run several searchers on the same rows, splits and seeds, and put what happened in a table."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sklearn_trainkit.comparison._budget import make_budget
from sklearn_trainkit.comparison._datasets import Dataset, check_datasets
from sklearn_trainkit.comparison._fingerprint import fingerprint_data, fingerprint_run
from sklearn_trainkit.comparison._metrics import check_metric
from sklearn_trainkit.comparison._progress import Progress, describe_spent
from sklearn_trainkit.comparison._run import RunRecord, RunSettings, run_strategy
from sklearn_trainkit.comparison._splits import (
    OuterFold,
    Splits,
    check_splits,
    draw_folds,
)
from sklearn_trainkit.comparison._starting_candidates import check_starting_candidates
from sklearn_trainkit.comparison._strategy import all_classifiers, check_searchers, warm_up
from sklearn_trainkit.comparison._table import RunKey, run_rows
from sklearn_trainkit.comparison._table_files import ResultsFile
from sklearn_trainkit.utils._fingerprint import FingerprintError

__all__ = ["compare_searches"]


def compare_searches(
    searchers: Mapping[str, Any],
    X: Any = None,
    y: Any = None,
    *,
    groups: Any = None,
    datasets: Mapping[str, tuple[Any, ...]] | None = None,
    cv: Any = 5,
    outer_cv: Any = None,
    test_size: float = 0.25,
    scoring: Any = None,
    seeds: int | Sequence[int] = 0,
    starting_candidates: Sequence[Mapping[str, Any]] = (),
    budget: Mapping[str, float] | None = None,
    recheck_winner: bool = True,
    results_file: str | os.PathLike[str] | None = None,
    verbose: int = 0,
) -> pd.DataFrame:
    """Compare hyperparameter searchers on the same rows, the same splits and the same seeds.

    Each searcher is cloned, given the same inner splits and seed, fitted on the training rows of
    an outer split while its estimators are watched, and its winner is scored on the rows held out.
    What it spent is counted from what the networks do, not from what the searcher says. A searcher
    that fails is recorded with its reason and the others go on.

    Runs follow one another, so that they do not compete for the processor; each searcher's own
    ``n_jobs`` is respected.

    Parameters
    ----------
    searchers : dict of str to searcher
        Unfitted searchers by name: ``GridSearchCV``, ``RandomizedSearchCV``,
        ``HalvingRandomSearchCV``, ``OptunaSearchCV`` or anything with ``fit``, the parameters
        ``estimator``, ``cv`` and ``refit``, and ``cv_results_`` (or an optuna ``study_``)
        afterwards. They are left as they are. Their own ``cv`` and every ``random_state`` in them
        are replaced in the clones.
    X : array-like of shape (n_samples, ...), default=None
        Rows of a single data set. Leave it out when ``datasets`` is given.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        Targets of a single data set.
    groups : array-like of shape (n_samples,), default=None
        Groups of a single data set. Rows of one group, such as measurements of one patient, are
        kept together in every split.
    datasets : dict of str to (X, y) or (X, y, groups), default=None
        Several data sets by name.
    cv : int or splitter, default=5
        Inner cross-validation. A number means shuffled folds, drawn anew for each seed, that are
        stratified for classifiers and keep groups together. A splitter with a ``random_state`` of
        its own draws the same folds for every seed.
    outer_cv : int or splitter, default=None
        Outer cross-validation for nested scores. None holds ``test_size`` of the rows out once.
    test_size : float, default=0.25
        Fraction of rows held out when ``outer_cv`` is None.
    scoring : str, callable, list, dict or None, default=None
        Set on every searcher. None keeps theirs, which must then be the same.
    seeds : int or sequence of int, default=0
        The whole comparison is repeated for each seed.
    starting_candidates : list of dict, default=()
        Parameters that every search tries first, such as a manual guess. ``GridSearchCV`` tries
        them before its grid, ``RandomizedSearchCV`` in place of its last draws, a searcher with a
        parameter ``enqueue``, such as ours, enqueues them. For other searchers ``run_note`` says
        that they could not be given. Name all the parameters that the spaces hold: the rest is
        at the estimator's value in scikit-learn's searches, but drawn in ours.
    budget : dict of str to float, default=None
        One of ``{"trials": n}``, ``{"epochs": n}`` and ``{"seconds": s}``: what each run may spend
        before its winner is chosen, among the trials that had ended by then. Give the searchers
        more trials than the budget pays for. When epochs or seconds are spent, optuna searches
        stop, and the evaluations that remain to scikit-learn's fail at once; other searchers run
        on, and what they find later is left out. A strategy whose epochs cannot be watched fails
        under a budget of epochs.
    recheck_winner : bool, default=True
        Whether each winner's parameters are scored once more, on inner folds that no searcher has
        seen, to measure the winner's curse. It costs as many fits as there are inner folds, which
        are not counted.
    results_file : path-like, default=None
        CSV or Parquet file (``.csv``, ``.csv.gz``, ``.parquet``) that receives the table after
        every run. When it exists, the runs that it holds are taken from it, failed ones too, and
        the comparison goes on with the others.
    verbose : int, default=0
        1 writes a line when a run begins and ends, 2 also what it has spent every few seconds.

    Returns
    -------
    table : pandas.DataFrame
        One row for each trial, in the order in which the trials of a run ended:

        - ``dataset``, ``seed``, ``fold``, ``strategy``: the run;
        - ``trial``, ``params`` (as JSON), ``status`` ("complete", "pruned" or "failed"),
          ``resource`` (of a halving search), ``score``, ``score_std``: the trial;
        - ``best_so_far``: the best score of a complete trial until then (in a halving search,
          among trials with the largest resource until then);
        - ``seconds``, ``epochs``, ``steps``: spent since the run began when the trial ended;
        - ``timed_by``: where that moment comes from. "study": stamps of an optuna study. "fits":
          the end of its last fit as watched. ``"cv_results_"``: neither is known, so the fit and
          score times that the searcher reports are added up; epochs are then missing;
        - ``curve``: what a trial reported to a pruner on its way, as JSON pairs of step (epochs
          trained, or folds done) and mean score; empty without a pruner;
        - ``run_...``: facts of the whole run, repeated in each of its rows: ``run_trials``,
          ``run_fits``, ``run_epochs``, ``run_steps``, ``run_seconds`` (all with the refit),
          ``run_refit_seconds``, ``run_peak_memory`` (megabytes held by this process and its
          children, sampled during the search; missing outside Linux), ``run_inner_score`` (best
          mean inner score), ``run_test_score`` (of the winner, on held-out rows),
          ``run_fresh_score`` (of the winner's parameters, on
          inner folds drawn anew; missing for a splitter without randomness),
          ``run_winners_curse`` (the inner minus the fresh score: what choosing the best of many
          noisy scores added to it), ``run_n_train``, ``run_n_test``, and ``run_counted_by``:
          "watching", or ``"cv_results_"`` when the estimator does not support scikit-learn's
          callbacks, the fits are derived from the number of trials, and epochs and steps are
          missing. ``run_fingerprint`` changes when the searcher, the settings or the data do; it is
          empty when one of them has no identity by value.

        ``run_note`` says what could not be done as asked. A run that failed has its reason in
        ``run_error``, and one row with a missing ``trial`` if
        no trial could be read. :func:`summarize_runs` gives one row for each run.

    Raises
    ------
    TypeError
        When ``searchers`` is not a dict of searchers.
    ValueError
        When an argument is out of range, the searchers cannot be compared, both or neither of
        ``X`` and ``datasets`` are given, the metric cannot be computed for a data set, or
        ``results_file`` holds a run of the same name that was made with other settings or data, or
        is given and a setting has no identity by value.

    Notes
    -----
    Seeds reach parameters named ``random_state``. A sampler or study object that carries its own
    seed keeps it.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
    >>> from sklearn_trainkit.comparison import compare_searches, summarize_runs
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000)
    >>> table = compare_searches(
    ...     {
    ...         "grid": GridSearchCV(model, {"C": [0.01, 1.0]}),
    ...         "random": RandomizedSearchCV(model, {"C": [0.01, 0.1, 1.0]}, n_iter=2),
    ...     },
    ...     X, y, cv=3,
    ... )
    >>> len(table)
    4
    >>> summarize_runs(table)[["strategy", "trials", "fits", "counted_by"]]
      strategy  trials  fits counted_by
    0     grid       2     7   watching
    1   random       2     7   watching
    """
    check_searchers(searchers, scoring)
    splits = Splits(cv, outer_cv, test_size, stratify=all_classifiers(searchers))
    check_splits(splits)
    named_data = check_datasets(X, y, groups, datasets)
    check_starting_candidates(starting_candidates, searchers)
    settings = RunSettings(scoring, recheck_winner, make_budget(budget), starting_candidates)
    results = ResultsFile(results_file)
    progress = Progress(verbose)
    plan = _plan_runs(
        searchers, named_data, splits, _check_seeds(seeds), settings, kept=results.path is not None
    )
    folds = {run.key.dataset: run.fold for run in plan}
    for dataset, fold in folds.items():
        for strategy, searcher in searchers.items():
            check_metric(strategy, searcher, dataset, named_data[dataset], fold, scoring)
    missing = [run for run in plan if not results.holds(run.key, run.fingerprint)]
    _tell_plan(progress, len(missing), len(plan))
    for number, run in enumerate(missing, start=1):
        place = f"[{number}/{len(missing)}] {_describe_key(run.key)}"
        progress.tell(f"{place}: begins")
        searcher, (X_all, y_all, _) = searchers[run.key.strategy], named_data[run.key.dataset]
        warm_up(searcher, X_all, y_all)
        record = run_strategy(
            searcher,
            X_all,
            y_all,
            fold=run.fold,
            seed=run.key.seed,
            settings=settings,
            progress=progress,
        )
        progress.tell(f"{place}: {_describe_run(record)}")
        results.add(run.key, run_rows(run.key, record, run.fingerprint))
    return results.table([run.key for run in plan])


class PlannedRun(NamedTuple):
    """One run that the comparison asks for."""

    key: RunKey
    fold: OuterFold
    fingerprint: str


def _plan_runs(
    searchers: Mapping[str, Any],
    named_data: Mapping[str, Dataset],
    splits: Splits,
    seeds: Sequence[int],
    settings: RunSettings,
    kept: bool,
) -> list[PlannedRun]:
    plan = []
    for name, dataset in named_data.items():
        marks = _mark_runs(searchers, dataset, [splits, vars(settings)], kept)
        for seed in seeds:
            for fold in draw_folds(splits, *dataset, seed=seed):
                for strategy in searchers:
                    key = RunKey(name, seed, fold.number, strategy)
                    plan.append(PlannedRun(key, fold, marks[strategy]))
    return plan


def _mark_runs(
    searchers: Mapping[str, Any], dataset: Dataset, shared: Sequence[Any], kept: bool
) -> dict[str, str]:
    """Return the fingerprint of each strategy on a data set.

    Without a file to go on with, a setting that cannot be read is no reason not to run.
    """
    try:
        data = fingerprint_data(*dataset)
        return {
            strategy: fingerprint_run(searcher, strategy, shared, data)
            for strategy, searcher in searchers.items()
        }
    except FingerprintError:
        if kept:
            raise
        return dict.fromkeys(searchers, "")


def _tell_plan(progress: Progress, n_missing: int, n_planned: int) -> None:
    if n_missing < n_planned:
        progress.tell(f"{n_planned - n_missing} of {n_planned} runs are in the results file")


def _check_seeds(seeds: int | Sequence[int]) -> list[int]:
    listed = list(np.atleast_1d(np.asarray(seeds, dtype=object)))
    whole = all(isinstance(seed, int | np.integer) and 0 <= seed < 2**32 for seed in listed)
    if not listed or not whole or len(set(listed)) < len(listed):
        raise ValueError(
            f"seeds must be an integer of 0 or more, or several different ones; got {seeds!r}"
        )
    return [int(seed) for seed in listed]


def _describe_key(key: RunKey) -> str:
    return f"{key.dataset}, seed {key.seed}, fold {key.fold}, {key.strategy}"


def _describe_run(run: RunRecord) -> str:
    spent = f"{len(run.trials)} trials, {describe_spent(run.spent)}, {run.seconds:.1f} s"
    if run.error:
        return f"failed after {spent}: {run.error}"
    return f"{spent}, inner score {run.inner_score:.4f}, held-out score {run.test_score:.4f}"
