"""A trial on its way through its jobs, as the driver sees it."""

from concurrent.futures import Future
from dataclasses import dataclass, field

import optuna

from sklearn_trainkit.model_selection.evaluation._evaluator import TrialJob
from sklearn_trainkit.model_selection.evaluation._trial_record import TrialResult

__all__ = ["Candidate"]


@dataclass(eq=False)
class Candidate:
    """A trial on its way through its jobs.

    Attributes
    ----------
    trial : optuna.Trial
    job : TrialJob
        The job that it is at, or that comes next.
    future : Future of TrialResult
        Where the result of this job arrives.
    submission : int
        Which job of the workers it is; those that train together have the same.
    is_alone : bool
        Whether the job has the worker to itself.
    began : float
        ``time.time()`` when the job was handed to a worker.
    due : float
        When the result is due on the clock of an ordered search.
    result : TrialResult or None
        Of the job before, while it waits at a rung.
    told : set of int
        Steps of its curve that the study knows.
    """

    trial: optuna.Trial
    job: TrialJob
    future: "Future[TrialResult]" = field(default_factory=Future)
    submission: int = -1
    is_alone: bool = True
    began: float = 0.0
    due: float = 0.0
    result: TrialResult | None = None
    told: set[int] = field(default_factory=set)
