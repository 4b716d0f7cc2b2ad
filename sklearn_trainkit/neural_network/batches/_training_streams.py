"""The random streams of one network's training, which pause and go on with it."""

from typing import Any

import torch

from sklearn_trainkit.utils._random_streams import (
    GlobalTorchStream,
    StreamSeeds,
    torch_generator,
)


class TrainingStreams:
    """Generators for the order of rows, dropout and augmentation, kept from one epoch to the next.

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
        self.augmentation = torch_generator(seeds.augmentation)
        self.global_torch = GlobalTorchStream(seeds.dropout, device) if private_global else None

    def state_dict(self) -> dict[str, Any]:
        """Return where the streams are, as tensors."""
        state: dict[str, Any] = {
            "order": self.order.get_state(),
            "dropout": self.dropout.get_state(),
            "augmentation": self.augmentation.get_state(),
        }
        if self.global_torch is not None:
            state["global_torch"] = self.global_torch.states
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`.

        A dropout stream of another kind of device cannot be continued and stays as it is.
        """
        self.order.set_state(state["order"].cpu())
        self.augmentation.set_state(state["augmentation"].cpu())
        if self.dropout.get_state().shape == state["dropout"].shape:
            self.dropout.set_state(state["dropout"].cpu())
        if self.global_torch is not None:
            self.global_torch.states = [each.cpu() for each in state["global_torch"]]

    def __getstate__(self) -> dict[str, Any]:
        return {
            "device": str(self.dropout.device),
            "global_torch": self.global_torch,
            "streams": self.state_dict(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        device = torch.device(state["device"])
        if device.type == "cuda" and not torch.cuda.is_available():
            device = torch.device("cpu")
        self.order, self.augmentation = torch.Generator(), torch.Generator()
        self.dropout = torch.Generator(device)
        self.global_torch = state["global_torch"]
        self.load_state_dict(state["streams"])
