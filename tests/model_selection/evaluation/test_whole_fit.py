"""Fold by fold: a report after each fold, and pruning between them."""

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ShuffleSplit, cross_val_score
from sklearn.svm import SVC

from sklearn_trainkit.model_selection import OptunaSearchCV

X, y = make_classification(n_samples=80, n_features=5, flip_y=0.2, random_state=0)


def test_any_estimator_is_pruned_between_folds():
    search = OptunaSearchCV(
        SVC(), {"C": loguniform(1e-4, 1e3)}, n_trials=20, pruner="median", cv=5, random_state=0
    ).fit(X, y)
    results = search.cv_results_
    pruned = results["state"] == "pruned"
    assert search.evaluator_ == "whole-fit"
    assert pruned.any()
    for row in np.flatnonzero(pruned):
        scores = [results[f"split{index}_test_score"][row] for index in range(5)]
        reached = results["n_folds"][row]
        assert np.isnan(scores).tolist() == [False] * reached + [True] * (5 - reached)
        assert results["mean_test_score"][row] == pytest.approx(np.mean(scores[:reached]))
        assert results["reason"][row] == f"pruned after {reached} of 5 folds"
    assert results["rank_test_score"][pruned].min() > results["rank_test_score"][~pruned].max()


def test_reports_are_running_means():
    search = OptunaSearchCV(SVC(), {"C": [1.0]}, n_trials=1, pruner="successive_halving", cv=4)
    search.fit(X, y)
    scores = cross_val_score(SVC(), X, y, cv=4)
    expected = {k: pytest.approx(scores[:k].mean()) for k in range(1, 5)}
    assert search.trials_[0].intermediate_values == expected


def test_wilcoxon_is_given_single_folds_and_prunes_with_enough_of_them():
    X, y = make_classification(n_samples=80, n_features=5, flip_y=0, class_sep=2, random_state=0)
    search = OptunaSearchCV(
        LogisticRegression(),
        {"C": [1.0, 1e-6]},
        enqueue=[{"C": 1.0}, {"C": 1e-6}],
        n_trials=2,
        scoring="neg_log_loss",
        pruner="wilcoxon",
        cv=8,
    ).fit(X, y)
    scores = cross_val_score(LogisticRegression(), X, y, cv=8, scoring="neg_log_loss")
    assert list(search.trials_[0].intermediate_values.values()) == pytest.approx(list(scores))
    assert search.cv_results_["state"].tolist() == ["complete", "pruned"]


def test_wilcoxon_with_three_folds_is_announced_as_useless():
    search = OptunaSearchCV(SVC(), {"C": [1.0]}, n_trials=1, pruner="wilcoxon", cv=3)
    with pytest.warns(UserWarning, match=r"never prune here.*0.25.*Use 5 folds"):
        search.fit(X, y)


def test_one_split_and_no_epochs_leave_nothing_to_prune():
    search = OptunaSearchCV(SVC(), {"C": [1.0]}, pruner="median", cv=ShuffleSplit(1))
    with pytest.raises(ValueError, match="nothing to stop early"):
        search.fit(X, y)


def test_a_refit_callable_that_picks_a_pruned_row_is_refused():
    search = OptunaSearchCV(
        SVC(),
        {"C": loguniform(1e-4, 1e3)},
        n_trials=20,
        pruner="median",
        cv=5,
        random_state=0,
        refit=lambda results: int(results["rank_test_score"].argmax()),
    )
    with pytest.raises(ValueError, match="whose trial was pruned"):
        search.fit(X, y)
