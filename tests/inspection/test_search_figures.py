"""Figures of one search: their data against a computation by hand, and what is drawn."""

import numpy as np
import optuna
import pytest
from matplotlib import pyplot as plt
from optuna.importance import (
    FanovaImportanceEvaluator,
    PedAnovaImportanceEvaluator,
    get_param_importances,
)
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import partial_dependence

from sklearn_trainkit.inspection import (
    ContourDisplay,
    ParallelCoordinatesDisplay,
    ParameterImportancesDisplay,
    SearchHistoryDisplay,
    SliceDisplay,
    TrainingCurvesDisplay,
    parallel_coordinates,
    parameter_importances,
    score_slices,
    score_surface,
    search_history,
    training_curves,
)

DISPLAYS = {
    SearchHistoryDisplay: {},
    ParameterImportancesDisplay: {},
    ContourDisplay: {"params": 2},
    SliceDisplay: {},
    ParallelCoordinatesDisplay: {},
}


@pytest.mark.parametrize("display", DISPLAYS)
@pytest.mark.parametrize("source", ["from_estimator", "from_results", "from_study"])
def test_every_figure_takes_every_source(display, source, request):
    fixture = {"from_estimator": "pruned_search", "from_results": "grid_search"}
    found = request.getfixturevalue(fixture.get(source, "study"))
    of_study = source == "from_study"
    params = list(found.trials[0].params if of_study else found.cv_results_["params"][0])
    options = {"params": params[:2]} if "params" in DISPLAYS[display] else {}
    given = found.cv_results_ if source == "from_results" else found
    drawn = getattr(display, source)(given, **options)
    assert isinstance(drawn, display)
    assert drawn.ax_.figure is drawn.figure_
    drawn.figure_.canvas.draw()


@pytest.mark.parametrize("display", [*DISPLAYS, TrainingCurvesDisplay])
def test_a_figure_is_drawn_where_asked(display, pruned_search):
    figure, axes = plt.subplots()
    options = {"params": ["net__lr", "scale"]} if display is ContourDisplay else {}
    drawn = display.from_estimator(pruned_search, ax=axes, **options)
    assert drawn.figure_ is figure
    assert drawn.ax_ is axes or display is SliceDisplay


def test_the_history_is_the_running_best_of_the_complete_trials(pruned_search, study):
    history = search_history(pruned_search)
    scores = np.where(history["state"] == "complete", history["score"], -np.inf)
    expected = np.maximum.accumulate(scores)
    np.testing.assert_array_equal(history["best_so_far"].fillna(-np.inf), expected)
    values = [trial.value for trial in study.trials]
    np.testing.assert_array_equal(
        search_history(study)["best_so_far"], np.minimum.accumulate(values)
    )


@pytest.mark.parametrize("by", ["trial", "seconds", "epochs"])
def test_the_history_is_drawn_by_trial_and_by_cost(pruned_search, by):
    display = SearchHistoryDisplay.from_estimator(pruned_search, by=by)
    assert set(display.points_) == {"complete", "pruned"}
    drawn = np.concatenate([points.get_offsets() for points in display.points_.values()])
    np.testing.assert_array_equal(np.sort(drawn[:, 0]), np.sort(display.history[by]))
    assert display.line_.get_ydata()[-1] == pruned_search.best_score_


def test_a_history_by_an_unknown_cost_is_explained(grid_search):
    with pytest.raises(ValueError, match="the epochs of this search are not known"):
        SearchHistoryDisplay.from_estimator(grid_search, by="epochs")
    with pytest.raises(ValueError, match=r"by must be one of .*got 'days'"):
        SearchHistoryDisplay.from_estimator(grid_search, by="days")


def test_importances_are_optunas_own(study, pruned_search):
    found = parameter_importances(study, random_state=3)
    fanova = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=3))
    ped = get_param_importances(
        study, evaluator=PedAnovaImportanceEvaluator(target_quantile=5 / 40)
    )
    assert found["fanova"].to_dict() == pytest.approx(fanova)
    assert found["ped-anova"].to_dict() == pytest.approx(ped)
    assert list(found.index) == sorted(fanova, key=lambda name: -fanova[name])
    of_search = parameter_importances(pruned_search, evaluators=("fanova",))["fanova"]
    expected = get_param_importances(
        pruned_search.study_, evaluator=FanovaImportanceEvaluator(seed=0)
    )
    assert of_search.to_dict() == pytest.approx(expected)


