"""Targets for each step of a sequence: checks, loss and score, over steps with a target only."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.metrics import r2_score
from torch import nn

from sklearn_trainkit.neural_network.batches._input_lists import as_list
from sklearn_trainkit.neural_network.batches._tensor_loader import IN_TRAINING_UNITS, Rows
from sklearn_trainkit.neural_network.modules._losses import REGRESSION_LOSSES
from sklearn_trainkit.neural_network.sequences._sequence_checks import (
    joined_sequences,
    step_counts,
    true_steps,
)
from sklearn_trainkit.neural_network.targets._numbers import Numbers, as_numbers
from sklearn_trainkit.utils._sklearn_private import check_sample_weight


class StepNumbers(Numbers):
    """Numbers for each step. On the network stands ``_mean_steps``: known ones of a sequence."""

    have_own_shape: ClassVar[bool] = True

    def read(self, net: Any, X: Any, y: Any) -> np.ndarray:
        """Return the targets of each step, NaN where there is none."""
        return step_targets(y, step_counts(X), X.shape[1])

    def learn(self, net: Any, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Learn mean and scale, and how many steps of a sequence have a target."""
        super().learn(net, y, weight)
        net._mean_steps = mean_steps(~np.isnan(y), weight)

    def learn_form(self, net: Any, y: np.ndarray) -> None:
        """Learn in which form the predictions of a step are given."""
        super().learn_form(net, y)
        net._y_ndim -= 1

    def learn_again(self, net: Any, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Learn mean and scale as others do, and how many steps of a sequence have a target."""
        super().learn_again(net, y, weight)
        net._mean_steps = mean_steps(~np.isnan(y), weight)

    def mean_and_scale(
        self, net: Any, y: np.ndarray, weight: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and scale of each target, over the steps that have it."""
        columns = y if y.ndim == 3 else y[..., None]
        known = ~np.isnan(columns)
        if not known.any(axis=(0, 1)).all():
            raise ValueError(
                "y must have a target at some step, for each of the targets. Got NaN at all steps."
            )
        found = []
        for j, has in enumerate(np.moveaxis(known, 2, 0)):
            weights = None if weight is None else np.broadcast_to(weight[:, None], has.shape)[has]
            if weights is not None and not weights.any():
                raise _no_weight()
            found.append(super().mean_and_scale(net, columns[has, j], weights))
        mean, scale = (np.concatenate(each) for each in zip(*found, strict=True))
        return mean, scale

    def check_parts(self, net: Any, train: Rows, valid: Rows | None) -> None:
        """Raise if none of the steps of a part has a target."""
        check_some_targets(train, valid, lambda y: ~torch.isnan(y))

    def encode(self, net: Any, y: np.ndarray, name: str) -> np.ndarray:
        """Return standardized values, (n_samples, n_steps, n_targets)."""
        columns = y[..., None] if y.ndim == 2 else y
        steps = super().encode(net, columns.reshape(-1, columns.shape[2]), name)
        return steps.reshape(columns.shape)

    def criterion(self, net: Any) -> nn.Module:
        """Return the loss over steps that have a target."""
        return StepLoss(net.loss, net._mean_steps)

    def valid_loss(self, net: Any, loss: float, rows: Rows) -> float:
        """Return the mean loss over the targets that the validation rows have."""
        return loss * net._mean_steps / mean_steps_of_rows(rows, ~torch.isnan(rows.y))

    def rows_score(self, net: Any, output: torch.Tensor, rows: Rows) -> float:
        """Return R2 over steps that have a target."""
        return r2_of_steps(output, rows.y)

    def predict(self, net: Any, X: Any) -> np.ndarray:
        """Return numbers for each step, NaN after the end of a sequence."""
        data = net.get_dataset(X)
        values = net._output(data).numpy()
        if isinstance(X, IN_TRAINING_UNITS):
            return values
        values = self.decode(net, values, self.units(net)).astype(net._y_dtype)
        values[~true_steps(net, data.rows)] = np.nan
        return values[..., 0] if net._y_ndim == 1 else values

    def score(self, net: Any, X: Any, y: Any, sample_weight: Any) -> float:
        """Return R2 over all steps that have a target."""
        return step_r2(y, self.predict(net, X), sample_weight)


class StepLoss(nn.Module):
    """Mean loss over (N, T, n_targets) where there are targets; they are NaN elsewhere.

    A batch's loss is its sum over targets divided by the targets that as many sequences have on
    average. So all targets of the training part count alike, and the gradient of a sequence does
    not depend on the lengths of its neighbours; over all sequences it is the plain mean.

    Parameters
    ----------
    loss : {"squared_error", "absolute_error", "huber"}, default="squared_error"
    mean_steps : float, default=1.0
        Targets of a training sequence, on average (weighted), divided by ``n_targets``.

    Examples
    --------
    >>> target = torch.tensor([[[1.0], [2.0]], [[3.0], [float("nan")]]])
    >>> StepLoss(mean_steps=1.5)(torch.zeros(2, 2, 1), target)  # (1 + 4 + 9) / 3
    tensor(4.6667)
    """

    def __init__(self, loss: str = "squared_error", mean_steps: float = 1.0) -> None:
        super().__init__()
        self.loss = loss
        self.mean_steps = mean_steps

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the loss of the batch; ``weight`` has one entry a sequence."""
        there = ~torch.isnan(target)
        target = torch.where(there, target, prediction.detach())
        losses = REGRESSION_LOSSES[self.loss](prediction, target, reduction="none")
        losses = torch.where(there, losses, 0.0).sum(dim=1).mean(dim=1)
        if weight is not None:
            losses = losses * weight
        return losses.mean() / self.mean_steps


def mean_steps(known: np.ndarray, weight: np.ndarray | None) -> float:
    """Return how many steps of a sequence have a target, on (weighted) average.

    Parameters
    ----------
    known : ndarray of bool of shape (n_samples, n_steps) or (n_samples, n_steps, n_targets)
    weight : ndarray of shape (n_samples,) or None

    Raises
    ------
    ValueError
        If there is none that counts.
    """
    n_known = known.reshape(len(known), -1).sum(axis=1) / known[0, 0].size
    mean = float(np.average(n_known, weights=weight))
    if not mean:
        raise _no_weight()
    return mean


def mean_steps_of_rows(rows: Rows, known: torch.Tensor) -> float:
    """Return :func:`mean_steps` of rows in training units."""
    weight = None if rows.weight is None else rows.weight.numpy(force=True)
    return mean_steps(known.numpy(force=True), weight)


def _no_weight() -> ValueError:
    return ValueError("sample_weight is zero for every sequence that has a target in y.")


def step_targets(y: Any, n_steps: np.ndarray, longest: int, name: str = "y") -> np.ndarray:
    """Return targets of each step, float, NaN where there is none.

    Parameters
    ----------
    y : array-like of shape (n_samples, longest) or (n_samples, longest, n_targets), or list
        A list of arrays (n_steps,) or (n_steps, n_targets), which may also be a Series or the
        only column of a table. NaN, and what numpy masks, was not measured. What comes after the
        end of a sequence is ignored.
    n_steps : ndarray of shape (n_samples,)
        True steps of each sequence of X.
    longest : int
        Steps of X.

    Returns
    -------
    y : ndarray of shape (n_samples, longest) or (n_samples, longest, n_targets)

    Raises
    ------
    ValueError
        If steps are missing, too many, or infinite, or no step has a target.
    """
    y = as_list(y)
    is_list = isinstance(y, list)
    y = _as_step_array(y, n_steps, longest, name)
    if y.ndim not in (2, 3):
        raise ValueError(
            f"return_sequences=True needs {name} of shape (n_samples, n_steps) or (n_samples, "
            f"n_steps, n_targets), a target for each step. Got shape {y.shape}."
        )
    if y.shape[1] < longest and is_list:  # X may be padded beyond its longest
        gap = [(0, 0), (0, longest - y.shape[1]), *[(0, 0)] * (y.ndim - 2)]
        y = np.pad(y, gap, constant_values=np.nan)
    if y.shape[1] != longest or len(y) != len(n_steps):
        raise ValueError(
            f"return_sequences=True needs {name} with the steps of X. Got {name} of shape "
            f"{y.shape} for {len(n_steps)} sequences of up to {longest} steps."
        )
    there = np.arange(longest) < n_steps[:, None]
    infinite = np.isinf(y) if y.ndim == 2 else np.isinf(y).any(axis=2)
    for sample, step in np.argwhere(there & infinite)[:1]:
        raise ValueError(
            f"Input {name} contains infinity at step {step} of sample {sample}, which X has."
        )
    return np.where(there if y.ndim == 2 else there[..., None], y, np.nan).astype(y.dtype)


def _as_step_array(y: Any, n_steps: np.ndarray, longest: int, name: str) -> np.ndarray:
    """Return targets as floats in one array; those of a list joined."""
    if isinstance(y, list):
        check_step_list(y, n_steps, longest, name)
        parts = [_filled(part, f"{name}[{index}]") for index, part in enumerate(y)]
        if any(part.dtype != np.float32 for part in parts):
            parts = [part.astype(np.float64) for part in parts]
        y = joined_sequences(parts, name, n_dims=parts[0].ndim)
    y = _filled(y, name)
    return y if y.dtype == np.float32 else y.astype(np.float64)


def _filled(y: Any, name: str) -> np.ndarray:
    """Return numbers with NaN in the place of what numpy masks and of what is missing."""
    if np.ma.isMaskedArray(y):  # numpy would forget the mask without a word
        y = as_numbers(y, name)
        y = np.ma.filled(y.astype(y.dtype if y.dtype.kind == "f" else np.float64), np.nan)
    values = np.asarray(y.numpy(force=True) if hasattr(y, "detach") else y)
    return as_numbers(_without_na(values), name)


def _without_na(values: np.ndarray) -> np.ndarray:
    """Return objects with NaN in the place of None and of pandas' own missing value."""
    if values.dtype != object:
        return values
    flat = [np.nan if v is None or type(v).__name__ == "NAType" else v for v in values.ravel()]
    filled = np.empty(values.size, dtype=object)
    filled[:] = flat
    return filled.reshape(values.shape)


def check_step_list(y: list, n_steps: np.ndarray, longest: int, name: str) -> None:
    """Raise unless each entry has the steps of its sequence, or is padded like X."""
    if len(y) != len(n_steps):
        raise ValueError(f"{name} has {len(y)} sequences, but X has {len(n_steps)}.")
    for index, (part, wanted) in enumerate(zip(y, n_steps, strict=True)):
        if np.ndim(part) == 0 or len(part) not in (wanted, longest):
            raise ValueError(
                f"{name}[{index}] has shape {np.shape(part)}, but sequence {index} of X has "
                f"{wanted} steps; return_sequences=True needs a target for each."
            )


def check_some_targets(
    train: Rows, valid: Rows | None, has_target: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    """Raise if no step of the training rows, or of the validation rows, has a target."""
    for rows, name, use in (
        (train, "training", "teach the network"),
        (valid, "validation", "stop the training"),
    ):
        if rows is not None and not bool(has_target(rows.y).any()):
            raise ValueError(
                f"None of the {rows.n_rows} {name} sequences has a step with a target, so that "
                f"they cannot {use}. Use other rows, or another validation_fraction."
            )


def step_r2(y: Any, predicted: np.ndarray, sample_weight: Any = None) -> float:
    """Return the R2 over the steps that have a target, the mean over several targets.

    Parameters
    ----------
    y : array-like
        Targets in any form that ``fit`` takes.
    predicted : ndarray of shape (n_samples, n_steps) or (n_samples, n_steps, n_targets)
        NaN after the end of a sequence.
    sample_weight : array-like of shape (n_samples,) or None, default=None

    Raises
    ------
    ValueError
        If the shapes differ, or one of the targets is nowhere.
    """
    there = ~np.isnan(predicted if predicted.ndim == 2 else predicted[..., 0])
    y = step_targets(y, there.sum(axis=1), there.shape[1])
    if y.ndim != predicted.ndim:
        raise ValueError(f"y must have the shape {predicted.shape}. Got {y.shape} instead.")
    weight = np.ones(len(y))
    if sample_weight is not None:
        weight = check_sample_weight(sample_weight, y, ensure_non_negative=True)
    weight = np.broadcast_to(weight[:, None], there.shape)
    truth, guess = (each if each.ndim == 3 else each[..., None] for each in (y, predicted))
    known = ~np.isnan(truth)
    if not known.any(axis=(0, 1)).all():
        raise ValueError("y must have a target at some step. Got NaN at all of them.")
    scores = [
        r2_score(truth[has, j], guess[has, j], sample_weight=weight[has])
        for j, has in enumerate(np.moveaxis(known, 2, 0))
    ]
    return float(np.mean(scores))


def r2_of_steps(output: torch.Tensor, target: torch.Tensor) -> float:
    """Return the R2 over the targets that (N, T, n_targets) has, all together."""
    there = ~torch.isnan(target)
    n_there = there.sum(dim=(0, 1))
    mean = torch.where(there, target, 0.0).sum(dim=(0, 1)) / n_there
    residual = torch.where(there, output - target, 0.0).square().sum()
    spread = torch.where(there, target - mean, 0.0).square().sum()
    return (1.0 - residual / spread).item() if spread > 0 else float("nan")
