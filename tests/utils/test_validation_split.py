import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from sklearn_trainkit.utils._validation_split import validation_split

GROUPS = np.repeat(np.arange(20), 5)
CODES = np.tile([0, 1, 0, 1, 1], 20)


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("stratify", [None, CODES])
def test_groups_stay_together_and_the_share_is_near(fraction, stratify):
    train, valid = validation_split(100, fraction, 0, stratify, GROUPS)
    assert not set(GROUPS[train]) & set(GROUPS[valid])
    assert sorted([*train, *valid]) == list(range(100))
    assert abs(len(valid) / 100 - fraction) <= 0.06


def test_classes_keep_their_shares():
    _, valid = validation_split(100, 0.2, 0, CODES)
    assert CODES[valid].mean() == CODES.mean()


@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32 - 1),
    stratify=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_every_class_is_trained_on_and_some_row_is_set_aside(sizes, fraction, seed, stratify):
    classes = np.repeat(np.array(list("abcdef"))[: len(sizes)], sizes)
    if max(sizes) == 1:
        message = "single row" if len(sizes) > 1 else "of 1 rows none"
        with pytest.raises(ValueError, match=message):
            validation_split(len(classes), fraction, seed, classes, stratify=stratify)
        return
    train, valid = validation_split(len(classes), fraction, seed, classes, stratify=stratify)
    assert sorted([*train, *valid]) == list(range(len(classes)))
    assert set(classes[train]) == set(classes)
    assert 1 <= len(valid) <= np.ceil(fraction * len(classes))


@given(
    kinds=st.lists(st.sets(st.integers(0, 3), min_size=1), min_size=2, max_size=7),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32 - 1),
    stratify=st.booleans(),
)
@example(kinds=[{0}, {0, 1}, {0, 2}, {1, 3}], fraction=0.1, seed=0, stratify=True)
@example(kinds=[{0, 1, 2}, {0}, {1}], fraction=0.5, seed=0, stratify=True)
@settings(max_examples=150, deadline=None)
def test_groups_that_a_class_needs_are_trained_on(kinds, fraction, seed, stratify):
    """`kinds` are the classes of each group."""
    groups = np.repeat(np.arange(len(kinds)), [len(classes) for classes in kinds])
    classes = np.concatenate([sorted(classes) for classes in kinds])
    may_be_spared = [
        all(any(c in other for j, other in enumerate(kinds) if j != i) for c in kinds[i])
        for i in range(len(kinds))
    ]
    if not any(may_be_spared):
        with pytest.raises(ValueError, match="groups can be set aside whole"):
            validation_split(len(groups), fraction, seed, classes, groups, stratify=stratify)
        return
    train, valid = validation_split(len(groups), fraction, seed, classes, groups, stratify=stratify)
    assert sorted([*train, *valid]) == list(range(len(groups)))
    assert not set(groups[train]) & set(groups[valid])
    assert set(classes[train]) == set(classes)
    assert len(valid)


def test_a_split_that_always_worked_is_scikit_learns():
    expected = train_test_split(np.arange(100), test_size=0.13, random_state=5, stratify=CODES)
    for found, wanted in zip(validation_split(100, 0.13, 5, CODES), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_rows_with_several_labels_are_classes_as_a_whole():
    labels = np.array([["a", "x"], ["a", "y"], ["a", "x"], ["a", "x"]])
    for seed in range(10):
        train, _ = validation_split(4, 0.5, seed, labels)
        assert 1 in train
