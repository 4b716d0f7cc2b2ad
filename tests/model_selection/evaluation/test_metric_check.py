"""A metric is refused before any training where scikit-learn's search could not compute it."""

import warnings

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.metrics import f1_score, make_scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from sklearn_trainkit.comparison import compare_searches
from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.neural_network import RecurrentNetClassifier, UNetSegmenter, dice_scorer

X3, y3 = make_classification(60, 6, n_informative=4, n_classes=3, random_state=0)
X2, y2 = make_classification(60, 6, random_state=0)
XR, y_r = make_regression(40, 3, random_state=0)
XM, y_m = make_multilabel_classification(40, 4, n_classes=3, random_state=0)
WORDS = np.array(["no", "yes"])[y2]

DATA = {
    "three classes": (X3, y3),
    "two classes": (X2, y2),
    "words": (X2, WORDS),
    "numbers": (XR, y_r),
    "positive numbers": (XR, np.exp(y_r / 100)),
    "labels": (XM, y_m),
}
LOGISTIC, RIDGE = LogisticRegression(), Ridge()


def make_search(estimator, scoring, **settings):
    return OptunaSearchCV(
        estimator, {}, scoring=scoring, n_trials=1, **({"random_state": 0, "cv": 2} | settings)
    )


class Untrained(LogisticRegression):
    def fit(self, X, y):
        raise AssertionError("trained")


@pytest.mark.parametrize(
    ("data", "scoring", "named"),
    [
        ("three classes", "roc_auc", "'roc_auc_ovo', 'roc_auc_ovr'"),
        ("three classes", "precision", "'precision_macro'"),
        ("three classes", "f1", "'f1_macro'"),
        ("three classes", "recall", "'recall_macro'"),
        ("three classes", "jaccard", "'jaccard_macro'"),
        ("three classes", make_scorer(f1_score), "'f1_macro'"),
        (
            "three classes",
            make_scorer(roc_auc_score, response_method="predict_proba"),
            "roc_auc_ovr",
        ),
        ("words", "f1", "'f1_macro'"),
        ("words", "r2", "'accuracy'"),
        ("labels", "f1", "'f1_macro'"),
        ("labels", "balanced_accuracy", "'accuracy'"),
    ],
)
def test_a_metric_of_another_target_is_refused_with_names_that_work(data, scoring, named):
    X, y = DATA[data]
    with pytest.raises(ValueError, match="cannot be computed for this y") as info:
        make_search(Untrained(), scoring).fit(X, y)
    assert named in str(info.value)


