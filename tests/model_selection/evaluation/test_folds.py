"""Splits are drawn once, checked, and never cost the user his own objects."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, PredefinedSplit, StratifiedKFold

from sklearn_trainkit.model_selection.evaluation._folds import freeze_folds, make_splitter

ANY = Ridge()
X, y = np.arange(24.0).reshape(12, 2), np.arange(12) % 2


def freeze(splitter, **params):
    arguments = {"split_params": {}, "fit_params": {}, "score_params": {}} | params
    return freeze_folds(splitter, X, y, **arguments)


def test_rows_and_arguments_are_cut_alike():
    folds = freeze(KFold(3), fit_params={"sample_weight": X[:, 0], "flag": True})
    for index, (train, test) in enumerate(KFold(3).split(X)):
        X_train, _, _, y_test = folds.cut(ANY, index)
        np.testing.assert_array_equal(X_train, X[train])
        np.testing.assert_array_equal(y_test, y[test])
        np.testing.assert_array_equal(folds.folds[index].fit_params["sample_weight"], X[train, 0])
        assert folds.folds[index].fit_params["flag"] is True
        assert not np.shares_memory(X_train, X)


@pytest.mark.parametrize("cv", [KFold(3, shuffle=True), StratifiedKFold(3, shuffle=True)])
def test_an_unseeded_shuffle_takes_the_seed_of_the_search(cv):
    def tests_of(seed):
        folds = freeze(make_splitter(cv, y, classifier=True, seed=seed))
        return [fold.test.tolist() for fold in folds.folds]

    assert tests_of(3) == tests_of(3)
    assert tests_of(3) != tests_of(4)
    assert cv.random_state is None


def test_a_seeded_or_orderly_splitter_is_left_alone():
    for cv in (KFold(3), KFold(3, shuffle=True, random_state=1)):
        assert make_splitter(cv, y, classifier=False, seed=5) is cv


def test_an_empty_part_is_refused():
    cv = [(np.arange(12), np.array([], dtype=int))]
    with pytest.raises(ValueError, match="split 0 has no test rows"):
        freeze(make_splitter(cv, y, classifier=False, seed=None))


def test_masks_count_as_rows():
    mask = np.arange(12) < 6
    folds = freeze(make_splitter([(mask, ~mask)], y, classifier=False, seed=None))
    assert len(folds.cut(ANY, 0)[0]) == 6


def test_predefined_split():
    assert len(freeze(PredefinedSplit(np.arange(12) % 4))) == 4
