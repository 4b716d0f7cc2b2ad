"""The per-epoch evaluator: all folds of a trial train in step, with a report after each epoch.

Inside a Pipeline, the steps before the last are fitted once per fold, on its training rows, and
the test rows only ever pass through ``transform``.
"""

import time
from contextlib import ExitStack
from traceback import format_exc
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from sklearn_trainkit.model_selection._epoch_steppers import (
    count_epochs,
    make_stepper,
    stepper_kind,
)
from sklearn_trainkit.model_selection._evaluate_whole_fit import (
    evaluate_whole_fit,
    failed_outcome,
    make_record,
    record_bad_params,
)
from sklearn_trainkit.model_selection._evaluation import (
    EvaluationSetup,
    TrialJob,
    build_candidate,
)
from sklearn_trainkit.model_selection._trial_record import (
    PRUNED,
    FoldOutcome,
    TrialRecord,
)
from sklearn_trainkit.model_selection._trial_watch import TrialWatch
from sklearn_trainkit.model_selection._verbose import print_fold
from sklearn_trainkit.utils._scorers import is_standard_scorer, metric_scorer
from sklearn_trainkit.utils._sklearn_private import score_estimator

__all__ = ["can_train_in_epochs", "evaluate_per_epoch", "fit_by_stepping", "last_step"]

# Scoring after each of very many short epochs would cost more than training.
_MAX_REPORTS = 100


def can_train_in_epochs(estimator: Any) -> bool:
    """Return whether ``estimator``, or the last step of a Pipeline, trains in epochs."""
    return stepper_kind(last_step(estimator)) is not None


def evaluate_per_epoch(setup: EvaluationSetup, job: TrialJob, watch: TrialWatch) -> TrialRecord:
    """Train a candidate on all folds in step.

    The value reported after an epoch is the mean test score over folds. A candidate whose last
    step does not train in epochs is evaluated fold by fold, without reports: they would be
    compared with epochs.
    """
    try:
        candidate = build_candidate(setup, job.params)
    except Exception:
        if setup.error_score == "raise":
            raise
        return record_bad_params(setup, job, format_exc())
    if not can_train_in_epochs(candidate):
        return evaluate_whole_fit(setup, job, TrialWatch())
    with ExitStack() as stack:
        trainings = [
            FoldTraining(setup, job, clone(candidate), index, stack)
            for index in range(len(setup.folds))
        ]
        reason = _train_in_step(setup, trainings, watch, count_epochs(last_step(candidate)))
        folds = [training.finish() for training in trainings]
    n_epochs = max(training.epoch for training in trainings)
    if reason is not None:
        reason = f"{reason} at epoch {n_epochs}"
        return TrialRecord(
            job.number, job.params, tuple(folds), PRUNED, tuple(watch.curve), n_epochs, reason
        )
    return make_record(setup, job, folds, watch.curve, n_epochs)


def fit_by_stepping(
    estimator: Any, X: Any, y: Any, fit_params: dict[str, Any], n_epochs: int
) -> None:
    """Fit ``estimator`` on all rows for exactly ``n_epochs`` epochs, as its trial was."""
    own_params, head_params = _split_fit_params(estimator, fit_params)
    X, _ = _transform(estimator, X, y, None, head_params)
    stepper = make_stepper(last_step(estimator), n_epochs)
    stepper.begin(X, y, own_params)
    while not stepper.done:
        stepper.advance()
    stepper.finish()


def last_step(estimator: Any) -> Any:
    """Return what trains: the last step of a Pipeline, or the estimator itself."""
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator


