"""What a search knows afterwards: records as scikit-learn's attributes, and optuna's."""

from typing import Any

import numpy as np
import optuna

from sklearn_trainkit.model_selection.evaluation._folds import is_stratified
from sklearn_trainkit.model_selection.evaluation._trial_record import FIT_TIME, PRUNED, TrialRecord
from sklearn_trainkit.model_selection.results._cv_results import break_ties, format_results
from sklearn_trainkit.model_selection.results._pickling import SelfContained
from sklearn_trainkit.model_selection.results._refit import refit_winner
from sklearn_trainkit.model_selection.results._selection import (
    describe_majority_ties,
    find_pareto_front,
)
from sklearn_trainkit.model_selection.scheduling._search_plan import SearchPlan
from sklearn_trainkit.utils._sklearn_private import BaseSearchCV, MultimetricScorer
from sklearn_trainkit.utils._warn_user import warn_user

__all__ = ["SearchResults"]


class SearchResults(SelfContained, BaseSearchCV):
    """A search once its trials have ended; :class:`OptunaSearchCV` has the parameters."""

    _trial_numbers: Any

    @property
    def trials_(self) -> list[optuna.trial.FrozenTrial]:
        """Trials of the study, those of ``cv_results_``."""
        return [trial for trial in self.study_.trials if self._is_row(trial)]

    @property
    def n_trials_(self) -> int:
        """Number of trials, those of ``cv_results_``."""
        return sum(map(self._is_row, self.study_.get_trials(deepcopy=False)))

    @property
    def best_trial_(self) -> optuna.trial.FrozenTrial:
        """The trial of ``best_index_``."""
        number = self._trial_numbers[self.best_index_]
        return self.study_.get_trials(deepcopy=False)[number]

    def trials_dataframe(self, *args: Any, **kwargs: Any) -> Any:
        """Return the trials as a DataFrame, as ``optuna.Study.trials_dataframe`` does."""
        rows = [self._is_row(trial) for trial in self.study_.get_trials(deepcopy=False)]
        return self.study_.trials_dataframe(*args, **kwargs)[rows].reset_index(drop=True)

    def _is_row(self, trial: optuna.trial.FrozenTrial) -> bool:
        """Return whether a trial counts: not what was cut off or withdrawn, once that is known."""
        numbers = getattr(self, "_trial_numbers", None)
        return numbers is None or trial.number in numbers

    def _store_results(self, plan: SearchPlan, records: list[TrialRecord]) -> None:
        self.multimetric_ = any(isinstance(row.folds[0].test_scores, dict) for row in records)
        scorer = plan.setup.scorer
        self.scorer_ = scorer._scorers if isinstance(scorer, MultimetricScorer) else scorer
        self._trial_numbers = [record.number for record in records]
        self.evaluations_ = [record.evaluation or plan.evaluator for record in records]
        limits = (self.pruner, self.timeout, self.trial_timeout)
        self.cv_results_ = format_results(
            records,
            self.n_splits_,
            return_train_score=self.return_train_score,
            extended=any(limit is not None for limit in limits),
        )
        if self.objectives is not None:
            self.pareto_front_ = find_pareto_front(self._objective_table())
        if self.scoring in (None, "accuracy") and is_stratified(self.estimator):
            means = self.cv_results_["mean_test_score"]
            if (ties := describe_majority_ties(means, plan.setup.folds.y)) is not None:
                warn_user(ties)

    def _objective_table(self) -> np.ndarray:
        """Return the objectives of all candidates as columns, higher being better."""
        results = self.cv_results_
        columns = [
            -results["mean_fit_time"] if name == FIT_TIME else results[f"mean_test_{name}"]
            for name in self.objectives or ()
        ]
        return np.column_stack(columns)

    def _select_best(self, plan: SearchPlan, records: list[TrialRecord]) -> None:
        """Set ``best_index_``, ``best_params_`` and, unless refit is a callable, the score."""
        if self.multimetric_ and not self.refit:
            return
        metric = plan.refit_metric
        if self.multimetric_ and callable(self.scoring) and isinstance(self.refit, str):
            metric = self.refit
        self.best_index_ = self._select_best_index(self.refit, metric, self.cv_results_)
        if not callable(self.refit):
            ranks = self.cv_results_[f"rank_test_{metric}"]
            self.best_index_ = break_ties(ranks, records)
            self.best_score_ = self.cv_results_[f"mean_test_{metric}"][self.best_index_]
        if records[self.best_index_].state == PRUNED:
            raise ValueError(
                f"refit returned row {self.best_index_}, whose trial was pruned; choose among "
                'the rows whose cv_results_["state"] is "complete".'
            )
        self.best_params_ = self.cv_results_["params"][self.best_index_]
        self._best_n_epochs = records[self.best_index_].n_epochs

    def _winners_fold_scores(self, plan: SearchPlan) -> np.ndarray:
        columns = [f"split{index}_test_{plan.refit_metric}" for index in range(self.n_splits_)]
        if not all(column in self.cv_results_ for column in columns):
            return np.array([])
        return np.array([self.cv_results_[column][self.best_index_] for column in columns])

    def _refit_best(self, plan: SearchPlan) -> None:
        """Fit the winner on all rows."""
        X, y = plan.setup.folds.X, plan.setup.folds.y
        context = plan.context.subcontext(task_name="refit-with-best-params")
        refitted = refit_winner(
            plan.setup,
            self.best_params_,
            self._best_n_epochs,
            fold_scores=self._winners_fold_scores(plan),
            n_retries=self.refit_retries,
            context=context,
            begin=lambda: context.call_on_fit_task_begin(
                estimator=self, X=X, y=y, metadata=plan.metadata
            ),
        )
        self.best_estimator_, self.refit_time_ = refitted.estimator, refitted.seconds
        if refitted.collapse is not None:
            warn_user(refitted.collapse)
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_
        context.call_on_fit_task_end(estimator=self, X=X, y=y, metadata=plan.metadata)
