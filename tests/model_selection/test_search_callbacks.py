"""scikit-learn's callbacks: search, trial, fold and estimator make one tree of tasks."""

import numpy as np
import pytest
from scipy.stats import randint
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.callback import ProgressBar
from sklearn.callback.tests._utils import (
    MaxIterEstimator,
    NoCallbackEstimator,
    RecordingAutoPropagatedCallback,
    RecordingCallback,
)
from sklearn.exceptions import FitFailedWarning

from sklearn_trainkit.model_selection import OptunaSearchCV

X = np.array([[-1, -1], [-2, -1], [1, 1], [2, 1]])
y = np.array([1, 1, 2, 2])
N_TRIALS, N_SPLITS = 3, 2


def make_search(estimator, **settings):
    return OptunaSearchCV(
        estimator,
        {"max_iter": randint(1, 4)},
        n_trials=N_TRIALS,
        cv=N_SPLITS,
        scoring="r2",
        random_state=0,
        **settings,
    )


def n_tasks_of_search(refit):
    return 1 + 1 + refit + N_TRIALS + N_TRIALS * N_SPLITS


@pytest.mark.parametrize("refit", [True, False])
def test_tasks_when_the_estimator_has_no_callbacks(refit):
    callbacks = [RecordingCallback(), RecordingAutoPropagatedCallback()]
    search = make_search(NoCallbackEstimator(), refit=refit).set_callbacks(*callbacks)
    with pytest.warns(UserWarning, match="does not support callbacks"):
        search.fit(X, y)
    for callback in callbacks:
        assert callback.count_hooks("setup") == callback.count_hooks("teardown") == 1
        assert callback.count_hooks("on_fit_task_begin") == n_tasks_of_search(refit)
        assert callback.count_hooks("on_fit_task_end") == n_tasks_of_search(refit)


@pytest.mark.parametrize("refit", [True, False])
def test_tasks_of_the_estimator_hang_below_their_fold(refit):
    alone, spreading = RecordingCallback(), RecordingAutoPropagatedCallback()
    search = make_search(MaxIterEstimator(), refit=refit).set_callbacks(alone, spreading)
    search.fit(X, y)
    assert alone.count_hooks("on_fit_task_begin") == n_tasks_of_search(refit)
    inner = N_SPLITS * sum(params["max_iter"] for params in search.cv_results_["params"])
    if refit:
        inner += search.best_estimator_.n_iter_
    assert spreading.count_hooks("on_fit_task_begin") == n_tasks_of_search(refit) + inner
    assert spreading.count_hooks("on_fit_task_end") == n_tasks_of_search(refit) + inner


def test_the_tree_is_search_trial_fold():
    callback = RecordingCallback()
    make_search(NoCallbackEstimator()).set_callbacks(callback).fit(X, y)
    paths = set()
    for entry in callback.record:
        context, path = entry["context"], []
        while context is not None:
            path.append(context.task_name)
            context = context.parent
        paths.add(" < ".join(reversed(path)))
    assert paths == {
        "fit",
        "fit < search",
        "fit < search < trial",
        "fit < search < trial < candidate-split-evaluation",
        "fit < refit-with-best-params",
    }


def test_the_progress_bar_shows_trials_and_their_estimators(capsys):
    pytest.importorskip("rich")
    make_search(MaxIterEstimator()).set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, y)
    shown = capsys.readouterr().out
    assert "OptunaSearchCV - search" in shown
    assert "trial #1" in shown
    assert "MaxIterEstimator" in shown


class MayFail(ClassifierMixin, BaseEstimator):
    def __init__(self, fail=False):
        self.fail = fail

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        if self.fail:
            raise RuntimeError("asked to fail")
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def test_tasks_are_complete_when_some_fits_fail():
    callback = RecordingCallback()
    search = OptunaSearchCV(
        MayFail(),
        {"fail": [False, True]},
        n_trials=2,
        enqueue=[{"fail": False}, {"fail": True}],
        cv=N_SPLITS,
        refit=False,
        error_score=0.0,
    ).set_callbacks(callback)
    with pytest.warns(FitFailedWarning, match="2 fits failed out of a total of 4"):
        search.fit(X, y)
    n_tasks = 1 + 1 + 2 + 2 * N_SPLITS  # root, search, trials, their folds
    assert callback.count_hooks("on_fit_task_begin") == n_tasks
    assert callback.count_hooks("on_fit_task_end") == n_tasks
