"""Outer, inner and fresh folds: disjoint, stratified or grouped, and repeatable by their seed."""

import numpy as np
import pytest
from sklearn.model_selection import KFold, ShuffleSplit

from sklearn_trainkit.comparison._splits import Splits, draw_folds

N_ROWS = 120
X = np.arange(N_ROWS).reshape(-1, 1)
Y = np.repeat([0, 1], [90, 30])
GROUPS = np.arange(N_ROWS) // 4


def draw(cv=3, outer_cv=None, test_size=0.25, stratify=True, y=Y, groups=None, seed=0):
    return list(draw_folds(Splits(cv, outer_cv, test_size, stratify), X, y, groups, seed=seed))


@pytest.mark.parametrize("groups", [None, GROUPS], ids=["rows", "groups"])
@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize("outer_cv", [None, 4])
def test_every_fold_splits_its_rows_in_two(outer_cv, stratify, groups):
    folds = draw(outer_cv=outer_cv, stratify=stratify, groups=groups)
    assert len(folds) == (outer_cv or 1)
    for fold in folds:
        np.testing.assert_array_equal(np.sort(np.r_[fold.train, fold.test]), np.arange(N_ROWS))
        for splits in (fold.inner, fold.fresh):
            assert len(splits) == 3
            for train, test in splits:
                every = np.sort(np.r_[train, test])
                np.testing.assert_array_equal(every, np.arange(len(fold.train)))


@pytest.mark.parametrize("outer_cv", [None, 4])
def test_classes_keep_their_shares(outer_cv):
    for fold in draw(outer_cv=outer_cv):
        assert Y[fold.test].mean() == pytest.approx(0.25, abs=0.02)
        for _, test in fold.inner:
            assert Y[fold.train][test].mean() == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize("outer_cv", [None, 4])
def test_no_group_is_on_both_sides(outer_cv, stratify):
    for fold in draw(outer_cv=outer_cv, stratify=stratify, groups=GROUPS):
        assert not set(GROUPS[fold.train]) & set(GROUPS[fold.test])
        inner_groups = GROUPS[fold.train]
        for train, test in (*fold.inner, *fold.fresh):
            assert not set(inner_groups[train]) & set(inner_groups[test])


def test_targets_that_are_not_classes_are_not_stratified():
    multilabel = np.c_[Y, 1 - Y]
    assert len(draw(y=multilabel)[0].inner) == 3
    assert len(draw(y=np.linspace(0, 1, N_ROWS))[0].inner) == 3


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_seed_repeats_its_folds_and_another_seed_has_others():
    [first], [again], [other] = draw(seed=5), draw(seed=5), draw(seed=6)
    assert same((first.train, first.test), (again.train, again.test))
    assert all(same(a, b) for a, b in zip(first.inner, again.inner, strict=True))
    assert all(same(a, b) for a, b in zip(first.fresh, again.fresh, strict=True))
    assert not same((first.train, first.test), (other.train, other.test))
    assert not any(same(a, b) for a, b in zip(first.inner, first.fresh, strict=True))


def test_a_splitters_own_seed_stays_and_a_missing_one_is_given():
    own = [draw(cv=ShuffleSplit(2, random_state=1), seed=seed)[0].inner for seed in (0, 0)]
    assert same(own[0][0], own[1][0])
    unseeded = ShuffleSplit(2)
    given = [draw(cv=unseeded, seed=seed)[0].inner for seed in (0, 0)]
    assert same(given[0][0], given[1][0])
    assert unseeded.random_state is None


def test_a_splitter_without_randomness_has_no_fresh_folds():
    assert draw(cv=KFold(3))[0].fresh == ()
    assert len(draw(cv=KFold(3, shuffle=True, random_state=0))[0].fresh) == 3
