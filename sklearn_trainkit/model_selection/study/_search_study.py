"""The study that holds the trials of a search."""

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

__all__ = [
    "STUDY_NAME",
    "SearchStudy",
    "list_trials",
    "quiet_optuna",
    "summarize",
]

_WITHDRAWN = "sklearn_trainkit:withdrawn"

# One name for every search in memory: Hyperband's brackets depend on it.
STUDY_NAME = "OptunaSearchCV"


class SearchStudy(optuna.Study):
    """A study that is asked and told from outside, so ``stop`` sets a flag.

    optuna's own refuses ``stop`` outside ``optimize``, but callbacks written for optuna call it.
    """

    stop_requested = False
    waiting: set[int]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.waiting = set()

    def _get_trials(
        self, deepcopy: bool = True, states: Any = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        """Return the trials, those that wait at a rung as pruned: samplers learn from them."""
        if not self.waiting:
            return super()._get_trials(deepcopy, states, use_cache)
        shown = []
        for trial in super()._get_trials(deepcopy, None, use_cache):
            if trial.number in self.waiting:
                trial = copy.copy(trial)
                trial.state = TrialState.PRUNED
            if states is None or trial.state in states:
                shown.append(trial)
        return shown

    @property
    def trials(self) -> list[FrozenTrial]:
        """The trials, without those that were withdrawn before they ran.

        ``get_trials`` returns all that the storage holds, each at the place of its number.
        """
        return [trial for trial in super().trials if not _is_withdrawn(trial)]

    def withdraw(self, trial: optuna.Trial) -> None:
        """End a trial that was asked for and is not to run: it counts nowhere."""
        self.note(trial, _WITHDRAWN, True)
        self.tell(trial, state=TrialState.FAIL)

    def ask_for(self, fixed: dict[str, Any], user_attrs: dict[str, Any]) -> optuna.Trial:
        """Return a running trial with some parameters given.

        In one step: of two processes that ask for a waiting trial on sqlite, both may get it.
        """
        template = optuna.trial.create_trial(
            state=TrialState.RUNNING, system_attrs={"fixed_params": fixed}, user_attrs=user_attrs
        )
        return optuna.Trial(self, self._storage.create_new_trial(self._study_id, template))

    def note(self, trial: optuna.Trial, key: str, value: Any) -> None:
        """Keep what a pruner noted on a trial in another process."""
        self._storage.set_trial_system_attr(trial._trial_id, key, value)

    def stop(self) -> None:
        """Ask the search to end after the running trials."""
        self.stop_requested = True


def list_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return ``study.trials`` to be read only: not copied, which takes longer than reading."""
    return [trial for trial in study.get_trials(deepcopy=False) if not _is_withdrawn(trial)]


def _is_withdrawn(trial: FrozenTrial) -> bool:
    return bool(trial.system_attrs.get(_WITHDRAWN))


def summarize(study: optuna.Study) -> tuple[float, int]:
    """Return the best value of a complete trial (NaN if none is) and the number of pruned ones."""
    trials = study.get_trials(deepcopy=False)
    values = [trial.values[0] for trial in trials if trial.state == TrialState.COMPLETE]
    n_pruned = sum(trial.state == TrialState.PRUNED for trial in trials)
    return max(values, default=float("nan")), n_pruned


@contextmanager
def quiet_optuna(verbose: int) -> Iterator[None]:
    """Keep optuna's log below warnings unless ``verbose`` is high, and restore it after.

    Without ``verbose``, warnings of its storages are left out too: an outage is waited for.
    """
    least = {"optuna": logging.WARNING if verbose < 10 else logging.NOTSET}
    least["optuna.storages"] = logging.ERROR if verbose < 1 else logging.NOTSET
    before = {name: logging.getLogger(name).level for name in least}
    for name, level in least.items():
        logging.getLogger(name).setLevel(max(before[name], level))
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
