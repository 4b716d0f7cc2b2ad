"""What numpy masks is not read as if it were there."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.neural_network.every_net import KINDS, answers, make_net


@pytest.mark.parametrize("kind", KINDS)
def test_masked_entries_are_refused_not_read(kind):
    net, X, y = make_net(kind)
    masked_X = np.ma.masked_array(X, X > 1)
    masked_y = np.ma.masked_array(y, np.arange(y.size).reshape(y.shape) == 3)
    with pytest.raises(ValueError, match="X is a masked array, and"):
        net.fit(masked_X, y)
    with pytest.raises(ValueError, match="y is a masked array, and 1 of its"):
        net.fit(X, masked_y)
    with pytest.raises(ValueError, match="sample_weight is a masked array, and 1 of its"):
        net.fit(X, y, np.ma.masked_array(np.ones(len(X)), np.arange(len(X)) == 3))
    net.fit(X, y)
    with pytest.raises(ValueError, match="X is a masked array, and"):
        net.predict(masked_X)
    with pytest.raises(ValueError, match="y is a masked array, and 1 of its"):
        net.partial_fit(X, masked_y)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_that_hides_nothing_changes_nothing(kind):
    net, X, y = make_net(kind)
    wanted = answers(net.fit(X, y), X)
    same = net.fit(np.ma.masked_array(X), np.ma.masked_array(y))
    assert_array_equal(answers(same, np.ma.masked_array(X)), wanted)
