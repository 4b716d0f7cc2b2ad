"""Class labels as targets: one of several classes a sample, or several labels."""

from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from sklearn_trainkit.neural_network.batches._input_checks import FLOAT_TYPES
from sklearn_trainkit.neural_network.batches._tensor_loader import IN_TRAINING_UNITS, Rows
from sklearn_trainkit.neural_network.targets._class_weights import class_factors, mean_one_factors
from sklearn_trainkit.neural_network.targets._label_coding import learn_label_coding
from sklearn_trainkit.neural_network.targets._targets import Targets


class Labels(Targets):
    """Labels of any kind, of which a coding is learnt (``_label_coding.py``).

    On the network stand ``_coding``, ``_class_counts`` (rows of each class by their weights, None
    where only a file of weights was seen) and ``_class_factors`` (of each class in the loss).
    """

    score_name: ClassVar[str] = "valid_acc"

    def n_outputs(self, net: Any) -> int:
        """Return the number of classes, or of labels a row."""
        return net._coding.n_outputs

    def check(self, net: Any, y: Any) -> np.ndarray:
        """Return ``y`` if it has classes, or raise."""
        if hasattr(y, "toarray"):  # scikit-learn's sparse indicator matrices
            y = y.toarray()
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        return y

    def coding(self, net: Any, y: np.ndarray, classes: Any = None) -> Any:
        """Return how labels become codes: those of ``y``, or all that may ever come."""
        return learn_label_coding(y, type(net).__name__, classes)

    def learn(self, net: Any, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Learn the classes and their shares."""
        net._coding = self.coding(net, y)
        self.learn_again(net, y, weight)

    def learn_again(self, net: Any, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Learn the shares of the classes, and what each weighs by them."""
        net._class_counts = net._coding.count(y, weight)
        net._class_factors = mean_one_factors(
            self._factors(net), net._class_counts, net.class_weight
        )

    def learn_chunk(
        self, net: Any, y: np.ndarray, weight: np.ndarray | None, classes: Any, first: bool
    ) -> None:
        """Count the classes of further rows; weights and smoothing follow."""
        if classes is not None:
            classes = self.possible_classes(net, classes)
        if first:
            net._coding, net._class_counts = self.coding(net, y, classes), None
        elif classes is not None and not np.array_equal(classes, net.classes_):
            raise ValueError(
                f"classes={classes.tolist()} are not those of the first call, "
                f"{net.classes_.tolist()}."
            )
        counts = net._coding.count(y, weight)
        net._class_counts = counts if net._class_counts is None else net._class_counts + counts
        net._class_factors = self._factors(net)

    def possible_classes(self, net: Any, classes: Any) -> np.ndarray:
        """Return what the user says may ever come, sorted."""
        return np.unique(classes)

    def _factors(self, net: Any) -> np.ndarray:
        return class_factors(net.class_weight, net._coding.weighted_classes, net._class_counts)

    def encode(self, net: Any, y: np.ndarray, name: str) -> np.ndarray:
        """Return class codes, or the indicator matrix of several labels."""
        return net._coding.encode(y, name)

    def units(self, net: Any) -> tuple[np.ndarray, ...]:
        """Return the classes."""
        return (net.classes_,)

    def decode(self, net: Any, codes: np.ndarray, units: tuple[np.ndarray, ...]) -> np.ndarray:
        """Return the labels of codes."""
        return codes if codes.dtype.kind == "f" else units[0][codes]  # indicators stay themselves

    def row_weights(
        self, net: Any, codes: np.ndarray, weight: np.ndarray | None
    ) -> np.ndarray | None:
        """Return the weight of each row: the given one times that of its class."""
        if net.class_weight is None:
            return weight
        factors = net._coding.row_factors(net._class_factors, codes)
        if weight is None:
            return factors
        return factors * (weight if factors.ndim == 1 else weight[:, None])

    def stratify_by(self, y: np.ndarray) -> np.ndarray | None:
        """Return the labels, of which each part of a split gets its share."""
        return y if y.ndim == 1 else None

    def criterion(self, net: Any) -> torch.nn.Module:
        """Return cross-entropy, smoothed towards the shares of the classes."""
        return net._coding.criterion(net.label_smoothing, self.shares(net))

    def shares(self, net: Any) -> torch.Tensor | None:
        """Return the share of each class in what was learnt from, by the weights in the loss.

        None for a network that has not seen rows, only weights from a file.
        """
        if net._class_counts is None:
            return None
        rows = net._class_counts * net._class_factors
        totals = rows.sum(axis=1, keepdims=True)
        even = np.full_like(rows, 1.0 / rows.shape[1])
        shares = np.divide(rows, totals, out=even, where=totals > 0)
        return torch.tensor(shares, dtype=FLOAT_TYPES[net.dtype_])

    def logits(self, net: Any, output: torch.Tensor) -> torch.Tensor:
        """Return the logits in a module's output for samples to predict."""
        return output

    def rows_score(self, net: Any, output: torch.Tensor, rows: Rows) -> float:
        """Return the accuracy."""
        return (net._coding.codes(self.logits(net, output)) == rows.y).double().mean().item()

    def codes(self, net: Any, output: torch.Tensor) -> torch.Tensor:
        """Return the most probable codes in a module's output."""
        return net._coding.codes(self.logits(net, output))

    def predict(self, net: Any, X: Any) -> np.ndarray:
        """Return labels, or codes for a data set that is in training units."""
        codes = net._output(X, lambda output: self.codes(net, output)).numpy()
        return codes if isinstance(X, IN_TRAINING_UNITS) else net._coding.labels(codes)

    def probabilities(self, net: Any, X: Any, *, logarithm: bool = False) -> np.ndarray:
        """Return the probability of each class, or its logarithm."""
        net.check_is_fitted()
        coding = net._coding
        convert = coding.log_probabilities if logarithm else coding.probabilities
        return net._output(X, lambda output: convert(self.logits(net, output))).numpy()
