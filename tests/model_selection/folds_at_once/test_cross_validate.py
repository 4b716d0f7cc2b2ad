"""Against scikit-learn's function of the same name."""

import numpy as np
import pytest
from sklearn import model_selection
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline

from sklearn_trainkit.model_selection import (
    FoldEnsembleClassifier,
    OptunaSearchCV,
    cross_validate,
)
from sklearn_trainkit.neural_network import MLPNetClassifier, MLPNetRegressor
from sklearn_trainkit.neural_network.training._training_run import TrainingRun
from sklearn_trainkit.preprocessing import StandardScaler

X, y = make_classification(
    121, 6, n_informative=4, n_classes=3, n_clusters_per_class=1, random_state=0
)
WEIGHTS = np.random.default_rng(0).uniform(0.5, 2.0, len(X))
NET = MLPNetClassifier((8,), batch_size=16, max_epochs=4, random_state=0)
PIPE = make_pipeline(StandardScaler(), NET)


@pytest.mark.parametrize("scoring", ["neg_log_loss", ["accuracy", "neg_log_loss"]])
@pytest.mark.parametrize("stack", ["auto", True, False])
def test_the_results_are_scikit_learns(scoring, stack):
    kwargs = {
        "scoring": scoring,
        "cv": StratifiedKFold(4, shuffle=True, random_state=0),
        "return_train_score": True,
        "return_estimator": True,
        "return_indices": True,
    }
    expected = model_selection.cross_validate(PIPE, X, y, **kwargs)
    seen = cross_validate(PIPE, X, y, stack=stack, **kwargs)
    assert sorted(seen) == sorted(expected)
    for key, value in expected.items():
        if key.startswith(("test_", "train_")):
            np.testing.assert_allclose(seen[key], value, rtol=0, atol=1e-10)
        elif key.endswith("_time"):
            assert seen[key].shape == value.shape
    for part in ("train", "test"):
        for one, other in zip(expected["indices"][part], seen["indices"][part], strict=True):
            np.testing.assert_array_equal(one, other)
    for one, other in zip(expected["estimator"], seen["estimator"], strict=True):
        np.testing.assert_allclose(other.predict_proba(X), one.predict_proba(X), atol=1e-10)


def test_weights_and_groups_reach_fit_and_splitter():
    kwargs = {"cv": GroupKFold(3), "groups": np.arange(len(X)) % 7, "scoring": "neg_log_loss"}
    kwargs["params"] = {"sample_weight": WEIGHTS}
    expected = model_selection.cross_validate(NET, X, y, **kwargs)
    seen = cross_validate(NET, X, y, **kwargs)
    np.testing.assert_allclose(seen["test_score"], expected["test_score"], atol=1e-10)


def test_other_estimators_go_to_scikit_learn():
    model = LogisticRegression()
    expected = model_selection.cross_validate(model, X, y)["test_score"]
    np.testing.assert_array_equal(cross_validate(model, X, y, n_jobs=1)["test_score"], expected)
    with pytest.raises(ValueError, match="stack=True needs a network"):
        cross_validate(model, X, y, stack=True)


def test_forcing_what_cannot_be_stacked_raises_with_the_reason():
    net = clone(NET).set_params(optimizer="lbfgs", batch_size=-1, max_epochs=1)
    with pytest.raises(ValueError, match="cannot be stacked: optimizer='lbfgs'"):
        cross_validate(net, X, y, stack=True)
    expected = model_selection.cross_validate(net, X, y)["test_score"]
    np.testing.assert_allclose(cross_validate(net, X, y)["test_score"], expected, atol=1e-10)


def test_a_fold_that_fails_gets_the_error_score_and_the_others_theirs():
    rows, targets = make_regression(90, 4, random_state=0)
    targets[:30] *= 1e160
    net = MLPNetRegressor((4,), max_epochs=3, random_state=0, standardize_y=False)
    cv = model_selection.KFold(3)
    kwargs = {"cv": cv, "error_score": np.nan, "scoring": "r2"}
    with pytest.warns(FitFailedWarning, match="2 fits failed"):
        expected = model_selection.cross_validate(net, rows, targets, **kwargs)
    with pytest.warns(FitFailedWarning, match="2 fits failed"):
        seen = cross_validate(net, rows, targets, **kwargs)
    np.testing.assert_allclose(seen["test_score"], expected["test_score"])
    with pytest.raises(ArithmeticError):
        cross_validate(net, rows, targets, cv=cv, error_score="raise")


