"""A sampler that learns from trials with a forest of randomized trees, stopped ones included."""

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sklearn.ensemble import ExtraTreesRegressor

from sklearn_trainkit.model_selection.space._unit_space import UnitSpace

__all__ = ["ForestSampler"]

# After every step.
_END = sys.maxsize
_LEARN_FROM = (TrialState.COMPLETE, TrialState.PRUNED)
_N_PARENTS = 5


class ForestSampler(BaseSampler):
    """Propose what extremely randomized trees expect most of.

    Sequential model-based optimization as in SMAC (Hutter, Hoos and Leyton-Brown, "Sequential
    Model-Based Optimization for General Algorithm Configuration", 2011), with scikit-learn's
    :class:`~sklearn.ensemble.ExtraTreesRegressor` as the model. Half of the candidates are drawn
    at random, the others are the best trials with some parameters changed; proposed is the one
    whose expected score, plus the spread of the trees, is highest. Pruned trials are learned from
    too, with what they would have scored at their end had they gained what others did. Parameters
    that only some trials have (conditional spaces) are drawn at random.

    Parameters
    ----------
    n_startup_trials : int, default=8
        Random trials at the beginning.
    random_share : float, default=0.1
        Share of the later trials that are random, so that no region is never looked at.
    exploration : float, default=5.0
        How many standard deviations of the trees are added to what they expect.
    n_candidates : int, default=1200
        Candidates that a proposal is picked from.
    n_trees : int, default=40
        Trees of the forest.
    seed : int or None, default=None
        Seeds candidates and trees.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from sklearn_trainkit.model_selection import ForestSampler, OptunaSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> search = OptunaSearchCV(
    ...     SVC(),
    ...     {"C": loguniform(1e-3, 1e3), "gamma": loguniform(1e-4, 1e1)},
    ...     sampler=ForestSampler(seed=0),
    ...     n_trials=15,
    ... ).fit(X, y)
    >>> bool(search.best_score_ > 0.95)
    True
    """

    def __init__(
        self,
        n_startup_trials: int = 8,
        random_share: float = 0.1,
        exploration: float = 5.0,
        n_candidates: int = 1200,
        n_trees: int = 40,
        seed: int | None = None,
    ) -> None:
        for name, value in (("n_candidates", n_candidates), ("n_trees", n_trees)):
            if value < 1:
                raise ValueError(f"{name}={value} needs to be at least 1.")
        if not 0.0 <= random_share <= 1.0:
            raise ValueError(f"random_share={random_share} needs to be between 0 and 1.")
        self._n_startup_trials = n_startup_trials
        self._random_share = random_share
        self._exploration = exploration
        self._n_candidates = n_candidates
        self._n_trees = n_trees
        self._rng = np.random.default_rng(seed)
        self._random = RandomSampler(seed=seed)
        self._spaces = IntersectionSearchSpace(include_pruned=True)

    def reseed_rng(self) -> None:
        """Draw differently from now on than a copy would."""
        self._rng = np.random.default_rng()
        self._random.reseed_rng()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the parameters that all trials have, less those with one value."""
        space = self._spaces.calculate(study)
        return {name: each for name, each in space.items() if not each.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return a proposal; nothing at the beginning, and once in a while.

        Raises
        ------
        ValueError
            If the study has several objectives.
        """
        if len(study.directions) > 1:
            raise ValueError(
                f"sampler='forest' follows one objective, but the study has "
                f"{len(study.directions)}; use sampler='tpe' or 'nsga2'."
            )
        trials = study.get_trials(deepcopy=False, states=_LEARN_FROM)
        trials = [each for each in trials if search_space.keys() <= each.params.keys()]
        at_random = self._rng.random() < self._random_share
        if not search_space or at_random or len(trials) < self._n_startup_trials:
            return {}
        space = UnitSpace(search_space)
        tried, scores = space.encode(trials), expect_ends(study, trials)
        model = Model(space, tried, scores, self._n_trees, int(self._rng.integers(2**31)))
        parents = tried[np.argsort(-scores, kind="stable")[:_N_PARENTS]]
        n_mutants = self._n_candidates // 2
        candidates = np.vstack(
            [
                space.draw(self._n_candidates - n_mutants, self._rng),
                space.mutate(parents[np.arange(n_mutants) % len(parents)], self._rng),
            ]
        )
        mean, spread = model.expect(candidates)
        return space.decode(candidates[np.argmax(mean + self._exploration * spread)])

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw one parameter at random."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)


def expect_ends(study: Study, trials: Sequence[FrozenTrial]) -> np.ndarray:
    """Return what each trial scored or, where it was stopped, would have scored at its end.

    A stopped trial is given its last score and the median gain of those that went on from there,
    step by step. Only good ones go on, so this is about what a good one would gain; a forest that
    was to learn the gains by itself would see nothing but good trials after many epochs, and expect
    the best of everybody. Higher is better; NaN is as bad as the worst.
    """
    sign = 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0
    curves = []
    for trial in trials:
        curve = {step: sign * value for step, value in trial.intermediate_values.items()}
        if trial.state == TrialState.COMPLETE:
            curve[_END] = sign * trial.values[0]
        curves.append(curve)
    # The steps where somebody was stopped.
    levels = sorted({max(curve) for curve in curves if curve} | {_END})
    following, to_come = _END, 0.0
    ends = np.full(len(trials), np.nan)
    for level in reversed(levels):
        gains = [
            each[following] - each[level] for each in curves if {level, following} <= set(each)
        ]
        gains = [gain for gain in gains if math.isfinite(gain)]
        to_come += float(np.median(gains)) if gains else 0.0
        following = level
        for index, curve in enumerate(curves):
            if curve and max(curve) == level:
                ends[index] = curve[level] + to_come
    finite = np.isfinite(ends)
    return np.where(finite, ends, ends[finite].min() if finite.any() else 0.0)


class Model:
    """A forest that knows what trials scored by their parameters.

    Parameters
    ----------
    space : UnitSpace
    rows : ndarray of shape (n_trials, n_parameters)
        The trials.
    scores : ndarray of shape (n_trials,)
        Higher is better.
    n_trees, seed : int
    """

    def __init__(
        self, space: UnitSpace, rows: np.ndarray, scores: np.ndarray, n_trees: int, seed: int
    ) -> None:
        self._space = space
        self._forest = ExtraTreesRegressor(n_trees, max_features=0.7, random_state=seed)
        self._forest.fit(space.features(rows), spread_out(scores))

    def expect(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and spread of the trees."""
        features = self._space.features(rows)
        trees = [tree.predict(features, check_input=False) for tree in self._forest.estimators_]
        return np.mean(trees, axis=0), np.std(trees, axis=0)


def spread_out(scores: np.ndarray) -> np.ndarray:
    """Return scores on a scale that tells good ones apart: the logarithm of how far off the best.

    >>> spread_out(np.array([0.0, 0.8, 0.9])).round(2)
    array([-2.22, -0.18,  1.61])
    """
    best = scores.max()
    unit = max(best - np.median(scores), 1e-12)
    return -np.log((best - scores) / unit + 0.2)
