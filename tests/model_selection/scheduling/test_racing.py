"""A race gives all folds to the best, scores them as if there had been none, and counts it all."""

import time
import warnings
from collections import Counter

import numpy as np
import optuna
import pytest
from scipy.stats import loguniform, uniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.callback import ProgressBar
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from sklearn_trainkit.model_selection import OptunaSearchCV, RacingPruner
from sklearn_trainkit.model_selection.study._rungs import Rung, make_race
from sklearn_trainkit.utils._pipelines import last_step
from tests.model_selection.epoch_learner import EpochLogistic

X, y = make_classification(n_samples=90, n_features=5, flip_y=0.3, random_state=0)
CV = StratifiedKFold(3, shuffle=True, random_state=0)
N_EPOCHS = 9
PIPE = Pipeline([("scale", StandardScaler()), ("clf", EpochLogistic(max_iter=N_EPOCHS))])
SPACE = {"scale": [StandardScaler(), MinMaxScaler()], "clf__alpha": loguniform(1e-6, 1e2)}


def make_search(estimator=PIPE, space=SPACE, pruner="racing", **settings):
    # Classes of this file are taken at their word only when the user says so.
    final = last_step(estimator)
    is_stranger = hasattr(final, "max_iter") and hasattr(final, "partial_fit")
    evaluator = "per-epoch" if is_stranger else "auto"
    settings = {"n_trials": 24, "cv": CV, "random_state": 0, "evaluator": evaluator} | settings
    return OptunaSearchCV(estimator, space, pruner=pruner, **settings)


def count_places(results):
    return Counter(zip(results["n_folds"].tolist(), results["n_epochs"].tolist(), strict=True))


def test_the_rungs():
    assert make_race(RacingPruner(), 3, 12) == [Rung(1, 1), Rung(1, 3), Rung(1, 12), Rung(3, 12)]
    assert make_race(RacingPruner(n_first_folds=2, min_epochs=3), 5, 9) == [
        Rung(2, 3),
        Rung(2, 9),
        Rung(5, 9),
    ]
    assert make_race(RacingPruner(), 3, None) == [Rung(1, None), Rung(3, None)]
    assert make_race(RacingPruner(), 1, 12) == [Rung(1, 1), Rung(1, 3), Rung(1, 12)]


def test_a_quarter_a_third_and_a_half_go_on():
    search = make_search(sampler="random").fit(X, y)
    places = count_places(search.cv_results_)
    assert places == {(1, 1): 18, (1, 3): 4, (1, 9): 1, (3, 9): 1} or places[(3, 9)] <= 3
    assert sum(places.values()) == 24
    assert 6 <= 24 - places[(1, 1)] <= 9


def test_whoever_is_given_all_folds_scores_what_it_scores_without_a_race():
    results = make_search().fit(X, y).cv_results_
    complete = results["state"] == "complete"
    assert 0 < complete.sum() < 9
    candidates = [results["params"][row] for row in np.flatnonzero(complete)]
    straight = make_search(
        pruner=None, enqueue=candidates, n_trials=len(candidates), evaluator="per-epoch"
    ).fit(X, y)
    for index in range(3):
        key = f"split{index}_test_score"
        np.testing.assert_array_equal(results[key][complete], straight.cv_results_[key])


def test_shorter_trainings_are_whole_ones():
    pytest.importorskip("torch")
    from sklearn_trainkit.neural_network import MLPNetClassifier

    net = MLPNetClassifier((4,), max_epochs=N_EPOCHS, batch_size=16, random_state=0)
    space = {"lr": loguniform(1e-3, 1e-1)}
    search = make_search(net, space, scoring="neg_log_loss", n_trials=12).fit(X, y)
    train, test = next(CV.split(X, y))
    seen = set()
    for row, params in enumerate(search.cv_results_["params"]):
        n_epochs = search.cv_results_["n_epochs"][row]
        alone = clone(net).set_params(**params, max_epochs=int(n_epochs))
        score = cross_val_score(alone, X, y, cv=[(train, test)], scoring="neg_log_loss")[0]
        assert search.cv_results_["split0_test_score"][row] == pytest.approx(score, rel=1e-5)
        seen.add(n_epochs)
    assert {1, 3} <= seen
    assert search.best_estimator_.max_epochs == N_EPOCHS


class CountingClassifier(ClassifierMixin, BaseEstimator):
    """Counts its epochs in a list that all copies share."""

    epochs: list = []

    def __init__(self, shift=0.0, max_iter=N_EPOCHS):
        self.shift = shift
        self.max_iter = max_iter

    def fit(self, X, y):
        self.partial_fit(X, y)
        return self

    def partial_fit(self, X, y, classes=None):
        self.classes_ = np.unique(y) if classes is None else classes
        self.epochs.append(len(y))
        return self

    def predict(self, X):
        return self.classes_[(X[:, 0] > self.shift).astype(int)]


