"""When a search ends, and what is left when it is cut short."""

import time

import numpy as np
import pytest
from scipy.stats import uniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline

from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.model_selection.scheduling import _run_search

X, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2


class Scripted(ClassifierMixin, BaseEstimator):
    """Scores ``a``; may sleep per epoch, and may be interrupted at a given fit."""

    n_fits = 0
    interrupt_at = None

    def __init__(self, a=0.0, nap=0.0, max_iter=5):
        self.a = a
        self.nap = nap
        self.max_iter = max_iter

    def fit(self, X, y):
        type(self).n_fits += 1
        if type(self).n_fits == type(self).interrupt_at:
            raise KeyboardInterrupt
        return self.partial_fit(X, y, classes=np.unique(y))

    def partial_fit(self, X, y, classes=None):
        time.sleep(self.nap)
        if classes is not None:
            self.classes_ = classes
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])

    def score(self, X, y):
        return self.a


def make_search(estimator=None, values=(0.1, 0.2, 0.3, 0.15, 0.25, 0.9), **settings):
    return OptunaSearchCV(
        Scripted() if estimator is None else estimator,
        {"a": uniform(0, 1)},
        enqueue=[{"a": value} for value in values],
        cv=2,
        **({"n_trials": len(values)} | settings),
    )


@pytest.fixture(autouse=True)
def _fresh_counter():
    Scripted.n_fits, Scripted.interrupt_at = 0, None


def test_a_target_score_ends_the_search():
    assert make_search(target_score=0.3).fit(X, y).n_trials_ == 3


def test_patience_ends_the_search():
    assert make_search(patience=2).fit(X, y).n_trials_ == 5


def test_ctrl_c_keeps_what_is_finished():
    Scripted.interrupt_at = 6  # in the second fold of the third trial
    with pytest.warns(UserWarning, match="Interrupted after 2 trials"):
        search = make_search().fit(X, y)
    assert search.interrupted_
    assert search.cv_results_["param_a"].tolist() == [0.1, 0.2]
    assert search.best_params_ == {"a": 0.2}
    assert search.best_estimator_.a == 0.2
    assert search.best_trial_.params == {"a": 0.2}
    # What was cut off is no trial, though the study notes it.
    assert [trial.state.name for trial in search.trials_] == ["COMPLETE", "COMPLETE"]
    assert search.n_trials_ == len(search.trials_dataframe()) == 2
    states = [trial.state.name for trial in search.study_.trials]
    assert states == ["COMPLETE", "COMPLETE", "FAIL"]


def test_ctrl_c_before_anything_finished_is_ctrl_c():
    Scripted.interrupt_at = 1
    with pytest.raises(KeyboardInterrupt):
        make_search().fit(X, y)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("evaluator", ["whole-fit", "per-epoch"])
def test_a_trial_that_takes_too_long_is_cut_and_ranks_last(evaluator):
    search = OptunaSearchCV(
        Scripted(a=0.5),
        {"nap": [0.0, 0.3]},
        sampler="grid",
        n_trials=None,
        trial_timeout=0.2,
        evaluator=evaluator,
        cv=2,
        refit=False,
    ).fit(X, y)
    assert search.cv_results_["state"].tolist() == ["complete", "pruned"]
    assert search.cv_results_["reason"][1].startswith("stopped by trial_timeout")
    assert search.cv_results_["rank_test_score"].tolist() == [1, 2]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("pruner", [None, "pause_and_resume"])
def test_fits_without_epochs_beside_others_with_them_are_cut_between_folds(pruner):
    class Whole(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            time.sleep(0.3)
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            return np.full(len(X), self.classes_[0])

    results = (
        OptunaSearchCV(
            Pipeline([("clf", Scripted(a=0.5))]),
            {"clf": [Scripted(a=0.5), Whole()]},
            sampler="grid",
            n_trials=None,
            trial_timeout=0.2,
            evaluator="per-epoch",
            pruner=pruner,
            cv=2,
            refit=False,
        )
        .fit(X, y)
        .cv_results_
    )
    assert results["reason"].tolist() == [None, "stopped by trial_timeout after 1 of 2 folds"]


@pytest.mark.usefixtures("clock")
def test_timeout_ends_the_search_between_epochs():
    search = make_search(
        Scripted(nap=0.05, max_iter=4), evaluator="per-epoch", timeout=0.65, refit=False
    )
    search.fit(X, y)
    # A trial of two folds and four epochs takes 0.4 s.
    assert search.cv_results_["reason"].tolist() == [None, "stopped by timeout at epoch 3"]


def test_trials_and_the_search_end_by_one_deadline(clock, monkeypatch):
    open_study, make_loop = _run_search.open_study, _run_search.SearchLoop

    def open_slowly(*args, **settings):
        clock.sleep(0.5)
        return open_study(*args, **settings)

    def make_and_note(*args, **settings):
        ends.append(settings["deadline"])
        return make_loop(*args, **settings)

    began, ends = clock.now, []
    monkeypatch.setattr(_run_search, "open_study", open_slowly)
    monkeypatch.setattr(_run_search, "SearchLoop", make_and_note)
    search = make_search(Scripted(nap=0.05, max_iter=4), evaluator="per-epoch", timeout=0.95)
    search.fit(X, y)
    assert ends == [began + 0.95]
    # The first trial takes 0.4 s after half a second of opening the study, and ends in time.
    assert search.cv_results_["reason"].tolist() == [None, "stopped by timeout at epoch 1"]


@pytest.mark.usefixtures("clock")
def test_timeout_before_one_trial_is_complete_is_an_error():
    search = make_search(Scripted(nap=0.05, max_iter=50), evaluator="per-epoch", timeout=0.2)
    with pytest.raises(ValueError, match="No trial was complete: stopped by timeout"):
        search.fit(X, y)


@pytest.mark.usefixtures("clock")
def test_a_slow_sampler_is_named():
    import optuna

    class Slow(optuna.samplers.RandomSampler):
        def sample_independent(self, *args):
            time.sleep(0.6)
            return super().sample_independent(*args)

    search = OptunaSearchCV(Scripted(), {"a": uniform(0, 1)}, n_trials=2, cv=2, sampler=Slow())
    with pytest.warns(UserWarning, match="The sampler took 1.2 s"):
        search.fit(X, y)
