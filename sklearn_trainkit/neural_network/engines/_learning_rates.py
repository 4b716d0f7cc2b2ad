"""Learning-rate schedules that know the total length of training.

Each is a pure function from the course of training to a factor of ``lr``, computed once a step
or once an epoch; torch's scheduler objects would cost a tenth of a small network's step.

References
----------
Loshchilov, Hutter: SGDR. ICLR 2017 (cosine). Smith, Topin: Super-convergence. 2017 (one-cycle).
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

LR_SCHEDULES = ("constant", "cosine", "exponential", "linear", "one_cycle", "plateau", "step")

# What each schedule may be told, with its defaults.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "constant": {},
    "cosine": {"final_factor": 0.0},
    "exponential": {"gamma": 0.95},
    "linear": {"final_factor": 0.0},
    "one_cycle": {"pct_start": 0.3, "div_factor": 25.0, "final_div_factor": 1e4},
    "plateau": {"factor": 0.1, "patience": 5, "min_factor": 1e-4},
    "step": {"step_size": None, "gamma": 0.1},
}


# The least and the greatest value of each setting.
_RANGES: dict[str, tuple[float, float]] = {
    "div_factor": (1.0, math.inf),
    "factor": (0.0, 1.0),
    "final_div_factor": (1.0, math.inf),
    "final_factor": (0.0, 1.0),
    "gamma": (0.0, 1.0),
    "min_factor": (0.0, 1.0),
    "patience": (0, math.inf),
    "pct_start": (0.0, 1.0),
    "step_size": (1, math.inf),
}


def cosine_factor(t: float, final_factor: float = 0.0) -> float:
    """Fall from 1 to ``final_factor`` along half a cosine; ``t`` in [0, 1] is the progress."""
    return final_factor + (1.0 - final_factor) * 0.5 * (1.0 + math.cos(math.pi * t))


def linear_factor(t: float, final_factor: float = 0.0) -> float:
    """Fall from 1 to ``final_factor`` in a straight line."""
    return 1.0 + (final_factor - 1.0) * t


def one_cycle_factor(
    step: int, n_steps: int, pct_start: float, div_factor: float, final_div_factor: float
) -> float:
    """Rise from 1 / div_factor to 1 and fall to 1 / (div_factor * final_div_factor).

    The same course as :class:`torch.optim.lr_scheduler.OneCycleLR` with cosine annealing.
    """
    peak = pct_start * n_steps - 1.0
    last = n_steps - 1.0
    low, end = 1.0 / div_factor, 1.0 / (div_factor * final_div_factor)
    if step <= peak:
        return 1.0 + (low - 1.0) * 0.5 * (1.0 + math.cos(math.pi * step / peak)) if peak else 1.0
    t = (step - peak) / (last - peak) if last > peak else 1.0
    return cosine_factor(min(t, 1.0), end)


class LRSchedule:
    """Gives the factor of ``lr`` for each step of a training of known length.

    Parameters
    ----------
    schedule : str or callable, default="constant"
        A name of :data:`LR_SCHEDULES`, or ``f(progress) -> factor`` with progress in [0, 1].
    params : mapping or None
        Settings of the schedule; ``warmup`` (a share of all steps, default 0) goes with any and
        multiplies by a straight line from 0 to 1.
    n_epochs : int
        Epochs the training is planned for; later steps keep the last factor.
    steps_per_epoch : int

    Raises
    ------
    ValueError
        For an unknown setting.

    Examples
    --------
    >>> schedule = LRSchedule("cosine", None, n_epochs=2, steps_per_epoch=2)
    >>> [round(schedule.factor(step), 3) for step in range(4)]
    [1.0, 0.854, 0.5, 0.146]
    """

    def __init__(
        self,
        schedule: str | Callable[[float], float],
        params: Mapping[str, Any] | None,
        n_epochs: int,
        steps_per_epoch: int,
    ) -> None:
        settings = dict(params or {})
        self._warmup = float(settings.pop("warmup", 0.0))
        if not 0.0 <= self._warmup < 1.0:
            raise ValueError(
                f"lr_schedule_params['warmup'] is a share of training in [0, 1). "
                f"Got {self._warmup!r} instead."
            )
        self._schedule = schedule
        self._settings = _checked_settings(schedule, settings)
        self._n_epochs = n_epochs
        self._steps_per_epoch = max(1, steps_per_epoch)
        self._n_steps = max(1, n_epochs * steps_per_epoch)
        self._plateau = _Plateau(**self._settings) if schedule == "plateau" else None

    @property
    def constant(self) -> bool:
        """Whether the factor is 1 at every step."""
        return self._schedule == "constant" and not self._warmup

    @property
    def course(self) -> tuple | None:
        """What decides the factors: schedules with equal courses give equal factors.

        None for "plateau", which depends on the losses.
        """
        if self._plateau is not None:
            return None
        settings = tuple(sorted(self._settings.items()))
        return self._schedule, settings, self._warmup, self._n_epochs, self._steps_per_epoch

    def factor(self, step: int) -> float:
        """Return the factor of ``lr`` at ``step``, counted from 0."""
        factor = self._course(min(step, self._n_steps - 1))
        ramp = self._warmup * self._n_steps
        return factor * (step + 1) / ramp if step + 1 < ramp else factor

    def _course(self, step: int) -> float:
        settings = self._settings
        progress = step / self._n_steps
        epoch = step // self._steps_per_epoch
        if callable(self._schedule):
            return float(self._schedule(progress))
        if self._schedule == "cosine":
            return cosine_factor(progress, **settings)
        if self._schedule == "linear":
            return linear_factor(progress, **settings)
        if self._schedule == "exponential":
            return settings["gamma"] ** epoch
        if self._schedule == "step":
            step_size = settings["step_size"] or max(1, self._n_epochs // 3)
            return settings["gamma"] ** (epoch // step_size)
        if self._schedule == "one_cycle":
            return one_cycle_factor(step, self._n_steps, **settings)
        return self._plateau.value if self._plateau is not None else 1.0

    def state_dict(self) -> dict[str, Any]:
        """Return what the schedule has learnt on the way; only "plateau" learns."""
        return {} if self._plateau is None else vars(self._plateau).copy()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        if self._plateau is not None:
            vars(self._plateau).update(state)

    def end_epoch(self, loss: float) -> None:
        """Tell the loss of a finished epoch, which "plateau" acts on."""
        if self._plateau is not None:
            self._plateau.tell(loss)


class RunRates:
    """The learning rates of one training: a schedule over the rates of an optimizer's groups.

    Steps are counted as ``n_steps_`` counts them, over all trainings of the network.

    Parameters
    ----------
    schedule : LRSchedule
    base : list of float
        The rate of each group that the schedule multiplies.
    first_step : int
        Where this training begins.
    """

    def __init__(self, schedule: LRSchedule, base: list[float], first_step: int) -> None:
        self.schedule = schedule
        self.base = base
        self._first_step = first_step

    def at(self, step: int) -> list[float]:
        """Return the rate of each group at ``step``."""
        factor = self.schedule.factor(step - self._first_step)
        return [lr * factor for lr in self.base]

    def of_epoch(self, step: int, n_steps: int) -> list[list[float]] | None:
        """Return the rates of ``n_steps`` steps from ``step`` on; None where they stay."""
        if self.schedule.constant:
            return None
        return [self.at(step + i) for i in range(n_steps)]

    def course(self, step: int) -> tuple | None:
        """Return what decides the rates from ``step`` on; None where the losses do."""
        course = self.schedule.course
        return None if course is None else (course, step - self._first_step, *self.base)

    def set(self, optimizer: Any, step: int) -> None:
        """Give an optimizer the rates of ``step``, unless they stay."""
        if not self.schedule.constant:
            _set_rates(optimizer, self.at(step))

    def restore(self, optimizer: Any) -> None:
        """Give an optimizer the rates that it had before the schedule."""
        _set_rates(optimizer, self.base)


def _set_rates(optimizer: Any, rates: list[float]) -> None:
    for group, lr in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = lr


class _Plateau:
    """Multiply by ``factor`` after ``patience`` epochs without a lower loss."""

    def __init__(self, factor: float, patience: int, min_factor: float) -> None:
        self.value = 1.0
        self._factor = factor
        self._patience = patience
        self._min_factor = min_factor
        self._best = math.inf
        self._waited = 0

    def tell(self, loss: float) -> None:
        if loss < self._best:
            self._best, self._waited = loss, 0
            return
        self._waited += 1
        if self._waited > self._patience:
            self.value = max(self.value * self._factor, self._min_factor)
            self._waited = 0


def _checked_settings(
    schedule: str | Callable[[float], float], settings: dict[str, Any]
) -> dict[str, Any]:
    defaults = _DEFAULTS[schedule] if isinstance(schedule, str) else {}
    unknown = sorted(set(settings) - set(defaults))
    if unknown:
        raise ValueError(
            f"lr_schedule_params has {unknown}, which lr_schedule={schedule!r} does not know; "
            f"it takes {sorted([*defaults, 'warmup'])}."
        )
    settings = {**defaults, **settings}
    for name, value in settings.items():
        low, high = _RANGES[name]
        if value is not None and not low <= value <= high:
            raise ValueError(
                f"lr_schedule_params[{name!r}] must be from {low} to {high}. Got {value!r} instead."
            )
    return settings