def test_importances_of_a_plain_search_are_those_of_the_same_study(grid_search):
    found = parameter_importances(grid_search, evaluators=("fanova",))["fanova"]
    same = optuna.create_study(direction="maximize")
    results = grid_search.cv_results_
    for params, score in zip(results["params"], results["mean_test_score"], strict=True):
        distributions = {
            "scale": optuna.distributions.CategoricalDistribution(
                ["StandardScaler()", "passthrough"]
            ),
            "model__C": optuna.distributions.FloatDistribution(0.001, 10.0, log=True),
        }
        params = {**params, "scale": str(params["scale"])}
        same.add_trial(optuna.create_trial(params=params, distributions=distributions, value=score))
    expected = get_param_importances(same, evaluator=FanovaImportanceEvaluator(seed=0))
    assert found.to_dict() == pytest.approx(expected)
    bars = ParameterImportancesDisplay.from_estimator(grid_search).bars_["fanova"]
    np.testing.assert_allclose([bar.get_width() for bar in bars], found)


def test_importances_of_an_objective_that_is_one_parameter():
    made = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    made.optimize(lambda t: t.suggest_float("a", 0, 1) + 0 * t.suggest_float("b", 0, 1), 30)
    found = parameter_importances(made)
    assert (found.loc["a"] > 0.8).all()


def test_the_surface_is_the_partial_dependence_of_the_same_forest(study):
    found = score_surface(study, params=["a", "kind"], n_points=4, random_state=0)
    trials = [trial for trial in study.trials if trial.value is not None]
    features = np.array(
        [[t.params["a"], np.log10(t.params["b"]), "pq".index(t.params["kind"])] for t in trials]
    )
    forest = RandomForestRegressor(100, min_samples_leaf=2, random_state=0)
    forest.fit(features, [trial.value for trial in trials])
    by_sklearn = partial_dependence(
        forest, features, [0, 2], custom_values={0: found.x_grid, 2: found.y_grid},
        method="brute", kind="average",
    )["average"][0]  # fmt: skip
    np.testing.assert_allclose(found.surface, by_sklearn.T)
    assert found.y.labels == ("p", "q")


def test_the_contour_shows_every_trial_and_its_scale(study):
    display = ContourDisplay.from_study(study, params=["a", "b"])
    assert len(display.points_.get_offsets()) == 40
    assert display.ax_.get_yscale() == "log"
    assert display.ax_.get_xscale() == "linear"


def test_slices_hold_each_trial_once_a_parameter(pruned_search):
    slices = score_slices(pruned_search)
    assert slices.groupby("parameter")["trial"].nunique().tolist() == [14, 14, 14]
    display = SliceDisplay.from_estimator(pruned_search)
    assert [ax.get_xlabel() for ax in display.axes_] == ["scale", "net__lr", "net__hidden_units"]
    assert display.axes_[1].get_xscale() == "log"
    shown = sum(len(points.get_offsets()) for points in display.axes_[0].collections)
    assert shown == 14


def test_parallel_lines_run_from_the_lowest_to_the_highest_value(study):
    found = parallel_coordinates(study)
    a = np.array([trial.params["a"] for trial in study.trials])
    b = np.log([trial.params["b"] for trial in study.trials])
    np.testing.assert_allclose(found.heights[:, 0], (a - a.min()) / np.ptp(a))
    np.testing.assert_allclose(found.heights[:, 1], (b - b.min()) / np.ptp(b))
    display = ParallelCoordinatesDisplay.from_study(study)
    assert len(display.lines_.get_segments()) == 40


def test_curves_hold_every_report_and_the_mean_of_its_folds(pruned_search):
    curves = training_curves(pruned_search)
    means = curves[curves["fold"].isna()].set_index(["trial", "step"])["score"]
    folds = curves.dropna(subset=["fold"]).groupby(["trial", "step"])["score"].mean()
    np.testing.assert_allclose(means.sort_index(), folds.sort_index())
    for trial in pruned_search.study_.trials:
        assert means[trial.number].to_dict() == pytest.approx(trial.intermediate_values)


def test_pruned_curves_end_in_a_mark_and_the_best_is_thick(pruned_search):
    display = TrainingCurvesDisplay.from_estimator(pruned_search)
    results = pruned_search.cv_results_
    assert len(display.pruned_.get_offsets()) == (results["state"] == "pruned").sum()
    ends = {tuple(offset) for offset in display.pruned_.get_offsets().tolist()}
    for row in np.flatnonzero(results["state"] == "pruned"):
        assert (results["n_epochs"][row], results["mean_test_score"][row]) in ends
    widths = {number: line.get_linewidth() for number, line in display.lines_.items()}
    assert max(widths, key=widths.get) == pruned_search.best_index_


def test_without_reports_the_way_to_get_them_is_named(grid_search):
    with pytest.raises(ValueError, match="a search reports with a pruner"):
        training_curves(grid_search)


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (score_surface, {"params": ["scale"]}, "params must name 2 parameters"),
        (score_surface, {"params": ["scale", "x"]}, r"got \['x'\]"),
        (parameter_importances, {"evaluators": ("forest",)}, "evaluators must be some of"),
    ],
)
def test_bad_arguments_are_explained(grid_search, function, options, message):
    with pytest.raises(ValueError, match=message):
        function(grid_search, **options)


