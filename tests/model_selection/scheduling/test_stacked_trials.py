"""Candidates trained together against candidates trained one after the other."""

import numpy as np
import pytest
from optuna.pruners import MedianPruner
from scipy.stats import loguniform
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import check_scoring
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline

from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.model_selection.evaluation import _fold_stack
from sklearn_trainkit.model_selection.evaluation._evaluator import EvaluationSetup, TrialJob
from sklearn_trainkit.model_selection.evaluation._folds import freeze_folds
from sklearn_trainkit.model_selection.evaluation._trial_watch import TrialWatch
from sklearn_trainkit.model_selection.scheduling import _stacked_trials
from sklearn_trainkit.neural_network import MLPNetClassifier
from sklearn_trainkit.preprocessing import StandardScaler

X, y = make_classification(
    121, 6, n_informative=4, n_classes=3, n_clusters_per_class=1, random_state=0
)
NET = MLPNetClassifier((8,), batch_size=16, max_epochs=4, random_state=0)
PIPE = Pipeline([("scale", StandardScaler()), ("net", NET)])
SPACE = {
    "net__lr": loguniform(1e-3, 1e-1),
    "net__weight_decay": [0.0, 0.01],
    "net__clip_norm": [None, 0.1],
    "net__hidden_units": [(8,), (4, 4)],
    "net__max_epochs": [3, 5],
}


def search(space=SPACE, **kwargs):
    kwargs = {
        "n_trials": 7,
        "cv": KFold(3),
        "sampler": "random",
        "scoring": "neg_log_loss",
        "random_state": 0,
        **kwargs,
    }
    return OptunaSearchCV(PIPE, space, **kwargs).fit(X, y)


def assert_same_results(one, other):
    assert one.best_params_ == other.best_params_
    for name in ("mean_test_score", "split0_test_score", "split2_test_score"):
        np.testing.assert_allclose(other.cv_results_[name], one.cv_results_[name], atol=1e-9)


@pytest.mark.parametrize("trials_per_stack", [3, 7, 20])
def test_each_trial_is_as_if_evaluated_alone(trials_per_stack):
    together = search(trials_per_stack=trials_per_stack)
    assert_same_results(search(), together)
    assert set(together.evaluations_) <= {
        "fold-stack",
        "per-epoch: no other network has its shape",
    }


def test_learning_curves_are_the_same_and_pruning_happens():
    kwargs = {"n_trials": 12, "scoring": "accuracy"}
    kwargs["pruner"] = MedianPruner(n_startup_trials=4, n_warmup_steps=1)
    alone, together = search(**kwargs), search(trials_per_stack=4, **kwargs)
    # The first batch is pruned by nobody in either search.
    for one, other in zip(alone.trials_[:4], together.trials_[:4], strict=True):
        assert one.intermediate_values == pytest.approx(other.intermediate_values)
    states = list(together.cv_results_["state"])
    assert "pruned" in states
    assert "complete" in states


def test_other_candidates_and_bad_parameters_are_evaluated_beside_the_stack():
    space = [
        {"net": [LogisticRegression()]},
        {"net__lr": [0.01, 0.1]},
        {"net__optimizer": ["lbfgs"], "net__batch_size": [-1], "net__max_epochs": [1]},
        {"net__lr": [-1.0]},
    ]
    kwargs = {"n_trials": None, "sampler": "grid"}
    with pytest.warns(FitFailedWarning, match="3 fits failed"):
        together = search(space, trials_per_stack=5, **kwargs)
    with pytest.warns(FitFailedWarning, match="3 fits failed"):
        alone = search(space, **kwargs)
    assert_same_results(alone, together)
    assert together.evaluations_.count("fold-stack") >= 2
    assert "whole-fit: LogisticRegression is no network of this package" in together.evaluations_


@pytest.mark.parametrize(
    ("evaluator", "trials_per_stack"),
    [("whole-fit", 1), ("per-epoch", 1), ("fold-stack", 1), ("fold-stack", 2)],
)
def test_a_candidate_without_a_number_of_epochs_fails_alone(evaluator, trials_per_stack):
    kwargs = {"n_trials": None, "sampler": "grid", "evaluator": evaluator}
    with pytest.warns(FitFailedWarning, match="3 fits failed") as caught:
        found = search({"net__max_epochs": [None, 3]}, trials_per_stack=trials_per_stack, **kwargs)
    assert np.isnan(found.cv_results_["mean_test_score"]).tolist() == [True, False]
    assert any("max_epochs" in str(each.message) for each in caught)


def test_folds_have_to_be_stacked_for_it():
    with pytest.raises(ValueError, match="trials_per_stack=2 goes with evaluator='fold-stack'"):
        search(trials_per_stack=2, evaluator="per-epoch")


def test_an_interruption_keeps_the_candidates_that_have_ended():
    def interrupt(study, trial):
        if trial.number == 2:
            raise KeyboardInterrupt

    space = {"net__max_epochs": [2, 3, 4, 5]}
    kwargs = {"space": space, "sampler": "grid", "n_trials": None, "trials_per_stack": 4}
    with pytest.warns(UserWarning, match="Interrupted after 3 trials"):
        found = search(callbacks=[interrupt], **kwargs)
    ended = search(**kwargs)
    for key in ("params", "mean_test_score"):
        assert list(found.cv_results_[key][:3]) == list(ended.cv_results_[key][:3])


def test_a_time_limit_ends_the_whole_batch():
    with pytest.raises(ValueError, match="No trial was complete: stopped by trial_timeout"):
        search(trials_per_stack=7, trial_timeout=1e-6, refit=False)


@pytest.mark.parametrize("n_fitting", [0, 1])
def test_a_candidate_evaluated_after_others_has_its_whole_time(monkeypatch, n_fitting):
    clock, begun = [0.0], []

    def pass_time(*args):
        clock[0] += 10.0
        return real(*args)

    def start_watch(place):
        begun.append((place, clock[0]))
        return TrialWatch()

    real = _stacked_trials.evaluate_fold_stack
    monkeypatch.setattr(_stacked_trials, "evaluate_fold_stack", pass_time)
    monkeypatch.setattr(_stacked_trials, "memory_limit", lambda: n_fitting << 40)
    folds = freeze_folds(KFold(2), X, y, split_params={}, fit_params={}, score_params={})
    setup = EvaluationSetup(LogisticRegression(), folds, check_scoring(PIPE), None, np.nan, False)
    jobs = [TrialJob(number, {}) for number in range(3)]
    finished = list(_stacked_trials.evaluate_trials_together(setup, jobs, start_watch))
    assert [place for place, _ in finished] == [0, 1, 2]
    assert begun[-3:] == [(0, 0.0), (1, 10.0), (2, 20.0)]


def test_candidates_whose_data_would_not_fit_are_evaluated_one_by_one(monkeypatch):
    limit = 2 * 3 * X.nbytes + 1  # one candidate's folds
    for module in (_stacked_trials, _fold_stack):
        monkeypatch.setattr(module, "memory_limit", lambda: limit)
    found = search(trials_per_stack=4, n_trials=4)
    assert_same_results(search(n_trials=4), found)
    assert found.evaluations_ == ["fold-stack"] * 4
