"""How gradients flow through the layers: norms, zeros, non-finite values and update sizes.

One step of every epoch is looked at, which keeps the cost to a few per cent of an epoch.
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import torch
from skorch.callbacks import Callback

from sklearn_trainkit.callbacks._layer_flow import (
    BackwardOrder,
    LayerFlow,
    gradient_flow,
    measure_layers,
    owners_of,
)
from sklearn_trainkit.exceptions import GradientFlowWarning

__all__ = [
    "DEAD_SHARE",
    "EXPLODING_NORM",
    "EXPLODING_RATIO",
    "VANISHING_RATIO",
    "GradientFlow",
    "LayerFlow",
    "diagnose_flow",
    "gradient_flow",
    "has_dead_units",
    "read_flow",
]

# A first layer with a ten-thousandth of the last layer's gradient learns ten thousand times
# more slowly under plain gradient descent.
VANISHING_RATIO = 1e-4
EXPLODING_RATIO = 1e4
EXPLODING_NORM = 1e4
DEAD_SHARE = 0.9


def diagnose_flow(epochs: Sequence[Sequence[LayerFlow]]) -> str | None:
    """Say in plain words what is wrong with the gradients of some epochs, or return None.

    Parameters
    ----------
    epochs : sequence of sequence of LayerFlow
        One entry an epoch, each from the input to the output; as recorded, or as a history's
        file gives them back, a list for each layer.

    Examples
    --------
    >>> flow = [LayerFlow("first", 1e-9, 0.0, 0.0), LayerFlow("last", 0.1, 0.0, 0.0)]
    >>> print(diagnose_flow([flow]))
    The gradient vanishes on its way back: first has 1e-08 of the gradient of last...
    """
    epochs = [read_flow(flow) for flow in epochs if flow]
    if not epochs:
        return None
    last = epochs[-1]
    broken = [layer.layer for layer in last if layer.nonfinite_share > 0]
    if broken:
        return (
            f"The gradient of {', '.join(broken)} has NaN or infinite entries. Scale the inputs, "
            "lower lr or set clip_norm."
        )
    peak = max((layer for flow in epochs for layer in flow), key=lambda layer: layer.grad_norm)
    if peak.grad_norm > EXPLODING_NORM:
        return (
            f"The gradient explodes: its root mean square reached {peak.grad_norm:.0e} in "
            f"{peak.layer}. "
            "Set clip_norm, lower lr or scale inputs and targets."
        )
    first, end = last[0], last[-1]
    ratio = _median([f[0].grad_norm / f[-1].grad_norm for f in epochs if f[-1].grad_norm > 0])
    if len(last) > 1 and ratio < VANISHING_RATIO:
        return (
            f"The gradient vanishes on its way back: {first.layer} has {ratio:.0e} of the "
            f"gradient of {end.layer}. Use skip='add', a normalization, an activation that does "
            "not saturate, or fewer layers."
        )
    if len(last) > 1 and ratio > EXPLODING_RATIO:
        return (
            f"The gradient explodes on its way back: {first.layer} has {ratio:.0e} times the "
            f"gradient of {end.layer}. Use a normalization, a smaller initialization or clip_norm."
        )
    dead = [layer.layer for layer in last[:-1] if has_dead_units(layer)]
    if dead:
        return (
            f"The gradient of more than {DEAD_SHARE:.0%} of the units of {', '.join(dead)} is "
            "exactly zero: they are dead. Lower lr, or use leaky_relu, gelu or a normalization."
        )
    return None


def read_flow(flow: Iterable[Sequence[Any]]) -> list[LayerFlow]:
    """Return an epoch's record; a file has made lists of it."""
    return [LayerFlow(*layer) for layer in flow]


def has_dead_units(layer: LayerFlow) -> bool:
    """Tell whether most of a layer's units take no part in learning."""
    share = layer.zero_share if layer.dead_share is None else layer.dead_share
    return share > DEAD_SHARE


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 1.0


