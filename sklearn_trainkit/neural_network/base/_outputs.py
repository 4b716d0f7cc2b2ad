"""What a module gives for samples to predict, a part of them at a time."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

from sklearn_trainkit.neural_network.batches._tensor_loader import Rows
from sklearn_trainkit.neural_network.modules._module_hooks import switch_mode
from sklearn_trainkit.utils._threads import torch_threads


def outputs_of(net: Any, rows: Rows, training: bool) -> Iterator[torch.Tensor]:
    """Yield the module's output for a part of the rows at a time, in train mode or not."""
    switch_mode(net.module_, training)
    own = next(net.module_.parameters()).device
    for part in parts_of(net, rows):
        with torch_threads(net.n_threads), torch.inference_mode(not training):
            # A foreign module may write into its input.
            samples = part.to(own, copy=net._architecture.is_foreign)
            output = net._architecture.forward(net, samples)
        yield output


def parts_of(net: Any, rows: Rows) -> Iterator[torch.Tensor]:
    """Yield the samples of as many rows at a time as the network takes in one pass."""
    step = net._input_form.rows_per_pass(net, rows.sample_shape)
    for start in range(0, rows.n_rows, step):
        yield rows.part(start, min(start + step, rows.n_rows)).X


def joined(
    parts: Iterable[torch.Tensor],
    n_rows: int,
    convert: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """Return the outputs for ``n_rows`` rows as one tensor, or what ``convert`` makes of them."""
    output: torch.Tensor | None = None
    start = 0
    # Parts kept until the end would lie between freed activations and spread the heap.
    for part in parts:
        if convert is not None:
            part = convert(part)
        if len(part) == n_rows:
            return part
        if output is None:
            output = part.new_empty((n_rows, *part.shape[1:]))
        output[start : start + len(part)] = part
        start += len(part)
    assert output is not None
    return output
