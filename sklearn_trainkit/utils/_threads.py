"""Torch's intra-op threads, set around a piece of work and put back."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_threads(n_threads: int | None) -> Iterator[None]:
    """Run the block with ``n_threads`` intra-op threads; None leaves torch's setting alone.

    Small networks gain nothing from a second thread, and two threads on busy cores can be 20 to
    100 times slower, which is why the networks of this package ask for one.
    """
    before = torch.get_num_threads()
    if n_threads is None or n_threads == before:
        yield
        return
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
