"""What a module of the user's ends in: logits, or a function that makes probabilities of them.

Seen from what the module does with some rows, the last operation of its graph and the values that
come out, not from its class: it may call ``functional.softmax`` in ``forward``.
"""

import copy
import math
from contextlib import suppress
from typing import Any, NamedTuple

import torch
from torch import nn

from sklearn_trainkit.utils._random_streams import seeded_global_torch

__all__ = [
    "LOGITS",
    "LOOKED_AT",
    "Ending",
    "LossOfForms",
    "OutputForms",
    "as_logits",
    "ending_of",
    "forms_of",
    "unreachable_targets",
    "why_not_logits",
]

LOGITS = "logits"
_ENDINGS = {
    "HardsigmoidBackward": "hardsigmoid",
    "LogSigmoidBackward": "log_sigmoid",
    "LogSoftmaxBackward": "log_softmax",
    "ReluBackward": "relu",
    "SigmoidBackward": "sigmoid",
    "SoftmaxBackward": "softmax",
    "SoftplusBackward": "softplus",
    "TanhBackward": "tanh",
}
_RANGES = {
    "hardsigmoid": (0.0, 1.0),
    "log_sigmoid": (-math.inf, 0.0),
    "log_softmax": (-math.inf, 0.0),
    "relu": (0.0, math.inf),
    "sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "softplus": (0.0, math.inf),
    "tanh": (-1.0, 1.0),
}
# Of the same values, or of values that were only kept away from 0 and 1.
_UNCHANGED = (
    *("Alias", "Clamp", "Clone", "Expand", "Permute", "ReshapeAlias", "Select", "Slice"),
    *("Squeeze", "T", "ToCopy", "Transpose", "UnsafeView", "Unsqueeze", "View"),
)
_TOLERANCE = 1e-4
# Rows by which the outputs of a module are judged.
LOOKED_AT = 16


class Ending(NamedTuple):
    """The function that a module ends in.

    Attributes
    ----------
    name : str or None
        None for all that is not known here.
    range : tuple of float
        Lowest and highest value that it can give.
    """

    name: str | None
    range: tuple[float, float]


class OutputForms(NamedTuple):
    """What comes out: "logits", "[log_]softmax", "[log_]sigmoid", "bounded" or "unit".

    "bounded" is what no logits of classes can be made of, such as a softmax over the rows; "unit"
    is between 0 and 1 by a function that is not known, such as a sigmoid written out.

    Attributes
    ----------
    training, predicting : str
        Some modules make probabilities of their logits in eval mode only.
    """

    training: str = LOGITS
    predicting: str = LOGITS


def ending_of(output: torch.Tensor) -> Ending:
    """Return what the graph of an output ends in.

    Examples
    --------
    >>> ending_of(torch.sigmoid(torch.zeros(2, 1, requires_grad=True)).squeeze(1))
    Ending(name='sigmoid', range=(0.0, 1.0))
    """
    node, logarithm = output.grad_fn, False
    while node is not None:
        kind = node.name().rstrip("0123456789")
        own = kind.removesuffix("Backward")
        if kind in _ENDINGS:
            name = _ENDINGS[kind]
            if logarithm:
                name = f"log_{name}"
            return Ending(name, _RANGES[name]) if name in _RANGES else _UNKNOWN
        if own == "Log" and not logarithm:
            logarithm = True
        elif own not in _UNCHANGED and not (own == "Add" and logarithm):
            return _UNKNOWN
        node = node.next_functions[0][0] if node.next_functions else None
    return _UNKNOWN


_UNKNOWN = Ending(None, (-math.inf, math.inf))


def forms_of(module: nn.Module, X: torch.Tensor) -> OutputForms:
    """Return what a classifier's module gives, for some rows that it may change.

    Neither weights nor statistics of batches nor global generators are touched.
    """
    rows = X[:LOOKED_AT]
    was_training = module.training
    with seeded_global_torch(0), torch.enable_grad():
        module.eval()
        output = module(rows.clone())
        predicting = _form_of(output)
        if predicting == LOGITS and _stays_in_unit_range(module, rows, output):
            predicting = "unit"
        module.train(was_training)
        training = predicting
        if predicting == "unit":
            return OutputForms(training, predicting)
        # A layer may refuse so few rows in train mode; a copy cannot be made of each module.
        with suppress(RuntimeError, ValueError, TypeError):
            training = _form_of(copy.deepcopy(module).train()(rows.clone()))
    return OutputForms(training, predicting)


def _stays_in_unit_range(module: nn.Module, rows: torch.Tensor, output: torch.Tensor) -> bool:
    """Tell whether outputs that are not all the same are probabilities for rows of any size.

    Logits may happen to lie between 0 and 1, but not for rows a thousand times as large, too.
    """
    if not rows.is_floating_point() or not _is_in_unit_range(output):
        return False
    return bool((output != output[0]).any()) and all(
        _is_in_unit_range(module(factor * rows)) for factor in (1000, -1000)
    )


