"""Numbers as targets: one or several a sample, standardized while training."""

from typing import Any, ClassVar

import numpy as np
import torch

from sklearn_trainkit.neural_network.batches._input_checks import mean_one_weights
from sklearn_trainkit.neural_network.batches._tensor_loader import IN_TRAINING_UNITS, Rows
from sklearn_trainkit.neural_network.modules._losses import RegressionLoss
from sklearn_trainkit.neural_network.targets._targets import Targets


class Numbers(Targets):
    """Numbers, whose mean and scale are learnt.

    On the network stand ``y_mean_``, ``y_scale_``, and of predictions ``_y_ndim`` and ``_y_dtype``.
    """

    score_name: ClassVar[str] = "valid_r2"
    are_numbers: ClassVar[bool] = True
    fixed: ClassVar[tuple[str, ...]] = ("standardize_y",)

    def n_outputs(self, net: Any) -> int:
        """Return the number of targets."""
        return len(net.y_mean_)

    def check(self, net: Any, y: Any) -> np.ndarray:
        """Return ``y`` if these are numbers, or raise."""
        return as_numbers(y, "y")

    def learn(self, net: Any, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Learn mean and scale of each target, and the form of ``y``."""
        self.learn_form(net, y)
        net.y_mean_, net.y_scale_ = self.mean_and_scale(net, y, weight)

    def learn_form(self, net: Any, y: np.ndarray) -> None:
        """Learn in which form predictions are given, that of ``y``."""
        net._y_ndim = y.ndim
        both_short = net.dtype_ == "float32" and y.dtype == np.float32
        net._y_dtype = np.float32 if both_short else np.float64

    def mean_and_scale(
        self, net: Any, y: np.ndarray, weight: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what is subtracted from each target, and what it is divided by then."""
        columns = y.reshape(len(y), -1).astype(np.float64)
        if not net.standardize_y:
            return np.zeros(columns.shape[1]), np.ones(columns.shape[1])
        with np.errstate(over="ignore", invalid="ignore"):
            mean = np.average(columns, axis=0, weights=weight)
            variance = np.average((columns - mean) ** 2, axis=0, weights=weight)
        spread = np.sqrt(variance)
        if not np.isfinite(spread).all():
            raise ValueError(
                "standardize_y=True needs targets whose variance is a finite number. Got y "
                f"from {columns.min():.3g} to {columns.max():.3g}; scale y."
            )
        return mean, np.where(spread > 0, spread, 1.0)

    def learn_again(self, net: Any, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Learn mean and scale anew, unless weights go on that were trained in others."""
        if not hasattr(net, "module_") or not net.warm_start or net._waits_for_data:
            self.learn(net, y, weight)
        else:
            self.learn_form(net, y)

    def learn_chunk(
        self, net: Any, y: np.ndarray, weight: np.ndarray | None, classes: Any, first: bool
    ) -> None:
        """Learn from the first chunk, which needs a row that counts."""
        if first:
            self.learn(net, y, None if weight is None else mean_one_weights(weight, y))

    def encode(self, net: Any, y: np.ndarray, name: str) -> np.ndarray:
        """Return standardized values."""
        columns = y.reshape(len(y), -1)
        if columns.shape[1] != self.n_outputs(net):
            raise ValueError(
                f"{name} has {columns.shape[1]} targets, but the network was set up for "
                f"{self.n_outputs(net)}."
            )
        return ((columns - net.y_mean_) / net.y_scale_).astype(net.dtype_)

    def units(self, net: Any) -> tuple[np.ndarray, ...]:
        """Return mean and scale."""
        return net.y_mean_, net.y_scale_

    def decode(self, net: Any, codes: np.ndarray, units: tuple[np.ndarray, ...]) -> np.ndarray:
        """Return the numbers whose standardized values are given."""
        mean, scale = units
        return codes * scale + mean

    def criterion(self, net: Any) -> torch.nn.Module:
        """Return the loss that is asked for."""
        return RegressionLoss(net.loss)

    def rows_score(self, net: Any, output: torch.Tensor, rows: Rows) -> float:
        """Return R2, over all targets together."""
        residual = (output - rows.y).square().sum()
        spread = (rows.y - rows.y.mean(dim=0)).square().sum()
        return (1.0 - residual / spread).item() if spread > 0 else float("nan")

    def predict(self, net: Any, X: Any) -> np.ndarray:
        """Return numbers, or standardized ones for a data set that is in training units."""
        values = net._output(X).numpy()
        if isinstance(X, IN_TRAINING_UNITS):
            return values
        values = self.decode(net, values, self.units(net)).astype(net._y_dtype)
        return values[:, 0] if net._y_ndim == 1 else values


def as_numbers(y: np.ndarray, name: str) -> np.ndarray:
    """Return targets as numbers; objects may be such.

    Raises
    ------
    ValueError
        For text, dates and complex numbers, which would become others without a word.

    Examples
    --------
    >>> as_numbers(np.array([1, 2.5], dtype=object), "y")
    array([1. , 2.5])
    """
    y = y.astype(np.float64) if y.dtype.kind == "O" else y
    if y.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be numbers. Got an array of {y.dtype}; convert it first.")
    return y
