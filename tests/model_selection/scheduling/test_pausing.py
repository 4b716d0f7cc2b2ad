"""A training that waited goes on as if it never had, in memory or from disk."""

import pickle
import threading
import time
from dataclasses import replace

import joblib
import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.callback.tests._utils import RecordingAutoPropagatedCallback, RecordingCallback
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import check_scoring
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_trainkit.model_selection import OptunaSearchCV, PauseAndResumePruner
from sklearn_trainkit.model_selection.evaluation import _fold_stack
from sklearn_trainkit.model_selection.evaluation._evaluator import EvaluationSetup, TrialJob
from sklearn_trainkit.model_selection.evaluation._folds import freeze_folds
from sklearn_trainkit.model_selection.evaluation._trial_watch import TrialWatch
from sklearn_trainkit.model_selection.scheduling import _choose_scheduler
from sklearn_trainkit.model_selection.scheduling._pausing import Pause, Paused
from tests.model_selection.epoch_learner import EpochLogistic

X, y = make_classification(n_samples=90, n_features=5, flip_y=0.3, random_state=0)
N_EPOCHS = 9
PIPE = Pipeline([("scale", StandardScaler()), ("clf", EpochLogistic(max_iter=N_EPOCHS))])
SPACE = {"scale": [StandardScaler(), MinMaxScaler()], "clf__alpha": loguniform(1e-6, 1e2)}


def make_search(pruner="pause_and_resume", **settings):
    settings = {"n_trials": 18, "cv": 3, "random_state": 0, "evaluator": "per-epoch"} | settings
    return OptunaSearchCV(PIPE, SPACE, **settings, pruner=pruner)


@pytest.mark.parametrize("max_in_memory", [0, 100])
def test_whoever_ends_scores_what_it_scores_without_waiting(max_in_memory):
    search = make_search(PauseAndResumePruner(max_in_memory=max_in_memory)).fit(X, y)
    results = search.cv_results_
    candidates = results["params"]
    straight = make_search(None, enqueue=candidates, n_trials=len(candidates)).fit(X, y)
    complete = results["state"] == "complete"
    assert 0 < complete.sum() < 9
    for index in range(3):
        key = f"split{index}_test_score"
        np.testing.assert_array_equal(results[key][complete], straight.cv_results_[key][complete])
    assert (results["n_epochs"][complete] == N_EPOCHS).all()
    assert set(results["n_epochs"][~complete]) <= {1, 3}
    assert results["reason"][~complete][0].startswith("paused at epoch")
    assert complete[search.best_index_]


def test_about_a_third_of_each_rung_goes_on():
    search = make_search(sampler="random", n_trials=27).fit(X, y)
    epochs = search.cv_results_["n_epochs"]
    assert 9 <= sum(epochs > 1) <= 13
    assert 3 <= sum(epochs > 3) <= 6


def test_the_sampler_learns_from_those_that_wait():
    import optuna

    seen = []

    class Spy(optuna.samplers.RandomSampler):
        def sample_relative(self, study, trial, space):
            states = [t.state.name for t in study._get_trials(deepcopy=False)]
            seen.append((states.count("PRUNED"), states.count("RUNNING")))
            return super().sample_relative(study, trial, space)

    make_search(sampler=Spy(seed=0), n_trials=3).fit(X, y)
    # The first draw is the plan's, which sees whether the sampler can.
    assert seen == [(0, 1), (0, 1), (1, 1), (2, 1)]


def test_random_labels_score_near_chance():
    rng = np.random.RandomState(0)
    rows, labels = rng.randn(300, 5), rng.randint(0, 2, 300)
    search = make_search(cv=KFold(3, shuffle=True)).fit(rows, labels)
    assert abs(search.best_score_ - 0.5) < 0.1


