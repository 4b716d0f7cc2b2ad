"""A score an epoch at little cost: common metrics straight from the network's outputs."""

from collections.abc import Callable
from typing import Any

import torch
from skorch.callbacks import EpochScoring as SkorchEpochScoring
from torch.nn import functional


def _accuracy(output: torch.Tensor, target: torch.Tensor) -> float:
    output, target = _labelled(output, target)
    return (output.argmax(dim=1) == target).double().mean().item()


def _neg_log_loss(output: torch.Tensor, target: torch.Tensor) -> float:
    output, target = _labelled(output, target)
    return -functional.cross_entropy(output.double(), target.long()).item()


def _labelled(output: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return outputs and codes without pixels or steps that have no label: codes beyond all."""
    if target.ndim == 1:
        return output, target
    if output.ndim == 4:  # pixels have their classes on axis 1, steps last
        output = output.movedim(1, -1)
    there = target < output.shape[-1]
    return output[there], target[there]


def _r2(output: torch.Tensor, target: torch.Tensor) -> float:
    """Mean over targets; the units of the targets do not matter."""
    output, target = output.double(), target.double()
    residual = (output - target).square().sum(dim=0)
    spread = (target - target.mean(dim=0)).square().sum(dim=0)
    constant = torch.where(residual == 0, 1.0, 0.0).double()
    return torch.where(spread > 0, 1 - residual / spread, constant).mean().item()


_CLASS_METRICS: dict[str, Callable[..., float]] = {
    "accuracy": _accuracy,
    "neg_log_loss": _neg_log_loss,
}
_NUMBER_METRICS: dict[str, Callable[..., float]] = {"r2": _r2}


class EpochScoring(SkorchEpochScoring):
    """skorch's ``EpochScoring``, with common metrics computed from the outputs at hand.

    For the validation rows of this package's networks, "accuracy" and "neg_log_loss" of one class
    a sample (a pixel, for masks) and "r2" take a few hundredths of a millisecond, where
    scikit-learn's scorers check and convert for about one. Every other case is skorch's.

    Parameters
    ----------
    scoring : str, callable or None
        As for skorch.
    lower_is_better : bool or None, default=True
        As for skorch; None records no best score. Give False for all three metrics above.
    on_train : bool, default=False
        Whether the training rows are scored instead of the validation rows.
    name, target_extractor, use_caching
        As for skorch.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_trainkit.callbacks import EpochScoring
    >>> from sklearn_trainkit.neural_network import MLPNetClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> scoring = EpochScoring("neg_log_loss", lower_is_better=False)
    >>> net = MLPNetClassifier(early_stopping=True, callbacks=[scoring], random_state=0)
    >>> net.fit(X, y).history_[-1, "neg_log_loss"] < 0
    True
    """

    def on_epoch_end(self, net: Any, dataset_train: Any, dataset_valid: Any, **kwargs: Any) -> None:
        """Record the score of the epoch."""
        metric = self._metric()
        if metric is None:
            super().on_epoch_end(
                net, dataset_train=dataset_train, dataset_valid=dataset_valid, **kwargs
            )
            return
        output, target = torch.cat(self.y_preds_), torch.cat(self.y_trues_)
        self._record_score(net.history, metric(output, target))

    def _metric(self) -> Callable[..., float] | None:
        """Return the metric for the outputs that were kept; None leaves it to skorch."""
        if not isinstance(self.scoring, str) or not self.y_preds_ or not self.y_trues_:
            return None
        output, target = self.y_preds_[0], self.y_trues_[0]
        if not isinstance(output, torch.Tensor) or output.ndim < 2:
            return None
        if target.ndim == output.ndim - 1 and not target.is_floating_point():
            return _CLASS_METRICS.get(self.scoring)
        if output.ndim == 2 and target.shape == output.shape:
            return _NUMBER_METRICS.get(self.scoring)
        return None
