"""Count the fits, epochs and gradient steps that estimators really spend, in any process.

A scikit-learn callback cannot keep its counts in memory: clones in worker processes hold copies of
it. So every thread of every process appends one short line per event to a file of its own in a
shared folder, and whoever wants the counts reads the folder. One host only: workers elsewhere
write into a folder that nobody reads.
"""

import json
import os
import shutil
import tempfile
import threading
import time
import uuid
import weakref
from typing import Any, NamedTuple

from sklearn_trainkit.callbacks._training_traces import (
    FitTrace,
    TaskStep,
    TrainingSpent,
    build_traces,
    read_events,
    sum_traces,
)

__all__ = [
    "EVALUATION_TASK",
    "REFIT_TASK",
    "TrainingLimit",
    "TrainingLimitReached",
    "TrainingMeter",
]

EPOCH_TASK = "epoch"
# What scikit-learn's searches, and ours, call their tasks.
EVALUATION_TASK = "candidate-split-evaluation"
REFIT_TASK = "refit-with-best-params"


class TrainingLimit(NamedTuple):
    """When a search has trained enough.

    Attributes
    ----------
    deadline : float or None
        Moment on the clock of ``time.monotonic()``.
    n_epochs : int or None
        Epochs trained by all estimators that report to the meter.
    """

    deadline: float | None = None
    n_epochs: int | None = None


class TrainingLimitReached(RuntimeError):  # noqa: N818 - it reports an end, not a mistake
    """Raised inside a fit that a search should not start, or not go on with."""