@pytest.mark.parametrize("max_in_memory", [0, 1, 16])
@pytest.mark.parametrize("evaluator", ["per-epoch", "fold-stack"])
def test_our_nets_wait_too(evaluator, max_in_memory):
    pytest.importorskip("torch")
    from sklearn_trainkit.neural_network import MLPNetClassifier

    net = MLPNetClassifier((4,), dropout=0.1, max_epochs=4)
    pipe = Pipeline([("scale", StandardScaler()), ("net", net)])
    space = {"net__lr": loguniform(1e-3, 1)}
    settings = {"n_trials": 6, "cv": 2, "random_state": 0, "scoring": "neg_log_loss"}
    waiting = OptunaSearchCV(
        pipe,
        space,
        pruner=PauseAndResumePruner(max_in_memory=max_in_memory),
        evaluator=evaluator,
        **settings,
    ).fit(X, y)
    assert waiting.evaluations_ == [evaluator] * 6
    straight = OptunaSearchCV(
        pipe, space, enqueue=waiting.cv_results_["params"], evaluator=evaluator, **settings
    ).fit(X, y)
    complete = waiting.cv_results_["state"] == "complete"
    assert 0 < complete.sum() < 6
    for index in range(2):
        key = f"split{index}_test_score"
        np.testing.assert_array_equal(
            waiting.cv_results_[key][complete], straight.cv_results_[key][complete]
        )


def test_folds_of_waiting_nets_train_as_one_where_they_can():
    pytest.importorskip("torch")
    from sklearn_trainkit.neural_network import MLPNetClassifier

    search = OptunaSearchCV(
        MLPNetClassifier((4,), max_epochs=4),
        {"lr": loguniform(1e-3, 1), "optimizer": ["adam", "lbfgs"]},
        pruner="pause_and_resume",
        n_trials=8,
        cv=2,
        random_state=0,
    ).fit(X, y)
    reason = "per-epoch: optimizer='lbfgs' evaluates the loss several times a step"
    for params, how in zip(search.cv_results_["params"], search.evaluations_, strict=True):
        assert how == ("fold-stack" if params["optimizer"] == "adam" else reason)


def test_nets_whose_folds_would_not_fit_into_memory_are_fitted_fold_by_fold(monkeypatch):
    pytest.importorskip("torch")
    from sklearn_trainkit.neural_network import MLPNetClassifier

    net = MLPNetClassifier((4,), max_epochs=4)
    search = OptunaSearchCV(
        net, {"lr": [0.1, 0.2]}, n_trials=2, cv=2, random_state=0, pruner="pause_and_resume"
    )
    assert search.fit(X, y).evaluations_ == ["fold-stack"] * 2
    monkeypatch.setattr(_fold_stack, "memory_limit", lambda: 1000)
    reason = f"whole-fit: all folds at once would take {4 * X.nbytes} bytes of 1000"
    assert search.fit(X, y).evaluations_ == [reason] * 2


@pytest.mark.parametrize(("n_threads", "n_fitting"), [(1, 2), (2, 2), (1, 100)])
def test_only_as_many_wait_in_memory_as_there_is_room_for(monkeypatch, n_threads, n_fitting):
    limits, room = [], _choose_scheduler.WaitingRoom
    monkeypatch.setattr(_choose_scheduler, "memory_limit", lambda: n_fitting * 6 * X.nbytes)
    monkeypatch.setattr(
        _choose_scheduler, "WaitingRoom", lambda limit: limits.append(limit) or room(limit)
    )
    with joblib.parallel_config("threading"):
        make_search(n_trials=2, n_jobs=n_threads).fit(X, y)
    assert limits == [min(n_fitting, PauseAndResumePruner().max_in_memory)]