@pytest.mark.parametrize(
    ("kwargs", "error"),
    [
        ({"stack": "yes"}, ValueError),
        ({"error_score": "nan"}, ValueError),
        ({"fit_params": {}}, TypeError),
    ],
)
def test_unknown_arguments_are_refused(kwargs, error):
    with pytest.raises(error, match=next(iter(kwargs))):
        cross_validate(NET, X, y, **kwargs)


class SplitterOfOnesOwn:
    """What scikit-learn's function asks of a splitter, and no more."""

    def get_n_splits(self):
        return 3

    def split(self, X, y, groups):
        return model_selection.KFold(3, shuffle=True, random_state=0).split(X)


def test_splitters_are_called_as_by_scikit_learn():
    kwargs = {"cv": SplitterOfOnesOwn(), "scoring": "neg_log_loss"}
    expected = model_selection.cross_validate(NET, X, y, **kwargs)["test_score"]
    seen = cross_validate(NET, X, y, stack=True, **kwargs)["test_score"]
    np.testing.assert_allclose(seen, expected, atol=1e-10)


def test_checkpoints_are_written_fold_by_fold(tmp_path):
    net = clone(NET).set_params(checkpoint_dir=str(tmp_path))
    cross_validate(net, X, y, cv=3)
    assert len(list(tmp_path.iterdir())) >= 3
    with pytest.raises(ValueError, match="checkpoint_dir"):
        cross_validate(net, X, y, cv=3, stack=True)


EVALUATIONS = {
    "cross_validate": lambda net: cross_validate(net, X, y, cv=4)["test_score"],
    "ensemble": lambda net: FoldEnsembleClassifier(net, cv=3).fit(X, y).fold_scores_,
    "search": lambda net: found(net, pruner=None),
    "search by epochs": lambda net: found(net, pruner="median"),
}


def found(net, pruner):
    search = OptunaSearchCV(net, {"lr": [0.01, 0.1]}, n_trials=2, cv=3, pruner=pruner)
    return search.fit(X, y).cv_results_["mean_test_score"]


@pytest.mark.parametrize("evaluate", EVALUATIONS)
def test_a_batch_size_beyond_the_rows_of_folds_is_told_once(evaluate):
    net = clone(NET).set_params(batch_size=500)
    with pytest.warns(UserWarning, match="batch_size=500 is larger than") as caught:
        scores = EVALUATIONS[evaluate](net)
    assert np.isfinite(scores).all()
    assert sum("batch_size" in str(each.message) for each in caught) == 1


@pytest.fixture
def no_training(monkeypatch):
    def refuse(*args, **settings):
        raise AssertionError("a net was trained")

    monkeypatch.setattr(TrainingRun, "__init__", refuse)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("stack", ["auto", True, False])
@pytest.mark.parametrize(
    ("scoring", "error_score"),
    [("roc_auc", np.nan), ({"auc": "roc_auc"}, np.nan), (["accuracy", "roc_auc"], "raise")],
)
def test_metrics_that_cannot_be_computed_are_refused_before_any_training(
    scoring, error_score, stack
):
    with pytest.raises(ValueError, match=r"'roc_auc' cannot be .*multiclass.*'roc_auc_ovo'"):
        cross_validate(PIPE, X, y, scoring=scoring, error_score=error_score, stack=stack)


@pytest.mark.filterwarnings("ignore:Scoring failed")
def test_metrics_beside_others_that_can_be_computed_are_told_of():
    with pytest.warns(UserWarning, match=r"'roc_auc' cannot be computed") as told:
        scores = cross_validate(PIPE, X, y, scoring=["accuracy", "roc_auc"])
    assert np.isnan(scores["test_roc_auc"]).all()
    assert scores["test_accuracy"].min() > 0.3
    assert {each.filename for each in told if "Metrics that can" in str(each.message)} == {__file__}


def test_splits_of_a_generator_are_drawn_once():
    splits = list(StratifiedKFold(3).split(X, y))
    for stack in (False, True):
        scores = cross_validate(NET, X, y, cv=iter(splits), stack=stack)["test_score"]
        np.testing.assert_allclose(scores, cross_validate(NET, X, y, cv=3)["test_score"])
