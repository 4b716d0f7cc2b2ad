"""New candidates: enqueued or drawn, claimed in a shared study, and none that was tried before."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.trial import TrialState

from sklearn_trainkit.model_selection.evaluation._evaluator import TrialJob
from sklearn_trainkit.model_selection.space._search_space import EnqueuedTrial, SearchSpace
from sklearn_trainkit.model_selection.space._tried_points import TriedPoints
from sklearn_trainkit.model_selection.study._search_study import SearchStudy
from sklearn_trainkit.model_selection.study._shared_study import JointStudy
from sklearn_trainkit.model_selection.study._storage import ENQUEUED, RECORD, draw_params
from sklearn_trainkit.model_selection.workers._candidate import Candidate

__all__ = ["Proposals"]

_Drawn = tuple[optuna.Trial, dict[str, Any]]


class Proposals:
    """Asks the study for candidates.

    Parameters
    ----------
    study : SearchStudy
        Holds the trials.
    space : SearchSpace
        Turns a trial into parameters.
    enqueued : dict of str to EnqueuedTrial
        Candidates to try first, by their keys.
    n_trials : int or None
        Number of trials in the study; None for no limit.
    tried : TriedPoints
        Keeps the sampler from proposing a point again.
    joint : JointStudy or None
        The study as shared with earlier sessions and other processes; None in memory.
    begin_task : callable
        Begins the task of a trial in scikit-learn's task tree.

    Attributes
    ----------
    n_asked : int
        Candidates so far, those of earlier sessions included.
    exhausted : bool
        Whether no point of the space is left.
    seconds : float
        Time spent proposing.
    """

    def __init__(
        self,
        study: SearchStudy,
        space: SearchSpace,
        enqueued: Mapping[str, EnqueuedTrial],
        n_trials: int | None,
        *,
        tried: TriedPoints,
        joint: JointStudy | None,
        begin_task: Callable[[int], Any],
    ) -> None:
        self.n_asked = 0 if joint is None else len(joint.earlier)
        self.exhausted = False
        self.seconds = 0.0
        self._study = study
        self._space = space
        self._enqueued = enqueued
        self._n_trials = n_trials
        self._tried = tried
        self._joint = joint
        self._begin_task = begin_task
        self._waiting = deque(_list_untried(study, enqueued))

    def are_out(self) -> bool:
        """Return whether there will be no further candidate."""
        if self.exhausted or self._n_trials is None:
            return self.exhausted
        started = self.n_asked if self._joint is None else self._joint.count_started()
        return started >= self._n_trials

    def look_again(self) -> None:
        """Take note that a point that was another process's may have come back, if that died."""
        if self._joint is not None and self._joint.has_waiting():
            self.exhausted = False

    def draw(self) -> Candidate | None:
        """Return the next candidate; None if another process took the last one, or none is left."""
        if self._waiting and self._joint is not None:
            self._waiting = deque(_list_untried(self._study, self._enqueued))
        if self._waiting:
            key = self._waiting.popleft()
            dictated, attrs = self._enqueued[key].fixed, {ENQUEUED: key}
            drawn = self._draw(self._study.ask_for(dictated, attrs))
        else:
            dictated, attrs = {}, {}
            drawn = self._draw(self._study.ask())
        if drawn is not None and self._was_tried(drawn[0]):
            drawn = self._draw_another(*drawn, dictated, attrs)
        if drawn is None:
            return None
        trial, params = drawn
        with self._failing(trial):
            self._tried.add(trial.params)
            self.n_asked += 1
            return Candidate(trial, TrialJob(trial.number, params, self._begin_task(trial.number)))

    def _draw(self, trial: optuna.Trial) -> _Drawn | None:
        """Return a trial that was asked for with its parameters; None if it may not run."""
        with self._failing(trial):
            if self._joint is not None and not self._joint.admit(trial, self._n_trials):
                return None
            started = time.perf_counter()
            params = draw_params(trial, self._space, self._enqueued)
            self.seconds += time.perf_counter() - started
            return trial, params

    def _was_tried(self, trial: optuna.Trial) -> bool:
        if self._joint is not None:
            self._tried.note_elsewhere(self._joint.list_running_elsewhere())
        return self._tried.holds(trial.params)

    def _draw_another(
        self,
        trial: optuna.Trial,
        params: dict[str, Any],
        dictated: Mapping[str, Any],
        attrs: dict[str, Any],
    ) -> _Drawn | None:
        """Return a trial of a point that was not tried, in the place of one that was.

        A candidate that is dictated as a whole is tried as often as it is dictated.
        """
        fixed = dictated or getattr(self._study.sampler, "_fixed_params", {})
        try:
            found = self._tried.find_untried(trial.number, fixed)
        except Exception:  # a space that asks its trial for more than draws
            return trial, params
        if found is None and dictated:
            return trial, params
        self._study.withdraw(trial)
        if found is None:
            self.exhausted = True
            return None
        return self._draw(self._study.ask_for(found, attrs))

    @contextmanager
    def _failing(self, trial: optuna.Trial) -> Iterator[None]:
        """Leave no running trial behind when something is raised."""
        try:
            yield
        except BaseException:
            self._study.tell(trial, state=TrialState.FAIL)
            raise


def _list_untried(study: SearchStudy, enqueued: Iterable[str]) -> list[str]:
    """Return which enqueued candidates no session has asked for yet, or was kept from trying."""
    asked = {
        trial.user_attrs.get(ENQUEUED)
        for trial in study.get_trials(deepcopy=False)
        if trial.state != TrialState.FAIL or RECORD in trial.user_attrs
    }
    return [key for key in enqueued if key not in asked]
