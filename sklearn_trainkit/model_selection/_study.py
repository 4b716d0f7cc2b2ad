"""The optuna side of a search: sampler and pruner by name, and the study that holds the trials."""

import copy
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

__all__ = [
    "PRUNER_NAMES",
    "SAMPLER_NAMES",
    "SearchStudy",
    "create_study",
    "make_pruner",
    "make_sampler",
    "quiet_optuna",
    "summarize",
]

_SAMPLERS: dict[str, Callable[..., BaseSampler]] = {
    "cmaes": lambda seed: optuna.samplers.CmaEsSampler(seed=seed),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
    # The grid is enqueued point by point; nothing is left to sample.
    "grid": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
    "qmc": lambda seed: optuna.samplers.QMCSampler(seed=seed, scramble=True),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
}
SAMPLER_NAMES = sorted(_SAMPLERS)
PRUNER_NAMES: list[str] = []


class SearchStudy(optuna.Study):
    """A study that is asked and told from outside, so ``stop`` sets a flag.

    optuna's own refuses ``stop`` outside ``optimize``, but callbacks written for optuna call it.
    """

    stop_requested = False

    def stop(self) -> None:
        """Ask the search to end after the running trials."""
        self.stop_requested = True


def make_sampler(sampler: "str | BaseSampler", seed: int | None) -> BaseSampler:
    """Return a sampler of its own for one search.

    A given instance is copied, so that fitting twice gives the same result twice.
    """
    if isinstance(sampler, BaseSampler):
        return copy.deepcopy(sampler)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return _SAMPLERS[sampler](seed)


def make_pruner(pruner: "str | BasePruner | None") -> BasePruner:
    """Return a pruner of its own for one search; None never prunes."""
    if pruner is None:
        return optuna.pruners.NopPruner()
    assert isinstance(pruner, BasePruner)
    return copy.deepcopy(pruner)


def create_study(sampler: BaseSampler, pruner: BasePruner) -> SearchStudy:
    """Return an empty study in memory that maximizes."""
    plain = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    return SearchStudy(plain.study_name, plain._storage, sampler=sampler, pruner=pruner)


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