def test_too_few_trials_are_explained():
    results = {"params": [{"a": 1}, {"a": 2}], "mean_test_score": [0.1, 0.2]}
    with pytest.raises(ValueError, match="importances need 4 complete trials; got 2"):
        parameter_importances(results)


def test_importances_without_any_difference_are_explained():
    results = {"params": [{"a": a} for a in range(6)], "mean_test_score": [0.5] * 6}
    with pytest.raises(ValueError, match="all complete trials have the same"):
        parameter_importances(results)
    results = {"params": [{"a": 1}, {"a": 2}, {"b": 1}, {"b": 2}]}
    with pytest.raises(ValueError, match=r"no parameter of \['a', 'b'\] is in every complete"):
        parameter_importances({**results, "mean_test_score": [0.1, 0.2, 0.3, 0.4]})


def test_the_best_of_a_minimized_study_has_the_last_colour_and_lies_on_top(study):
    lines = ParallelCoordinatesDisplay.from_study(study).lines_
    assert lines.get_array()[-1] == study.best_value
    viridis = plt.get_cmap("viridis")
    assert lines.to_rgba(study.best_value)[:3] == viridis(1.0)[:3]
    assert lines.to_rgba(max(t.value for t in study.trials))[:3] == viridis(0.0)[:3]
    points = ContourDisplay.from_study(study, params=["a", "b"]).points_
    assert points.to_rgba(study.best_value) == viridis(1.0)


def test_scores_that_are_not_finite_do_not_set_the_scale():
    results = {"params": [{"a": 1}, {"a": 2}, {"a": 3}], "mean_test_score": [-np.inf, 0.2, 0.4]}
    assert SliceDisplay.from_results(results).ax_.get_ylim() == pytest.approx((0.19, 0.41))


def test_a_search_without_any_score_is_explained():
    failed = {"params": [{"a": 1}, {"a": 2}], "mean_test_score": [np.nan, np.nan]}
    with pytest.raises(ValueError, match="no trial of this search has a score"):
        SliceDisplay.from_results(failed)
    with pytest.raises(ValueError, match="no trial of this search has ended"):
        SearchHistoryDisplay.from_study(optuna.create_study())


def test_panels_fit_in_axes_that_were_placed_by_hand(grid_search):
    figure = plt.figure()
    axes = figure.add_axes((0.5, 0.1, 0.4, 0.6))
    for panel in SliceDisplay.from_estimator(grid_search, ax=axes).axes_:
        box = panel.get_position()
        assert panel.figure is figure
        assert 0.5 - 1e-9 <= box.x0 < box.x1 <= 0.9 + 1e-9
        assert 0.1 - 1e-9 <= box.y0 < box.y1 <= 0.7 + 1e-9


def test_numbers_beside_other_choices_keep_their_order():
    grid = [{"depth": depth, "C": C} for depth in (None, 10, 3) for C in (1.0, 0.5, np.inf)]
    results = {"params": grid, "mean_test_score": np.linspace(0.1, 0.9, 9)}
    axes = {axis.name: axis for axis in parallel_coordinates(results).axes}
    assert axes["depth"].labels == ("3", "10", "None")
    assert axes["C"].labels == ("0.5", "1.0", "inf")
    assert parameter_importances(results).notna().all(axis=None)
    assert score_surface(results, params=["depth", "C"]).surface.shape == (3, 3)


@pytest.mark.parametrize(("maximize", "best"), [(True, [0.2, 0.9, 0.9]), (False, [0.2, 0.2, 0.1])])
def test_by_seconds_the_best_so_far_follows_the_order_in_which_trials_ended(maximize, best):
    # The second trial ended before the first.
    history = search_history({"params": [{"a": a} for a in range(3)],
                              "mean_test_score": [0.9, 0.2, 0.1]})  # fmt: skip
    history["seconds"] = [2.0, 1.0, 3.0]
    display = SearchHistoryDisplay(history, by="seconds", maximize=maximize).plot()
    assert display.line_.get_xdata().tolist() == [1.0, 2.0, 3.0]
    assert display.line_.get_ydata().tolist() == best


def test_parallel_coordinates_of_branches_say_what_to_pass():
    params = [{"C": float(i), "k": i} if i % 3 else {"depth": i} for i in range(9)]
    results = {"params": params, "mean_test_score": [0.1 * i for i in range(9)]}
    with pytest.raises(ValueError, match=r"'depth' in 3.*'C' in 6.*params=\['C', 'k'\]"):
        parallel_coordinates(results)
    assert parallel_coordinates(results, params=["C", "k"]).heights.shape == (6, 2)
