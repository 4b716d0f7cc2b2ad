"""Training all folds in step gives what training each alone gives, and leaks nothing."""

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.model_selection.evaluation._evaluator import EvaluationSetup, TrialJob
from sklearn_trainkit.model_selection.evaluation._folds import freeze_folds
from sklearn_trainkit.model_selection.evaluation._per_epoch import evaluate_per_epoch
from sklearn_trainkit.model_selection.evaluation._trial_watch import TrialWatch
from sklearn_trainkit.neural_network import MLPNetClassifier
from tests.model_selection.epoch_learner import EpochLogistic

X, y = make_classification(n_samples=90, n_features=5, random_state=0)
N_EPOCHS = 4
MODEL = EpochLogistic(max_iter=N_EPOCHS)
PIPE = Pipeline([("scale", StandardScaler()), ("clf", MODEL)])


def make_setup(estimator, scorer=None, error_score=np.nan, y=y):
    folds = freeze_folds(KFold(3), X, y, split_params={}, fit_params={}, score_params={})
    scorer = make_scorer(accuracy_score) if scorer is None else scorer
    return EvaluationSetup(estimator, folds, scorer, None, error_score, True, asked_for_epochs=True)


def scores_by_hand(alpha):
    """Accuracy after each epoch, one row per fold, from plain partial_fit calls."""
    rows = []
    for train, test in KFold(3).split(X):
        scaler = StandardScaler().fit(X[train])
        model = clone(MODEL).set_params(alpha=alpha)
        rows.append([])
        for _ in range(N_EPOCHS):
            model.partial_fit(scaler.transform(X[train]), y[train], classes=[0, 1])
            rows[-1].append(model.score(scaler.transform(X[test]), y[test]))
    return np.array(rows)


@pytest.mark.parametrize("whole_pipeline_scorer", [False, True])
def test_the_curve_is_the_mean_over_folds_trained_by_hand(whole_pipeline_scorer):
    def looks_inside(estimator, X, y):
        assert isinstance(estimator, Pipeline)
        return estimator.score(X, y)

    setup = make_setup(PIPE, looks_inside if whole_pipeline_scorer else None)
    job = TrialJob(0, {"clf__alpha": 0.05})
    record = evaluate_per_epoch(setup, job, TrialWatch(prune=lambda step, value: False))
    expected = scores_by_hand(0.05)
    assert [step for step, _ in record.curve] == [1, 2, 3, 4]
    np.testing.assert_allclose([value for _, value in record.curve], expected.mean(axis=0))
    np.testing.assert_allclose(np.transpose(record.fold_scores), expected)
    np.testing.assert_allclose([fold.test_scores for fold in record.folds], expected[:, -1])
    assert (record.state, record.n_epochs) == ("complete", N_EPOCHS)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_study_keeps_the_curve_of_every_fold(n_jobs):
    search = OptunaSearchCV(
        PIPE,
        {"clf__alpha": [0.05, 0.06]},
        n_trials=2,
        pruner="median",
        evaluator="per-epoch",
        cv=KFold(3),
        n_jobs=n_jobs,
    )
    with pytest.warns(UserWarning, match="it can never prune"):
        search.fit(X, y)
    for trial in search.trials_:
        stored = np.array(trial.user_attrs["fold_scores"])
        assert stored.shape == (N_EPOCHS, 3)
        reported = [trial.intermediate_values[step] for step in range(1, N_EPOCHS + 1)]
        np.testing.assert_allclose(stored.mean(axis=1), reported)


def test_a_pruned_trial_keeps_the_scores_of_its_last_epoch():
    job = TrialJob(0, {"clf__alpha": 0.05})
    watch = TrialWatch(prune=lambda step, value: step == 2)
    record = evaluate_per_epoch(make_setup(PIPE), job, watch)
    np.testing.assert_allclose(
        [fold.test_scores for fold in record.folds], scores_by_hand(0.05)[:, 1]
    )
    assert (record.state, record.n_epochs, record.reason) == ("pruned", 2, "pruned at epoch 2")


class Recorder(TransformerMixin, BaseEstimator):
    """Notes which rows it was fitted on, and which it transformed."""

    log = []

    def fit(self, X, y=None):
        self.log.append(("fit", frozenset(X[:, 0])))
        return self

    def transform(self, X):
        self.log.append(("transform", frozenset(X[:, 0])))
        return X


def test_earlier_steps_are_fitted_once_per_fold_on_training_rows_only():
    Recorder.log.clear()
    pipe = Pipeline([("record", Recorder()), ("clf", MODEL)])
    evaluate_per_epoch(make_setup(pipe), TrialJob(0, {}), TrialWatch(lambda step, value: False))
    fitted = [rows for what, rows in Recorder.log if what == "fit"]
    assert fitted == [frozenset(X[train, 0]) for train, _ in KFold(3).split(X)]