@pytest.mark.parametrize(
    ("estimator", "data", "scoring"),
    [
        (LOGISTIC, "three classes", "roc_auc_ovr"),
        (LOGISTIC, "three classes", "f1_macro"),
        (LOGISTIC, "words", "roc_auc"),
        (LOGISTIC, "words", "neg_log_loss"),
        (LOGISTIC, "two classes", "f1"),
        (LOGISTIC, "two classes", "r2"),
        (LOGISTIC, "two classes", "neg_mean_squared_log_error"),
        (SVC(), "words", "roc_auc"),
        (LinearSVC(), "two classes", "average_precision"),
        (make_pipeline(StandardScaler(), SVC()), "two classes", "roc_auc"),
        (StackingClassifier([("a", LOGISTIC)]), "two classes", "neg_log_loss"),
        (KNeighborsClassifier(), "labels", "f1_macro"),
        (KNeighborsClassifier(), "labels", "roc_auc"),
        (RIDGE, "numbers", "neg_mean_absolute_error"),
        (RIDGE, "two classes", "neg_root_mean_squared_error"),
    ],
    ids=str,
)
def test_what_grid_search_scores_goes_on_working(estimator, data, scoring):
    X, y = DATA[data]
    settings = {"scoring": scoring, "cv": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        grid = GridSearchCV(estimator, {}, **settings).fit(X, y)
        search = make_search(estimator, scoring, random_state=None).fit(X, y)
    assert np.isfinite(grid.best_score_)
    np.testing.assert_allclose(search.best_score_, grid.best_score_)


@pytest.mark.parametrize(
    ("estimator", "data", "scoring", "reason"),
    [
        (SVC(), "two classes", "neg_log_loss", "needs predict_proba, which SVC does not have"),
        (LinearSVC(), "three classes", "roc_auc_ovr", "needs predict_proba"),
        (make_pipeline(StandardScaler(), LinearSVC()), "two classes", "neg_log_loss", "LinearSVC"),
        (SGDClassifier(), "two classes", "neg_brier_score", "needs predict_proba"),
        (RIDGE, "two classes", "roc_auc", "."),
        (RIDGE, "numbers", "accuracy", "continuous"),
        (RIDGE, "numbers", "neg_mean_squared_log_error", "."),
        (RIDGE, "numbers", "neg_mean_gamma_deviance", "."),
    ],
    ids=str,
)
def test_a_metric_that_the_estimator_cannot_serve_is_refused(estimator, data, scoring, reason):
    X, y = DATA[data]
    with pytest.raises(ValueError, match="cannot be computed") as info:
        make_search(estimator, scoring).fit(X, y)
    assert reason in str(info.value)
    assert scoring in str(info.value)


def test_a_choice_of_the_space_may_serve_the_metric():
    space = {"loss": ["hinge", "log_loss"]}
    search = OptunaSearchCV(SGDClassifier(), space, scoring="neg_log_loss", n_trials=2, cv=2)
    with pytest.warns(UserWarning, match="non-finite"):
        search.fit(X2, y2)
    assert search.best_params_ == {"loss": "log_loss"}


def test_of_several_metrics_only_the_guiding_one_is_refused():
    scoring = {"acc": "accuracy", "auc": "roc_auc"}
    with pytest.warns(UserWarning, match=r"scoring='roc_auc' cannot be computed.*roc_auc_ovr"):
        search = make_search(LOGISTIC, scoring, refit="acc").fit(X3, y3)
    assert np.isfinite(search.best_score_)
    for several in (scoring, ["accuracy", "roc_auc"]):
        refit = "auc" if isinstance(several, dict) else "roc_auc"
        with pytest.raises(ValueError, match="roc_auc_ovr"):
            make_search(Untrained(), several, refit=refit).fit(X3, y3)


def test_a_fold_without_a_class_is_refused_unless_somebody_looks_at_single_folds():
    y = np.sort(y2)
    with pytest.raises(ValueError, match=r"(?i)one class"):
        make_search(Untrained(), "roc_auc", cv=KFold(3)).fit(X2, y)
    with pytest.warns(UserWarning, match=r"(?i)one class"):
        make_search(KNeighborsClassifier(), "roc_auc", cv=KFold(3), refit=False).fit(X2, y)


def test_metrics_of_others_are_left_alone():
    def own(estimator, X, y):
        return float(np.corrcoef(y, estimator.predict(X))[0, 1])

    for scoring in (own, make_scorer(lambda y, predicted: -np.mean(y != predicted))):
        assert np.isfinite(make_search(LOGISTIC, scoring).fit(X2, y2).best_score_)


def test_a_comparison_refuses_before_anything_is_trained():
    searchers = {
        "grid": GridSearchCV(Untrained(), {"C": [1.0]}),
        "ours": OptunaSearchCV(Untrained(), {"C": [1.0]}, n_trials=1),
    }
    with pytest.raises(ValueError, match=r"searchers\['grid'\] on .*roc_auc_ovr"):
        compare_searches(searchers, X3, y3, cv=2, scoring="roc_auc")


@pytest.mark.parametrize("space", [{}, lambda trial: {}])
def test_a_metric_that_needs_another_method_names_the_users_estimator(space):
    search = OptunaSearchCV(RIDGE, space, scoring="roc_auc", n_trials=1, cv=2)
    with pytest.raises(ValueError, match="decision_function") as info:
        search.fit(XR, y_r)
    assert "Ridge does not have" in str(info.value) or "the estimator has none" in str(info.value)


@pytest.mark.parametrize(
    "scoring", ["adjusted_rand_score", {"rand": "rand_score"}, make_scorer(f1_score)]
)
def test_a_metric_of_targets_is_refused_without_them(scoring):
    refit = "rand" if isinstance(scoring, dict) else True
    with pytest.raises(ValueError, match="without y"):
        make_search(KMeans(2), scoring, refit=refit).fit(XR)
    assert make_search(KMeans(2, n_init=1), None).fit(XR).best_score_ < 0


STEPS = np.random.default_rng(0).normal(size=(12, 8, 8))
STEP_NET = RecurrentNetClassifier((2,), return_sequences=True, max_epochs=1, random_state=0)
MASK_NET = UNetSegmenter((2, 4), n_blocks=1, max_epochs=1, random_state=0)


@pytest.mark.parametrize("scoring", ["accuracy", "roc_auc", make_scorer(f1_score), {"a": "f1"}])
@pytest.mark.parametrize(
    ("net", "y", "part"),
    [
        (STEP_NET, (STEPS[..., 0] > 0).astype(int), "step"),
        (make_pipeline(STEP_NET), (STEPS[..., 0] > 0) + (STEPS[..., 1] > 0.5), "step"),
        (MASK_NET, (STEPS > 0).astype(int), "pixel"),
        (MASK_NET, (STEPS > 0).astype(int).reshape(12, 64), "pixel"),
    ],
)
def test_metrics_of_rows_are_refused_where_parts_of_rows_have_labels(net, y, part, scoring):
    search = make_search(net, scoring, refit="a" if isinstance(scoring, dict) else True)
    with pytest.raises(ValueError, match=f"where each {part} has a label.*Leave scoring at None"):
        search.fit(STEPS, y)


def test_metrics_that_know_of_parts_are_taken():
    def share(net, X, y):
        return (net.predict(X) == y).mean()

    steps, masks = (STEPS[..., 0] > 0).astype(int), (STEPS > 0).astype(int)
    for net, y, scorings in (
        (STEP_NET, steps, (None, share)),
        (MASK_NET, masks, (None, share, dice_scorer)),
    ):
        for scoring in scorings:
            assert np.isfinite(make_search(net, scoring).fit(STEPS, y).best_score_)
