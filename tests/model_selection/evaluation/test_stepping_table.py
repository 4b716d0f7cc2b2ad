"""A pruner that stops nothing changes nothing, for every estimator that could be trained on."""

import pickle

import numpy as np
import optuna
import pandas as pd
import pytest
from scipy.sparse import csr_array, issparse
from scipy.stats import loguniform
from sklearn.base import clone, is_classifier
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import KFold, cross_validate
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import all_estimators

from sklearn_trainkit.model_selection import OptunaSearchCV, PauseAndResumePruner
from sklearn_trainkit.model_selection.evaluation._epoch_steppers import make_stepper
from sklearn_trainkit.model_selection.evaluation._evaluator import EvaluationSetup, TrialJob
from sklearn_trainkit.model_selection.evaluation._folds import freeze_folds
from sklearn_trainkit.model_selection.evaluation._stepping_table import MLP, find_stepping
from sklearn_trainkit.model_selection.evaluation._trial_watch import TrialWatch
from sklearn_trainkit.model_selection.scheduling._choose_evaluator import (
    EVALUATORS,
    choose_evaluator,
)
from tests.model_selection.epoch_learner import EpochLogistic
from tests.stable_ids import stable_id

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Got `batch_size` less than 1"),
    # Passive-aggressive estimators are to go; they still have a partial_fit.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

rng = np.random.RandomState(0)
X = rng.poisson(2.0, (48, 5)).astype(float)
LABELS = rng.randint(0, 3, 48)
NUMBERS = 1.0 + X[:, 0] + rng.rand(48)
TEXT = [" ".join("abcdefg"[int(value)] * 3 for value in row if value < 7) for row in X]
BOTH = np.column_stack([LABELS == 0, LABELS == 1]).astype(int)
FOLDS = KFold(2, shuffle=True, random_state=0)

WRAPPERS = {
    "MultiOutputClassifier": MultiOutputClassifier(SGDClassifier(random_state=0)),
    "MultiOutputRegressor": MultiOutputRegressor(Ridge()),
    "OneVsOneClassifier": OneVsOneClassifier(SGDClassifier(random_state=0)),
    "OneVsRestClassifier": OneVsRestClassifier(SGDClassifier(random_state=0)),
    "SelectFromModel": SelectFromModel(SGDClassifier(random_state=0)),
}
FAMILY_OF_SGD = [
    {},
    {"tol": None, "max_iter": 6},
    {"tol": None, "max_iter": 6, "shuffle": False},
    {"tol": None, "max_iter": 6, "average": True},
    {"tol": 1e-2, "early_stopping": True},
    {"learning_rate": "adaptive", "eta0": 1.0, "max_iter": 30},
    {"learning_rate": "invscaling", "eta0": 0.1},
    {"penalty": "l1", "max_iter": 6, "tol": None, "shuffle": False},
    {"class_weight": "balanced"},
    {"class_weight": {0: 5.0}},
    {"n_iter_no_change": 1},
    {"warm_start": True},
    {"random_state": np.random.RandomState(3)},
    {"random_state": None},
]
BATCHES = [{}, {"batch_size": 7}, {"max_iter": 3, "tol": 0.0}, {"random_state": None}]
PERCEPTRON = [
    {},
    {"batch_size": 1},
    {"batch_size": 1, "solver": "sgd", "learning_rate": "adaptive", "tol": 0.1},
    {"batch_size": 1, "tol": 1.0, "n_iter_no_change": 2},
    {"batch_size": 1, "shuffle": False},
    {"batch_size": 1, "early_stopping": True},
    {"batch_size": 1, "random_state": np.random.RandomState(3)},
    {"batch_size": 1, "random_state": None},
    {"solver": "lbfgs"},
]
BOOSTED = [{"n_estimators": 3, "warm_start": True}, {"n_estimators": 9, "n_iter_no_change": 1}]
BOOSTED_HISTOGRAMS = [{"max_iter": 3, "warm_start": True}, {"max_iter": 9, "early_stopping": True}]
MORE_SETTINGS = {
    "BernoulliRBM": [{}, {"batch_size": 48}, {"n_iter": 2}],
    "GradientBoostingClassifier": BOOSTED,
    "GradientBoostingRegressor": BOOSTED,
    "HistGradientBoostingClassifier": BOOSTED_HISTOGRAMS,
    "HistGradientBoostingRegressor": BOOSTED_HISTOGRAMS,
    "LatentDirichletAllocation": [
        {"max_iter": 3},
        {"max_iter": 3, "learning_method": "online"},
        {"max_iter": 3, "learning_method": "online", "total_samples": 24},
        {"max_iter": 9, "evaluate_every": 1, "perp_tol": 10.0},
    ],
    "MLPClassifier": PERCEPTRON,
    "MLPRegressor": PERCEPTRON,
    "MiniBatchDictionaryLearning": BATCHES,
    "MiniBatchKMeans": BATCHES,
    "MiniBatchNMF": BATCHES,
    "PassiveAggressiveClassifier": FAMILY_OF_SGD,
    "PassiveAggressiveRegressor": FAMILY_OF_SGD,
    "Perceptron": FAMILY_OF_SGD,
    "SGDClassifier": FAMILY_OF_SGD,
    "SGDOneClassSVM": FAMILY_OF_SGD,
    "SGDRegressor": FAMILY_OF_SGD,
}
FEW = {"n_estimators": 3, "max_iter": 20, "n_components": 2, "hidden_layer_sizes": (3,)}


