"""What reaches compiled code, which looks nothing up twice, fits the network."""

import pytest
import torch

from sklearn_trainkit.neural_network.batches._tensor_loader import TensorRows
from sklearn_trainkit.neural_network.compiled._network import _as_arrays
from sklearn_trainkit.neural_network.stacking._stacked_layers import NotStackableError

X = torch.zeros(4, 2)


@pytest.mark.parametrize(
    ("y", "weight", "has_codes"),
    [
        (torch.tensor([0, 1, 2, 3]), None, True),
        (torch.tensor([0, 1, -1, 2]), None, True),
        (torch.tensor([0, 1, 2]), None, True),
        (torch.tensor([[0], [1], [2], [0]]), None, True),
        (torch.tensor([0.0, 1.0, 2.0, 0.0]), None, True),
        (torch.zeros(4, 2), None, False),
        (torch.zeros(4), None, False),
        (torch.zeros(4, 3), torch.ones(4, 2), False),
    ],
)
def test_targets_that_do_not_fit_are_refused(y, weight, has_codes):
    with pytest.raises(NotStackableError, match="do not fit a network with 3 outputs"):
        _as_arrays(TensorRows(X, y, weight), torch.float32, has_codes, 3)


def test_samples_of_another_type_are_refused():
    rows = TensorRows(X.to(torch.uint8), torch.zeros(4, 3))
    with pytest.raises(NotStackableError, match=r"of torch.uint8, the weights of torch.float32"):
        _as_arrays(rows, torch.float32, False, 3)


def test_everything_arrives_contiguous_and_in_the_type_of_the_weights():
    y, weight = torch.zeros(3, 4, dtype=torch.float64).T, torch.ones(4, dtype=torch.float64)
    arrays = _as_arrays(TensorRows(torch.zeros(2, 4).T, y, weight), torch.float32, False, 3)
    assert [array.shape for array in arrays] == [(4, 2), (0,), (4, 3), (4, 1)]
    assert all(array.flags.c_contiguous and array.flags.writeable for array in arrays)
    assert {str(array.dtype) for array in arrays} == {"float32", "int64"}
