"""What the validation rows say of a network after an epoch: loss and score."""

import math
from typing import Any

import torch

from sklearn_trainkit.neural_network.batches._tensor_loader import TensorLoader
from sklearn_trainkit.neural_network.engines._callback_hooks import Listeners
from sklearn_trainkit.neural_network.modules._module_hooks import switch_mode
from sklearn_trainkit.neural_network.training._divergence import divergence_error

__all__ = ["validate"]


def validate(
    net: Any, loader: TensorLoader, listeners: Listeners, epoch: int
) -> tuple[float, float]:
    """Return mean loss and score of the validation rows.

    Parameters
    ----------
    net : estimator
    loader : TensorLoader
        Batches of the validation rows.
    listeners : Listeners
        Those who hear of these batches, too.
    epoch : int
        Epochs finished.

    Raises
    ------
    DivergenceError
        If the loss is not finite.
    """
    switch_mode(net.module_, False)
    total, n_rows = 0.0, 0
    outputs = []
    with torch.no_grad():
        for batch in loader:
            listeners.begin_batch(batch, training=False)
            # A foreign module may write into its input.
            X = batch.X.clone() if net._architecture.is_foreign else batch.X
            try:
                output = net.module_(X)
            except IndexError as error:
                net._architecture.refuse(net, batch.X, error)
            loss = net.criterion_(output, batch.y, batch.weight)
            size, value = net._targets.n_counted(net, batch), loss.item()
            total += value * size
            n_rows += size
            outputs.append(net._targets.kept_for_score(net, output))
            listeners.end_batch(batch, False, loss, output, value, size)
    mean = net._targets.valid_loss(net, total / n_rows, loader.rows)
    if not math.isfinite(mean):
        raise divergence_error(net, epoch, f"validation loss became {mean}")
    return mean, net._targets.rows_score(net, torch.cat(outputs), loader.rows)
