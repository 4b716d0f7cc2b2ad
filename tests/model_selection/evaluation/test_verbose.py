"""What a search says: nothing unless asked, then trials, folds and scores."""

import re

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.datasets import make_classification

from sklearn_trainkit.model_selection import OptunaSearchCV
from tests.model_selection.epoch_learner import EpochLogistic

X, y = make_classification(n_samples=60, n_features=4, random_state=0)


def said(capsys, **settings):
    search = OptunaSearchCV(
        EpochLogistic(max_iter=3),
        {"alpha": loguniform(1e-6, 1e2)},
        n_trials=8,
        cv=2,
        random_state=0,
        **{"evaluator": "per-epoch", **settings},
    ).fit(X, y)
    return search, capsys.readouterr().out


def test_nothing_by_default(capsys):
    assert said(capsys)[1] == ""


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_one_line_per_trial_with_the_best_so_far_and_the_pruned_count(capsys, n_jobs):
    search, out = said(capsys, verbose=1, pruner="successive_halving", n_jobs=n_jobs)
    first, *trials = out.splitlines()
    assert "each of 8 candidates, totalling 16 fits (sampler auto, per-epoch evaluation)" in first
    assert len(trials) == 8
    n_pruned = sum(search.cv_results_["state"] == "pruned")
    assert f"best so far {search.best_score_:.4f}; {n_pruned} pruned" in trials[-1]


@pytest.mark.parametrize("evaluator", ["whole-fit", "per-epoch"])
def test_folds_with_scores_at_three(capsys, evaluator):
    search, out = said(capsys, verbose=3, evaluator=evaluator, return_train_score=True)
    shown = re.findall(r"score=\(train=[\d.]+, test=([\d.]+)\)", out)
    folds = [search.cv_results_[f"split{index}_test_score"] for index in range(2)]
    expected = np.column_stack(folds).ravel()
    np.testing.assert_allclose([float(score) for score in shown], expected, atol=5e-4)
    assert out.count("alpha=") == 16
