"""Which module an estimator trains: the part of it that builds, prepares and runs the module."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NoReturn

import torch
from skorch.exceptions import NotInitializedError

from sklearn_trainkit.neural_network.batches._input_checks import checked_device
from sklearn_trainkit.neural_network.batches._tensor_loader import Rows
from sklearn_trainkit.neural_network.modules._input_standardization import InputStandardization
from sklearn_trainkit.utils._random_streams import StreamSeeds, TrainingStreams


class Architecture(ABC):
    """A kind of module, made from the parameters of a network; it keeps nothing itself."""

    # Its own parameters, and which of them the first fit settles.
    constraints: ClassVar[dict[str, list]] = {}
    fixed: ClassVar[tuple[str, ...]] = ()
    # A module that is not ours may draw from torch's global generator and write into its input.
    is_foreign: ClassVar[bool] = False

    @abstractmethod
    def make(self, net: Any) -> torch.nn.Module:
        """Return a new module for the input and the targets that the network has seen."""

    def fixed_names(self, net: Any) -> list[str]:
        """Return the parameters that cannot change while the same weights are trained on."""
        return list(self.fixed)

    def check_widths_known(self, net: Any) -> None:
        """Raise if the widths of the module are to come from data."""
        raise NotInitializedError(
            f"{type(net).__name__} learns its input and output widths from data; call fit first, "
            "or load_params, which needs no initialize."
        )

    def new_streams(self, net: Any, seeds: StreamSeeds) -> TrainingStreams:
        """Return the random streams of a training, from their beginning."""
        return TrainingStreams(seeds, checked_device(net.device), self.is_foreign)

    def prepare(self, net: Any, module: torch.nn.Module, rows: Rows) -> None:
        """Let a new module's layers learn what the training rows are like."""
        for layer in _standardizations(module):
            layer.learn(rows)

    def keep_statistics(self, net: Any, module: torch.nn.Module) -> None:
        """Let a new module know what the one before has learnt of the training rows."""
        earlier = _standardizations(net.module_)
        for before, now in zip(earlier, _standardizations(module), strict=False):
            now.load_state_dict(before.state_dict())

    def check_module(self, net: Any, rows: Rows) -> None:  # noqa: B027
        """Raise if the module, as callbacks have left it, does not take the training rows."""

    def check_batches(self, net: Any, n_rows: int) -> None:  # noqa: B027
        """Raise if batches of ``n_rows`` rows cannot be trained on."""

    def refuse(self, net: Any, samples: torch.Tensor, error: IndexError) -> NoReturn:
        """Raise what tells of samples for which the module has raised this error."""
        raise error

    def forward(self, net: Any, samples: torch.Tensor) -> torch.Tensor:
        """Return the module's output for some samples to predict."""
        return net.module_(samples)


def _standardizations(module: torch.nn.Module) -> list[InputStandardization]:
    return [layer for layer in module.children() if isinstance(layer, InputStandardization)]
