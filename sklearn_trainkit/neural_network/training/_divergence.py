"""What happens when a training's numbers stop being numbers: said at once, in plain words."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import torch

from sklearn_trainkit.exceptions import DivergenceError, DivergenceWarning
from sklearn_trainkit.neural_network.batches._tensor_loader import TensorRows
from sklearn_trainkit.neural_network.modules._module_hooks import switch_mode
from sklearn_trainkit.neural_network.training._early_stopping import KeptWeights

__all__ = ["check_sound", "divergence_error", "warn_of_divergence"]


def divergence_error(net: Any, epoch: int, what: str) -> DivergenceError:
    """Return the error that says what became of the numbers, and what helps.

    Parameters
    ----------
    net : estimator
    epoch : int
        Epochs finished.
    what : str
        Such as "training loss became nan".
    """
    return DivergenceError(
        f"The {what} in epoch {epoch + 1}, after {net.n_steps_} steps with "
        f"lr={net.lr!r} and clip_norm={net.clip_norm!r}. Scale the inputs, lower lr "
        "or set clip_norm (1.0 is a common value)."
    )


@torch.no_grad()
def check_sound(
    net: Any, epoch: int, parameters: Sequence[torch.nn.Parameter], rows: TensorRows | None
) -> None:
    """Raise if a weight, or what the network makes of ``rows``, is not finite.

    Raises
    ------
    DivergenceError
    """
    # A finite sum has no NaN and no infinity in it; only a doubtful one is looked into.
    if not math.isfinite(sum(p.sum().item() for p in parameters)) and not all(
        bool(torch.isfinite(p).all()) for p in parameters
    ):
        raise divergence_error(net, epoch, "weights became NaN or infinite")
    if rows is None:
        return
    switch_mode(net.module_, False)
    if not bool(torch.isfinite(net.module_(rows.X.clone())).all()):
        raise divergence_error(net, epoch, "outputs became NaN or infinite")


def warn_of_divergence(error: DivergenceError, kept: KeptWeights) -> None:
    """Warn that training stopped, with the weights of an earlier epoch."""
    warnings.warn(
        f"{error} Training stopped; the weights of epoch {kept.epoch} are kept.",
        DivergenceWarning,
        stacklevel=2,
    )
