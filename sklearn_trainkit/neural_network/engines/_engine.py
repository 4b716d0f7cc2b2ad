"""The interface of engines: what trains an epoch, of one network or of several as one."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import torch

from sklearn_trainkit.neural_network.batches._tensor_loader import TensorLoader, TensorRows
from sklearn_trainkit.neural_network.engines._callback_hooks import Listeners
from sklearn_trainkit.neural_network.engines._learning_rates import RunRates
from sklearn_trainkit.neural_network.engines._precision import MixedPrecision
from sklearn_trainkit.neural_network.engines._settings import LoopSettings
from sklearn_trainkit.utils._random_streams import TrainingStreams

__all__ = ["Engine", "EpochSteps", "Trainee"]


class EpochSteps(NamedTuple):
    """What came of one network's steps in an epoch.

    Attributes
    ----------
    losses : list of float
        Of each step. One that is not finite may be the last: no more steps were taken.
    sizes : list of int
        What each loss is the mean over: rows, or pixels that have a label.
    recorded : bool
        Whether each step stands in the history already, because somebody listened to it.
    """

    losses: list[float]
    sizes: list[int]
    recorded: bool = False


class Trainee(Protocol):
    """What an engine may look at of a network's training, which a ``TrainingRun`` is."""

    net: Any
    settings: LoopSettings
    loader: TensorLoader
    streams: TrainingStreams
    rates: RunRates
    listeners: Listeners
    augment: Callable[[TensorRows, torch.Generator], TensorRows] | None
    named: list[tuple[str, torch.nn.Parameter]]
    forward: Callable[..., torch.Tensor]

    @property
    def precision(self) -> MixedPrecision:
        """What autograd's forward pass computes in."""

    def release(self) -> None:
        """Take the network out of the engine that it is in."""


class Engine(Protocol):
    """Trains epochs of the networks that it was made for: ``Engine(runs)``.

    From then on until ``release`` the networks may be read, predict and be scored, and nothing
    else: their weights may lie in a block. Making one raises ``NotStackableError`` where layers or
    losses turn out not to suit the engine; the networks are then as they were.

    Attributes
    ----------
    name : str
        The value of the parameter ``engine``.
    takes_several : bool
        Whether it trains more than one network at a time.
    """

    name: ClassVar[str]
    takes_several: ClassVar[bool]

    def __init__(self, runs: Sequence[Trainee]) -> None: ...

    @staticmethod
    def obstacle(runs: Sequence[Trainee]) -> str | None:
        """Return why it cannot train these networks exactly, as far as is seen at once."""

    @staticmethod
    def no_gain(runs: Sequence[Trainee]) -> str | None:
        """Return why it would not be faster than the next engine; None if it is."""

    def train_epoch(self) -> list[EpochSteps]:
        """Train an epoch; return what came of it for each network, in the order of ``runs``.

        Learning rates are left in the optimizers as they were at the last step. Books (history,
        counts, schedule) are kept by the runs, but for what somebody hears of single steps.
        """

    def release(self) -> None:
        """Make networks and optimizers ordinary ones again."""