@pytest.mark.parametrize("where", ["memory", "disk", "processes"])
@pytest.mark.parametrize("net", [True, False])
@pytest.mark.filterwarnings("ignore:The estimator .* does not support callbacks")
def test_every_task_that_callbacks_hear_of_ends(where, net):
    if net:
        pytest.importorskip("torch")
        from sklearn_trainkit.neural_network import MLPNetClassifier

        estimator = MLPNetClassifier((3,), max_epochs=4)
    else:
        estimator = EpochLogistic(max_iter=4)
    alone, spreading = RecordingCallback(), RecordingAutoPropagatedCallback()
    search = OptunaSearchCV(
        estimator,
        {"lr": loguniform(1e-3, 1)},
        n_trials=5,
        cv=2,
        random_state=0,
        evaluator="per-epoch",
        pruner=PauseAndResumePruner(2, max_in_memory=0 if where == "disk" else 16),
        n_jobs=2 if where == "processes" else 1,
        refit=False,
    ).set_callbacks(alone, spreading)
    search.fit(X, y)
    assert "pruned" in search.cv_results_["state"]
    for callback in (alone, spreading):
        began = callback.count_hooks("on_fit_task_begin")
        assert callback.count_hooks("on_fit_task_end") == began
    # The fit, the search, five trials and their folds; who was away begins its folds again.
    n_tasks = 1 + 1 + 5 + 5 * 2
    n_began = alone.count_hooks("on_fit_task_begin")
    assert n_began == n_tasks if where == "memory" else n_began > n_tasks


def test_an_estimator_without_epochs_is_refused():
    search = OptunaSearchCV(LogisticRegression(), {"C": [1.0]}, pruner="pause_and_resume")
    with pytest.raises(ValueError, match=r"needs training in epochs.*pruner='median'"):
        search.fit(X, y)


def test_what_cannot_go_to_another_process_is_refused_before_there_is_a_study(tmp_path):
    skorch = pytest.importorskip("skorch")
    torch = pytest.importorskip("torch")
    from sklearn_trainkit.neural_network import MLPNetClassifier

    path = tmp_path / "study.journal"
    foreign = skorch.NeuralNetClassifier(torch.nn.Linear, module__in_features=5, verbose=0)
    settings = {
        "pruner": "pause_and_resume",
        "evaluator": "per-epoch",
        "storage": path,
        "n_jobs": 2,
    }
    search = OptunaSearchCV(foreign, {"lr": [0.1, 0.2]}, random_state=0, **settings)
    with pytest.raises(ValueError, match="training of NeuralNetClassifier cannot be sent there"):
        search.fit(X.astype("float32"), y)
    search = OptunaSearchCV(MLPNetClassifier((4,)), {"lr": [0.1, 0.2]}, **settings)
    with pytest.raises(ValueError, match="without a seed MLPNetClassifier would pick other rows"):
        search.fit(X, y)
    patient = MLPNetClassifier((4,), callbacks=[skorch.callbacks.EarlyStopping("train_loss")])
    search.set_params(estimator=patient, random_state=0)
    with pytest.raises(ValueError, match=r"what EarlyStopping of callbacks=.*would stay behind"):
        search.fit(X, y)
    assert not path.exists()
    with joblib.parallel_config("threading"):  # there they stay where they are
        assert search.set_params(storage=None, n_trials=2).fit(X, y).best_params_


def test_a_training_that_was_packed_goes_on_with_the_same_bits():
    pytest.importorskip("torch")
    from sklearn_trainkit.neural_network import MLPNetClassifier

    net = MLPNetClassifier((4,), dropout=0.1, max_epochs=6, random_state=0)
    pipe = Pipeline([("scale", StandardScaler()), ("net", net)])
    folds = freeze_folds(KFold(2), X, y, split_params={}, fit_params={}, score_params={})
    setup = EvaluationSetup(pipe, folds, check_scoring(pipe, "neg_log_loss"), None, np.nan, False)
    ends = []
    for travels in (False, True):
        pause, job = Pause((2, 4, 6), True, travels), TrialJob(0, {})
        for rung in range(3):
            job = replace(job, rung=rung)
            outcome = pause(setup, job, TrialWatch())
            if rung < 2:
                assert isinstance(outcome.kept.training, bytes) == travels
                job = replace(job, kept=outcome.kept)
        ends.append(outcome)
    assert ends[0].curve == ends[1].curve
    assert [step for step, _ in ends[0].curve] == [1, 2, 3, 4, 5, 6]
    assert ends[0].fold_scores == ends[1].fold_scores


