import copy

import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sklearn_trainkit.neural_network.modules._recurrent_module import (
    CELLS,
    RecurrentLayer,
    RecurrentModule,
    make_cell,
)

LENGTHS = torch.tensor([7, 3, 1, 5])


def padded(n_steps=7, extra=0):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, n_steps, 3, dtype=torch.float64, generator=generator)
    x[torch.arange(n_steps) >= LENGTHS[:, None]] = torch.nan
    gap = torch.full((4, extra, 3), torch.nan, dtype=torch.float64)
    return torch.cat([x, gap], dim=1)


def make(seed=0, **params):
    torch.manual_seed(seed)
    return RecurrentModule(3, 2, **{"hidden_units": (6, 6), **params}).double()


class PackedReference(nn.Module):
    """Torch's own stacked, packed network with a linear output on its last states."""

    def __init__(self, kind, bidirectional, n_layers):
        super().__init__()
        self.rnn = kind(3, 6, n_layers, batch_first=True, bidirectional=bidirectional)
        self.output = nn.Linear(12 if bidirectional else 6, 2)

    def forward(self, x):
        packed = pack_padded_sequence(
            torch.nan_to_num(x), LENGTHS, batch_first=True, enforce_sorted=False
        )
        out, state = self.rnn(packed)
        state = state[0] if isinstance(state, tuple) else state
        n_directions = 2 if self.rnn.bidirectional else 1
        steps = pad_packed_sequence(out, batch_first=True)[0]
        return self.output(torch.cat(list(state[-n_directions:]), dim=1)), steps


def take_weights(module, reference):
    for index, layer in enumerate(module.layers):
        for cell, suffix in ((layer.forwards, ""), (layer.backwards, "_reverse")):
            if cell is not None:
                for name, parameter in cell.named_parameters():
                    other = name.replace("l0", f"l{index}") + suffix
                    parameter.data = getattr(reference.rnn, other).data
    module.output.load_state_dict(reference.output.state_dict())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_it_equals_torchs_packed_network(cell, bidirectional):
    reference = PackedReference(CELLS[cell], bidirectional, 2).double()
    module = make(cell=cell, bidirectional=bidirectional)
    take_weights(module, reference)
    assert sum(p.numel() for p in module.parameters()) == sum(
        p.numel() for p in reference.parameters()
    )
    wanted, steps = reference(padded())
    assert_allclose(module(padded()).detach(), wanted.detach(), atol=1e-12)
    module.pooling = "mean"
    there = (torch.arange(7) < LENGTHS[:, None])[..., None]
    mean = (steps * there).sum(1) / LENGTHS[:, None]
    assert_allclose(module(padded()).detach(), reference.output(mean).detach(), atol=1e-12)
    module.pooling = "max"
    largest = torch.where(there, steps, -torch.inf).amax(1)
    assert_allclose(module(padded()).detach(), reference.output(largest).detach(), atol=1e-12)


ARCHITECTURES = [
    {},
    {"bidirectional": True},
    {"cell": "gru", "bidirectional": True, "norm": "layer", "skip": "add"},
    {"cell": "tanh", "pooling": "mean", "norm": "rms", "hidden_units": (5, 7), "skip": "add"},
    {"cell": "gru", "pooling": "max", "bidirectional": True},
    {"pooling": None, "bidirectional": True, "norm": "layer"},
]


@pytest.mark.parametrize("params", ARCHITECTURES)
def test_neither_padding_nor_neighbours_change_a_sequence(params):
    module = make(**params)
    together, wider = module(padded()), module(padded(extra=4))
    for index, length in enumerate(LENGTHS):
        alone = module(padded()[index : index + 1, :length])[0]
        for batch in (together, wider):
            out = batch[index, :length] if params.get("pooling", "") is None else batch[index]
            assert_allclose(out.detach(), alone.detach(), atol=1e-12)


@pytest.mark.parametrize("params", ARCHITECTURES)
def test_gradients_are_those_of_the_sequences_alone(params):
    module = make(**params)
    module(padded(extra=3)).square().sum().backward()
    together = [p.grad.clone() for p in module.parameters()]
    module.zero_grad()
    for index, length in enumerate(LENGTHS):
        out = module(padded()[index : index + 1, :length])
        out.square().sum().backward()
    # Without pooling the padded steps give zeros, whose squares have no gradient.
    for ours, theirs in zip(together, [p.grad for p in module.parameters()], strict=True):
        assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_step_sees_the_future_in_both_directions_only(bidirectional):
    module = make(pooling=None, bidirectional=bidirectional)
    x = torch.randn(1, 6, 3, dtype=torch.float64)
    changed = x.clone()
    changed[0, 4:] += 1.0
    same = torch.equal(module(x)[0, :4], module(changed)[0, :4])
    assert same is not bidirectional


def test_padded_steps_give_zeros_without_pooling():
    out = make(pooling=None)(padded(extra=2))
    assert out.shape == (4, 9, 2)
    assert (out[torch.arange(9) >= LENGTHS[:, None]] == 0).all()


def test_a_layer_is_cell_norm_dropout_and_its_input_added():
    torch.manual_seed(0)
    layer = RecurrentLayer(3, 3, cell="gru", norm="layer", skip="add", dropout=0.5)
    assert layer.projection is None
    x = torch.randn(2, 5, 3)
    layer.eval()
    wanted = x + nn.functional.layer_norm(layer.forwards(x)[0], (3,))
    assert_allclose(layer(x).detach(), wanted.detach(), atol=1e-6)
    layer.train()
    added = (layer(x) - x).detach()
    assert 0 < (added == 0).sum() < added.numel()


def test_the_projection_meets_a_change_of_width():
    layer = RecurrentLayer(3, 4, skip="add", bidirectional=True)
    assert layer.projection.weight.shape == (8, 3)
    assert layer.projection.bias is None


def test_recurrent_weights_are_orthogonal_and_forget_gates_open():
    torch.manual_seed(0)
    lstm = make_cell("lstm", 3, 8, "xavier_uniform")
    for gate in lstm.weight_hh_l0.split(8):
        assert_allclose((gate @ gate.T).detach(), torch.eye(8), atol=1e-5)
    bound = (6 / (3 + 8)) ** 0.5
    assert 0.9 * bound < lstm.weight_ih_l0.abs().max() <= bound
    bias = (lstm.bias_ih_l0 + lstm.bias_hh_l0).tolist()
    assert bias == [0.0] * 8 + [1.0] * 8 + [0.0] * 16


def test_a_callable_fills_all_weights_of_a_cell():
    cell = make_cell("tanh", 3, 4, lambda w: nn.init.constant_(w, 0.5))
    assert (cell.weight_ih_l0 == 0.5).all()
    assert (cell.weight_hh_l0 == 0.5).all()
    assert (cell.bias_ih_l0 == 0).all()


def test_default_init_is_torchs_own():
    torch.manual_seed(3)
    ours = make_cell("gru", 3, 4, "default")
    torch.manual_seed(3)
    theirs = nn.GRU(3, 4)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)


def test_input_may_be_read_only_and_stays_as_it_is():
    x = padded()
    kept = copy.deepcopy(x)
    make(bidirectional=True, standardize_X=True)(x)
    assert torch.equal(torch.nan_to_num(x), torch.nan_to_num(kept))