def test_every_epoch_is_counted():
    CountingClassifier.epochs.clear()
    space = {"shift": [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0]}
    search = make_search(CountingClassifier(), space, refit=False).fit(X, y)
    results = search.cv_results_
    assert results["n_fold_epochs"].sum() == len(CountingClassifier.epochs)
    own = results["n_epochs"] * results["n_folds"]
    assert (results["n_fold_epochs"] >= own).all()
    # 1, then 3, then 9 on the first fold, and 9 on each of two others.
    assert results["n_fold_epochs"][search.best_index_] == 1 + 3 + 3 * N_EPOCHS


def test_what_has_no_epochs_races_over_folds():
    space = {"C": loguniform(1e-3, 1e3)}
    search = make_search(SVC(), space, cv=5, n_trials=9, sampler="random").fit(X, y)
    results = search.cv_results_
    assert results["n_epochs"].mask.all()
    assert results["n_fold_epochs"].mask.all()
    assert 4 <= (results["n_folds"] == 5).sum() <= 6
    assert set(results["n_folds"]) == {1, 5}
    assert results["reason"][results["n_folds"] == 1][0] == "paused at 1 fold"
    row = search.best_index_
    scores = cross_val_score(SVC(**results["params"][row]), X, y, cv=5)
    np.testing.assert_array_equal([results[f"split{i}_test_score"][row] for i in range(5)], scores)


def test_rows_say_how_far_they_came():
    search = make_search().fit(X, y)
    results = search.cv_results_
    stopped = results["state"] == "pruned"
    assert set(results["reason"][stopped]) <= {
        "paused at 1 fold, epoch 1",
        "paused at 1 fold, epoch 3",
        "paused at 1 fold, epoch 9",
    }
    assert np.isnan(results["split1_test_score"][stopped]).all()
    assert results["rank_test_score"][stopped].min() > results["rank_test_score"][~stopped].max()
    winner = search.study_.trials[search.best_index_]
    assert list(winner.intermediate_values) == [1, 3, N_EPOCHS]
    assert list(map(len, winner.user_attrs["fold_scores"])) == [1, 1, 3]


@pytest.mark.parametrize("n_trials", [1, 3])
def test_of_few_candidates_the_best_is_given_all_folds(n_trials):
    search = make_search(n_trials=n_trials, scoring="neg_log_loss").fit(X, y)
    results = search.cv_results_
    assert (results["state"] == "complete").sum() == 1
    best = np.argmax(results["split0_test_score"])
    assert (results["n_folds"][best], results["n_epochs"][best]) == (3, N_EPOCHS)


def test_random_labels_score_near_chance():
    rng = np.random.RandomState(0)
    rows, labels = rng.randn(300, 5), rng.randint(0, 2, 300)
    search = make_search(cv=KFold(3, shuffle=True), sampler="forest").fit(rows, labels)
    assert abs(search.best_score_ - 0.5) < 0.1


@pytest.mark.parametrize("sampler", ["forest", "tpe"])
def test_a_seeded_race_repeats_itself(sampler):
    first, second = (make_search(sampler=sampler).fit(X, y).cv_results_ for _ in range(2))
    assert repr(first["params"]) == repr(second["params"])
    np.testing.assert_array_equal(first["mean_test_score"], second["mean_test_score"])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more")
def test_candidates_that_fail_do_not_end_the_race():
    space = {"clf__alpha": [-1.0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0]}
    search = make_search(space=space, sampler="grid", n_trials=None).fit(X, y)
    results = search.cv_results_
    assert results["state"][0] == "failed"
    assert "alpha" in results["reason"][0]
    assert search.best_params_["clf__alpha"] > 0


class LateFailure(CountingClassifier):
    """Fails in some epoch, counted from one."""

    def __init__(self, shift=0.0, fails_in=99, max_iter=N_EPOCHS):
        super().__init__(shift, max_iter)
        self.fails_in = fails_in

    def partial_fit(self, X, y, classes=None):
        self.seen_ = getattr(self, "seen_", 0) + 1
        if self.seen_ >= self.fails_in:
            raise RuntimeError(f"epoch {self.seen_}")
        return super().partial_fit(X, y, classes)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more")
@pytest.mark.parametrize("pruner", ["racing", "pause_and_resume"])
@pytest.mark.parametrize("error_score", [np.nan, 0.0])
def test_candidates_that_fail_late_give_their_place_to_others(pruner, error_score):
    space = {"fails_in": [2, 5, 97, 98, 99], "shift": [0.0, 1.0]}
    search = make_search(
        LateFailure(), space, pruner, sampler="grid", n_trials=None, error_score=error_score
    ).fit(X, y)
    results = search.cv_results_
    assert search.best_params_["fails_in"] > 90
    failed = [row for row, params in enumerate(results["params"]) if params["fails_in"] == 2]
    if np.isnan(error_score):
        assert {results["state"][row] for row in failed} <= {"failed", "pruned"}