class Unpicklable(EpochLogistic):
    """Cannot leave its process once it has begun."""

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        self.lock_ = threading.Lock()
        return super().partial_fit(X, y, classes, sample_weight)


def test_one_that_cannot_travel_among_others_trains_to_its_end():
    space = {"clf": [EpochLogistic(max_iter=N_EPOCHS), Unpicklable(max_iter=N_EPOCHS)]}
    space["clf__alpha"] = [1e-4, 1e-3, 1e-2, 1.0]
    search = OptunaSearchCV(
        PIPE,
        space,
        sampler="grid",
        n_trials=None,
        cv=3,
        random_state=0,
        evaluator="per-epoch",
        pruner="pause_and_resume",
        n_jobs=2,
        refit=False,
    ).fit(X, y)
    results = search.cv_results_
    stays = np.array([isinstance(clf, Unpicklable) for clf in results["param_clf"]])
    assert (results["n_epochs"][stays] == N_EPOCHS).all()
    assert (results["n_epochs"][~stays] < N_EPOCHS).any()


class Slow(EpochLogistic):
    """Takes a while for an epoch."""

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        time.sleep(0.01)
        return super().partial_fit(X, y, classes, sample_weight)


@pytest.mark.usefixtures("clock")
def test_the_time_of_a_trial_does_not_run_while_it_waits():
    pipe = Pipeline([("clf", Slow(max_iter=4))])
    search = OptunaSearchCV(
        pipe,
        {"clf__alpha": loguniform(1e-6, 1e2)},
        n_trials=24,
        cv=2,
        random_state=0,
        evaluator="per-epoch",
        pruner=PauseAndResumePruner(reduction_factor=2),
        trial_timeout=0.4,
        refit=False,
    ).fit(X, y)
    assert sum(search.cv_results_["mean_fit_time"]) * 2 > 0.4
    assert not any("timeout" in (why or "") for why in search.cv_results_["reason"])


@pytest.mark.parametrize("head", [StandardScaler(), PCA(2), None])
def test_rows_travel_only_where_they_cannot_be_made_again(head):
    rows = np.random.RandomState(0).randn(300, 40)
    final = EpochLogistic(max_iter=4)
    pipe = final if head is None else Pipeline([("head", head), ("clf", final)])
    folds = freeze_folds(
        KFold(2), rows, rows[:, 0] > 0, split_params={}, fit_params={}, score_params={}
    )
    setup = EvaluationSetup(
        pipe, folds, check_scoring(final), None, np.nan, False, asked_for_epochs=True
    )
    outcome = Pause((2, 4), False, True)(setup, TrialJob(0, {}), TrialWatch())
    kept = pickle.loads(outcome.kept.training)
    # What fit_transform of PCA returns, transform gives but for the last bits.
    travels = isinstance(head, PCA)
    assert ["rows" in vars(fold._stepper) for fold in kept._folds] == [travels] * 2


def test_tensors_travel_with_the_same_bits_whatever_they_are():
    torch = pytest.importorskip("torch")
    whole = torch.randn(4, 3)
    tensors = {
        "turned": whole.T,
        "every second": whole[::2],
        "number": torch.tensor(3),
        "empty": torch.zeros(0, 2),
        "half": whole.bfloat16(),
        "sparse": torch.eye(2).to_sparse(),
        "parameter": torch.nn.Parameter(whole),
        "graph": torch.ones(2, requires_grad=True),
    }
    came = pickle.loads(Paused(tensors, (), ()).pack().training)
    for name, tensor in tensors.items():
        assert type(came[name]) is type(tensor)
        assert came[name].requires_grad == tensor.requires_grad
        assert came[name].dtype == tensor.dtype
        assert torch.equal(came[name].to_dense(), tensor.to_dense())
