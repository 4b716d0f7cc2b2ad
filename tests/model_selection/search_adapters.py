"""``OptunaSearchCV`` behind the constructors of scikit-learn's searches.

The adapters translate the space and the budget, nothing else: the candidates that the original
would try are enqueued, and the number of trials is their number.
"""

import numpy as np
from sklearn.model_selection import ParameterGrid, ParameterSampler

from sklearn_trainkit.model_selection import OptunaSearchCV


class _Dictated(OptunaSearchCV):
    timeout = None
    trial_timeout = None
    target_score = None
    patience = None
    evaluator = "auto"
    trials_per_stack = 1
    ordered = "auto"
    refit_retries = 0
    objectives = None
    sampler = "random"
    pruner = None
    storage = None
    study_name = None
    resume = False
    callbacks = None

    @property
    def n_trials(self):
        return len(self.enqueue)

    def _keep(self, **params):
        for name, value in params.items():
            setattr(self, name, value)


class GridSearchCVAdapter(_Dictated):
    """Takes what GridSearchCV takes."""

    random_state = None

    def __init__(
        self,
        estimator,
        param_grid,
        *,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        error_score=np.nan,
        return_train_score=False,
    ):
        self.estimator = estimator
        self.param_grid = param_grid
        self.scoring = scoring
        self.n_jobs = n_jobs
        self.refit = refit
        self.cv = cv
        self.verbose = verbose
        self.pre_dispatch = pre_dispatch
        self.error_score = error_score
        self.return_train_score = return_train_score

    @property
    def param_distributions(self):
        return self.param_grid

    @property
    def enqueue(self):
        return list(ParameterGrid(self.param_grid))


class RandomizedSearchCVAdapter(_Dictated):
    """Takes what RandomizedSearchCV takes."""

    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        n_iter=10,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        random_state=None,
        error_score=np.nan,
        return_train_score=False,
    ):
        self.estimator = estimator
        self.param_distributions = param_distributions
        self.n_iter = n_iter
        self.scoring = scoring
        self.n_jobs = n_jobs
        self.refit = refit
        self.cv = cv
        self.verbose = verbose
        self.pre_dispatch = pre_dispatch
        self.random_state = random_state
        self.error_score = error_score
        self.return_train_score = return_train_score

    def fit(self, X, y=None, **params):
        # Drawn once: an unseeded sampler would answer differently each time it is asked.
        self._candidates = list(
            ParameterSampler(self.param_distributions, self.n_iter, random_state=self.random_state)
        )
        return super().fit(X, y, **params)

    @property
    def enqueue(self):
        return self._candidates
