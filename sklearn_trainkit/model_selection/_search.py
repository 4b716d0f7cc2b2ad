"""``OptunaSearchCV``: scikit-learn's search contract on top of optuna's samplers and pruners."""

import time
import warnings
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from sklearn.base import clone, is_classifier
from sklearn.utils import check_random_state, get_tags, indexable

from sklearn_trainkit.model_selection._ask_and_tell import SearchBudget, SearchLoop
from sklearn_trainkit.model_selection._cv_results import format_results, settle_failures
from sklearn_trainkit.model_selection._evaluate_whole_fit import evaluate_whole_fit
from sklearn_trainkit.model_selection._evaluation import EvaluationSetup, build_candidate
from sklearn_trainkit.model_selection._folds import freeze_folds, make_splitter
from sklearn_trainkit.model_selection._search_space import (
    EnqueuedTrial,
    SearchSpace,
    check_names,
    make_search_space,
)
from sklearn_trainkit.model_selection._study import (
    SAMPLER_NAMES,
    SearchStudy,
    create_study,
    make_pruner,
    make_sampler,
    quiet_optuna,
    summarize,
)
from sklearn_trainkit.model_selection._trial_record import PRUNED, TrialRecord
from sklearn_trainkit.model_selection._verbose import print_start, print_trial
from sklearn_trainkit.utils._sklearn_private import (
    BaseSearchCV,
    Interval,
    MultimetricScorer,
    StrOptions,
    check_method_params,
    fit_context,
)

__all__ = ["OptunaSearchCV"]


@dataclass(frozen=True)
class SearchPlan:
    """Everything that ``fit`` settles before the first fit."""

    setup: EvaluationSetup
    space: SearchSpace
    enqueued: tuple[EnqueuedTrial, ...]
    budget: SearchBudget
    refit_metric: str
    metadata: dict[str, Any] | None
    fit_params: dict[str, Any]
    context: Any
    sampler_seed: int | None


