"""The optuna side of a search: sampler and pruner by name, and the study that holds the trials."""

import copy
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from sklearn_trainkit.model_selection.study._forest_sampler import ForestSampler
from sklearn_trainkit.model_selection.study._rungs import PauseAndResumePruner, RacingPruner

__all__ = [
    "PRUNER_NAMES",
    "SAMPLER_NAMES",
    "STUDY_NAME",
    "SearchStudy",
    "make_pruner",
    "make_sampler",
    "quiet_optuna",
    "reseed_sampler",
    "summarize",
]

_WITHDRAWN = "sklearn_trainkit:withdrawn"

# One name for every search in memory: Hyperband's brackets depend on it.
STUDY_NAME = "OptunaSearchCV"

_SAMPLERS: dict[str, Callable[..., BaseSampler]] = {
    # That choices are drawn independently is documented, and not worth three lines a trial.
    "cmaes": lambda seed: optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False),
    "forest": lambda seed: ForestSampler(seed=seed),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
    # The grid is enqueued point by point; nothing is left to sample.
    "grid": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
    "qmc": lambda seed: optuna.samplers.QMCSampler(
        seed=seed, scramble=True, warn_independent_sampling=False
    ),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
}
SAMPLER_NAMES = sorted(["auto", "tpe", *_SAMPLERS])
PRUNER_NAMES = [
    "auto",
    "hyperband",
    "median",
    "pause_and_resume",
    "racing",
    "successive_halving",
    "wilcoxon",
]


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
        return [trial for trial in super().trials if not trial.system_attrs.get(_WITHDRAWN)]

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


def make_sampler(sampler: "str | BaseSampler", seed: int, parallel: bool) -> BaseSampler:
    """Return a sampler of its own for one search.

    A given instance is copied, so that fitting twice gives the same result twice. With several
    workers TPE takes running trials for bad ones, so that it does not propose them again.
    """
    if isinstance(sampler, BaseSampler):
        return copy.deepcopy(sampler)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if sampler in ("auto", "tpe"):
            return optuna.samplers.TPESampler(seed=seed, constant_liar=parallel)
        return _SAMPLERS[sampler](seed)


def reseed_sampler(
    sampler: "str | BaseSampler", made: BaseSampler, entropy: list[int], parallel: bool
) -> BaseSampler:
    """Return a sampler that does not repeat what ``sampler`` drew in an earlier session."""
    if isinstance(sampler, BaseSampler):
        made.reseed_rng()
        return made
    seed = int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)
    return make_sampler(sampler, seed, parallel)


def make_pruner(
    pruner: "str | BasePruner | None", *, n_trials: int | None, n_splits: int, n_epochs: int | None
) -> "BasePruner | None":
    """Return a pruner of its own for one search, or None.

    Parameters
    ----------
    pruner : str, optuna pruner or None
        As in :class:`OptunaSearchCV`.
    n_trials : int or None
        Budget, on which "auto" depends.
    n_splits : int
        Reports of a whole-fit trial.
    n_epochs : int or None
        Reports of a per-epoch trial; None for whole-fit evaluation.
    """
    if pruner is None:
        return None
    if isinstance(pruner, BasePruner):
        return copy.deepcopy(pruner)
    if pruner == "auto":
        pruner = _choose_pruner(n_trials, n_epochs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if pruner == "median":
            return optuna.pruners.MedianPruner(n_startup_trials=5)
        if pruner == "successive_halving":
            return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
        if pruner == "pause_and_resume":
            return PauseAndResumePruner()
        if pruner == "racing":
            return RacingPruner()
        if pruner == "wilcoxon":
            return optuna.pruners.WilcoxonPruner(p_threshold=0.1)
        return optuna.pruners.HyperbandPruner(
            min_resource=1, max_resource=n_epochs or n_splits, reduction_factor=3
        )


def _choose_pruner(n_trials: int | None, n_epochs: int | None) -> str:
    """Return what did best in our measurements; docs/search.md has them."""
    few_or_many = n_trials is not None and (n_trials <= 30 or n_trials >= 200)
    return "median" if n_epochs is None or few_or_many else "successive_halving"


def summarize(study: optuna.Study) -> tuple[float, int]:
    """Return the best value of a complete trial (NaN if none is) and the number of pruned ones."""
    trials = study.get_trials(deepcopy=False)
    values = [trial.values[0] for trial in trials if trial.state == TrialState.COMPLETE]
    n_pruned = sum(trial.state == TrialState.PRUNED for trial in trials)
    return max(values, default=float("nan")), n_pruned


@contextmanager
def quiet_optuna(verbose: int) -> Iterator[None]:
    """Keep optuna's log below warnings unless ``verbose`` is high, and restore it after."""
    logger = logging.getLogger("optuna")
    level = logger.level
    if verbose < 10:
        logger.setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        logger.setLevel(level)
