"""What a search tells while it runs and when it has run: to callbacks, on screen, as warnings."""

from typing import Any

from sklearn_trainkit.model_selection.evaluation._trial_record import COMPLETE, PRUNED, TrialRecord
from sklearn_trainkit.model_selection.evaluation._verbose import print_trial
from sklearn_trainkit.model_selection.scheduling._search_loop import SearchLoop
from sklearn_trainkit.model_selection.study._search_study import summarize
from sklearn_trainkit.utils._sklearn_callbacks import has_callbacks
from sklearn_trainkit.utils._warn_user import warn_user

__all__ = ["TrialTasks", "has_listeners", "tell_of_oddities"]


def has_listeners(search: Any) -> bool:
    """Tell whether scikit-learn callbacks are set on a search or on what it tunes."""
    return has_callbacks(search) or has_callbacks(search.estimator)


class TrialTasks:
    """Tells scikit-learn's callbacks of the trials of a search, and the screen of their ends.

    Parameters
    ----------
    search : OptunaSearchCV
    task : CallbackContext
        Of all its trials.
    n_parts : int or None
        Tasks within a trial, where it is known.
    """

    def __init__(self, search: Any, task: Any, n_parts: int | None) -> None:
        self._search = search
        self._task = task
        self._n_parts = n_parts

    def begin(self, number: int) -> Any:
        """Begin the task of a trial, unless nobody would hear of it."""
        if not has_listeners(self._search):
            return None
        context = self._task.subcontext(
            task_name="trial",
            task_id=number,
            max_subtasks=self._n_parts,
            sequential_subtasks=False,
        )
        return context.call_on_fit_task_begin(estimator=self._search)

    def end(self, context: Any) -> None:
        """End the task of a trial."""
        if context is not None:
            context.call_on_fit_task_end(estimator=self._search)

    def hear(self, record: TrialRecord) -> None:
        """Stop at once when a scorer turns out not to know the refit metric; say what happened."""
        search, scores = self._search, record.folds[0].test_scores
        if callable(search.scoring) and isinstance(scores, dict):
            search._check_refit_for_multimetric(scores)
        if search.verbose > 0:
            metric = search.refit if isinstance(search.refit, str) else None
            best, n_pruned = summarize(search.study_)
            print_trial(record, record.mean_score(metric), best, n_pruned)


def tell_of_oddities(search: Any, loop: SearchLoop, records: list[TrialRecord]) -> None:
    """Warn of an interrupted search, a space that was exhausted, or a slow sampler.

    Raises
    ------
    KeyboardInterrupt
        If the search was interrupted before any trial was complete.
    RuntimeError
        If the storage was lost before any trial had finished.
    ValueError
        If a limit cut every trial short.
    """
    if loop.lost is not None and not any(record.state == COMPLETE for record in records):
        raise loop.lost
    if loop.proposals.exhausted and search.param_distributions:
        warn_user(
            f"No point of param_distributions is left that was not tried, so the search ended "
            f"after {len(records)} trials, of n_trials={search.n_trials}."
        )
    if loop.interrupted:
        if not any(record.state == COMPLETE for record in records):
            raise KeyboardInterrupt
        warn_user(f"Interrupted after {len(records)} trials; the results are those of these.")
    elif loop.lost is None and records and all(record.state == PRUNED for record in records):
        raise ValueError(
            f"No trial was complete: {records[0].reason}. Raise timeout={search.timeout} or "
            f"trial_timeout={search.trial_timeout}."
        )
    if loop.proposals.seconds > max(1.0, loop.ledger.seconds):
        warn_user(
            f"The sampler took {loop.proposals.seconds:.1f} s to propose candidates that took "
            f"{loop.ledger.seconds:.1f} s to evaluate; sampler='tpe' proposes faster."
        )
