"""``OptunaSearchCV``: scikit-learn's search contract on top of optuna's samplers and pruners."""

from collections.abc import Callable
from copy import deepcopy
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from sklearn.utils import get_tags

from sklearn_trainkit.model_selection.results._cv_results import settle_failures
from sklearn_trainkit.model_selection.results._fitted_attributes import SearchResults
from sklearn_trainkit.model_selection.scheduling._choose_evaluator import EVALUATORS
from sklearn_trainkit.model_selection.scheduling._run_search import run_trials
from sklearn_trainkit.model_selection.scheduling._search_plan import make_plan
from sklearn_trainkit.model_selection.study._patient_storage import StorageLostError
from sklearn_trainkit.model_selection.study._pruners import PRUNER_NAMES
from sklearn_trainkit.model_selection.study._samplers import SAMPLER_NAMES
from sklearn_trainkit.model_selection.study._search_study import quiet_optuna
from sklearn_trainkit.preprocessing import warn_of_leakage
from sklearn_trainkit.utils._did_you_mean import accepts_known_names
from sklearn_trainkit.utils._sklearn_private import (
    BaseSearchCV,
    Interval,
    StrOptions,
    fit_context,
    ordered_options,
)
from sklearn_trainkit.utils._told_once import told_once

__all__ = ["OptunaSearchCV"]

# What other searches call the parameters of this one.
_KNOWN_NAMES: dict[str, str | tuple[str, ...]] = {
    "max_trials": ("n_trials",),
    "n_calls": ("n_trials",),
    "n_candidates": ("n_trials",),
    "n_iter": ("n_trials",),
    "param_grid": ("param_distributions",),
    "param_space": ("param_distributions",),
    "resource": ("pruner",),
    "factor": ("pruner",),
    "search_spaces": ("param_distributions",),
    "seed": ("random_state",),
    "max_time": ("timeout",),
}