class SlowClassifier(CountingClassifier):
    """Takes a while for an epoch, and scores what it is told to."""

    def partial_fit(self, X, y, classes=None):
        time.sleep(0.02)
        return super().partial_fit(X, y, classes)

    def score(self, X, y):
        return float(self.shift)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("pruner", ["racing", "pause_and_resume"])
def test_candidates_that_run_out_of_time_give_their_place_to_others(pruner):
    # The best take half a second for three folds of nine epochs.
    space = [{"shift": [3.0, 4.0], "max_iter": [N_EPOCHS]}, {"shift": [1.0, 2.0], "max_iter": [1]}]
    search = make_search(
        SlowClassifier(), space, pruner, sampler="grid", n_trials=None, trial_timeout=0.3
    ).fit(X, y)
    assert search.best_params_["max_iter"] == 1
    assert sum("stopped by trial_timeout" in (why or "") for why in search.cv_results_["reason"])


def test_a_race_that_goes_on_when_another_process_died_starts_afresh(tmp_path, monkeypatch):
    from sklearn_trainkit.model_selection.study._shared_study import JointStudy

    waits, count = [], JointStudy.count_started

    def count_others_too(self):
        """As if another process had the last twelve, until it is waited for."""
        started = count(self)
        return started + 12 if not waits and started >= 12 else started

    def wait_for_others(self):
        waits.append(self)
        return len(waits) == 1

    monkeypatch.setattr(JointStudy, "count_started", count_others_too)
    monkeypatch.setattr(JointStudy, "wait_for_others", wait_for_others)
    search = make_search(storage=tmp_path / "race.journal").fit(X, y)
    assert len(waits) > 1
    assert len(search.trials_) == 24


def test_nets_that_stop_early_are_counted_as_they_stopped():
    pytest.importorskip("torch")
    from sklearn_trainkit.model_selection.results._read_trials import read_trials
    from sklearn_trainkit.neural_network import MLPNetClassifier

    net = MLPNetClassifier(
        (4,), max_epochs=27, batch_size=8, early_stopping=True, patience=2, random_state=0
    )
    pruner = RacingPruner(min_epochs=9, first_reduction_factor=2, last_reduction_factor=1)
    search = make_search(net, {"lr": loguniform(1e-3, 1e-1)}, pruner, n_trials=8).fit(X, y)
    results = search.cv_results_
    complete = np.flatnonzero(results["state"] == "complete")
    straight = make_search(
        net, {"lr": loguniform(1e-3, 1e-1)}, "median", evaluator="per-epoch",
        enqueue=[results["params"][row] for row in complete], n_trials=len(complete),
    ).fit(X, y)  # fmt: skip
    np.testing.assert_array_equal(results["n_epochs"][complete], straight.cv_results_["n_epochs"])
    assert results["n_epochs"][complete].min() < 27
    trials = read_trials(search.study_)
    for row in complete:
        curve = trials.curves[row]
        assert curve.steps.tolist() == [9, 27]
        assert np.isnan(curve.fold_scores[0, 1:]).all()
        assert curve.values[-1] == pytest.approx(results["mean_test_score"][row])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_choices_with_and_without_epochs_race_together():
    pytest.importorskip("torch")
    from sklearn_trainkit.neural_network import MLPNetClassifier

    pipe = Pipeline([("clf", MLPNetClassifier((4,), max_epochs=N_EPOCHS, random_state=0))])
    space = {
        "clf": [
            MLPNetClassifier((4,), max_epochs=N_EPOCHS, random_state=0),
            MLPClassifier((4,), max_iter=N_EPOCHS, random_state=0),
            SVC(),
            CountingClassifier(),
        ]
    }
    pruner = RacingPruner(2, 2, 1)
    search = make_search(pipe, space, pruner, sampler="grid", n_trials=None, refit=False).fit(X, y)
    results = search.cv_results_
    kinds = [type(params["clf"]).__name__ for params in results["params"]]
    epochs = dict(zip(kinds, results["n_epochs"].tolist(), strict=True))
    # Whether partial_fit of CountingClassifier is an epoch is not known here.
    assert epochs["SVC"] is epochs["CountingClassifier"] is None
    assert epochs["MLPClassifier"] in {1, 2, 4, N_EPOCHS}


