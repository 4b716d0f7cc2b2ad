"""Stacked folds against the per-epoch evaluator and scikit-learn's cross_validate."""

import numpy as np
import pytest
from optuna.pruners import MedianPruner
from scipy import sparse
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import KFold, cross_validate
from sklearn.pipeline import Pipeline
from skorch.callbacks import EpochScoring

from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.model_selection.evaluation import _fold_stack
from sklearn_trainkit.neural_network import MLPNetClassifier, MLPNetRegressor
from sklearn_trainkit.preprocessing import StandardScaler

X, y = make_classification(
    151, 8, n_informative=5, n_classes=3, n_clusters_per_class=1, random_state=0
)
NET = MLPNetClassifier((8,), norm="batch", batch_size=32, max_epochs=6, random_state=0)
PIPE = Pipeline([("scale", StandardScaler()), ("net", NET)])
CV = KFold(4, shuffle=True, random_state=0)
SPACE = {"net__lr": loguniform(1e-3, 1e-1), "net__dropout": [0.0, 0.3]}


def search(estimator=PIPE, space=SPACE, **kwargs):
    kwargs = {"n_trials": 6, "cv": CV, "random_state": 0, **kwargs}
    return OptunaSearchCV(estimator, space, **kwargs).fit(X, y)


def assert_same_results(one, other):
    assert one.best_params_ == other.best_params_
    for key, column in one.cv_results_.items():
        if "time" in key:
            continue
        if np.asarray(column).dtype.kind == "f":
            np.testing.assert_allclose(other.cv_results_[key], column, rtol=0, atol=1e-9)
        else:
            assert list(map(str, other.cv_results_[key])) == list(map(str, column)), key