class OptunaSearchCV(SearchResults):
    """Search hyperparameters with optuna, under the contract of scikit-learn's searches.

    Parameters
    ----------
    estimator : estimator object
        What is tuned; a Pipeline for instance. It is cloned, never fitted itself.
    param_distributions : dict, list of dict, or callable
        The space. A dict maps parameter names to a list of choices (any objects), a frozen
        ``scipy.stats`` distribution or an optuna distribution. In a list of dicts every trial
        picks one of them. A callable ``space(trial) -> params`` draws with
        ``trial.suggest_float`` and so on, and may depend on what it drew before.
    n_trials : int or None, default=20
        Number of trials, enqueued ones included. None: until ``timeout``, or until every point
        of the grid was tried. No point is tried twice: a finite space ends the search, with a
        warning, when nothing is left in it. That holds for estimators that are random, too;
        repeated splits (``RepeatedKFold``) tell how much of a score is chance. Only in a storage
        that is passed as an optuna object do samplers repeat points as they like, as in optuna.
        An empty space, ``{}``, has one point, the estimator as it is.
    timeout : float or None, default=None
        Seconds for all trials. It ends the search after the running epoch (per-epoch evaluation)
        or fold (whole fits); a trial that it cuts short counts as pruned.
    trial_timeout : float or None, default=None
        Seconds for one trial, kept in the same way. In worker processes a trial that does not
        get so far within twice that time and one second is ended with its process, and failed.
    target_score : float or None, default=None
        Ends the search once a complete trial reaches this mean test score.
    patience : int or None, default=None
        Ends the search after this many trials without a better score.
    sampler : {"auto", "tpe", "forest", "gp", "cmaes", "random", "grid", "qmc", "nsga2"} or \
            optuna sampler, default="auto"
        What proposes candidates; "auto" is "tpe", "forest" is :class:`ForestSampler`. "grid" tries
        every point of a finite space in the order of ``ParameterGrid`` (a random subset when
        ``n_trials`` is smaller).
    pruner : {"auto", "median", "successive_halving", "hyperband", "pause_and_resume", \
            "racing", "wilcoxon"}, optuna pruner or None, default=None
        What stops hopeless trials: between epochs where the estimator trains in epochs, between
        folds otherwise. "auto" is "successive_halving" between epochs for 31 to 199 trials and
        "median" otherwise. "wilcoxon" compares folds and needs five of them.
        "pause_and_resume" stops nobody for good: candidates wait with their weights, and the
        best third of those that came as far goes on (:class:`PauseAndResumePruner`). "racing"
        begins with one fold and one epoch, and only the best are given all of both
        (:class:`RacingPruner`); candidates cost so little that there may be ten times as many.
    evaluator : {"auto", "fold-stack", "per-epoch", "whole-fit"}, default="auto"
        How a trial is evaluated. "fold-stack" trains all folds of a net of this package, or of a
        Pipeline that ends in one, as one stacked network: the same results in a fraction of the
        time. "per-epoch" trains the folds in step. "whole-fit" fits fold by fold. "auto" takes the
        first that is exactly what ``fit`` does and pays, and trains in epochs for a pruner's sake
        only, so a pruner never changes what is trained; ``evaluations_`` says what it did and why.
        Exact are the nets of this package and, when seeded, scikit-learn's ``MLPClassifier`` and
        ``MLPRegressor``. Asked for by name, "per-epoch" also steps nets of skorch, perceptrons
        without a seed, and classes of others with ``partial_fit`` and ``max_iter``, which are taken
        at their word: all these epochs are trained, in the refit too, whatever ``fit`` would do. It
        is refused where ``partial_fit`` is known to differ from ``fit``, and for Pipelines that
        only their own ``fit`` trains (imbalanced-learn's).
    trials_per_stack : int, default=1
        Trials asked for at once and trained together by "fold-stack", candidates times folds in
        one pass for networks of one shape. Small networks take a fraction of the time; the sampler
        learns only from the batches before.
    enqueue : list of dict or str, "estimator", "portfolio" or None, default=None
        Candidates to try first, in this order. Values have to be in the space; parameters left
        out are drawn. "estimator" tries the estimator's own parameters, where the space holds
        them. "portfolio" tries up to 16 candidates, and no more than half of ``n_trials``, that
        did well on many other data sets: those of ``get_portfolio()`` of the estimator or of a
        part of it, as our dense networks have it, with numbers moved into the space. A list may
        hold these names too; they take the trials that its dicts leave. With a callable space,
        a dict names the draws, not the parameters, and names cannot be had.
    storage : str, path, optuna storage or None, default=None
        Where trials are kept: the path of a journal file, a database URL
        (``"sqlite:///study.db"``, ``"postgresql://..."``), an optuna storage; None is memory.
    study_name : str or None, default=None
        Name of the study. None derives one from everything that decides a score, so that the
        folds of a nested cross-validation get a study each.
    resume : bool, default=False
        Go on with the study if ``storage`` has it, together with other processes that may be at
        it: finished trials count towards ``n_trials`` and are not run again, a trial that was
        cut off is. Refused when the study belongs to another search: data, splits, space,
        estimator, arguments of fit, scoring, the metric that guides, ``error_score`` and
        ``return_train_score`` are compared by value, the code of functions included. Budgets,
        sampler, pruner, workers and callbacks may change.
    refit_retries : int, default=0
        How often the refit may be trained again from other seeds when it scores far below the
        folds on the rows that they were tested on, though it was trained on these. That is only
        looked at where a target is learnt in epochs, and warned about in any case.
    objectives : list of str or None, default=None
        Several goals at once: names of metrics ("score" if there is one) and ``"fit_time"``. The
        candidates that nobody beats in all of them are ``pareto_front_``; ``refit`` picks one, by
        the name of a metric or as a function of ``cv_results_``. Not with a pruner.
    scoring : str, callable, list, tuple, dict or None, default=None
        As in :class:`~sklearn.model_selection.GridSearchCV`.
    refit : bool, str or callable, default=True
        As in :class:`~sklearn.model_selection.GridSearchCV`. With several metrics the one named
        here guides the search; with a callable or False it is the first one.
    cv : int, splitter, iterable or None, default=None
        As in :class:`~sklearn.model_selection.GridSearchCV`. Splits are drawn once, so all
        trials see the same ones.
    n_jobs : int or None, default=None
        Number of trials, or stacks of them, at a time, in loky's worker processes, or by the
        engine of ``joblib.parallel_config``: "threading", "dask", "ray". -1 uses all processors.
    ordered : bool or "auto", default="auto"
        With several workers, tell results in the order of the trials (with rungs, in that of the
        epochs to them), so that a seeded search repeats itself. "auto" does so when
        ``random_state`` is given.
    error_score : "raise" or float, default=np.nan
        Score of a fold whose fit fails. A candidate with a NaN never wins.
    return_train_score : bool, default=False
        Whether ``cv_results_`` holds training scores too.
    callbacks : list of callable or None, default=None
        Called as ``callback(study, frozen_trial)`` after each trial, as in optuna;
        ``study.stop()`` ends the search after the running trials. scikit-learn's callbacks go to
        ``set_callbacks``.
    verbose : int, default=0
        1: one line per trial; 2: one per fold; 3: with scores; 10: optuna's log too.
    random_state : int, RandomState instance or None, default=None
        Seeds the sampler, an unseeded shuffling ``cv``, and every ``random_state`` of the
        estimator that is None (the same for all trials, folds and the refit).

    Attributes
    ----------
    cv_results_ : dict of ndarrays
        One row per trial, with the columns of ``GridSearchCV``. With a pruner or a time limit
        also ``state`` ("complete", "pruned" or "failed"), ``n_folds``, ``n_epochs``,
        ``n_fold_epochs`` (trained in all), ``reason`` and the standard error
        ``sem_test_<metric>``; pruned rows rank below all others, and show the scores of the epoch,
        or the folds, that they reached.
    best_estimator_ : estimator
        Fitted on all rows with the best parameters; only with ``refit``.
    best_score_ : float
        Mean test score of the best candidate; not with a callable ``refit``.
    best_params_ : dict
        Parameters of the best candidate.
    best_index_ : int
        Its row in ``cv_results_``.
    scorer_ : function or dict
        The scorer(s).
    n_splits_ : int
        Number of splits.
    refit_time_ : float
        Seconds of the refit.
    multimetric_ : bool
        Whether there are several metrics.
    evaluator_ : str
        How trials were evaluated: "fold-stack", "per-epoch" or "whole-fit".
    evaluations_ : list of str
        The same for each row of ``cv_results_``, with the reason where it was done otherwise.
    pareto_front_ : ndarray of int
        With ``objectives``: the rows of ``cv_results_`` that no other row beats.
    interrupted_ : bool
        Whether Ctrl-C ended the search; what had finished by then is all here.
    study_ : optuna.Study
        The study behind the search, with choices as labels.
    trials_ : list of optuna.trial.FrozenTrial
        Its trials, those of ``cv_results_``.
    best_trial_ : optuna.trial.FrozenTrial
        The trial of ``best_index_``.
    n_trials_ : int
        Number of trials, the rows of ``cv_results_``. ``study_.trials`` may hold more: what was cut
        off is a failed trial without a result there. ``study_.get_trials()`` also returns what
        was withdrawn because it had been tried.
    classes_ : ndarray
        Class labels of the refitted classifier.
    n_features_in_ : int
        Number of features seen by the refitted estimator.
    feature_names_in_ : ndarray
        Names of these features, when X has any.

    See Also
    --------
    sklearn.model_selection.GridSearchCV : Tries every point of a grid.
    sklearn.model_selection.RandomizedSearchCV : Draws candidates at random.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import Pipeline
    >>> from sklearn.preprocessing import MinMaxScaler, StandardScaler
    >>> from sklearn.svm import SVC
    >>> from sklearn_trainkit.model_selection import OptunaSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> pipe = Pipeline([("scale", StandardScaler()), ("svc", SVC())])
    >>> space = {
    ...     "scale": [StandardScaler(), MinMaxScaler(), "passthrough"],
    ...     "svc__C": loguniform(1e-2, 1e2),
    ... }
    >>> search = OptunaSearchCV(pipe, space, n_trials=12, cv=3, random_state=0).fit(X, y)
    >>> sorted(search.best_params_)
    ['scale', 'svc__C']
    >>> bool(search.best_score_ > 0.95)
    True
    >>> len(search.cv_results_["params"])
    12
    """

    _parameter_constraints: dict = {
        **{
            name: constraint
            for name, constraint in ordered_options(BaseSearchCV._parameter_constraints).items()
            if name != "pre_dispatch"
        },
        "param_distributions": [dict, list, tuple, callable],
        "n_trials": [Interval(Integral, 1, None, closed="left"), None],
        "timeout": [Interval(Real, 0, None, closed="neither"), None],
        "trial_timeout": [Interval(Real, 0, None, closed="neither"), None],
        "target_score": [Real, None],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "sampler": [StrOptions(set(SAMPLER_NAMES)), BaseSampler],
        "pruner": [StrOptions(set(PRUNER_NAMES)), BasePruner, None],
        "evaluator": [StrOptions({"auto", *EVALUATORS})],
        "trials_per_stack": [Interval(Integral, 1, None, closed="left")],
        "enqueue": [list, tuple, StrOptions({"estimator", "portfolio"}), None],
        "storage": [str, Path, BaseStorage, None],
        "study_name": [str, None],
        "resume": ["boolean"],
        "objectives": [list, tuple, None],
        "refit_retries": [Interval(Integral, 0, None, closed="left")],
        "n_jobs": [Integral, None],
        "ordered": ["boolean", StrOptions({"auto"})],
        "callbacks": [list, tuple, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_trials: int | None = 20,
        timeout: float | None = None,
        trial_timeout: float | None = None,
        target_score: float | None = None,
        patience: int | None = None,
        sampler: "str | BaseSampler" = "auto",
        pruner: "str | BasePruner | None" = None,
        evaluator: str = "auto",
        trials_per_stack: int = 1,
        enqueue: Any = None,
        storage: Any = None,
        study_name: str | None = None,
        resume: bool = False,
        scoring: Any = None,
        refit: "bool | str | Callable[..., int]" = True,
        refit_retries: int = 0,
        objectives: "list[str] | None" = None,
        cv: Any = None,
        n_jobs: int | None = None,
        ordered: "bool | str" = "auto",
        error_score: "float | str" = np.nan,
        return_train_score: bool = False,
        callbacks: "list[Callable[..., Any]] | None" = None,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.param_distributions = param_distributions
        self.n_trials = n_trials
        self.timeout = timeout
        self.trial_timeout = trial_timeout
        self.target_score = target_score
        self.patience = patience
        self.sampler = sampler
        self.pruner = pruner
        self.evaluator = evaluator
        self.trials_per_stack = trials_per_stack
        self.enqueue = enqueue
        self.storage = storage
        self.study_name = study_name
        self.resume = resume
        self.scoring = scoring
        self.refit = refit
        self.refit_retries = refit_retries
        self.objectives = objectives
        self.cv = cv
        self.n_jobs = n_jobs
        self.ordered = ordered
        self.error_score = error_score
        self.return_train_score = return_train_score
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, **params: Any) -> "OptunaSearchCV":
        """Search, and refit the best candidate on all rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, n_samples)
            Training rows, as the estimator takes them.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets; None for unsupervised learning.
        **params : dict of str to object
            Arguments of the estimator's ``fit``, of the scorer and of the splitter
            (``groups``). Arguments as long as X are split along with it.

        Returns
        -------
        self : object
            The fitted search.

        Raises
        ------
        ValueError, TypeError
            Before the first fit, and before the storage is touched, when a setting is wrong or a
            metric cannot be computed for y; after the search, when every fit failed.
        RuntimeError
            When the storage is damaged, or away for more than two minutes, during the search.
            ``cv_results_`` and ``best_params_`` are then those of the trials that had finished.
        """
        plan = make_plan(self, X, y, params)
        self.n_splits_ = len(plan.setup.folds)
        warn_of_leakage(self.estimator, plan.setup.folds.X, params, stacklevel=3)
        with told_once():
            with quiet_optuna(self.verbose):
                records, lost = run_trials(self, plan)
            records = settle_failures(records, self.error_score)
            self._store_results(plan, records)
            self._select_best(plan, records)
            if lost is not None:
                raise StorageLostError(f"{lost} What had finished is in cv_results_.")
            if self.refit:
                self._refit_best(plan)
        plan.context.call_on_fit_task_end(
            estimator=self, X=plan.setup.folds.X, y=plan.setup.folds.y, metadata=plan.metadata
        )
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # scikit-learn's searches forget that a search takes the targets its estimator takes.
        tags.target_tags = deepcopy(get_tags(self.estimator).target_tags)
        return tags


accepts_known_names(OptunaSearchCV, _KNOWN_NAMES)