def could_be_trained_on():
    """Yield the classes of scikit-learn with ``partial_fit`` or ``warm_start``."""
    for name, kind in all_estimators():
        if hasattr(kind, "partial_fit") or "warm_start" in kind._get_param_names():
            yield name, kind


def cases():
    for name, kind in could_be_trained_on():
        for settings in MORE_SETTINGS.get(name, [{}]):
            allowed = kind._get_param_names()
            own = {key: value for key, value in settings.items() if key in allowed}
            if own == settings:
                yield pytest.param(name, kind, settings, id=stable_id(f"{name}-{settings}"))


def make(name, kind, settings):
    if name in WRAPPERS:
        return clone(WRAPPERS[name])
    names = kind._get_param_names()
    small = {key: value for key, value in FEW.items() if key in names}
    seed = {"random_state": 0} if "random_state" in names else {}
    if name == "CategoricalNB":
        small["min_categories"] = 12
    if name == "HashingVectorizer":
        small["n_features"] = 16
    return kind(**{**small, **seed, **settings})


def data_for(name, estimator):
    if name == "HashingVectorizer":
        return TEXT, None
    if name == "MultiOutputClassifier":
        return X, BOTH
    if name in ("MultiOutputRegressor", "MultiTaskElasticNet", "MultiTaskLasso"):
        return X, np.column_stack([NUMBERS, X[:, 1]])
    if is_classifier(estimator) or name in ("NeighborhoodComponentsAnalysis", "SelectFromModel"):
        return X, LABELS
    return X, NUMBERS


def fingerprint_of_outputs(estimator, X, y=None):
    """Score by a number in which everything that the estimator computes takes part."""
    for method in ("predict_proba", "decision_function", "transform", "predict"):
        if hasattr(estimator, method):
            output = getattr(estimator, method)(X)
            output = output.toarray() if issparse(output) else np.asarray(output, dtype=float)
            return float(np.cos(np.arange(output.size)) @ output.ravel())
    raise AssertionError(estimator)


def evaluate(estimator, X, y, pruner, fit_params=None):
    """Return how "auto" evaluates with a pruner that stops nothing, and the folds' scores."""
    folds = freeze_folds(FOLDS, X, y, split_params={}, fit_params=fit_params or {}, score_params={})
    setup = EvaluationSetup(
        estimator, folds, fingerprint_of_outputs, None, "raise", False, explains_whole_fits=True
    )
    evaluator = choose_evaluator("auto", pruner, setup)
    record = EVALUATORS[evaluator](setup, TrialJob(0, {}), TrialWatch(lambda step, value: False))
    return record.evaluation or evaluator, [fold.test_scores for fold in record.folds]


@pytest.mark.parametrize(("name", "kind", "settings"), list(cases()))
def test_scores_with_a_pruner_are_those_of_fit(name, kind, settings):
    estimator = make(name, kind, settings)
    X, y = data_for(name, estimator)
    np.random.seed(0)  # noqa: NPY002
    expected = cross_validate(
        clone(estimator), X, y, cv=FOLDS, scoring=fingerprint_of_outputs, error_score="raise"
    )["test_score"]
    np.random.seed(0)  # noqa: NPY002
    how, found = evaluate(estimator, X, y, optuna.pruners.NopPruner())
    np.testing.assert_array_equal(found, expected)
    if how != "per-epoch":
        assert how.startswith("whole-fit: ")
    assert (how == "per-epoch") == (
        name in ("MLPClassifier", "MLPRegressor")
        and settings.get("batch_size") == 1
        and settings.get("random_state", 0) is not None
        and not settings.get("early_stopping")
    )


def test_every_partial_fit_of_scikit_learn_is_in_the_table():
    for name, kind in could_be_trained_on():
        reason = find_stepping(make(name, kind, {})).reason
        assert reason is None or "is not known" not in reason, name
        assert (reason is None) == name.startswith("MLP"), name