class OptunaSearchCV(BaseSearchCV):
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
        of the grid was tried.
    timeout : float or None, default=None
        Seconds after which no further trial starts. One trial always runs.
    sampler : {"tpe", "gp", "cmaes", "random", "grid", "qmc", "nsga2"} or optuna sampler, \
            default="tpe"
        What proposes candidates. "grid" tries every point of a finite space in the order of
        ``ParameterGrid`` (a random subset when ``n_trials`` is smaller).
    pruner : optuna pruner or None, default=None
        What stops hopeless trials.
    enqueue : list of dict, "estimator" or None, default=None
        Candidates to try first, in this order. Values have to be in the space; parameters left
        out are drawn. "estimator" tries the estimator's own parameters, where the space holds
        them. With a callable space, a dict names the draws, not the parameters.
    storage : None, default=None
        Where trials are kept; only memory for now.
    study_name : str or None, default=None
        Name of the study in ``storage``.
    resume : bool, default=False
        Whether to go on with a stored study.
    scoring : str, callable, list, tuple, dict or None, default=None
        As in :class:`~sklearn.model_selection.GridSearchCV`.
    refit : bool, str or callable, default=True
        As in :class:`~sklearn.model_selection.GridSearchCV`. With several metrics the one named
        here guides the search; with a callable or False it is the first one.
    cv : int, splitter, iterable or None, default=None
        As in :class:`~sklearn.model_selection.GridSearchCV`. Splits are drawn once, so all
        trials see the same ones.
    n_jobs : int or None, default=None
        Number of processes; only 1 for now.
    error_score : "raise" or float, default=np.nan
        Score of a fold whose fit fails. A candidate with a NaN never wins.
    return_train_score : bool, default=False
        Whether ``cv_results_`` holds training scores too.
    callbacks : list of callable or None, default=None
        Called as ``callback(study, frozen_trial)`` after each trial, as in optuna;
        ``study.stop()`` ends the search. scikit-learn's callbacks go to ``set_callbacks``.
    verbose : int, default=0
        1: one line per trial; 2: one per fold; 3: with scores; 10: optuna's log too.
    random_state : int, RandomState instance or None, default=None
        Seeds the sampler, an unseeded shuffling ``cv``, and every ``random_state`` of the
        estimator that is None (the same for all trials, folds and the refit).

    Attributes
    ----------
    cv_results_ : dict of ndarrays
        One row per trial, with the columns of ``GridSearchCV``. With a pruner also ``state``
        ("complete", "pruned" or "failed"), ``n_folds``, ``n_epochs`` and the standard error
        ``sem_test_<metric>``; pruned rows rank below all others.
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
        How trials were evaluated: "whole-fit".
    study_ : optuna.Study
        The study behind the search, with choices as labels.
    trials_ : list of optuna.trial.FrozenTrial
        Its trials.
    best_trial_ : optuna.trial.FrozenTrial
        The trial of ``best_index_``.
    n_trials_ : int
        Number of trials.
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
            for name, constraint in BaseSearchCV._parameter_constraints.items()
            if name != "pre_dispatch"
        },
        "param_distributions": [dict, list, tuple, callable],
        "n_trials": [Interval(Integral, 1, None, closed="left"), None],
        "timeout": [Interval(Real, 0, None, closed="neither"), None],
        "sampler": [StrOptions(set(SAMPLER_NAMES)), BaseSampler],
        "pruner": [BasePruner, None],
        "enqueue": [list, tuple, StrOptions({"estimator"}), None],
        "storage": [None],
        "study_name": [None],
        "resume": ["boolean"],
        "n_jobs": [Integral, None],
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
        sampler: "str | BaseSampler" = "tpe",
        pruner: "BasePruner | None" = None,
        enqueue: Any = None,
        storage: Any = None,
        study_name: str | None = None,
        resume: bool = False,
        scoring: Any = None,
        refit: "bool | str | Callable[..., int]" = True,
        cv: Any = None,
        n_jobs: int | None = None,
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
        self.sampler = sampler
        self.pruner = pruner
        self.enqueue = enqueue
        self.storage = storage
        self.study_name = study_name
        self.resume = resume
        self.scoring = scoring
        self.refit = refit
        self.cv = cv
        self.n_jobs = n_jobs
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
            Before the first fit, when a setting is wrong; after the search, when every fit
            failed.
        """
        plan = self._make_plan(X, y, params)
        with quiet_optuna(self.verbose):
            self.study_ = self._open_study(plan)
            records = self._run_trials(plan)
        self._store_results(plan, settle_failures(records, self.error_score))
        self._select_best(plan)
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

    @property
    def trials_(self) -> list[optuna.trial.FrozenTrial]:
        """Trials of the study."""
        return self.study_.trials

    @property
    def n_trials_(self) -> int:
        """Number of trials in the study."""
        return len(self.study_.get_trials(deepcopy=False))

    @property
    def best_trial_(self) -> optuna.trial.FrozenTrial:
        """The trial of ``best_index_``."""
        number = self._trial_numbers[self.best_index_]
        return self.study_.get_trials(deepcopy=False)[number]

    def trials_dataframe(self, *args: Any, **kwargs: Any) -> Any:
        """Return the study's trials as a DataFrame, as ``optuna.Study.trials_dataframe`` does."""
        return self.study_.trials_dataframe(*args, **kwargs)

    def _make_plan(self, X: Any, y: Any, params: dict[str, Any]) -> SearchPlan:
        """Check every setting and draw the splits; nothing is fitted here."""
        scorer, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        if y is None and get_tags(self.estimator).target_tags.required:
            raise ValueError(
                f"{type(self.estimator).__name__} requires y to be passed, but the target y is "
                "None."
            )
        params = check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        sampler_seed, cv_seed, estimator_seed = self._draw_seeds()
        space, enqueued, budget = self._plan_trials(sampler_seed)
        metadata = {"sample_weight": params["sample_weight"]} if _has_weights(params) else None
        context = self._init_callback_context(
            max_subtasks=1 + (self.refit is not False)
        ).call_on_fit_task_begin(estimator=self, X=X, y=y, metadata=metadata)
        splitter = make_splitter(self.cv, y, classifier=is_classifier(self.estimator), seed=cv_seed)
        folds = freeze_folds(
            splitter,
            X,
            y,
            split_params=routed.splitter.split,
            fit_params=routed.estimator.fit,
            score_params=routed.scorer.score,
        )
        self.n_splits_ = len(folds)
        self._check_parallel()
        setup = EvaluationSetup(
            clone(self.estimator),
            folds,
            scorer,
            self.refit if isinstance(self.refit, str) else None,
            self.error_score,
            self.return_train_score,
            self.verbose,
            estimator_seed,
            caller=self,
        )
        return SearchPlan(
            setup, space, enqueued, budget, refit_metric, metadata, params, context, sampler_seed
        )

    def _check_parallel(self) -> None:
        if self.n_jobs not in (None, 1):
            raise NotImplementedError(f"n_jobs={self.n_jobs} is not supported yet; pass None or 1.")
        if self.resume:
            raise NotImplementedError("resume=True needs a storage, which is not supported yet.")

    def _draw_seeds(self) -> tuple[int, int | None, int | None]:
        """Return the seeds of sampler, splits and estimators; None leaves theirs alone."""
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=3).tolist()
        if self.random_state is None:
            return seeds[0], None, None
        return seeds[0], seeds[1], seeds[2]

    def _plan_trials(
        self, seed: int
    ) -> tuple[SearchSpace, tuple[EnqueuedTrial, ...], SearchBudget]:
        space = make_search_space(self.param_distributions)
        check_names(space, self.estimator)
        enqueued = self._list_enqueued(space)
        n_trials = self.n_trials
        if n_trials is not None and n_trials < len(enqueued):
            raise ValueError(
                f"n_trials={n_trials} is less than the {len(enqueued)} candidates in enqueue; "
                "raise n_trials or shorten enqueue."
            )
        if isinstance(self.sampler, str) and self.sampler == "grid":
            enqueued, n_trials = self._enqueue_grid(space, enqueued, seed)
        elif n_trials is None and self.timeout is None:
            raise ValueError(
                "n_trials=None and timeout=None: the search would never end. Set one of them."
            )
        if space.is_empty() and n_trials != len(enqueued):
            raise ValueError(
                f"param_distributions={self.param_distributions!r} is empty: there is nothing "
                "to search. It needs to hold at least one parameter."
            )
        return space, tuple(enqueued), SearchBudget(n_trials, self.timeout)

    def _list_enqueued(self, space: Any) -> list[EnqueuedTrial]:
        if self.enqueue is None:
            return []
        if isinstance(self.enqueue, str):
            own = space.match_subset(self.estimator.get_params(deep=True))
            if own is None:
                raise ValueError(
                    "enqueue='estimator': none of the estimator's own parameters is in "
                    "param_distributions. Pass a list of dicts instead."
                )
            return [own]
        for index, candidate in enumerate(self.enqueue):
            if not isinstance(candidate, Mapping):
                raise TypeError(
                    f"enqueue[{index}] needs to be a dict of parameter names to values, but got "
                    f"{candidate!r}."
                )
        return [
            space.match(candidate, f"enqueue[{index}]")
            for index, candidate in enumerate(self.enqueue)
        ]

    def _enqueue_grid(
        self, space: Any, first: list[EnqueuedTrial], seed: int
    ) -> tuple[list[EnqueuedTrial], int]:
        try:
            points = space.list_points()
        except ValueError as error:
            raise ValueError(
                f"sampler='grid' needs a finite space, but {error}; use lists, ranges of "
                "integers, or distributions with a step."
            ) from None
        grid = [space.match(point, "the grid") for point in points]
        room = len(grid) if self.n_trials is None else self.n_trials - len(first)
        if room < len(grid):
            warnings.warn(
                f"n_trials={self.n_trials} leaves room for {room} of the {len(grid)} points of "
                "the grid; they are picked at random. n_trials=None tries them all.",
                UserWarning,
                stacklevel=4,
            )
            picked = np.random.RandomState(seed).permutation(len(grid))[:room]
            grid = [grid[index] for index in sorted(picked)]
        candidates = [*first, *grid]
        return candidates, len(candidates)

    def _open_study(self, plan: SearchPlan) -> SearchStudy:
        return create_study(make_sampler(self.sampler, plan.sampler_seed), make_pruner(self.pruner))

    def _run_trials(self, plan: SearchPlan) -> list[TrialRecord]:
        setup, budget = plan.setup, plan.budget
        if self.verbose > 0:
            name = self.sampler if isinstance(self.sampler, str) else type(self.sampler).__name__
            print_start(self.n_splits_, budget.n_trials, f"sampler {name}")
        context = plan.context.subcontext(
            task_name="search", max_subtasks=budget.n_trials, sequential_subtasks=False
        ).call_on_fit_task_begin(estimator=self)

        def evaluate(job: Any, reporter: Any) -> TrialRecord:
            job.callback_ctx.call_on_fit_task_begin(estimator=self)
            record = evaluate_whole_fit(setup, job, reporter)
            job.callback_ctx.call_on_fit_task_end(estimator=self)
            return record

        loop = SearchLoop(
            self.study_,
            plan.space,
            enqueued=plan.enqueued,
            budget=budget,
            metric=setup.metric,
            prunes=self.pruner is not None,
            callbacks=self.callbacks or (),
            listener=self._listen,
        )
        self.evaluator_ = "whole-fit"
        records = loop.run(
            evaluate,
            lambda number: context.subcontext(
                task_name="trial",
                task_id=number,
                max_subtasks=self.n_splits_,
                sequential_subtasks=False,
            ),
        )
        context.call_on_fit_task_end(estimator=self)
        return records

    def _listen(self, record: TrialRecord) -> None:
        """Stop at once when a scorer turns out not to know the refit metric; say what happened."""
        scores = record.folds[0].test_scores
        if callable(self.scoring) and isinstance(scores, dict):
            self._check_refit_for_multimetric(scores)
        if self.verbose > 0:
            metric = self.refit if isinstance(self.refit, str) else None
            best, n_pruned = summarize(self.study_)
            print_trial(record, record.mean_score(metric), best, n_pruned)

    def _store_results(self, plan: SearchPlan, records: list[TrialRecord]) -> None:
        self.multimetric_ = isinstance(records[0].folds[0].test_scores, dict)
        scorer = plan.setup.scorer
        self.scorer_ = scorer._scorers if isinstance(scorer, MultimetricScorer) else scorer
        self._trial_numbers = [record.number for record in records]
        self.cv_results_ = format_results(
            records,
            self.n_splits_,
            return_train_score=self.return_train_score,
            extended=self.pruner is not None,
        )

    def _select_best(self, plan: SearchPlan) -> None:
        """Set ``best_index_``, ``best_params_`` and, unless refit is a callable, the score."""
        if self.multimetric_ and not self.refit:
            return
        metric = plan.refit_metric
        if self.multimetric_ and callable(self.scoring) and isinstance(self.refit, str):
            metric = self.refit
        self.best_index_ = self._select_best_index(self.refit, metric, self.cv_results_)
        states = self.cv_results_.get("state")
        if states is not None and states[self.best_index_] == PRUNED:
            raise ValueError(
                f"refit returned row {self.best_index_}, whose trial was pruned; choose among "
                'the rows whose cv_results_["state"] is "complete".'
            )
        if not callable(self.refit):
            self.best_score_ = self.cv_results_[f"mean_test_{metric}"][self.best_index_]
        self.best_params_ = self.cv_results_["params"][self.best_index_]

    def _refit_best(self, plan: SearchPlan) -> None:
        """Fit the best candidate on all rows, with the seeds it was scored with."""
        folds = plan.setup.folds
        self.best_estimator_ = build_candidate(plan.setup, self.best_params_)
        context = plan.context.subcontext(task_name="refit-with-best-params")
        with context.propagate_callback_context(self.best_estimator_):
            context.call_on_fit_task_begin(
                estimator=self, X=folds.X, y=folds.y, metadata=plan.metadata
            )
            started = time.time()
            if folds.y is None:
                self.best_estimator_.fit(folds.X, **folds.fit_params)
            else:
                self.best_estimator_.fit(folds.X, folds.y, **folds.fit_params)
            self.refit_time_ = time.time() - started
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_
        context.call_on_fit_task_end(estimator=self, X=folds.X, y=folds.y, metadata=plan.metadata)


def _has_weights(params: dict[str, Any]) -> bool:
    return params.get("sample_weight") is not None
