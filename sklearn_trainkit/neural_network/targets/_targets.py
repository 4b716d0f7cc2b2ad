"""What a network's targets are: the part of an estimator that checks, encodes and answers them."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch

from sklearn_trainkit.neural_network.batches._batch_size import resolved_batch_size
from sklearn_trainkit.neural_network.batches._input_checks import writeable
from sklearn_trainkit.neural_network.batches._tensor_loader import Rows, TensorRows


class Targets(ABC):
    """One kind of targets: labels or numbers, of samples, of their steps or pixels.

    An estimator has one as ``_targets``. It keeps nothing itself: what is learnt stands on the
    network, under names that files of weights know.
    """

    # What the history calls the score of the validation rows.
    score_name: ClassVar[str]
    # Whether they are read by ``read``, after the samples, and not by scikit-learn beside them.
    have_own_shape: ClassVar[bool] = False
    are_numbers: ClassVar[bool] = False
    # Parameters that the first fit settles for as long as its weights are trained.
    fixed: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def n_outputs(self, net: Any) -> int:
        """Return how many outputs a network needs."""

    @abstractmethod
    def check(self, net: Any, y: Any) -> np.ndarray:
        """Return ``y``, which scikit-learn has checked, if it is of the right kind, or raise."""

    def read(self, net: Any, X: Any, y: Any) -> np.ndarray:
        """Return ``y``, in any form that it may be given in, for the checked samples ``X``."""
        raise NotImplementedError

    @abstractmethod
    def learn(self, net: Any, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Learn from the targets of a fit: classes, or mean and scale."""

    @abstractmethod
    def learn_again(self, net: Any, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Learn anew what depends on the values of the targets, not on their kind."""

    @abstractmethod
    def learn_chunk(
        self, net: Any, y: np.ndarray, weight: np.ndarray | None, classes: Any, first: bool
    ) -> None:
        """Learn from the targets of one ``partial_fit``."""

    @abstractmethod
    def encode(self, net: Any, y: np.ndarray, name: str) -> np.ndarray:
        """Return targets in training units: class codes, or standardized values."""

    @abstractmethod
    def units(self, net: Any) -> tuple[np.ndarray, ...]:
        """Return what training units depend on: classes, or mean and scale."""

    @abstractmethod
    def decode(self, net: Any, codes: np.ndarray, units: tuple[np.ndarray, ...]) -> np.ndarray:
        """Return the targets whose codes in these units are given."""

    def in_present_units(self, net: Any, rows: Rows, units: tuple[np.ndarray, ...]) -> Rows:
        """Return rows whose targets are in ``units`` with targets in the present ones."""
        targets = self.decode(net, rows.y.numpy(force=True), units)
        codes = torch.from_numpy(writeable(self.encode(net, targets, "y")))
        return rows.with_targets(codes.to(rows.y.device))

    def row_weights(
        self, net: Any, codes: np.ndarray, weight: np.ndarray | None
    ) -> np.ndarray | None:
        """Return the weight of each row in the loss, from the weight that it was given."""
        return weight

    def stratify_by(self, y: np.ndarray) -> np.ndarray | None:
        """Return what a validation split keeps the shares of; None for nothing."""
        return None

    def check_parts(self, net: Any, train: Rows, valid: Rows | None) -> None:  # noqa: B027
        """Raise if a part of a split has no targets to train on, or to stop by."""

    def batch_rows(self, net: Any, batch_size: int | str, n_rows: int) -> int:
        """Return how many of ``n_rows`` training rows make a batch."""
        return resolved_batch_size(batch_size, n_rows)

    def n_counted(self, net: Any, batch: TensorRows) -> int:
        """Return what a batch's mean loss is a mean over: rows, or what of them has a target."""
        return len(batch.y)

    def valid_loss(self, net: Any, loss: float, rows: Rows) -> float:
        """Return the mean loss of the validation rows, from that of their batches."""
        return loss

    @abstractmethod
    def criterion(self, net: Any) -> torch.nn.Module:
        """Return the loss, a module called with (output, target, weight)."""

    def kept_for_score(self, net: Any, output: torch.Tensor) -> torch.Tensor:
        """Return what the score needs of a batch's output."""
        return output

    @abstractmethod
    def rows_score(self, net: Any, output: torch.Tensor, rows: Rows) -> float:
        """Return the score recorded for the validation rows, from all that was kept of them."""

    @abstractmethod
    def predict(self, net: Any, X: Any) -> np.ndarray:
        """Return predicted targets, in training units for a data set that is in these."""

    def probabilities(self, net: Any, X: Any, *, logarithm: bool = False) -> np.ndarray:
        """Return the probability of each class, or its logarithm, where there are classes."""
        raise NotImplementedError

    def score(self, net: Any, X: Any, y: Any, sample_weight: Any) -> float:
        """Return the score on data of the user's, where scikit-learn's own does not do."""
        raise NotImplementedError