def _is_in_unit_range(output: torch.Tensor) -> bool:
    return bool(((output >= 0) & (output <= 1)).all())


def _form_of(output: torch.Tensor) -> str:
    name = ending_of(output).name
    values = output.detach().double()
    sums_to_one = bool(
        ((values >= 0) & (values <= 1)).all() and ((values.sum(dim=1) - 1).abs() < _TOLERANCE).all()
    )
    logs_sum_to_one = bool((values.logsumexp(dim=1).abs() < _TOLERANCE).all())
    if name in ("sigmoid", "log_sigmoid"):
        return name
    # Logits of a last layer that is all zeros may happen to sum to one: then rows are all the same.
    differs = len(values) > 1 and bool((values != values[0]).any())
    if sums_to_one and (name == "softmax" or (name is None and differs)):
        return "softmax"
    if logs_sum_to_one and (name == "log_softmax" or (name is None and differs)):
        return "log_softmax"
    return "bounded" if name in ("softmax", "log_softmax", "hardsigmoid") else LOGITS


def as_logits(output: torch.Tensor, form: str, several_labels: bool) -> torch.Tensor:
    """Return logits whose softmax, or sigmoid for several labels, is what the module means.

    The logarithm of a softmax are its logits but for a constant, so training goes as without it;
    a sigmoid is undone. Probabilities that have rounded to 0 or 1 have no gradient, as torch's
    own losses of probabilities have none.

    Parameters
    ----------
    output : Tensor of shape (N, n_outputs)
    form : str
    several_labels : bool

    Examples
    --------
    >>> as_logits(torch.tensor([[0.2, 0.8]]), "sigmoid", True).sigmoid()
    tensor([[0.2000, 0.8000]])
    """
    if form in (LOGITS, "bounded", "unit") or (form == "log_softmax" and not several_labels):
        return output
    limits = torch.finfo(output.dtype)
    if form in ("log_softmax", "log_sigmoid"):
        logs = output.clamp(max=-limits.eps / 2)
        return logs - torch.log(-torch.expm1(logs))
    inside = output.clamp(limits.tiny, 1 - limits.eps / 2)
    if form == "softmax" and not several_labels:
        return torch.log(inside)
    return torch.log(inside) - torch.log1p(-inside)


def why_not_logits(forms: OutputForms, several_labels: bool) -> str | None:
    """Return what is wrong with a classifier's outputs, or None where they can be trained on."""
    if "bounded" in forms:
        return (
            "its outputs are bounded, and no probabilities over the classes of each row. Let it "
            "end in logits, one for each class and without a function after them"
        )
    if "unit" in forms:
        return (
            "its outputs lie between 0 and 1 as if it ended in a sigmoid, but by a function that is"
            " not known here. Let it end in logits, or in torch.sigmoid, which is taken back"
        )
    if several_labels and any(form in ("softmax", "log_softmax") for form in forms):
        return (
            "it ends in a softmax over labels of which a row may have several, so that their "
            "probabilities add up to 1. Let it end in logits, or in Sigmoid"
        )
    return None


def unreachable_targets(module: nn.Module, X: torch.Tensor, y: torch.Tensor) -> str | None:
    """Return what targets a regressor's module cannot reach by the function that it ends in."""
    was_training = module.training
    module.eval()
    with seeded_global_torch(0), torch.enable_grad():
        ending = ending_of(module(X[:2].clone()))
    module.train(was_training)
    targets = y[torch.isfinite(y)]
    low, high = ending.range
    if not len(targets) or (targets.min() >= low and targets.max() <= high):
        return None
    return (
        f"ends in {ending.name}, whose outputs lie between {low:g} and {high:g}, but is trained on "
        f"targets from {targets.min():.3g} to {targets.max():.3g}"
    )


class LossOfForms(nn.Module):
    """A loss of logits, for a module that gives them in another form.

    Parameters
    ----------
    criterion : Module
        Called with (logits, target, weight).
    forms : OutputForms
    several_labels : bool
    """

    def __init__(self, criterion: nn.Module, forms: OutputForms, several_labels: bool) -> None:
        super().__init__()
        self.criterion = criterion
        self.forms = forms
        self.several_labels = several_labels

    def forward(self, output: torch.Tensor, *target_and_weight: Any) -> torch.Tensor:
        """Return the mean loss of the batch."""
        # Rows that stop a training go through the module in eval mode, where no gradients are.
        form = self.forms.training if torch.is_grad_enabled() else self.forms.predicting
        return self.criterion(as_logits(output, form, self.several_labels), *target_and_weight)
