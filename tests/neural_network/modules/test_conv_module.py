"""Convolutional modules against hand-written torch references with the same weights."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from sklearn_trainkit.neural_network.modules._conv_blocks import ConvStyle
from sklearn_trainkit.neural_network.modules._conv_module import ConvModule
from sklearn_trainkit.neural_network.modules._normalization import NORMS


def conv(n_in, n_out, size=3, stride=1):
    return nn.Conv2d(n_in, n_out, size, stride, size // 2, bias=False)


class BasicBlock(nn.Module):
    """He et al. 2016, for small images."""

    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.conv1, self.bn1 = conv(n_in, n_out, stride=stride), nn.BatchNorm2d(n_out)
        self.conv2, self.bn2 = conv(n_out, n_out), nn.BatchNorm2d(n_out)
        self.shortcut = None
        if stride != 1 or n_in != n_out:
            self.shortcut = nn.Sequential(conv(n_in, n_out, 1, stride), nn.BatchNorm2d(n_out))

    def forward(self, x):
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class ResNet8(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = conv(3, 16), nn.BatchNorm2d(16)
        self.blocks = nn.Sequential(
            BasicBlock(16, 16, 1), BasicBlock(16, 32, 2), BasicBlock(32, 64, 2)
        )
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = self.blocks(functional.relu(self.bn(self.conv(x))))
        return self.linear(x.mean(dim=(2, 3)))


class DenseNet10(nn.Module):
    """Huang et al. 2017: 3 blocks of 2 layers, growth 12, compression by one half."""

    def __init__(self):
        super().__init__()
        self.conv = conv(3, 24)
        modules, width = [], 24
        for block in range(3):
            for _ in range(2):
                modules.append(nn.ModuleList([nn.BatchNorm2d(width), conv(width, 12)]))
                width += 12
            if block < 2:
                modules.append(nn.ModuleList([nn.BatchNorm2d(width), conv(width, width // 2, 1)]))
                width //= 2
        self.steps = nn.ModuleList(modules)
        self.bn = nn.BatchNorm2d(width)
        self.linear = nn.Linear(width, 10)

    def forward(self, x):
        x = self.conv(x)
        for norm, convolution in self.steps:
            y = convolution(functional.relu(norm(x)))
            if convolution.kernel_size == (1, 1):
                x = functional.avg_pool2d(y, 2)
            else:
                x = torch.cat([x, y], dim=1)
        return self.linear(functional.relu(self.bn(x)).mean(dim=(2, 3)))


def take_weights(module, reference):
    """Copy the reference's tensors in order of appearance; both define them in that order."""
    ours, theirs = module.state_dict(), reference.state_dict()
    assert [t.shape for t in ours.values()] == [t.shape for t in theirs.values()]
    module.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))


REFERENCES = {
    "resnet": (
        ResNet8,
        {
            "channels": (16, 32, 64),
            "n_blocks": (1, 1, 1),
            "skip": "add",
            "downsample": "stride",
        },
    ),
    "densenet": (
        DenseNet10,
        {
            "channels": (24, 24, 24),
            "n_blocks": (2, 2, 2),
            "skip": "concat",
            "growth_rate": 12,
            "downsample": "average_pool",
        },
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_a_network_from_the_papers_equals_its_hand_written_reference(name):
    make_reference, params = REFERENCES[name]
    torch.manual_seed(0)
    reference = make_reference().double()
    module = ConvModule(3, 10, style=ConvStyle(), **params).double()
    assert sum(p.numel() for p in module.parameters()) == sum(
        p.numel() for p in reference.parameters()
    )
    take_weights(module, reference)
    images = torch.randn(6, 3, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(module(images), reference(images), rtol=1e-10, atol=1e-10)
    module.eval(), reference.eval()
    torch.testing.assert_close(module(images), reference(images), rtol=1e-10, atol=1e-10)


def test_plain_stages_are_convolution_norm_activation_pool():
    torch.manual_seed(0)
    module = ConvModule(1, 3, channels=(4, 8), n_blocks=(1, 2), style=ConvStyle()).double()
    x = torch.randn(5, 1, 7, 7, dtype=torch.float64)
    (conv1, bn1), (conv2, bn2), (conv3, bn3) = [
        (c, b)
        for c, b in zip(
            [m for m in module.modules() if isinstance(m, nn.Conv2d)],
            [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)],
            strict=True,
        )
    ]
    h = functional.relu(bn1(conv1(x)))
    h = functional.max_pool2d(h, 2, ceil_mode=True)
    h = functional.relu(bn3(conv3(functional.relu(bn2(conv2(h))))))
    wanted = module.head[-1](h.mean(dim=(2, 3)))
    torch.testing.assert_close(module(x), wanted)


@pytest.mark.parametrize("skip", [None, "add", "concat"])
@pytest.mark.parametrize("downsample", ["max_pool", "average_pool", "stride"])
@pytest.mark.parametrize("size", [(4, 4), (5, 9), (1, 13)])
def test_stages_round_odd_sizes_up(skip, downsample, size):
    module = ConvModule(
        2, 3, channels=(4, 6, 8), n_blocks=(1, 1, 1), skip=skip, downsample=downsample
    )
    assert module(torch.randn(2, 2, *size)).shape == (2, 3)
    assert module.stages(torch.randn(2, 2, *size)).shape[2:] == tuple(-(-s // 4) for s in size)


def test_without_pooling_the_output_layer_sees_every_position():
    module = ConvModule(1, 2, channels=(4, 6), n_blocks=(1, 1), pooling=None, image_size=(5, 7))
    x = torch.randn(3, 1, 5, 7)
    wanted = module.head[-1](module.stages(x).flatten(1))
    assert module.head[-1].in_features == 6 * 3 * 4
    torch.testing.assert_close(module(x), wanted)


@pytest.mark.parametrize("norm", [*NORMS, None])
def test_only_batch_norm_makes_a_bias_superfluous(norm):
    module = ConvModule(1, 2, channels=(8,), n_blocks=(1,), style=ConvStyle(norm=norm))
    biases = [m.bias is not None for m in module.modules() if isinstance(m, nn.Conv2d)]
    assert biases == [norm != "batch"]


def gradient_ratio(skip):
    """First stage's gradient over the last stage's, in a deep stack with saturating units."""
    torch.manual_seed(0)
    style = ConvStyle(activation="tanh", norm=None)
    module = ConvModule(
        1, 2, channels=(8,), n_blocks=(30,), style=style, skip=skip, pooling="average"
    )
    module(torch.randn(8, 1, 6, 6)).square().sum().backward()
    convs = [m.weight.grad.norm() for m in module.modules() if isinstance(m, nn.Conv2d)]
    return float(convs[1] / convs[-1])


def test_residual_stacks_keep_the_gradient_that_plain_ones_lose():
    assert gradient_ratio(None) < 1e-3
    assert gradient_ratio("add") > 0.1
