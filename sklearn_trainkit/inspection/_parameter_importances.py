"""Which parameters made the difference: optuna's importance evaluators on any search."""

import warnings
from typing import Any, Self

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import (
    FanovaImportanceEvaluator,
    PedAnovaImportanceEvaluator,
    get_param_importances,
)

from sklearn_trainkit.comparison._ties import rounding_error
from sklearn_trainkit.inspection._drawing import COLORS, TrialsDisplay, literal, new_axes
from sklearn_trainkit.inspection._param_axis import check_params, make_axis
from sklearn_trainkit.model_selection.results._read_trials import read_trials
from sklearn_trainkit.model_selection.results._trials_table import TrialsTable
from sklearn_trainkit.model_selection.study._search_study import quiet_optuna

__all__ = ["ParameterImportancesDisplay", "parameter_importances"]

EVALUATORS = ("fanova", "ped-anova")
FEWEST_TRIALS = 4
FEWEST_TOP_TRIALS = 5
TITLES = {
    "fanova": "fANOVA: of the scores' variance",
    "ped-anova": "PED-ANOVA: of being among the best",
}


def parameter_importances(
    source: Any,
    *,
    metric: str | int | None = None,
    params: Any = None,
    evaluators: tuple[str, ...] = EVALUATORS,
    random_state: int | None = 0,
) -> pd.DataFrame:
    """Return how much each parameter mattered, by optuna's evaluators.

    fANOVA fits a forest to the scores and says how much of their variance, good and bad trials
    alike, a parameter explains (Hutter, Hoos and Leyton-Brown, ICML 2014). PED-ANOVA asks how
    much being among the best depends on it: the best tenth of the trials, but five at least and
    half of them at most (Watanabe, Bansal and Hutter, IJCAI 2023). A
    parameter that only decides whether training fails is important to the first and not to the
    second.

    Parameters
    ----------
    source : searcher, dict, DataFrame or optuna study
        A fitted searcher, a ``cv_results_``, rows of a comparison's table, or a study.
    metric : str or int, default=None
        Which score; None takes the one that guides the search, or the first.
    params : list of str, default=None
        Which parameters; None takes all that vary and that every complete trial has.
    evaluators : tuple of {"fanova", "ped-anova"}, default=("fanova", "ped-anova")
        Which evaluators.
    random_state : int or None, default=0
        Seed of the forest.

    Returns
    -------
    importances : pandas.DataFrame
        A row for each parameter, the most important first, a column for each evaluator. Columns
        sum to 1.

    Raises
    ------
    ValueError
        When fewer than four trials are complete or all have the same score, no parameter varies
        among them, or a name is not known.

    Examples
    --------
    >>> import optuna
    >>> from sklearn_trainkit.inspection import parameter_importances
    >>> study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    >>> study.optimize(
    ...     lambda t: t.suggest_float("a", 0, 1) + t.suggest_float("b", 0, 1) / 100, n_trials=30
    ... )
    >>> parameter_importances(study).index[0]
    'a'
    """
    unknown = [name for name in evaluators if name not in EVALUATORS]
    if unknown or not evaluators:
        raise ValueError(f"evaluators must be some of {EVALUATORS}; got {evaluators!r}")
    trials = read_trials(source, metric)
    if trials.complete.sum() < FEWEST_TRIALS:
        raise ValueError(
            f"importances need {FEWEST_TRIALS} complete trials; got {trials.complete.sum()}"
        )
    scores = trials.score[trials.complete]
    if np.ptp(scores) <= rounding_error(scores).max():
        raise ValueError(
            "importances explain differences of scores; all complete trials have the same, "
            f"{scores[0]:g}"
        )
    names = _comparable_params(trials, params)
    study = trials.study if _is_drawn(trials.study, names) else _make_study(trials, names)
    columns = {name: _evaluate(study, name, names, random_state) for name in evaluators}
    return pd.DataFrame(columns, index=names).sort_values(
        evaluators[0], ascending=False, kind="stable"
    )


