"""Samplers by name: what proposes the next candidate."""

import copy
import warnings
from collections.abc import Callable

import numpy as np
import optuna
from optuna.samplers import BaseSampler

from sklearn_trainkit.model_selection.study._forest_sampler import ForestSampler

__all__ = ["SAMPLER_NAMES", "make_sampler", "reseed_sampler"]

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
