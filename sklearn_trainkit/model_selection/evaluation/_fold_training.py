"""One fold of one trial in training: earlier steps fitted once, the last advanced by epochs."""

import copy
import time
from contextlib import ExitStack
from traceback import format_exc
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from sklearn_trainkit.model_selection.evaluation._epoch_steppers import make_stepper
from sklearn_trainkit.model_selection.evaluation._evaluator import EvaluationSetup, TrialJob
from sklearn_trainkit.model_selection.evaluation._trial_record import FoldOutcome, select_score
from sklearn_trainkit.model_selection.evaluation._verbose import print_fold
from sklearn_trainkit.model_selection.evaluation._whole_fit import failed_outcome
from sklearn_trainkit.utils._pipelines import last_step, own_fit_params
from sklearn_trainkit.utils._scorers import is_standard_scorer, metric_scorer
from sklearn_trainkit.utils._sklearn_callbacks import drop_propagated
from sklearn_trainkit.utils._sklearn_private import score_estimator

__all__ = ["FoldTraining", "fit_head", "transform_test"]


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
        self._n_stays = 0
        self._fit_time = 0.0
        self._score_time = 0.0
        kind = setup.stepping_of(estimator).kind
        assert kind is not None
        self._stepper = make_stepper(kind, last_step(estimator))
        self._attempt(lambda: self._begin(stack))

    @property
    def epoch(self) -> int:
        """Epochs trained."""
        return self._stepper.epoch

    @property
    def done(self) -> bool:
        """Whether there is nothing more to train."""
        return self._stepper.done or self.error is not None

    def train_epoch(self) -> None:
        """Train one epoch, unless done."""
        if not self.done:
            self._attempt(self._stepper.train_epoch)
            if self.error is None:
                self._stepper.count_epoch()

    @property
    def estimator(self) -> Any:
        """The fold's estimator."""
        return self._estimator

    @property
    def run(self) -> Any:
        """The training run of one of our nets that is under way; None for all else."""
        return None if self.done else getattr(self._stepper, "run", None)

    def take_epoch(self, seconds: float, error: Exception | None) -> None:
        """Take in an epoch that was trained together with other folds, and this fold's share."""
        self._fit_time += seconds
        if error is None:
            self._stepper.count_epoch()
            return

        def fail() -> None:
            raise error

        self._attempt(fail)

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
        return select_score(score, self._setup.metric)

    def outcome(self) -> FoldOutcome:
        """Return the fold's outcome as of this epoch."""
        return self._score_all() if self.error is None else self._failed()

    def finish(self) -> FoldOutcome:
        """End the training and return the fold's outcome."""
        if self.error is None:
            self._attempt(self._stepper.finish)
        outcome = self.outcome()
        self._end_task()
        if self._setup.verbose > 1:
            n_splits = len(self._setup.folds)
            print_fold(self._setup.verbose, self._job, self._index, n_splits, outcome)
        return outcome

    def close(self) -> None:
        """End the tasks that are open; one that goes on after a stay elsewhere has others."""
        run = getattr(self._stepper, "run", None)
        if self._context is not None and run is not None:
            run.tasks.end()
        self._end_task()

    def __getstate__(self) -> dict[str, Any]:
        # What the splits can give again does not go to disk.
        dropped = ("_setup", "_fold", "_X_train", "_y_train", "_X_test", "_y_test", "_X_test_final")
        self._stepper.rows_stay = self.error is None and self._can_make_rows()
        state = {key: value for key, value in vars(self).items() if key not in dropped}
        # The stepper keeps what trains, in a form that can go on.
        state["_estimator"] = _replace_last_step(self._estimator, None)
        return state | {"_context": None}

    def attach(self, setup: EvaluationSetup, stack: ExitStack) -> None:
        """Go on after a stay on disk."""
        self._setup = setup
        self._fold = setup.folds.folds[self._index]
        self._estimator = _replace_last_step(self._estimator, self._stepper.estimator)
        if self.error is None:
            self._cut()
            self._X_test_final = transform_test(self._estimator, self._X_test)
            self._n_stays += 1
            drop_propagated(self._stepper.estimator)
            self._begin_task(stack)
            self._stepper.go_on(self._make_rows() if self._stepper.rows_stay else None)

    def _make_rows(self) -> tuple[Any, Any]:
        """Return the rows that the last step trains on, from the splits and the fitted steps."""
        return transform_test(self._estimator, self._X_train), self._y_train

    def _can_make_rows(self) -> bool:
        """Return whether that gives the same bits; ``fit_transform`` may differ from ``transform``.

        Then the rows need not travel along with what waits.
        """
        if self._stepper.rows[0] is self._X_train:
            return True
        made, rows = self._make_rows()[0], self._stepper.rows[0]
        return (
            isinstance(made, np.ndarray)
            and isinstance(rows, np.ndarray)
            and made.dtype == rows.dtype
            and made.flags.c_contiguous == rows.flags.c_contiguous
            and made.tobytes() == rows.tobytes()
        )

    def _cut(self) -> None:
        self._X_train, self._y_train, self._X_test, self._y_test = self._setup.folds.cut(
            self._estimator, self._index
        )

    def _begin(self, stack: ExitStack) -> None:
        self._cut()
        own_params, head_params = own_fit_params(self._estimator, self._fold.fit_params)
        X_train = fit_head(self._estimator, self._X_train, self._y_train, head_params)
        self._X_test_final = transform_test(self._estimator, self._X_test)
        self._begin_task(stack)
        self._stepper.begin(X_train, self._y_train, own_params)

    def _begin_task(self, stack: ExitStack) -> None:
        """Tell scikit-learn's callbacks that the fold is being trained."""
        if self._job.callback_ctx is not None:
            # Of the tasks of a trial no two may have one number.
            place = self._index + self._n_stays * len(self._setup.folds)
            self._context = self._job.callback_ctx.subcontext(
                task_name="candidate-split-evaluation", task_id=place
            )
            final = last_step(self._estimator)
            stack.enter_context(self._context.propagate_callback_context(final))
            self._context.call_on_fit_task_begin(
                estimator=self._setup.caller, X=self._X_train, y=self._y_train
            )

    def _end_task(self) -> None:
        if self._context is not None:
            self._context.call_on_fit_task_end(
                estimator=self._setup.caller, X=self._X_train, y=self._y_train
            )
            self._context = None

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


def _replace_last_step(estimator: Any, last: Any) -> Any:
    """Return the estimator with ``last`` in the place of what trains."""
    if not isinstance(estimator, Pipeline):
        return last
    changed = copy.copy(estimator)
    changed.steps = [*estimator.steps[:-1], (estimator.steps[-1][0], last)]
    return changed


def fit_head(estimator: Any, X: Any, y: Any, fit_params: dict[str, Any]) -> Any:
    """Fit the steps before the last on training rows; return these rows transformed."""
    if not isinstance(estimator, Pipeline) or len(estimator.steps) == 1:
        return X
    head = estimator[:-1]
    X = head.fit_transform(X, y, **fit_params)
    # With a memory the fitted steps are clones, so they have to be put back.
    estimator.steps[:-1] = head.steps
    return X


def transform_test(estimator: Any, X: Any) -> Any:
    """Pass rows through the fitted steps before the last."""
    if not isinstance(estimator, Pipeline) or len(estimator.steps) == 1:
        return X
    return estimator[:-1].transform(X)
