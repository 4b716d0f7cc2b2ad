"""The dense module: shapes, skips by hand, initialization and the flow of gradients."""

import math

import pytest
import torch
from torch import nn

from sklearn_trainkit.neural_network.modules._dropout import SeededDropout, scaled_mask
from sklearn_trainkit.neural_network.modules._initialization import INITS, initialize_
from sklearn_trainkit.neural_network.modules._mlp_module import DenseLayer, MLPModule
from sklearn_trainkit.neural_network.modules._skip_connections import ResidualLayer

X = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("skip", [None, "add", "concat", "long"])
@pytest.mark.parametrize("norm", [None, "batch", "layer", "instance", "group", "rms"])
def test_every_norm_and_skip_gives_outputs_and_gradients(norm, skip):
    module = MLPModule(5, 3, hidden_units=(16, 8, 16), norm=norm, skip=skip, dropout=0.1)
    output = module(X)
    assert output.shape == (7, 3)
    output.sum().backward()
    assert all(p.grad is not None for p in module.parameters())


def test_residual_addition_by_hand():
    module = MLPModule(5, 3, hidden_units=(5, 8), activation="tanh", skip="add")
    first, second = module.hidden
    assert first.projection is None
    h = X + torch.tanh(first.layer[0](X))
    h = second.projection(h) + torch.tanh(second.layer[0](h))
    torch.testing.assert_close(module(X), module.output(h))


def test_dense_concatenation_by_hand():
    module = MLPModule(5, 3, hidden_units=(4, 6), activation="tanh", skip="concat")
    h = torch.cat([X, torch.tanh(module.hidden[0].layer[0](X))], 1)
    h = torch.cat([h, torch.tanh(module.hidden[1].layer[0](h))], 1)
    assert h.shape == (7, 5 + 4 + 6)
    torch.testing.assert_close(module(X), module.output(h))


def test_long_skips_by_hand():
    module = MLPModule(5, 3, hidden_units=(8, 4, 2, 4, 8), activation="identity", skip="long")
    layers = [layer[0] for layer in module.hidden.layers]
    a = layers[0](X)
    b = layers[1](a)
    h = layers[3](torch.cat([layers[2](b), b], 1))
    h = layers[4](torch.cat([h, a], 1))
    torch.testing.assert_close(module(X), module.output(h))


def test_no_bias_in_front_of_batch_norm():
    assert DenseLayer(3, 4, norm="batch")[0].bias is None
    assert DenseLayer(3, 4, norm="layer")[0].bias is not None


def test_no_hidden_layer_is_a_linear_model():
    module = MLPModule(5, 3, hidden_units=())
    torch.testing.assert_close(module(X), module.output(X))


def first_layer_gradient(skip):
    torch.manual_seed(0)
    module = MLPModule(
        16, 1, hidden_units=(16,) * 50, activation="tanh", skip=skip, init="xavier_uniform"
    )
    for layer in module.modules():  # small weights: each plain layer shrinks the gradient
        if isinstance(layer, nn.Linear):
            layer.weight.data.mul_(0.3)
    module(torch.randn(32, 16)).sum().backward()
    first = module.hidden[0]
    linear = first.layer[0] if isinstance(first, ResidualLayer) else first[0]
    return linear.weight.grad.norm().item()


def test_the_gradient_through_50_residual_layers_does_not_vanish_as_the_plain_stacks_does():
    assert first_layer_gradient(None) < 1e-12
    assert first_layer_gradient("add") > 1e-3


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"dropout": [0.1]}, r"dropout=\[0.1\] has 1 rates for 2 hidden layers"),
        ({"dropout": (0.1, 1.5)}, r"dropout must be in \[0, 1\)"),
        ({"skip": "long"}, r"skip='long'.*\(16, 8\)"),
        ({"norm": "group", "norm_groups": 3}, r"norm_groups=3 does not divide the 16"),
    ],
)
def test_what_cannot_be_built_is_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MLPModule(5, 3, hidden_units=(16, 8), **kwargs)


def test_dropout_keeps_the_mean_and_repeats_with_its_generator():
    dropout = SeededDropout(0.25)
    ones = torch.ones(200, 200)
    draws = []
    for _ in range(2):
        dropout.generator = torch.Generator().manual_seed(3)
        draws.append(dropout(ones))
    assert torch.equal(draws[0], draws[1])
    assert draws[0].unique().tolist() == pytest.approx([0.0, 4 / 3], rel=1e-4)
    assert draws[0].mean().item() == pytest.approx(1.0, abs=0.02)
    assert dropout.eval()(ones) is ones


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropped_entries_are_independent_and_as_many_as_asked_for(p):
    n = 1_000_000
    dropped = scaled_mask(torch.empty(n), p, torch.Generator().manual_seed(0)) == 0
    share = dropped.double().mean().item()
    assert share == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / n))
    for lag in (1, 2, 3, 4, 5):  # neighbours within and across the words of random bits
        both = (dropped[lag:] & dropped[:-lag]).double().mean().item()
        assert both == pytest.approx(p * p, abs=5 * math.sqrt(p * p * (1 - p * p) / n))


@pytest.mark.parametrize("shape", [(1,), (3,), (2, 5), (2, 3, 4)])
def test_masks_have_any_shape(shape):
    assert scaled_mask(torch.ones(shape, dtype=torch.float64), 0.5).shape == shape


STD = {
    "kaiming_normal": math.sqrt(2 / 400),
    "kaiming_uniform": math.sqrt(2 / 400),
    "lecun_normal": math.sqrt(1 / 400),
    "orthogonal": math.sqrt(2) / math.sqrt(400),
    "xavier_normal": math.sqrt(2) * math.sqrt(2 / (400 + 300)),
    "xavier_uniform": math.sqrt(2) * math.sqrt(2 / (400 + 300)),
    "default": 1 / math.sqrt(3 * 400),
}


@pytest.mark.parametrize("init", INITS)
def test_initial_weights_have_the_spread_of_their_paper(init):
    torch.manual_seed(0)
    layer = nn.Linear(400, 300)
    initialize_(layer, init, gain=math.sqrt(2))
    assert layer.weight.std().item() == pytest.approx(STD[init], rel=0.02)
    assert (layer.bias.abs().max().item() == 0) == (init != "default")


def test_a_callable_initializes_the_weight():
    layer = nn.Linear(4, 3)
    initialize_(layer, nn.init.ones_)
    assert torch.equal(layer.weight, torch.ones(3, 4))


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_predicting_in_place_changes_nothing_and_hides_nothing(activation):
    module = MLPModule(3, 2, hidden_units=(5, 4), activation=activation, skip="add").eval()
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    before = x.clone()
    expected = module(x).detach()
    with torch.inference_mode():
        assert torch.equal(module(x), expected)
    assert torch.equal(x, before)
    seen = []
    linear = next(layer for layer in module.modules() if isinstance(layer, torch.nn.Linear))
    linear.register_forward_hook(lambda layer, inputs, output: seen.append(output))
    with torch.inference_mode():
        assert torch.equal(module(x), expected)
    assert torch.equal(seen[0], torch.nn.functional.linear(x, linear.weight, linear.bias))
