"""The random streams of one network's training, which pause and go on with it."""

from typing import Any

import torch

from sklearn_trainkit.utils._random_streams import (
    GlobalTorchStream,
    StreamSeeds,
    torch_generator,
)


class TrainingStreams:
    """Generators for the order of rows and for dropout, kept from one epoch to the next.

    Parameters
    ----------
    seeds : StreamSeeds
    device : torch.device
        Where dropout masks are drawn.
    private_global : bool
        Whether the module may draw from torch's global generator (modules that are not ours) and
        needs a private course of it.
    """

    def __init__(self, seeds: StreamSeeds, device: torch.device, private_global: bool) -> None:
        self.order = torch_generator(seeds.order)
        self.dropout = torch_generator(seeds.dropout, device)
        self.global_torch = GlobalTorchStream(seeds.dropout, device) if private_global else None

    def __getstate__(self) -> dict[str, Any]:
        return {
            "order": self.order.get_state(),
            "dropout": (str(self.dropout.device), self.dropout.get_state()),
            "global_torch": self.global_torch,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.order = torch.Generator()
        self.order.set_state(state["order"])
        device, dropout_state = state["dropout"]
        self.dropout = torch.Generator("cpu")
        if torch.device(device).type == "cuda" and torch.cuda.is_available():
            self.dropout = torch.Generator(device)
        if self.dropout.get_state().shape == dropout_state.shape:
            self.dropout.set_state(dropout_state)
        self.global_torch = state["global_torch"]