class ParameterImportancesDisplay(TrialsDisplay):
    """Importances of the parameters as bars, a group for each evaluator.

    Parameters
    ----------
    importances : DataFrame
        As :func:`parameter_importances` returns it.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The whole figure.
    bars_ : dict of str to BarContainer
        The bars of each evaluator, the most important parameter first.

    Examples
    --------
    >>> import optuna
    >>> from sklearn_trainkit.inspection import ParameterImportancesDisplay
    >>> study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    >>> study.optimize(
    ...     lambda t: t.suggest_float("a", 0, 1) + t.suggest_float("b", 0, 1) / 100, n_trials=30
    ... )
    >>> display = ParameterImportancesDisplay.from_study(study)
    >>> sorted(display.bars_)
    ['fanova', 'ped-anova']
    """

    def __init__(self, importances: pd.DataFrame) -> None:
        self.importances = importances

    @classmethod
    def _from_trials(cls, trials: TrialsTable, **options: Any) -> Self:
        return cls(parameter_importances(trials, **options))

    def plot(self, ax: Any = None) -> Self:
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : ParameterImportancesDisplay
            Itself.
        """
        n_params, n_groups = self.importances.shape
        size = (6.4, 1.4 + 0.45 * n_params)
        self.ax_ = new_axes(ax, "ParameterImportancesDisplay.plot", size)
        self.figure_ = self.ax_.figure
        height = 0.8 / n_groups
        places = np.arange(n_params)
        self.bars_ = {}
        for group, name in enumerate(self.importances):
            offset = (group - (n_groups - 1) / 2) * height
            self.bars_[str(name)] = self.ax_.barh(
                places + offset, self.importances[name], height, color=COLORS[group],
                label=TITLES[str(name)],
            )  # fmt: skip
        self.ax_.set_yticks(places, [literal(name) for name in self.importances.index])
        self.ax_.invert_yaxis()
        self.ax_.set(xlabel="share of importance", xlim=(0, 1))
        self.ax_.grid(axis="x", alpha=0.3)
        self.ax_.legend(fontsize="small", loc="lower right")
        return self


def _comparable_params(trials: TrialsTable, params: Any) -> list[str]:
    chosen = check_params(trials, params)
    sound = trials.params[trials.complete]
    if params is None:
        shared = [n for n in chosen if sound[n].notna().all() and sound[n].nunique() > 1]
        if not shared:
            raise ValueError(
                f"no parameter of {chosen} is in every complete trial and varies, so there is "
                "nothing to weigh against each other. In a space with branches, pass a search over "
                "one of them; SliceDisplay draws the parameters one by one."
            )
        return shared
    missing = [name for name in chosen if sound[name].isna().any()]
    if missing:
        raise ValueError(f"params must be in every complete trial; {missing} are not")
    return chosen


def _evaluate(
    study: Any, evaluator: str, names: list[str], random_state: int | None
) -> dict[str, float]:
    n_complete = len(study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE]))
    top = min(max(0.1, FEWEST_TOP_TRIALS / n_complete), 0.5)
    made: Any = PedAnovaImportanceEvaluator(target_quantile=top)
    if evaluator == "fanova":
        made = FanovaImportanceEvaluator(seed=random_state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return dict(get_param_importances(study, evaluator=made, params=names))


def _is_drawn(study: Any, names: list[str]) -> bool:
    """Return whether the study itself drew these parameters, under these names."""
    if study is None:
        return False
    complete = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
    return all(name in trial.distributions for trial in complete for name in names)


def _make_study(trials: TrialsTable, names: list[str]) -> Any:
    """Return a study with the complete trials, for a search that was made without optuna."""
    distributions = {name: _distribution(trials, name) for name in names}
    with quiet_optuna(verbose=0):
        study = optuna.create_study(direction="maximize" if trials.maximize else "minimize")
    for row in np.flatnonzero(trials.complete):
        params = {name: trials.params[name].iloc[row] for name in names}
        study.add_trial(
            optuna.create_trial(
                state=optuna.trial.TrialState.COMPLETE,
                params=params,
                distributions=distributions,
                value=float(trials.score[row]),
            )
        )
    return study


def _distribution(trials: TrialsTable, name: str) -> BaseDistribution:
    axis = make_axis(trials, name)
    if axis.labels is not None:
        return CategoricalDistribution(axis.labels)
    values = axis.values[trials.complete]
    return FloatDistribution(float(np.min(values)), float(np.max(values)), log=axis.log)
