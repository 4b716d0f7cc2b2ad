import numpy as np
import pytest

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
