"""Targets for each step of a sequence: checks, loss and score, all over the true steps only."""

from typing import Any

import numpy as np
import torch
from torch import nn

from sklearn_trainkit.neural_network._losses import REGRESSION_LOSSES
from sklearn_trainkit.neural_network._sequence_checks import joined_sequences


class StepLoss(nn.Module):
    """Mean loss over the true steps of (N, T, n_targets); targets are NaN elsewhere.

    A batch's loss is its sum over true steps divided by the steps that as many sequences have on
    average. So all steps of the training part count alike, and the gradient of a sequence does
    not depend on the lengths of its neighbours; over all sequences it is the plain mean.

    Parameters
    ----------
    loss : {"squared_error", "absolute_error", "huber"}, default="squared_error"
    mean_steps : float, default=1.0
        Steps of a training sequence, on average (weighted).

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


def step_targets(y: Any, n_steps: np.ndarray, longest: int, name: str = "y") -> np.ndarray:
    """Return targets of each step, float, NaN after the end of each sequence.

    Parameters
    ----------
    y : array-like of shape (n_samples, longest) or (n_samples, longest, n_targets), or list
        A list of arrays (n_steps,) or (n_steps, n_targets). What comes after the end of a
        sequence is ignored.
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
        If steps are missing, too many, or not finite numbers.
    """
    as_list = list(y) if isinstance(y, (list, tuple)) or _is_object_array(y) else None
    if as_list is not None:
        _check_list(as_list, n_steps, longest, name)
        parts = [np.asarray(part) for part in as_list]
        if any(part.dtype != np.float32 for part in parts):
            parts = [part.astype(np.float64) for part in parts]
        y = joined_sequences(parts, name, n_dims=parts[0].ndim)
    y = np.asarray(y.numpy(force=True) if hasattr(y, "detach") else y)
    if y.dtype != np.float32:
        y = y.astype(np.float64)
    if y.ndim == 2 or y.ndim == 3:
        if y.shape[1] < longest and as_list is not None:  # X may be padded beyond its longest
            gap = [(0, 0), (0, longest - y.shape[1]), *[(0, 0)] * (y.ndim - 2)]
            y = np.pad(y, gap, constant_values=np.nan)
        if y.shape[1] != longest or len(y) != len(n_steps):
            raise ValueError(
                f"return_sequences=True needs {name} with the steps of X. Got {name} of shape "
                f"{y.shape} for {len(n_steps)} sequences of up to {longest} steps."
            )
    else:
        raise ValueError(
            f"return_sequences=True needs {name} of shape (n_samples, n_steps) or (n_samples, "
            f"n_steps, n_targets), a target for each step. Got shape {y.shape}."
        )
    there = np.arange(longest) < n_steps[:, None]
    finite = np.isfinite(y) if y.ndim == 2 else np.isfinite(y).all(axis=2)
    for sample, step in np.argwhere(there & ~finite)[:1]:
        raise ValueError(
            f"Input {name} contains NaN or infinity at step {step} of sample {sample}, which X has."
        )
    return np.where(there if y.ndim == 2 else there[..., None], y, np.nan).astype(y.dtype)


def _is_object_array(y: Any) -> bool:
    return isinstance(y, np.ndarray) and y.dtype == object and y.ndim == 1


def _check_list(y: list, n_steps: np.ndarray, longest: int, name: str) -> None:
    if len(y) != len(n_steps):
        raise ValueError(f"{name} has {len(y)} sequences, but X has {len(n_steps)}.")
    for index, (part, wanted) in enumerate(zip(y, n_steps, strict=True)):
        if np.ndim(part) == 0 or len(part) not in (wanted, longest):
            raise ValueError(
                f"{name}[{index}] has shape {np.shape(part)}, but sequence {index} of X has "
                f"{wanted} steps; return_sequences=True needs a target for each."
            )


def r2_of_steps(output: torch.Tensor, target: torch.Tensor) -> float:
    """Return the R2 over the true steps of (N, T, n_targets), all targets together."""
    there = ~torch.isnan(target[..., 0])
    output, target = output[there], target[there]
    residual = (output - target).square().sum()
    spread = (target - target.mean(dim=0)).square().sum()
    return (1.0 - residual / spread).item() if spread > 0 else float("nan")
