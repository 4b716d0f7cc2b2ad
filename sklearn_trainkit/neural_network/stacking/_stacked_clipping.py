"""Gradient clipping network by network, for gradients that lie in one block.

The same functions of each network's gradient as in ``callbacks._clipping``; one norm over all
networks would tie them to each other.
"""

from collections.abc import Callable, Sequence

import torch

from sklearn_trainkit.neural_network.stacking._module_block import ModuleBlock

Clip = Callable[[], None]


def make_clipping(
    block: ModuleBlock,
    max_norms: Sequence[float | None],
    max_values: Sequence[float | None],
    ratios: Sequence[float | None],
) -> list[Clip]:
    """Return the clippings to apply to the block's gradients, in order: none, or up to three.

    Parameters
    ----------
    block : ModuleBlock
    max_norms, max_values, ratios : sequence of float or None
        ``clip_norm``, ``clip_value`` and ``clip_adaptive`` of each network.
    """
    clippings: list[Clip] = []
    if any(ratio is not None for ratio in ratios):
        limits = _limits(ratios, block)
        clippings.append(lambda: clip_adaptive_(block, limits))
    if any(norm is not None for norm in max_norms):
        norms = _limits(max_norms, block)
        clippings.append(lambda: clip_by_norm_(block.gradients, norms))
    if any(value is not None for value in max_values):
        values = _limits(max_values, block).unsqueeze(1)
        clippings.append(lambda: _clip_by_value_(block.gradients, values))
    return clippings


def clip_by_norm_(gradients: torch.Tensor, max_norms: torch.Tensor) -> None:
    """Scale each row of (m, n) so that its 2-norm is at most that of ``max_norms`` (m,)."""
    norms = torch.linalg.vector_norm(gradients, dim=1)
    factors = (max_norms / (norms + 1e-6)).clamp_(max=1.0)
    factors = torch.where(max_norms.isinf(), 1.0, factors)
    gradients.mul_(factors.unsqueeze(1))


def clip_adaptive_(block: ModuleBlock, ratios: torch.Tensor, eps: float = 1e-3) -> None:
    """Limit each unit's gradient norm to ``ratios`` (m,) times its weight norm, in place."""
    for start, stop, shape in block.columns.values():
        values, gradients = (
            # A weight matrix has a unit in each row; a bias is one unit as a whole.
            tensor[:, start:stop].unflatten(1, (shape[0] if len(shape) > 1 else 1, -1))
            for tensor in (block.values, block.gradients)
        )
        limits = torch.linalg.vector_norm(values, dim=2, keepdim=True).clamp_(min=eps)
        limits.mul_(ratios.view(-1, 1, 1))
        norms = torch.linalg.vector_norm(gradients, dim=2, keepdim=True)
        gradients.mul_((limits / norms.clamp(min=1e-12)).clamp_(max=1.0))


def _clip_by_value_(gradients: torch.Tensor, max_values: torch.Tensor) -> None:
    torch.clamp(gradients, -max_values, max_values, out=gradients)


def _limits(limits: Sequence[float | None], block: ModuleBlock) -> torch.Tensor:
    """Return a limit for each network, infinite where there is none."""
    return block.values.new_tensor([torch.inf if limit is None else limit for limit in limits])