PERCEPTRONS = [
    {},
    {"solver": "sgd", "nesterovs_momentum": False},
    {"solver": "sgd", "momentum": 0.0, "learning_rate": "invscaling"},
    {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.1, "tol": 0.05},
    {"tol": 1.0, "n_iter_no_change": 1},
    {"tol": 0.01, "n_iter_no_change": 3, "max_iter": 60},
    {"max_iter": 1},
    {"batch_size": 5},
    {"batch_size": 1000},
    {"shuffle": False},
    {"random_state": np.random.RandomState(7)},
    {"random_state": np.int64(11)},
    {"hidden_layer_sizes": (4, 3), "activation": "tanh", "alpha": 1.0},
    {"hidden_layer_sizes": (), "activation": "logistic"},
    {"warm_start": True},
    {"beta_1": 0.5, "epsilon": 1e-3},
]
DATA = {
    "rows": (X, LABELS, NUMBERS),
    "two classes": (X, LABELS > 0, NUMBERS),
    "strings": (X, np.array(["a", "b", "c"])[LABELS], NUMBERS),
    "several": (X, BOTH, np.column_stack([NUMBERS, X[:, 1]])),
    "float32": (X.astype(np.float32), LABELS, NUMBERS.astype(np.float32)),
    "Fortran order": (np.asfortranarray(X), LABELS, NUMBERS),
    "sparse": (csr_array(X), LABELS, NUMBERS),
    "frame": (
        pd.DataFrame(X, columns=list("abcde")),
        pd.Series(LABELS, dtype="category"),
        pd.Series(NUMBERS),
    ),
    "lists": (X.tolist(), LABELS.tolist(), NUMBERS.tolist()),
}


def step_through(estimator, X, y, leave_after=None, **fit_params):
    stepper = make_stepper(MLP, estimator)
    stepper.begin(X, y, fit_params)
    while not stepper.done:
        stepper.train_epoch()
        stepper.count_epoch()
        if stepper.epoch == leave_after:
            stepper = pickle.loads(pickle.dumps(stepper))
    stepper.finish()
    return stepper.estimator


def assert_learned_the_same(found, expected):
    learned = [name for name in vars(expected) if name.endswith("_") and not name.startswith("_")]
    assert {"coefs_", "loss_curve_", "n_iter_", "t_", "best_loss_"} <= set(learned)
    for name in learned:
        np.testing.assert_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    assert found.random_state is expected.random_state or (not isinstance(found.random_state, int))


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("settings", PERCEPTRONS, ids=stable_id)
@pytest.mark.parametrize("form", ["rows", "several", "float32"])
def test_a_stepped_perceptron_learns_what_fit_learns(kind, settings, form):
    defaults = {"hidden_layer_sizes": (4,), "max_iter": 12, "random_state": 0}
    net = kind(**{**defaults, **settings})
    data, labels, numbers = DATA[form]
    y = labels if kind is MLPClassifier else numbers
    assert find_stepping(net).kind == MLP
    assert_learned_the_same(step_through(clone(net), data, y), clone(net).fit(data, y))


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("form", DATA)
@pytest.mark.parametrize("weighted", [False, True])
def test_whatever_form_the_data_have(kind, form, weighted):
    net = kind(hidden_layer_sizes=(3,), max_iter=4, random_state=5, batch_size=9)
    data, labels, numbers = DATA[form]
    y = labels if kind is MLPClassifier else numbers
    weights = {"sample_weight": np.linspace(0, 2, 48)} if weighted else {}
    expected = clone(net).fit(data, y, **weights)
    assert_learned_the_same(step_through(clone(net), data, y, **weights), expected)
    assert_learned_the_same(step_through(clone(net), data, y, leave_after=2, **weights), expected)


def test_it_stops_where_fit_stops():
    net = MLPClassifier((4,), max_iter=200, tol=1e-2, n_iter_no_change=4, random_state=0)
    stopped = step_through(clone(net), X, LABELS)
    assert stopped.n_iter_ == clone(net).fit(X, LABELS).n_iter_ < 100


def test_a_perceptron_that_waited_on_disk_scores_what_it_scores_without_waiting():
    pipe = make_pipeline(StandardScaler(), MLPClassifier((3,), max_iter=9, batch_size=4))
    space = {"mlpclassifier__learning_rate_init": [1e-4, 1e-3, 1e-2, 0.1, 1.0, 0.03]}
    settings = {"sampler": "grid", "n_trials": None, "cv": FOLDS, "random_state": 0}
    waited = OptunaSearchCV(
        pipe, space, pruner=PauseAndResumePruner(max_in_memory=0), **settings
    ).fit(X, LABELS)
    plain = OptunaSearchCV(pipe, space, **settings).fit(X, LABELS)
    complete = waited.cv_results_["state"] == "complete"
    assert 0 < complete.sum() < 6
    for index in range(2):
        key = f"split{index}_test_score"
        np.testing.assert_array_equal(
            waited.cv_results_[key][complete], plain.cv_results_[key][complete]
        )