@pytest.mark.parametrize("pruner", ["median", "successive_halving", "hyperband"])
def test_random_labels_score_near_chance_under_pruning(pruner):
    rng = np.random.RandomState(0)
    rows, labels = rng.randn(300, 5), rng.randint(0, 2, 300)
    search = OptunaSearchCV(
        PIPE,
        {"clf__alpha": loguniform(1e-6, 1), "scale": [StandardScaler(), MinMaxScaler()]},
        n_trials=15,
        pruner=pruner,
        evaluator="per-epoch",
        cv=KFold(3, shuffle=True),
    ).fit(rows, labels)
    assert abs(search.best_score_ - 0.5) < 0.1


def test_a_search_prunes_and_ranks_pruned_rows_last():
    search = OptunaSearchCV(
        PIPE,
        {"clf__alpha": loguniform(1e-6, 1e2)},
        n_trials=15,
        pruner="successive_halving",
        evaluator="per-epoch",
        cv=3,
        random_state=0,
    ).fit(X, y)
    results = search.cv_results_
    pruned = results["state"] == "pruned"
    assert pruned.any()
    assert results["rank_test_score"][pruned].min() > results["rank_test_score"][~pruned].max()
    assert (results["n_epochs"][pruned] < N_EPOCHS).all()
    assert (results["n_epochs"][~pruned] == N_EPOCHS).all()
    assert results["reason"][pruned][0].startswith("pruned at epoch")
    assert [trial.state.name for trial in search.trials_] == [
        {"pruned": "PRUNED", "complete": "COMPLETE"}[state] for state in results["state"]
    ]
    assert search.best_trial_ == search.study_.best_trial


def test_the_standard_error_is_that_of_the_mean_over_folds():
    settings = {"n_trials": 1, "pruner": "median", "cv": 4, "evaluator": "per-epoch"}
    search = OptunaSearchCV(PIPE, {"clf__alpha": [0.1]}, **settings)
    with pytest.warns(UserWarning, match="it can never prune"):
        search.fit(X, y)
    scores = [search.cv_results_[f"split{index}_test_score"][0] for index in range(4)]
    expected = np.std(scores, ddof=1) / np.sqrt(4)
    np.testing.assert_allclose(search.cv_results_["sem_test_score"], [expected])


def test_the_refit_trains_as_many_epochs_as_were_scored():
    search = OptunaSearchCV(
        PIPE, {"clf__alpha": [0.05]}, n_trials=1, evaluator="per-epoch", cv=3
    ).fit(X, y)
    scaler = StandardScaler().fit(X)
    model = clone(MODEL).set_params(alpha=0.05)
    for _ in range(N_EPOCHS):
        model.partial_fit(scaler.transform(X), y, classes=[0, 1])
    np.testing.assert_array_equal(search.best_estimator_["clf"].coef_, model.coef_)
    assert search.score(X, y) == model.score(scaler.transform(X), y)


def test_a_pipeline_memory_is_used(tmp_path):
    steps = [("first", MinMaxScaler()), *PIPE.steps]
    records = [
        evaluate_per_epoch(
            make_setup(Pipeline(steps, memory=memory)), TrialJob(0, {}), TrialWatch()
        )
        for memory in (None, str(tmp_path))
    ]
    plain, cached = ([fold.test_scores for fold in record.folds] for record in records)
    assert plain == cached
    assert any(tmp_path.rglob("output.pkl"))


class FailsInEpoch(ClassifierMixin, BaseEstimator):
    """Raises in its second epoch on the fold whose first training row is the tenth."""

    def __init__(self, max_iter=3, a=0):
        self.max_iter = max_iter
        self.a = a

    def fit(self, X, y):
        return self.partial_fit(X, y, classes=np.unique(y))

    def partial_fit(self, X_, y, classes=None):
        if classes is not None:
            self.classes_, self.epoch_ = classes, 0
        self.epoch_ += 1
        if self.epoch_ == 2 and X_[0, 0] != X[0, 0]:
            raise FloatingPointError("the loss became infinite")
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def test_a_failing_fold_ends_the_trial_with_its_reason():
    record = evaluate_per_epoch(make_setup(FailsInEpoch()), TrialJob(0, {}), TrialWatch())
    assert (record.state, record.n_epochs) == ("failed", 2)
    assert record.reason == "FloatingPointError: the loss became infinite"
    assert [fold.fit_error is None for fold in record.folds] == [False, True, True]


def test_with_a_number_as_error_score_the_other_folds_train_on():
    setup = make_setup(FailsInEpoch(), error_score=0.0)
    record = evaluate_per_epoch(setup, TrialJob(0, {}), TrialWatch())
    assert record.state == "complete"
    assert record.folds[0].test_scores == 0.0
    assert record.n_epochs == 3


def test_error_score_raise_raises():
    with pytest.raises(FloatingPointError):
        evaluate_per_epoch(
            make_setup(FailsInEpoch(), error_score="raise"), TrialJob(0, {}), TrialWatch()
        )


