"""Normalization layers against the formulas by hand and against torch."""

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_trainkit.neural_network.modules._normalization import group_count, make_norm

EPS = 1e-5


@pytest.fixture
def rows():
    return torch.from_numpy(np.random.default_rng(0).normal(2.0, 3.0, (10, 12)))


@pytest.fixture
def images():
    return torch.from_numpy(np.random.default_rng(1).normal(2.0, 3.0, (5, 8, 4, 6)))


def standardized(x, axes):
    mean = x.mean(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(x.var(axis=axes, keepdims=True) + EPS)


def test_batch_norm_uses_the_batch_when_training_and_running_estimates_when_evaluating(rows):
    layer = make_norm("batch", 12).double()
    x = rows.numpy()
    np.testing.assert_allclose(layer(rows).detach().numpy(), standardized(x, 0))
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.1 * x.mean(0))
    np.testing.assert_allclose(layer.running_var.numpy(), 0.9 + 0.1 * x.var(0, ddof=1))
    layer.eval()
    expected = (x - 0.1 * x.mean(0)) / np.sqrt(0.9 + 0.1 * x.var(0, ddof=1) + EPS)
    np.testing.assert_allclose(layer(rows).detach().numpy(), expected)


def test_batch_norm_of_images_has_one_statistic_per_channel(images):
    layer = make_norm("batch", 8, n_dims=2).double()
    np.testing.assert_allclose(
        layer(images).detach().numpy(), standardized(images.numpy(), (0, 2, 3))
    )


def test_layer_norm_is_per_sample_and_does_not_see_the_batch(rows):
    layer = make_norm("layer", 12).double()
    whole = layer(rows).detach()
    np.testing.assert_allclose(whole.numpy(), standardized(rows.numpy(), 1))
    torch.testing.assert_close(layer(rows[3:4]).detach(), whole[3:4])


def test_layer_norm_of_images_is_over_channels_and_pixels(images):
    layer = make_norm("layer", 8, n_dims=2).double()
    np.testing.assert_allclose(
        layer(images).detach().numpy(), standardized(images.numpy(), (1, 2, 3))
    )


def test_instance_norm_of_images_is_per_channel_and_sample_without_affine(images):
    layer = make_norm("instance", 8, n_dims=2)
    assert not list(layer.parameters())
    np.testing.assert_allclose(layer(images).numpy(), standardized(images.numpy(), (2, 3)))


def test_instance_norm_of_features_is_per_sample_without_affine(rows):
    layer = make_norm("instance", 12)
    assert not list(layer.parameters())
    expected = nn.InstanceNorm1d(1)(rows[:, None, :])[:, 0]
    torch.testing.assert_close(layer(rows), expected)


def test_one_group_is_layer_norm(rows, images):
    for x, n_channels, n_dims in [(rows, 12, 1), (images, 8, 2)]:
        group = make_norm("group", n_channels, n_groups=1, n_dims=n_dims).double()
        layer = make_norm("layer", n_channels, n_dims=n_dims).double()
        torch.testing.assert_close(group(x), layer(x))


def test_one_group_a_channel_is_instance_norm(images):
    group = make_norm("group", 8, n_groups=8, n_dims=2).double()
    torch.testing.assert_close(group(images), make_norm("instance", 8, n_dims=2)(images))


def test_group_norm_by_hand(rows):
    layer = make_norm("group", 12, n_groups=3).double()
    expected = standardized(rows.numpy().reshape(10, 3, 4), 2).reshape(10, 12)
    np.testing.assert_allclose(layer(rows).detach().numpy(), expected)


@pytest.mark.parametrize("n_dims", [1, 2])
def test_rms_norm_divides_by_the_root_mean_square(rows, images, n_dims):
    x = rows if n_dims == 1 else images
    axes = tuple(range(1, x.ndim))
    layer = make_norm("rms", x.shape[1], n_dims=n_dims).double()
    expected = x.numpy() / np.sqrt((x.numpy() ** 2).mean(axes, keepdims=True))
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-5)


def test_group_count_errors_name_parameter_and_value():
    with pytest.raises(ValueError, match=r"norm_groups=16 is more than the 8 channels"):
        group_count(8, 16)
    with pytest.raises(ValueError, match=r"norm_groups=5 does not divide the 8 .*\[1, 2, 4, 8\]"):
        group_count(8, 5)
    with pytest.raises(ValueError, match=r"norm_groups=8 leaves one feature per group"):
        group_count(8, 8)
    assert group_count(8, 8, n_dims=2) == 8


@pytest.mark.parametrize(("width", "groups"), [(4, 1), (16, 2), (48, 6), (512, 32), (7, 1)])
def test_auto_groups_leave_at_least_eight_channels(width, groups):
    assert group_count(width, "auto") == groups
