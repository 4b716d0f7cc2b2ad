"""Labels of the places in a sample, its steps or pixels, of which some may have none."""

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch

from sklearn_trainkit.neural_network.batches._input_checks import FLOAT_TYPES
from sklearn_trainkit.neural_network.targets._labels import Labels


class PlaceLabels(Labels):
    """A label for each place; those without one have the code after the last class's."""

    have_own_shape: ClassVar[bool] = True
    # Which coding there is of the classes.
    kind_of_coding: ClassVar[type]

    def mark(self, net: Any) -> Any:
        """Return the label that stands for none, or None."""
        return net.ignore_index

    @abstractmethod
    def labels_among(self, net: Any, y: np.ndarray) -> np.ndarray:
        """Return those entries of ``y`` that are labels."""

    def coding(self, net: Any, y: np.ndarray, classes: Any = None) -> Any:
        """Return how labels become codes: those of ``y``, or all that may ever come."""
        labels = np.unique(self.labels_among(net, y)) if classes is None else classes
        if len(labels) < 2:
            mark = self.mark(net)
            beside = "" if mark is None else f" beside ignore_index={mark!r}"
            found = ": " + ", ".join(map(repr, labels.tolist())) if len(labels) else ""
            raise ValueError(
                f"{type(net).__name__} needs at least 2 classes in y{beside}. Got "
                f"{len(labels)} class{found}."
            )
        return self.kind_of_coding(labels)

    def possible_classes(self, net: Any, classes: Any) -> np.ndarray:
        """Return what the user says may ever come; what stands for no label is none of it."""
        return np.unique(self.labels_among(net, np.asarray(classes)))

    def row_weights(
        self, net: Any, codes: np.ndarray, weight: np.ndarray | None
    ) -> np.ndarray | None:
        """Return the given weights: those of classes are for places, and the loss has them."""
        return weight

    def place_factors(self, net: Any) -> torch.Tensor | None:
        """Return the factor of each class in the loss of a place; None where all weigh the same."""
        if net.class_weight is None or net._class_counts is None:
            return None
        return torch.tensor(net._class_factors[0], dtype=FLOAT_TYPES[net.dtype_])
