"""Normalization layers of several networks at once, for dense features (m, N, C)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from sklearn_trainkit.neural_network.modules._normalization import FeatureInstanceNorm
from sklearn_trainkit.neural_network.stacking._stacked_layers import (
    MemberTensors,
    NotStackableError,
    StackedLayer,
    check_alike,
    stacks,
)

_aten = torch.ops.aten


@stacks(nn.BatchNorm1d)
class StackedBatchNorm(StackedLayer):
    """m networks of C features are one network of m * C: (m, N, C) becomes (N, m * C)."""

    kept = ("_x", "_batch_mean", "_batch_invstd")

    def __init__(self, layers: Sequence[nn.BatchNorm1d], tensors: MemberTensors) -> None:
        check_alike(layers)
        first = layers[0]
        if first.momentum is None or not first.track_running_stats:
            raise NotStackableError("BatchNorm1d without a momentum or running statistics")
        self._momentum, self._eps = first.momentum, first.eps
        self._mean = tensors.buffer(layers, "running_mean").view(-1)
        self._var = tensors.buffer(layers, "running_var").view(-1)
        self._count = tensors.buffer(layers, "num_batches_tracked")
        self._affine = first.affine
        if self._affine:
            self._scale, self._scale_gradient = tensors.parameter(layers, "weight")
            self._shift, self._shift_gradient = tensors.parameter(layers, "bias")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._count.add_(1)
        n_networks, n_rows, n_features = x.shape
        self._x = x.transpose(0, 1).reshape(n_rows, -1)
        self._weight = self._scale.reshape(-1) if self._affine else None
        shift = self._shift.reshape(-1) if self._affine else None
        y, self._batch_mean, self._batch_invstd = torch.native_batch_norm(
            self._x, self._weight, shift, self._mean, self._var, True, self._momentum, self._eps
        )
        return y.view(n_rows, n_networks, n_features).transpose(0, 1)

    def backward(self, gradient: torch.Tensor, needs_input: bool) -> torch.Tensor | None:
        n_networks, n_rows, n_features = gradient.shape
        inner, scale, shift = _aten.native_batch_norm_backward.default(
            gradient.transpose(0, 1).reshape(n_rows, -1),
            self._x,
            self._weight,
            self._mean,
            self._var,
            self._batch_mean,
            self._batch_invstd,
            True,
            self._eps,
            [needs_input, self._affine, self._affine],
        )
        if self._affine:
            self._scale_gradient.copy_(scale.view(n_networks, n_features))
            self._shift_gradient.copy_(shift.view(n_networks, n_features))
        if not needs_input:
            return None
        return inner.view(n_rows, n_networks, n_features).transpose(0, 1)


class _ScaleAndShift:
    """What normalizations learn: a scale, and perhaps a shift, per network and feature."""

    def __init__(self, layers: Sequence[Any], tensors: MemberTensors) -> None:
        self._weight = self._bias = None
        if layers[0].weight is not None:
            weight, self._weight_gradient = tensors.parameter(layers, "weight")
            self._weight = weight.unsqueeze(1)
        if getattr(layers[0], "bias", None) is not None:
            bias, self._bias_gradient = tensors.parameter(layers, "bias")
            self._bias = bias.unsqueeze(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._x = x
        if self._weight is None:
            return x
        if self._bias is None:
            return x * self._weight
        return torch.addcmul(self._bias, x, self._weight)

    def forget(self) -> None:
        vars(self).pop("_x", None)

    def backward(self, gradient: torch.Tensor) -> torch.Tensor:
        if self._bias is not None:
            torch.sum(gradient, 1, out=self._bias_gradient)
        if self._weight is None:
            return gradient
        torch.sum(gradient * self._x, 1, out=self._weight_gradient)
        return gradient * self._weight


@stacks(nn.LayerNorm, nn.GroupNorm, FeatureInstanceNorm)
class StackedLayerNorm(StackedLayer):
    """Mean 0 and variance 1 over groups of a row's features; layer norm has one group."""

    kept = ("_x", "_row_mean", "_row_rstd")

    def __init__(self, layers: Sequence[Any], tensors: MemberTensors) -> None:
        check_alike(layers)
        first = layers[0]
        if isinstance(first, nn.LayerNorm) and len(first.normalized_shape) != 1:
            raise NotStackableError(f"LayerNorm over {first.normalized_shape}")
        self._n_groups = getattr(first, "num_groups", 1)
        self._eps = first.eps
        self._learnt = None
        if not isinstance(first, FeatureInstanceNorm):
            self._learnt = _ScaleAndShift(layers, tensors)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape = x.shape
        if self._n_groups > 1:
            x = x.reshape(*shape[:-1], self._n_groups, -1)
        self._x, self._width = x, [x.shape[-1]]
        y, self._row_mean, self._row_rstd = torch.native_layer_norm(
            x, self._width, None, None, self._eps
        )
        y = y.view(shape)
        return y if self._learnt is None else self._learnt.forward(y)

    def backward(self, gradient: torch.Tensor, needs_input: bool) -> torch.Tensor | None:
        shape = gradient.shape
        if self._learnt is not None:
            gradient = self._learnt.backward(gradient)
        if not needs_input:
            return None
        inner = _aten.native_layer_norm_backward.default(
            gradient.reshape(self._x.shape),
            self._x,
            self._width,
            self._row_mean,
            self._row_rstd,
            None,
            None,
            [True, False, False],
        )[0]
        return inner.view(shape)


@stacks(nn.RMSNorm)
class StackedRMSNorm(StackedLayer):
    """Root mean square 1 over a row's features."""

    kept = ("_y", "_scale")

    def __init__(self, layers: Sequence[nn.RMSNorm], tensors: MemberTensors) -> None:
        check_alike(layers)
        if len(layers[0].normalized_shape) != 1:
            raise NotStackableError(f"RMSNorm over {layers[0].normalized_shape}")
        self._eps = layers[0].eps
        self._learnt = _ScaleAndShift(layers, tensors)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        eps = torch.finfo(x.dtype).eps if self._eps is None else self._eps
        self._scale = torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + eps)
        self._y = x * self._scale
        return self._learnt.forward(self._y)

    def backward(self, gradient: torch.Tensor, needs_input: bool) -> torch.Tensor | None:
        gradient = self._learnt.backward(gradient)
        if not needs_input:
            return None
        along = (gradient * self._y).mean(dim=-1, keepdim=True)
        return torch.addcmul(gradient, self._y, along, value=-1.0).mul_(self._scale)
