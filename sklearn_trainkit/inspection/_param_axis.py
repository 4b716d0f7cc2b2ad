"""A parameter as an axis: positions of its values, scale and ticks."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sklearn_trainkit.inspection._drawing import literal
from sklearn_trainkit.model_selection.results._trials_table import TrialsTable

__all__ = ["ParamAxis", "check_params", "make_axis"]

# Wider ranges of positive numbers are shown on a logarithmic scale.
LOG_FROM_RATIO = 100.0
MAX_TICK_LABEL = 18


@dataclass(frozen=True)
class ParamAxis:
    """One parameter of a search.

    Attributes
    ----------
    name : str
        Of the parameter.
    values : ndarray of shape (n_trials,)
        Numbers, or codes of ``labels``; NaN where a trial lacks the parameter.
    labels : tuple of str or None
        Choices by code; None for numbers.
    log : bool
        Whether the scale is logarithmic.
    """

    name: str
    values: np.ndarray
    labels: tuple[str, ...] | None
    log: bool

    @property
    def positions(self) -> np.ndarray:
        """Where the values lie on an even scale, as logarithms where ``log``."""
        return np.log10(self.values) if self.log else self.values

    def grid(self, n_points: int) -> np.ndarray:
        """Return values that span the axis evenly: every code, or numbers."""
        if self.labels is not None:
            return np.arange(len(self.labels), dtype=float)
        low, high = np.nanmin(self.positions), np.nanmax(self.positions)
        even = np.linspace(low, high, n_points)
        return 10.0**even if self.log else even

    def dress(self, axes: Any, which: str) -> None:
        """Set label, scale and ticks of the "x" or "y" axis of matplotlib axes."""
        axes.set(**{f"{which}label": literal(self.name)})
        if self.log:
            axes.set(**{f"{which}scale": "log"})
        if self.labels is not None:
            ticks = {f"{which}ticks": range(len(self.labels))}
            axes.set(**ticks)
            axis = axes.xaxis if which == "x" else axes.yaxis
            axis.set_ticklabels([literal(shorten(label)) for label in self.labels])
            axes.set(**{f"{which}lim": (-0.5, len(self.labels) - 0.5)})
            if which == "x" and max(map(len, self.labels)) * len(self.labels) > 16:
                axes.tick_params(axis="x", rotation=30)
                for text in axes.get_xticklabels():
                    text.set(ha="right", rotation_mode="anchor")


def make_axis(trials: TrialsTable, name: str) -> ParamAxis:
    """Return the axis of one parameter."""
    column = trials.params[name]
    if column.dtype == object:
        labels = tuple(sorted({label for label in column if label is not None}, key=_label_order))
        codes = {label: float(code) for code, label in enumerate(labels)}
        values = np.array([codes.get(label, np.nan) for label in column])
        return ParamAxis(name, values, labels, False)
    values = column.to_numpy(dtype=float)
    log = (name in trials.log_params and np.nanmin(values) > 0) or _is_wide(values)
    return ParamAxis(name, values, None, bool(log))


def check_params(trials: TrialsTable, params: Any, n_required: int | None = None) -> list[str]:
    """Return the names to show; None means all that take more than one value.

    Raises
    ------
    ValueError
        When a name is unknown, or there are not as many as required.
    """
    known = [str(name) for name in trials.params]
    if params is None:
        chosen = [name for name in known if trials.params[name].nunique() > 1]
    else:
        chosen = [params] if isinstance(params, str) else list(params)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise ValueError(f"params must name parameters of the search, {known}; got {unknown}")
    if n_required is not None and len(chosen) != n_required:
        raise ValueError(f"params must name {n_required} parameters of {known}; got {params!r}")
    if not chosen:
        raise ValueError(f"no parameter of {known} takes more than one value")
    return chosen


def shorten(label: str) -> str:
    """Return a label that fits a tick."""
    return label if len(label) <= MAX_TICK_LABEL else label[: MAX_TICK_LABEL - 1] + "…"


def _label_order(label: str) -> tuple[float, str]:
    """Sort numbers by value, and before all other labels."""
    try:
        number = float(label)
    except ValueError:
        number = np.inf
    return (np.inf if np.isnan(number) else number), label


def _is_wide(values: np.ndarray) -> bool:
    known: np.ndarray = values[~pd.isna(values)]
    return bool(len(known) and known.min() > 0 and known.max() / known.min() >= LOG_FROM_RATIO)
