"""What the compiled optimizers need of torch's: settings and states, by their names there."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from sklearn_trainkit.neural_network.kernels._codes import N_HYPER, Optimizer

__all__ = ["OptimizerState", "obstacle_to_steps"]


class _Kind(NamedTuple):
    """An optimizer: its code, its own settings in their order, and the names of its states.

    A state is there only if ``has`` says so of the settings.
    """

    code: Optimizer
    settings: Callable[[Mapping[str, Any]], tuple[float, ...]]
    states: tuple[str, ...]
    has: Callable[[str, Mapping[str, Any]], bool] = lambda name, group: True


def _betas(group: Mapping[str, Any], *more: str) -> tuple[float, ...]:
    return (*group["betas"], group["eps"], *(group[name] for name in more))


_ADAM = _Kind(
    Optimizer.ADAM,
    _betas,
    ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"),
    lambda name, group: name != "max_exp_avg_sq" or group["amsgrad"],
)
_KINDS: dict[type[torch.optim.Optimizer], _Kind] = {
    torch.optim.Adadelta: _Kind(
        Optimizer.ADADELTA, lambda group: (group["rho"], group["eps"]), ("square_avg", "acc_delta")
    ),
    torch.optim.Adagrad: _Kind(
        Optimizer.ADAGRAD, lambda group: (group["lr_decay"], group["eps"]), ("sum",)
    ),
    torch.optim.Adam: _ADAM,
    torch.optim.AdamW: _ADAM,
    torch.optim.Adamax: _Kind(Optimizer.ADAMAX, _betas, ("exp_avg", "exp_inf")),
    torch.optim.NAdam: _Kind(
        Optimizer.NADAM,
        lambda group: _betas(group, "momentum_decay"),
        ("exp_avg", "exp_avg_sq"),
    ),
    torch.optim.RAdam: _Kind(Optimizer.RADAM, _betas, ("exp_avg", "exp_avg_sq")),
    torch.optim.RMSprop: _Kind(
        Optimizer.RMSPROP,
        lambda group: (group["alpha"], group["eps"], group["momentum"]),
        ("square_avg", "momentum_buffer", "grad_avg"),
        lambda name, group: {
            "square_avg": True,
            "momentum_buffer": group["momentum"] > 0,
            "grad_avg": group["centered"],
        }[name],
    ),
    torch.optim.SGD: _Kind(
        Optimizer.SGD,
        lambda group: (group["momentum"], group["dampening"], float(group["nesterov"])),
        ("momentum_buffer",),
        lambda name, group: group["momentum"] != 0,
    ),
}


def obstacle_to_steps(optimizer: torch.optim.Optimizer) -> str | None:
    """Return why the steps of an optimizer are not compiled; None if they are."""
    if type(optimizer) not in _KINDS:
        return f"the steps of {type(optimizer).__name__} are not compiled"
    group = optimizer.param_groups[0]
    if isinstance(group["lr"], torch.Tensor):
        return "the learning rate is a tensor"
    for name in ("capturable", "differentiable"):
        if group.get(name):
            return f"{type(optimizer).__name__}({name}=True)"
    return None


class OptimizerState:
    """One network's optimizer, as the compiled code works on it.

    Parameters
    ----------
    optimizer : Optimizer
        Gives settings.
    state : dict of str to Tensor
        What it has learnt, with tensors of shape (1, n). What is missing is put there, as torch
        does at the first step.
    values : Tensor of shape (1, n)
        The parameters.

    Attributes
    ----------
    arguments : tuple
        As :func:`take_step` is told of it: the kind, its hyperparameters, numbers, and views of
        three states.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, state: dict[str, Any], values: torch.Tensor
    ) -> None:
        kind = _KINDS[type(optimizer)]
        group = optimizer.param_groups[0]
        self._state = state
        apart = isinstance(optimizer, torch.optim.AdamW) or group.get("decoupled_weight_decay")
        hyper = np.zeros(N_HYPER)
        own = kind.settings(group)
        hyper[:3] = group["weight_decay"], bool(apart), bool(group.get("maximize"))
        hyper[3 : 3 + len(own)] = own
        is_first = state.get(kind.states[0]) is None
        nothing = torch.empty(0, dtype=values.dtype)
        arrays = []
        for name in (*kind.states, "", "")[:3]:
            if not name or not kind.has(name, group):
                arrays.append(nothing.numpy())
                continue
            if state.get(name) is None:
                state[name] = torch.zeros_like(values)
            arrays.append(state[name].detach().numpy().reshape(-1))
        if kind.code != Optimizer.SGD:
            state.setdefault("step", torch.tensor(0.0))
        if kind.code == Optimizer.NADAM:
            product = state.setdefault("mu_product", torch.ones(()))
            hyper[7] = product.dtype == torch.float32
        self._numbers = np.zeros(2)
        self._numbers[0] = float(state.get("step", 0.0))
        self._numbers[1] = float(state.get("mu_product", 0.0 if is_first else 1.0))
        self.arguments = int(kind.code), hyper, self._numbers, *arrays

    def tell(self) -> None:
        """Give torch's state the counts that steps have brought up to date."""
        for name, number in zip(("step", "mu_product"), self._numbers, strict=True):
            if name in self._state:
                self._state[name].fill_(number)