def test_failures_are_gathered_in_one_warning():
    search = OptunaSearchCV(
        Pipeline([("clf", FailsInEpoch())]),
        {"clf": [FailsInEpoch(), MODEL]},
        sampler="grid",
        n_trials=None,
        evaluator="per-epoch",
        cv=KFold(3),
    )
    with (
        pytest.warns(FitFailedWarning, match="1 fits failed out of a total of 6"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        search.fit(X, y)
    assert isinstance(search.best_estimator_["clf"], EpochLogistic)


def test_a_candidate_without_epochs_is_fitted_whole():
    search = OptunaSearchCV(
        PIPE,
        {"clf": [LogisticRegression(), MODEL]},
        sampler="grid",
        n_trials=None,
        pruner="successive_halving",
        evaluator="per-epoch",
        cv=3,
    ).fit(X, y)
    epochs = search.cv_results_["n_epochs"]
    assert epochs.tolist() == [None, N_EPOCHS]
    whole = OptunaSearchCV(PIPE, {"clf": [LogisticRegression()]}, n_trials=1, cv=3).fit(X, y)
    assert search.cv_results_["mean_test_score"][0] == whole.best_score_


def test_per_epoch_asked_of_an_estimator_without_epochs_is_refused():
    search = OptunaSearchCV(
        LogisticRegression(), {"C": [1.0]}, n_trials=1, evaluator="per-epoch", cv=2
    )
    with pytest.raises(ValueError, match=r"needs[\s\S]*evaluator='whole-fit'"):
        search.fit(X, y)


def test_fit_arguments_reach_their_steps():
    class Weighted(SGDClassifier):
        def partial_fit(self, X, y, classes=None, sample_weight=None):
            assert len(sample_weight) == len(X)
            return super().partial_fit(X, y, classes=classes, sample_weight=sample_weight)

    pipe = Pipeline([("scale", StandardScaler()), ("clf", Weighted(max_iter=2))])
    search = OptunaSearchCV(
        pipe, {"clf__alpha": [0.1]}, n_trials=1, evaluator="per-epoch", cv=2, error_score="raise"
    )
    search.fit(X, y, clf__sample_weight=np.ones(90), scale__sample_weight=np.ones(90))
    assert search.best_estimator_["scale"].n_samples_seen_ == 90


def test_a_skorch_net_is_stepped_like_its_own_fit():
    torch = pytest.importorskip("torch")
    skorch = pytest.importorskip("skorch")

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.layer = torch.nn.Linear(5, 2)

        def forward(self, X):
            return self.layer(X).softmax(-1)

    net = skorch.NeuralNetClassifier(
        Module, max_epochs=3, lr=0.5, train_split=None, verbose=0, iterator_train__shuffle=False
    )
    rows = X.astype(np.float32)
    pipe = Pipeline([("scale", MinMaxScaler()), ("net", net)])
    arguments = {"n_trials": 1, "cv": KFold(3), "error_score": "raise"}
    whole, stepped = (
        OptunaSearchCV(pipe, {"net__lr": [0.3]}, evaluator=evaluator, **arguments).fit(rows, y)
        for evaluator in ("whole-fit", "per-epoch")
    )
    for index in range(3):
        key = f"split{index}_test_score"
        assert whole.cv_results_[key] == stepped.cv_results_[key]
    assert len(stepped.best_estimator_["net"].history) == 3


def test_our_nets_score_the_same_stepped_as_fitted():
    pytest.importorskip("torch")
    from sklearn_trainkit.neural_network import MLPNetClassifier

    net = MLPNetClassifier((8,), max_epochs=4, early_stopping=True, patience=2, random_state=0)
    pipe = Pipeline([("scale", StandardScaler()), ("net", net)])
    space = {"net__lr": [0.3, 0.01]}
    whole, stepped = (
        OptunaSearchCV(pipe, space, sampler="grid", n_trials=None, evaluator=evaluator, cv=3)
        .fit(X, y)
        .cv_results_
        for evaluator in ("whole-fit", "per-epoch")
    )
    for index in range(3):
        key = f"split{index}_test_score"
        np.testing.assert_array_equal(whole[key], stepped[key])


@pytest.mark.parametrize("pruner", [None, "median"])
def test_checkpoints_that_stepping_does_not_write_are_told(tmp_path, pruner):
    net = MLPNetClassifier((4,), max_epochs=2, random_state=0, checkpoint_dir=str(tmp_path))
    space = {"lr": [1e-3, 1e-2]}
    search = OptunaSearchCV(net, space, n_trials=6, cv=2, pruner=pruner, random_state=0)
    if pruner is None:
        search.fit(X, y)
        assert any(tmp_path.iterdir())
    else:
        with pytest.warns(UserWarning, match="evaluator='per-epoch' writes no checkpoints"):
            search.fit(X, y)