def test_what_has_no_epochs_is_fitted_once_a_fold(monkeypatch):
    fits = []
    fit = SVC.fit

    def counted(self, X, y, sample_weight=None):
        fits.append(len(y))
        return fit(self, X, y, sample_weight)

    monkeypatch.setattr(SVC, "fit", counted)
    pipe = Pipeline([("clf", EpochLogistic(max_iter=N_EPOCHS))])
    search = make_search(pipe, {"clf": [SVC()]}, n_trials=1, refit=False).fit(X, y)
    assert len(fits) == 3
    assert search.cv_results_["state"].tolist() == ["complete"]


@pytest.mark.usefixtures("clock")
def test_waiting_candidates_count_as_evaluated():
    class SlowSampler(optuna.samplers.RandomSampler):
        def sample_relative(self, study, trial, space):
            time.sleep(0.03)
            return {}

    space = {"shift": [*np.linspace(-2.0, 2.0, 40)]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_search(SlowClassifier(), space, sampler=SlowSampler(seed=0), n_trials=40).fit(X, y)


def test_a_race_takes_no_stacks_of_candidates():
    pytest.importorskip("torch")
    from sklearn_trainkit.neural_network import MLPNetClassifier

    search = make_search(MLPNetClassifier((4,)), {"lr": [0.1, 0.2]}, trials_per_stack=2)
    with pytest.raises(ValueError, match="trials_per_stack=2 trains candidates together"):
        search.fit(X, y)


def test_the_number_of_epochs_may_be_searched_too():
    space = {"clf__max_iter": [2, 4, 20], "clf__alpha": loguniform(1e-6, 1e2)}
    search = make_search(space=space).fit(X, y)
    results = search.cv_results_
    for row in np.flatnonzero(results["state"] == "complete"):
        assert results["n_epochs"][row] == results["params"][row]["clf__max_iter"]


def test_several_metrics_and_training_scores():
    search = make_search(
        scoring=["accuracy", "roc_auc"], refit="roc_auc", return_train_score=True
    ).fit(X, y)
    results = search.cv_results_
    row = search.best_index_
    assert results["rank_test_roc_auc"][row] == 1
    assert np.isfinite(results["mean_train_accuracy"]).all()


def test_a_stored_race_goes_on(tmp_path):
    path = tmp_path / "race.journal"
    settings = {"storage": path, "sampler": "forest"}
    first = make_search(n_trials=12, **settings).fit(X, y)
    again = make_search(n_trials=24, resume=True, **settings).fit(X, y)
    for key in ("n_folds", "n_epochs", "n_fold_epochs", "mean_test_score"):
        np.testing.assert_array_equal(again.cv_results_[key][:12], first.cv_results_[key])
    assert len(again.cv_results_["params"]) == 24
    assert again.best_score_ >= first.best_score_


@pytest.mark.filterwarnings("ignore:The estimator EpochLogistic does not support callbacks")
def test_a_progress_bar_sees_the_race(capsys):
    search = make_search(n_trials=8).set_callbacks(ProgressBar(max_propagation_depth=None))
    quiet = make_search(n_trials=8).fit(X, y)
    search.fit(X, y)
    assert search.best_score_ == quiet.best_score_
    assert "rung #3" in capsys.readouterr().out


def test_a_race_ends_in_time(clock):
    began = clock.now
    space = {"shift": uniform(-2, 4)}
    search = make_search(SlowClassifier(), space, n_trials=None, timeout=3.0).fit(X, y)
    assert (search.cv_results_["state"] == "complete").any()
    # All folds end the epoch that they are at.
    assert 3.0 <= clock.now - began - search.refit_time_ <= 3.0 + 3 * 0.02


def test_a_stored_race_goes_on_with_two_workers(tmp_path):
    settings = {"storage": tmp_path / "race.journal", "sampler": "random", "n_jobs": 2}
    first = make_search(n_trials=8, **settings).fit(X, y)
    again = make_search(n_trials=16, resume=True, **settings).fit(X, y)
    for key in ("n_folds", "n_epochs", "n_fold_epochs", "mean_test_score"):
        np.testing.assert_array_equal(again.cv_results_[key][:8], first.cv_results_[key])
    assert len(again.cv_results_["params"]) == 16


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reduction_factor": 1}, "reduction_factor=1 needs to be at least 2"),
        ({"first_reduction_factor": 0}, "first_reduction_factor=0 needs to be at least 2"),
        ({"last_reduction_factor": 0}, "last_reduction_factor=0 needs to be at least 1"),
        ({"min_epochs": 0}, "min_epochs=0 needs to be at least 1"),
        ({"n_first_folds": 0}, "n_first_folds=0 needs to be at least 1"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        RacingPruner(**settings)


def test_one_fold_and_no_epochs_leave_nothing_to_race_over():
    search = make_search(LogisticRegression(), {"C": [0.1, 1.0]}, cv=[(range(60), range(60, 90))])
    with pytest.raises(ValueError, match="nothing to stop early with one split"):
        search.fit(X, y)
