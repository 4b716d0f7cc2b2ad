"""What was seen of estimators that trained: events that a meter wrote, read and added up."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["FitTrace", "TaskStep", "TrainingSpent", "build_traces", "read_events", "sum_traces"]


class TaskStep(NamedTuple):
    """One level of the task tree that a fit happened in.

    Attributes
    ----------
    task_name : str
        Name that the enclosing estimator gave to the task, ``"fit"`` for the outermost one.
    task_id : int or str
        Number of the task among its siblings.
    """

    task_name: str
    task_id: int | str


@dataclass(frozen=True)
class FitTrace:
    """What was seen of one fit of one estimator.

    Attributes
    ----------
    label : str
        Label of the meter that saw it.
    estimator_name : str
        Class name of the estimator.
    task_path : tuple of TaskStep
        The tasks around this fit, outermost first, the fit itself last.
    begin, end : float
        Seconds of ``time.monotonic()``. ``end`` is NaN when the fit has not ended, or its process
        was killed.
    epoch_ends : tuple of float
        When each epoch ended, on the same clock.
    epoch_steps : tuple of int or None
        Gradient steps of this fit up to each epoch's end (None: the estimator does not tell).
    n_steps : int or None
        Gradient steps of the whole fit, also of one that failed half-way.
    refused : bool
        Whether it was not allowed to begin, because a limit had been reached.
    continued : bool
        Whether it went on with an earlier fit, as ``partial_fit`` does. Its steps are the new
        ones.
    """

    label: str
    estimator_name: str
    task_path: tuple[TaskStep, ...]
    begin: float
    end: float
    epoch_ends: tuple[float, ...]
    epoch_steps: tuple[int | None, ...]
    n_steps: int | None
    refused: bool = False
    continued: bool = False


class TrainingSpent(NamedTuple):
    """Sums over fits; None means not known, which is not the same as zero.

    Attributes
    ----------
    n_fits : int
        The largest number of fits under one label: a Pipeline and its last step count as one fit.
        Going on with an earlier fit (``partial_fit``) is not another one.
    n_epochs : int or None
        Epochs trained, None when no estimator reported any.
    n_steps : int or None
        Gradient steps taken, None when no estimator reported any.
    """

    n_fits: int
    n_epochs: int | None
    n_steps: int | None


def sum_traces(traces: Iterable[FitTrace]) -> TrainingSpent:
    """Add up fits, epochs and gradient steps.

    Parameters
    ----------
    traces : iterable of FitTrace
        Fits to add up.

    Returns
    -------
    spent : TrainingSpent
        The sums.
    """
    traces = [trace for trace in traces if not trace.refused]
    fits = Counter(trace.label for trace in traces if not trace.continued)
    epochs = sum(len(trace.epoch_ends) for trace in traces)
    steps = [trace.n_steps for trace in traces if trace.n_steps is not None]
    return TrainingSpent(
        n_fits=max(fits.values(), default=0),
        n_epochs=epochs or None,
        n_steps=sum(steps) if steps else None,
    )


def read_events(directory: str) -> Iterator[dict[str, Any]]:
    for path in sorted(Path(directory).glob("*.jsonl")):
        # Without its newline, the last line is still being written or its process was killed.
        *lines, _unfinished = path.read_text(encoding="utf-8").split("\n")
        yield from map(json.loads, lines)


def build_traces(events: Iterable[dict[str, Any]]) -> list[FitTrace]:
    by_fit: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        by_fit[event["fit"]].append(event)
    traces = [_build_trace(fit_events) for fit_events in by_fit.values()]
    return sorted(traces, key=lambda trace: trace.begin)


def _build_trace(events: list[dict[str, Any]]) -> FitTrace:
    events = sorted(events, key=lambda event: event["time"])
    begin = next(event for event in events if event["kind"] == "begin")
    epochs = [event for event in events if event["kind"] == "epoch"]
    ends = [event["time"] for event in events if event["kind"] == "end"]
    readings = [event["steps"] for event in events if event.get("steps") is not None]
    before = [event["steps_before"] for event in events if event["kind"] == "first epoch"]
    base = before[0] or 0 if before else 0
    return FitTrace(
        label=begin["label"],
        estimator_name=begin["name"],
        task_path=tuple(TaskStep(*step) for step in begin["path"]),
        begin=begin["time"],
        end=ends[-1] if ends else float("nan"),
        epoch_ends=tuple(event["time"] for event in epochs),
        epoch_steps=tuple(_minus(event["steps"], base) for event in epochs),
        n_steps=_minus(max(readings, default=None), base) if epochs else _nothing(readings),
        refused=begin["refused"],
        continued=base > 0,
    )


def _nothing(readings: list[int]) -> int | None:
    # Without an epoch, what the estimator tells is about an earlier fit.
    return 0 if readings else None


def _minus(steps: int | None, base: int) -> int | None:
    return None if steps is None else steps - base
