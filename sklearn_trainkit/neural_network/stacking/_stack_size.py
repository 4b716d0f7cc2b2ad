"""How many networks to train side by side: a rule from measurements.

On a CPU stacking saves calls, and costs cache: what a batch leaves behind for the backward pass is
there once per network. The limit comes from ``examples/benchmarks/bench_fold_stacking.py``, see
``docs/fold_stacking.md``. On a GPU all networks go side by side.
"""

from torch import nn

# What the networks of a part keep of one batch; beyond that fewer at a time are faster.
_PART_BYTES = 5 << 20


def networks_side_by_side(module: nn.Module, batch_size: int) -> int:
    """Return how many networks like ``module`` a part of a step should have at most."""
    first = next(module.parameters())
    if first.device.type != "cpu":
        return 1 << 30
    kept = batch_size * kept_per_row(module) * first.element_size()
    return max(1, _PART_BYTES // max(1, kept))


def kept_per_row(module: nn.Module) -> int:
    """Return about how many numbers a training step keeps of each row.

    Examples
    --------
    >>> kept_per_row(nn.Sequential(nn.Linear(50, 8), nn.ReLU(), nn.Linear(8, 2)))
    78
    """
    weights = [p for p in module.parameters() if p.ndim > 1]
    inputs = weights[0].shape[1] if weights else 0
    # What comes out of a layer and out of its activation, and the logits' gradient.
    return inputs + sum(2 * weight.shape[0] for weight in weights) + 8