class OwnFit(MLPClassifier):
    def fit(self, X, y, sample_weight=None):
        return super().fit(X[::2], y[::2])


class Inherits(MLPClassifier):
    pass


@pytest.mark.parametrize(
    ("estimator", "asked", "kind", "reason"),
    [
        (MLPClassifier(), False, None, "random_state=None draws from numpy's global generator"),
        (MLPClassifier(), True, "mlp", None),
        (MLPClassifier(random_state=np.random.RandomState(np.random.PCG64(0))), False, None, "PCG"),
        (MLPClassifier(random_state=0, max_iter="many"), False, None, "is no number of epochs"),
        (OwnFit(random_state=0), False, None, "is not known"),
        (Inherits(random_state=0), False, None, "is not known"),
        (Inherits(random_state=0), True, "mlp", None),
        (SGDClassifier(), True, None, "stops by tol"),
        (EpochLogistic(), False, None, "evaluator='per-epoch' takes it for one"),
        (EpochLogistic(), True, "partial_fit", None),
        (GaussianNB(), True, None, "there are no epochs"),
        (LogisticRegression(), False, None, "has no partial_fit"),
        (Ridge(), False, None, None),
        ("passthrough", False, None, None),
    ],
)
def test_what_is_stepped_and_why_not(estimator, asked, kind, reason):
    found = find_stepping(estimator, asked=asked)
    assert found.kind == kind
    assert (found.reason is None) == (reason is None)
    assert reason is None or reason in found.reason


def test_arguments_of_fit_that_partial_fit_has_not_are_left_to_fit():
    assert find_stepping(EpochLogistic(), {"sample_weight"}, asked=True).kind == "partial_fit"
    assert "['groups']" in find_stepping(EpochLogistic(), {"groups"}, asked=True).reason


def test_our_nets_step_unless_they_bring_a_fit_of_their_own():
    pytest.importorskip("torch")
    from sklearn_trainkit.neural_network import MLPNetClassifier

    class Augmented(MLPNetClassifier):
        def fit(self, X, y, **fit_params):
            return super().fit(X[::2], y[::2], **fit_params)

    net = Augmented((4,), max_epochs=3, random_state=0)
    assert find_stepping(MLPNetClassifier()).kind == "start_fit"
    assert find_stepping(net, asked=True).reason == "Augmented has a fit of its own"
    search = OptunaSearchCV(net, {"lr": [0.01, 0.1]}, sampler="grid", n_trials=None, cv=FOLDS)
    search.set_params(pruner=optuna.pruners.NopPruner()).fit(X, LABELS)
    assert search.evaluations_ == ["whole-fit: Augmented has a fit of its own"] * 2
    alone = clone(net).set_params(lr=0.1)
    expected = cross_validate(alone, X, LABELS, cv=FOLDS)["test_score"].mean()
    assert search.cv_results_["mean_test_score"][1] == expected


def test_nets_of_skorch_are_stepped_when_asked():
    skorch = pytest.importorskip("skorch")
    torch = pytest.importorskip("torch")

    class OwnLoop(skorch.NeuralNetClassifier):
        def fit_loop(self, X, y=None, epochs=None, **fit_params):
            return super().fit_loop(X, y, epochs=1)

    net = skorch.NeuralNetClassifier(torch.nn.Identity)
    assert "torch's global generator" in find_stepping(net).reason
    assert find_stepping(net, asked=True).kind == "skorch"
    assert "fit_loop of its own" in find_stepping(OwnLoop(torch.nn.Identity), asked=True).reason


def test_stepping_asked_for_in_vain_says_why():
    search = OptunaSearchCV(SGDClassifier(), {"alpha": [1.0]}, evaluator="per-epoch")
    with pytest.raises(ValueError, match=r"evaluator='per-epoch' needs[\s\S]*stops by tol"):
        search.fit(X, LABELS)
    with pytest.raises(ValueError, match=r"needs training in epochs[\s\S]*stops by tol"):
        search.set_params(evaluator="auto", pruner="pause_and_resume").fit(X, LABELS)


def test_an_estimator_that_stops_itself_trains_no_longer_with_a_pruner():
    counted = []

    def count_epochs(estimator, X, y):
        counted.append(estimator.n_iter_)
        return 0.0

    model = SGDClassifier(max_iter=1000)
    settings = {"n_trials": 4, "cv": FOLDS, "random_state": 0, "scoring": count_epochs}
    for pruner in (None, optuna.pruners.NopPruner()):
        OptunaSearchCV(
            model, {"alpha": loguniform(1e-3, 1e-2)}, pruner=pruner, refit=False, **settings
        ).fit(X, LABELS)
    assert len(counted) == 16
    assert counted[:8] == counted[8:]
    assert max(counted) < 200