class GradientFlow(Callback):
    """Record the flow of gradients once an epoch and name what is wrong with it.

    Works in any skorch net and in the networks of this package, with dense and sparse gradients.
    Each epoch's record is in the net's history under ``"gradient_flow"``: the layers in the order
    in which the forward pass first uses them, however the module registers them (with
    ``compile=True`` as registered); weights that get no gradient are left out.

    Parameters
    ----------
    warn : bool, default=True
        Whether to warn (:class:`~sklearn_trainkit.exceptions.GradientFlowWarning`) at the end of
        training if gradients vanish or explode, or most units of a layer have none.

    Attributes
    ----------
    diagnosis_ : str or None
        The finding in plain words, after training.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_trainkit.callbacks import GradientFlow
    >>> from sklearn_trainkit.neural_network import MLPNetClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPNetClassifier((8,), max_epochs=2, callbacks=[GradientFlow()]).fit(X, y)
    >>> [layer.layer for layer in net.history[-1]["gradient_flow"]]
    ['hidden.0.0.weight', 'output.weight']
    """

    # Of an epoch: one whose gradients it looks at, and the next, to see what the step has done.
    n_steps_heard: ClassVar[int] = 2

    def __init__(self, warn: bool = True) -> None:
        self.warn = warn

    def initialize(self) -> "GradientFlow":
        """Forget earlier trainings."""
        self.diagnosis_: str | None = None
        self.epochs_: list[list[LayerFlow]] = []
        self.start_: list[torch.Tensor] | None = None
        self.watched_: list[torch.nn.Parameter] = []
        self.seen_ = False
        self.order_: BackwardOrder | None = None
        return self

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Look at the first step of the epoch."""
        self.seen_ = False
        if not self.epochs_:  # those before a checkpoint
            self.epochs_ = [row["gradient_flow"] for row in net.history if "gradient_flow" in row]
        self._stop_listening()
        # A compiled pass gives all gradients back at once.
        if not getattr(net, "compile", False):
            weights = (p for module in _modules(net) for p in module.parameters() if p.ndim >= 2)
            self.order_ = BackwardOrder({id(weight): weight for weight in weights}.values())

    def on_grad_computed(self, net: Any, named_parameters: Iterable, **kwargs: Any) -> None:
        """Measure the gradients; a step later, what the step did to the weights."""
        if self.seen_:
            self._measure_update()
            return
        self.seen_ = True
        owners = owners_of(_modules(net))
        everything = list(named_parameters)
        named = [(n, p) for n, p in everything if p.grad is not None and p.grad.ndim >= 2]
        if self.order_ is not None:
            named = list(self.order_.sort(named, owners))
        self._stop_listening()
        biases = [(n, p) for n, p in everything if p.ndim < 2]
        self.epochs_.append(measure_layers([*named, *biases], owners))
        self.watched_ = [parameter for _, parameter in named]
        self.start_ = [parameter.detach().clone() for parameter in self.watched_]

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Put the epoch's record into the history."""
        self._measure_update()
        if self.epochs_:
            net.history.record("gradient_flow", self.epochs_[-1])

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Name what is wrong."""
        self.start_, self.watched_ = None, []
        self._stop_listening()
        self.diagnosis_ = diagnose_flow(self.epochs_)
        if self.warn and self.diagnosis_ is not None:
            warnings.warn(self.diagnosis_, GradientFlowWarning, stacklevel=2)

    def _stop_listening(self) -> None:
        if self.order_ is not None:
            self.order_.stop()
            self.order_ = None

    def _measure_update(self) -> None:
        if self.start_ is None:
            return
        with torch.no_grad():
            ratios = [
                float((now - before).norm()) / max(float(before.norm()), 1e-12)
                for now, before in zip(self.watched_, self.start_, strict=True)
            ]
        self.start_ = None
        flow = zip(self.epochs_[-1], ratios, strict=True)
        self.epochs_[-1] = [layer._replace(update_ratio=ratio) for layer, ratio in flow]


def _modules(net: Any) -> list[torch.nn.Module]:
    """Return all modules of a skorch net that may have weights, its losses among them."""
    names = [*getattr(net, "_modules", ["module"]), *getattr(net, "_criteria", ["criterion"])]
    found = [getattr(net, f"{name}_", None) for name in names]
    return [module for module in found if isinstance(module, torch.nn.Module)]
