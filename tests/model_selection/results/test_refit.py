"""A refit is compared with its folds where both scored the same rows, and nowhere else."""

import warnings

import numpy as np
import pytest
from scipy.special import xlogy
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import make_classification, make_regression
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.metrics import make_scorer
from sklearn.model_selection import KFold, LeaveOneOut, ShuffleSplit
from sklearn.neighbors import KernelDensity
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.model_selection.results._selection import describe_collapse
from sklearn_trainkit.neural_network import MLPNetClassifier, MLPNetRegressor

X, y = make_classification(120, 6, flip_y=0.3, random_state=0)
ROWS, NUMBERS = make_regression(90, 4, noise=20.0, random_state=0)
COUNTS = np.random.RandomState(0).poisson(3.0, (60, 5))


def total_cost(y_true, y_pred):
    return -float(5 * ((y_true == 1) & (y_pred != 1)).sum() + ((y_true == 0) & (y_pred != 0)).sum())


def hits(y_true, y_pred):
    return float((y_true == y_pred).sum())


def log_likelihood(y_true, y_proba):
    return float(xlogy(y_true, y_proba).sum() + xlogy(1 - y_true, 1 - y_proba).sum())


def total_squares(y_true, y_pred):
    return -float(((y_true - y_pred) ** 2).sum())


def one_value_of(estimator):
    """Return a space with the estimator's own value of a parameter."""
    params = estimator.get_params()
    name = next(name for name, value in params.items() if type(value) is float)
    return {name: [params[name]]}


LIKELIHOOD = make_scorer(log_likelihood, response_method="predict_proba")
NET = MLPNetClassifier((4,), max_epochs=4, lr=0.02, random_state=0)
MLP = MLPClassifier((4,), max_iter=9, random_state=0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("cv", [KFold(6), ShuffleSplit(4, test_size=0.1, random_state=0)])
@pytest.mark.parametrize(
    ("estimator", "X", "y", "scoring"),
    [
        (NET, X, y, make_scorer(total_cost)),
        (NET, X, y, make_scorer(hits)),
        (NET, X, y, LIKELIHOOD),
        (MLP, X, y, make_scorer(total_cost)),
        (make_pipeline(StandardScaler(), NET), X, y, LIKELIHOOD),
        (make_pipeline(StandardScaler(), SGDClassifier()), X, y, make_scorer(total_cost)),
        (MLPNetRegressor((4,), max_epochs=4, random_state=0), ROWS, NUMBERS,
         make_scorer(total_squares)),
        (make_pipeline(StandardScaler(), SGDRegressor()), ROWS, NUMBERS,
         make_scorer(total_squares)),
        (MiniBatchKMeans(n_init=1, max_iter=5, n_clusters=4), X, None, None),
        (MiniBatchKMeans(n_init=1, max_iter=5, n_clusters=4), X, y, None),
        (LatentDirichletAllocation(max_iter=3, n_components=3), COUNTS, None, None),
        (KernelDensity(), X, None, None),
    ],
)  # fmt: skip
def test_scores_that_grow_with_the_number_of_rows_raise_no_alarm(cv, estimator, X, y, scoring):
    settings = {"scoring": scoring, "refit_retries": 2, "random_state": 0}
    search = OptunaSearchCV(estimator, one_value_of(estimator), n_trials=1, cv=cv, **settings)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, y)
    assert not [str(each.message) for each in caught if "went wrong" in str(each.message)]


class FailsOnMany(ClassifierMixin, BaseEstimator):
    """Predicts what it saw; the opposite where it was given many rows."""

    def __init__(self, a=0.0, limit=80, max_iter=1, random_state=None):
        self.a = a
        self.limit = limit
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X, y):
        return self.partial_fit(X, y)

    def partial_fit(self, X, y, classes=None):
        self.classes_ = np.unique(y)
        self.flip_ = int(len(X) > self.limit)
        return self

    def predict(self, X):
        return (X[:, 0].astype(int) + self.flip_) % 2


@pytest.mark.parametrize("scoring", [None, make_scorer(total_cost), make_scorer(hits)])
@pytest.mark.parametrize("cv", [KFold(4), KFold(2), ShuffleSplit(1, test_size=0.5), LeaveOneOut()])
def test_a_refit_that_fell_below_its_folds_is_told(scoring, cv):
    rows = np.arange(100.0).reshape(-1, 1)
    labels = np.arange(100) % 2
    model = FailsOnMany(limit=99)
    search = OptunaSearchCV(model, {"a": [0.0]}, n_trials=1, cv=cv, scoring=scoring, random_state=0)
    with pytest.warns(UserWarning, match="this training went wrong"):
        search.fit(rows, labels)


def test_weights_of_the_score_count_in_the_comparison():
    weight = np.linspace(1.0, 100.0, 120)
    search = OptunaSearchCV(
        make_pipeline(StandardScaler(), NET), {"mlpnetclassifier__lr": [0.02]}, n_trials=1, cv=4
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.fit(X, y, mlpnetclassifier__sample_weight=weight)


@pytest.mark.parametrize(
    ("score", "fold_scores", "collapsed"),
    [
        (0.9, [0.97, 0.98], True),
        (0.94, [0.97, 0.98], False),
        (0.8, [0.9, 0.7, 0.8], False),
        (0.8, [0.97], False),  # a single fold does not show how much scores vary
        (0.6, [0.97], True),
        (-130.0, [-100.0, -110.0], True),
        (-109.0, [-100.0, -110.0], False),
        (0.0, [np.nan], False),
    ],
)
def test_what_counts_as_a_collapse(score, fold_scores, collapsed):
    assert (describe_collapse(score, np.array(fold_scores)) is not None) == collapsed
