"""Independent random streams from one ``random_state``, none of them a global one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.utils import check_random_state

# Building a torch module draws from torch's global generator, which threads share.
_GLOBAL_GENERATOR_LOCK = threading.RLock()


class StreamSeeds(NamedTuple):
    """One seed per use of randomness, so that one use never shifts another."""

    weights: int
    order: int
    dropout: int
    split: int
    augmentation: int


def stream_seeds(random_state: int | np.random.RandomState | None) -> StreamSeeds:
    """Derive the seeds of all streams from ``random_state``.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        As everywhere in scikit-learn: an int gives the same streams on each call, an instance
        is advanced by one draw, None draws from numpy's global generator.

    Returns
    -------
    seeds : StreamSeeds
    """
    root = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    words = np.random.SeedSequence(root).generate_state(len(StreamSeeds._fields), np.uint32)
    return StreamSeeds(*(int(word) for word in words))


def torch_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a torch generator on ``device`` seeded with ``seed``."""
    return torch.Generator(device=device).manual_seed(seed)


@contextmanager
def seeded_global_torch(seed: int) -> Iterator[None]:
    """Seed torch's global CPU generator inside the block and put it back afterwards.

    Other threads of ours wait, so that two networks built at once do not mix their weights.
    """
    with _GLOBAL_GENERATOR_LOCK:
        before = torch.get_rng_state()
        if torch.accelerator.is_available():
            torch.manual_seed(seed)
        else:  # which would note the whole call stack, for devices that are not there
            torch.default_generator.manual_seed(seed)
        try:
            yield
        finally:
            torch.set_rng_state(before)


class GlobalTorchStream:
    """A private course of torch's global generators that can be left and entered again.

    Modules that are not ours (``torch.nn.Dropout``) draw from the global generators. Entering
    puts this stream's state in their place, leaving keeps it for the next time and gives the
    outer state back, so a network trained epoch by epoch draws what it would have drawn in one
    go, and the caller's own draws are untouched. One stream at a time: threads that train such
    modules take turns, epoch by epoch.

    Parameters
    ----------
    seed : int
    device : torch.device
        A CUDA device's generator is handled beside the CPU's.

    Attributes
    ----------
    states : list of Tensor
        Where the stream is, one entry a generator.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._device = device
        with _GLOBAL_GENERATOR_LOCK, self._outer_state_kept():
            torch.default_generator.manual_seed(seed)
            if device.type == "cuda":
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(seed)
            self.states = self._read()

    def _read(self) -> list[torch.Tensor]:
        states = [torch.get_rng_state()]
        if self._device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self._device))
        return states

    def _write(self, states: list[torch.Tensor]) -> None:
        torch.set_rng_state(states[0])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(states[1], self._device)

    @contextmanager
    def _outer_state_kept(self) -> Iterator[None]:
        outer = self._read()
        try:
            yield
        finally:
            self._write(outer)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Draw from this stream inside the block."""
        with _GLOBAL_GENERATOR_LOCK, self._outer_state_kept():
            self._write(self.states)
            try:
                yield
            finally:
                self.states = self._read()


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