class FoldTraining:
    """One fold of one trial, trained epoch by epoch.

    Attributes
    ----------
    error : str or None
        Traceback, once something failed; nothing is trained from then on.
    """

    def __init__(
        self, setup: EvaluationSetup, job: TrialJob, estimator: Any, index: int, stack: ExitStack
    ) -> None:
        self.error: str | None = None
        self._setup = setup
        self._job = job
        self._index = index
        self._fold = setup.folds.folds[index]
        self._estimator = estimator
        self._context: Any = None
        self._fit_time = 0.0
        self._score_time = 0.0
        self._stepper = make_stepper(last_step(estimator))
        self._attempt(lambda: self._begin(stack))

    @property
    def epoch(self) -> int:
        """Epochs trained."""
        return self._stepper.epoch

    @property
    def done(self) -> bool:
        """Whether there is nothing more to train."""
        return self._stepper.done or self.error is not None

    def advance(self) -> None:
        """Train one epoch, unless done."""
        if not self.done:
            self._attempt(self._stepper.advance)

    def score_now(self) -> float:
        """Return the guiding score on the test rows as of this epoch."""
        if self.error is not None:
            return float(self._setup.error_score)
        started = time.time()
        metric = metric_scorer(self._setup.scorer, self._setup.metric)
        # Other scorers may look into the Pipeline, and get it whole.
        final_only = is_standard_scorer(metric)
        score = score_estimator(
            last_step(self._estimator) if final_only else self._estimator,
            self._X_test_final if final_only else self._X_test,
            self._y_test,
            metric,
            self._fold.test_score_params,
            self._setup.error_score,
        )
        self._score_time += time.time() - started
        if isinstance(score, dict):
            score = score.get(self._setup.metric, next(iter(score.values())))
        return float(score)

    def finish(self) -> FoldOutcome:
        """End the training and return the fold's outcome."""
        if self.error is None:
            self._attempt(self._stepper.finish)
        outcome = self._score_all() if self.error is None else self._failed()
        if self._context is not None:
            self._context.call_on_fit_task_end(
                estimator=self._setup.caller, X=self._X_train, y=self._y_train
            )
        if self._setup.verbose > 1:
            n_splits = len(self._setup.folds)
            print_fold(self._setup.verbose, self._job, self._index, n_splits, outcome)
        return outcome

    def _begin(self, stack: ExitStack) -> None:
        folds, fold = self._setup.folds, self._fold
        self._X_train, self._y_train, self._X_test, self._y_test = folds.cut(
            self._estimator, self._index
        )
        own_params, head_params = _split_fit_params(self._estimator, fold.fit_params)
        X_train, self._X_test_final = _transform(
            self._estimator, self._X_train, self._y_train, self._X_test, head_params
        )
        final = last_step(self._estimator)
        if self._job.callback_ctx is not None:
            self._context = self._job.callback_ctx.subcontext(
                task_name="candidate-split-evaluation", task_id=self._index
            )
            stack.enter_context(self._context.propagate_callback_context(final))
            self._context.call_on_fit_task_begin(
                estimator=self._setup.caller, X=self._X_train, y=self._y_train
            )
        self._stepper.begin(X_train, self._y_train, own_params)

    def _attempt(self, action: Any) -> None:
        """Do ``action`` on the fold's clock; keep its traceback if it fails."""
        started = time.time()
        try:
            action()
        except Exception:
            if self._setup.error_score == "raise":
                raise
            self.error = format_exc()
        finally:
            self._fit_time += time.time() - started

    def _failed(self) -> FoldOutcome:
        assert self.error is not None
        return failed_outcome(self._setup, self.error, self._fit_time)

    def _score_all(self) -> FoldOutcome:
        """Score the whole estimator on the rows themselves, as a fold-by-fold search would."""
        setup, started = self._setup, time.time()
        test_scores = score_estimator(
            self._estimator,
            self._X_test,
            self._y_test,
            setup.scorer,
            self._fold.test_score_params,
            setup.error_score,
        )
        self._score_time += time.time() - started
        train_scores = None
        if setup.return_train_score:
            train_scores = score_estimator(
                self._estimator,
                self._X_train,
                self._y_train,
                setup.scorer,
                self._fold.train_score_params,
                setup.error_score,
            )
        return FoldOutcome(test_scores, train_scores, self._fit_time, self._score_time)


def _train_in_step(
    setup: EvaluationSetup, trainings: list[FoldTraining], watch: TrialWatch, n_epochs: int
) -> str | None:
    """Advance all folds together; return why they were stopped early, if they were."""
    interval = max(1, -(-n_epochs // _MAX_REPORTS))
    hopeless = isinstance(setup.error_score, float) and np.isnan(setup.error_score)
    epoch = 0
    while not all(training.done for training in trainings):
        for training in trainings:
            training.advance()
        epoch += 1
        if hopeless and any(training.error for training in trainings):
            return None
        is_over = all(training.done for training in trainings)
        if not watch.prunes or (epoch % interval and not is_over):
            reason = watch.check_time()
        else:
            reason = watch.report(epoch, float(np.mean([t.score_now() for t in trainings])))
        if reason is not None and not is_over:
            return reason
    return None


def _transform(
    estimator: Any, X_train: Any, y_train: Any, X_test: Any, fit_params: dict[str, Any]
) -> tuple[Any, Any]:
    """Fit the steps before the last on the training rows and pass both parts through them."""
    if not isinstance(estimator, Pipeline) or len(estimator.steps) == 1:
        return X_train, X_test
    head = estimator[:-1]
    X_train = head.fit_transform(X_train, y_train, **fit_params)
    # With a memory the fitted steps are clones, so they have to be put back.
    estimator.steps[:-1] = head.steps
    return X_train, None if X_test is None else head.transform(X_test)


def _split_fit_params(
    estimator: Any, fit_params: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments of the last step's ``fit``, and those of the steps before it."""
    if not isinstance(estimator, Pipeline):
        return fit_params, {}
    prefix = f"{estimator.steps[-1][0]}__"
    own = {
        name.removeprefix(prefix): value
        for name, value in fit_params.items()
        if name.startswith(prefix)
    }
    rest = {name: value for name, value in fit_params.items() if not name.startswith(prefix)}
    return own, rest
