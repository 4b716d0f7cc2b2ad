"""New weights of a network that knows its data are those with which a fit on them begins."""

import pytest
import torch

from tests.neural_network.every_net import KINDS, make_net


@pytest.mark.parametrize("way", ["initialize", "initialize_module"])
@pytest.mark.parametrize("kind", KINDS)
def test_new_weights_are_those_that_a_fit_begins_with(kind, way):
    net, X, y = make_net(kind)
    net.fit(50 * X + 1000, y)  # far from standardized
    getattr(net, way)()
    begun, _, _ = make_net(kind)
    begun.start_fit(50 * X + 1000, y)
    torch.testing.assert_close(net.module_.state_dict(), begun.module_.state_dict(), atol=0, rtol=0)