class TrainingMeter:
    """Watch estimators train and count fits, epochs and gradient steps, in any process.

    Set it on anything that takes scikit-learn callbacks: a network, a Pipeline, or the estimator
    of a search before the search is fitted. Clones keep it, threads and worker processes of the
    same host report to it. It asks for no data and no fitted copy, so watching is cheap (one short
    line appended to a file for each fit and each epoch).

    An estimator's epochs are its tasks named ``"epoch"``; its gradient steps are read from its
    attribute ``n_steps_``. Estimators without epochs have their fits counted.

    Parameters
    ----------
    label : str, default=""
        Written with each event, to tell apart the parts of one estimator.
    directory : path-like, default=None
        Folder for the events, which must exist. None makes a temporary folder, removed together
        with this meter.
    limit : TrainingLimit, default=None
        Once it is reached, the evaluations of a scikit-learn search or of ours raise
        :class:`TrainingLimitReached` before their next epoch or when they begin, which the search
        takes as a failed fit. Its refit, and fits outside such a search, are never stopped.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_trainkit.callbacks import TrainingMeter
    >>> X, y = load_iris(return_X_y=True)
    >>> meter = TrainingMeter()
    >>> model = LogisticRegression(max_iter=1000).set_callbacks(meter)
    >>> _ = GridSearchCV(model, {"C": [0.1, 1.0]}, cv=3).fit(X, y)
    >>> meter.spent()  # two candidates on three folds and the refit
    TrainingSpent(n_fits=7, n_epochs=None, n_steps=None)
    """

    def __init__(
        self,
        *,
        label: str = "",
        directory: str | os.PathLike[str] | None = None,
        limit: TrainingLimit | None = None,
    ):
        self.label = label
        self.limit = limit
        if directory is None:
            self.directory = tempfile.mkdtemp(prefix="training-meter-")
            weakref.finalize(self, _remove_in_owner, self.directory, os.getpid())
        else:
            self.directory = os.fspath(directory)

    def labelled(self, label: str) -> "TrainingMeter":
        """Return a meter that reports to the same folder under another label.

        Parameters
        ----------
        label : str
            The other label.

        Returns
        -------
        meter : TrainingMeter
            It does not own the folder: keep the first meter alive as long as this one.
        """
        return TrainingMeter(label=label, directory=self.directory, limit=self.limit)

    def traces(self) -> list[FitTrace]:
        """Read what was seen so far.

        Returns
        -------
        traces : list of FitTrace
            In the order in which the fits began.
        """
        return build_traces(read_events(self.directory))

    def spent(self) -> TrainingSpent:
        """Add up what was seen so far.

        Returns
        -------
        spent : TrainingSpent
            Fits, epochs and gradient steps.
        """
        return sum_traces(self.traces())

    def limit_reached(self) -> bool:
        """Return whether there is a limit and it has been reached."""
        if self.limit is None:
            return False
        deadline, n_epochs = self.limit
        if deadline is not None and time.monotonic() >= deadline:
            return True
        return n_epochs is not None and _tallied(self.directory) >= n_epochs

    # scikit-learn calls `setup` and `teardown` around every fit, also around one that raises.

    def setup(self, estimator: Any, context: Any) -> None:
        """Note that a fit begins."""
        path = _task_path(context)
        refused = _is_evaluation(path) and self.limit_reached()
        self._append(
            context,
            kind="begin",
            label=self.label,
            name=type(estimator).__name__,
            path=[(step.task_name, step.task_id) for step in path],
            refused=refused,
        )
        if refused:
            raise TrainingLimitReached(f"not begun: the search has reached {self.limit}")

    def teardown(self, estimator: Any, context: Any) -> None:
        """Note that a fit ended, well or not."""
        self._append(context, kind="end", steps=_steps_so_far(estimator))

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Note where the steps begin, and refuse an epoch when the limit has been reached."""
        if context.task_name != EPOCH_TASK:
            return
        if context.task_id == 0:
            # Only now is it known whether the fit begins anew or goes on with an earlier one.
            self._append(context, kind="first epoch", steps_before=_steps_so_far(estimator))
        if self.limit_reached() and _is_evaluation(_task_path(context)):
            raise TrainingLimitReached(f"stopped: the search has reached {self.limit}")

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Note that an epoch ended."""
        if context.task_name == EPOCH_TASK:
            self._append(context, kind="epoch", steps=_steps_so_far(estimator))
            if self.limit is not None:
                # A tally of one byte an epoch: its size is read faster than the events.
                self._append_text(".", ending="tally")

    def _append(self, context: Any, **event: Any) -> None:
        event["time"] = time.monotonic()
        event["fit"] = f"{_fit_id(context)} {self.label}"
        self._append_text(json.dumps(event, default=str) + "\n", ending="jsonl")

    def _append_text(self, text: str, ending: str) -> None:
        name = f"{os.getpid()}-{threading.get_ident()}.{ending}"
        try:
            with open(os.path.join(self.directory, name), "a", encoding="utf-8") as file:
                file.write(text)
        except FileNotFoundError:
            # The folder is gone: a model that was watched once is fitted again, or the worker
            # runs on another host. Training goes on.
            return


def _remove_in_owner(directory: str, owner_pid: int) -> None:
    # A forked child inherits the finalizer; the folder is not its own.
    if os.getpid() == owner_pid:
        shutil.rmtree(directory, ignore_errors=True)


def _is_evaluation(path: list[TaskStep]) -> bool:
    return any(step.task_name == EVALUATION_TASK for step in path)


def _tallied(directory: str) -> int:
    try:
        files = list(os.scandir(directory))
    except FileNotFoundError:
        return 0
    return sum(file.stat().st_size for file in files if file.name.endswith(".tally"))


def _steps_so_far(estimator: Any) -> int | None:
    steps = getattr(estimator, "n_steps_", None)
    return None if steps is None else int(steps)


def _own_root(context: Any) -> Any:
    # The root of an estimator is either the root of the tree, or merged with a task of the
    # estimator around it, which then names its source.
    while context.parent is not None and context.source_task_name is None:
        context = context.parent
    return context


def _task_path(context: Any) -> list[TaskStep]:
    steps = []
    while context is not None:
        steps.append(TaskStep(context.source_task_name or context.task_name, context.task_id))
        context = context.parent
    return steps[::-1]


def _fit_id(context: Any) -> str:
    root = _own_root(context)
    ids = ".".join(str(step.task_id) for step in _task_path(root))
    run: uuid.UUID = root.root_uuid
    return f"{run.hex}/{ids}"