@pytest.mark.parametrize("pruner", [None, "median", "successive_halving"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_search_sees_no_difference(pruner, early_stopping):
    pipe = clone(PIPE).set_params(net__early_stopping=early_stopping, net__patience=2)
    kwargs = {"pruner": pruner, "scoring": "neg_log_loss", "return_train_score": True}
    stacked = search(pipe, evaluator="fold-stack", **kwargs)
    assert stacked.evaluator_ == "fold-stack"
    assert stacked.evaluations_ == ["fold-stack"] * 6
    assert_same_results(search(pipe, evaluator="per-epoch", **kwargs), stacked)
    if pruner is not None:
        curves = [trial.intermediate_values for trial in stacked.trials_]
        assert any(len(curve) > 1 for curve in curves)


def test_scores_are_those_of_cross_validate():
    stacked = search(space={"net__lr": [0.01]}, n_trials=1, scoring="neg_log_loss")
    alone = cross_validate(
        clone(PIPE).set_params(net__lr=0.01), X, y, cv=CV, scoring="neg_log_loss"
    )
    columns = [f"split{fold}_test_score" for fold in range(4)]
    seen = [stacked.cv_results_[column][0] for column in columns]
    np.testing.assert_allclose(seen, alone["test_score"], atol=1e-9)


def test_a_bare_net_of_the_default_size_is_stacked():
    net = MLPNetRegressor(max_epochs=1, random_state=0)
    found = search(net, {"lr": [0.001, 0.01]}, n_trials=2, sampler="grid")
    assert found.evaluations_ == ["fold-stack"] * 2


def test_each_trial_that_is_not_stacked_says_why():
    net = MLPNetClassifier((8,), batch_size=64, max_epochs=2, random_state=0)
    space = [
        {"optimizer": ["lbfgs"], "max_epochs": [1]},
        {"hidden_units": [(2048, 2048)], "max_epochs": [1]},
        {"callbacks": [[EpochScoring("accuracy", on_train=True)]]},
        {"lr": [0.01]},
    ]
    found = search(net, space, n_trials=None, sampler="grid", pruner=MedianPruner(1), cv=2)
    said = dict(zip(map(str, found.cv_results_["params"]), found.evaluations_, strict=True))
    reasons = {
        "lbfgs": "per-epoch: optimizer='lbfgs' evaluates the loss several times a step",
        "2048": "per-epoch: 4220931 weights are too many to gain by stacking",
        "EpochScoring": "per-epoch: an EpochScoring collects the outputs of training batches",
        "'lr'": "fold-stack",
    }
    for part, expected in reasons.items():
        assert [how for params, how in said.items() if part in params] == [expected]


def test_forced_stacking_stacks_large_networks_too():
    net = MLPNetClassifier((1024, 1024), max_epochs=1, random_state=0)
    found = search(net, {"lr": [0.01]}, n_trials=1, evaluator="fold-stack", refit=False)
    assert found.evaluations_ == ["fold-stack"]
    found = search(net, {"lr": [0.01]}, n_trials=1, refit=False)
    assert found.evaluations_[0].startswith("per-epoch: ")


def test_other_estimators_in_the_place_of_the_net_are_evaluated_as_ever():
    space = [
        {"net": [LogisticRegression(), SGDClassifier(random_state=0)]},
        {"net__lr": [0.01]},
    ]
    found = search(space=space, n_trials=None, sampler="grid")
    plain = search(space=space, n_trials=None, sampler="grid", evaluator="whole-fit")
    assert_same_results(plain, found)
    assert sorted(found.evaluations_) == [
        "fold-stack",
        "whole-fit: LogisticRegression is no network of this package",
        "whole-fit: SGDClassifier is no network of this package",
    ]
    assert search(LogisticRegression(), {"C": [1.0]}, n_trials=1).evaluator_ == "whole-fit"


def test_data_that_would_not_fit_into_memory_is_fitted_fold_by_fold(monkeypatch):
    monkeypatch.setattr(_fold_stack, "memory_limit", lambda: 1000)
    found = search(n_trials=2)
    needed = 2 * 4 * X.nbytes
    assert (
        found.evaluations_
        == [f"whole-fit: all folds at once would take {needed} bytes of 1000"] * 2
    )


def test_sparse_data_take_what_they_hold():
    matrix = sparse.random(100, 50_000, density=1e-4, format="csr", random_state=0)
    held = matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes
    assert _fold_stack.bytes_of_folds(matrix, 5) < 4 * 5 * held


def test_memory_that_only_caches_files_is_free(monkeypatch):
    text = "MemTotal: 900 kB\nMemFree: 10 kB\nMemAvailable: 600 kB\nCached: 590 kB\n"
    monkeypatch.setattr(_fold_stack.Path, "read_text", lambda path: text)
    assert _fold_stack.memory_limit() == 300 * 1024


@pytest.mark.parametrize("text", ["", None])
def test_without_such_a_count_there_is_a_limit_too(monkeypatch, text):
    def read_text(path):
        if text is None:
            raise FileNotFoundError
        return text

    monkeypatch.setattr(_fold_stack.Path, "read_text", read_text)
    assert _fold_stack.memory_limit() > 0


def test_fold_stack_is_refused_where_it_cannot_be():
    with pytest.raises(ValueError, match="evaluator='fold-stack' needs"):
        search(LogisticRegression(), evaluator="fold-stack", space={"C": [1.0]})


def test_one_fold_that_diverges_fails_alone():
    rows = X.copy()
    rows[CV_FIRST_TEST] *= 1e150
    net = MLPNetClassifier((8,), optimizer="sgd", max_epochs=3, batch_size=16, random_state=0)

    def run(evaluator):
        found = OptunaSearchCV(
            net,
            {"lr": [0.1]},
            n_trials=1,
            cv=CV,
            evaluator=evaluator,
            refit=False,
            error_score=-1.0,
        )
        with pytest.warns(Warning, match="3 fits failed"):
            return found.fit(rows, y)

    stacked, alone = run("fold-stack"), run("per-epoch")
    columns = [f"split{fold}_test_score" for fold in range(4)]
    assert [stacked.cv_results_[c][0] for c in columns] == pytest.approx(
        [alone.cv_results_[c][0] for c in columns]
    )
    assert stacked.cv_results_["split0_test_score"][0] != -1.0


CV_FIRST_TEST = next(iter(CV.split(X)))[1][:3]


def test_an_error_is_raised_when_that_is_asked_for():
    net = MLPNetClassifier((8,), optimizer="sgd", lr=1e30, max_epochs=5, random_state=0)
    with pytest.raises(ArithmeticError, match="training loss"):
        search(net, {"batch_size": [16]}, n_trials=1, evaluator="fold-stack", error_score="raise")


def test_it_works_in_worker_processes():
    assert_same_results(search(pruner=None), search(pruner=None, n_jobs=2))


def test_progress_bars_follow_the_folds():
    found = OptunaSearchCV(PIPE, SPACE, n_trials=1, cv=CV, random_state=0)
    found.set_callbacks(ProgressBar()).fit(X, y)
    assert found.evaluations_ == ["fold-stack"]


def test_a_stored_search_remembers_how_it_evaluated(tmp_path):
    path = tmp_path / "study.log"
    first = search(storage=str(path), n_trials=2)
    again = search(storage=str(path), n_trials=2, resume=True)
    assert again.evaluations_ == first.evaluations_ == ["fold-stack"] * 2
