"""Figures of a comparison: curves, ranks and coverage against a computation by hand."""

import json

import numpy as np
import pytest
from matplotlib import pyplot as plt
from scipy import stats

from sklearn_trainkit.comparison import rank_strategies
from sklearn_trainkit.comparison._table import build_table
from sklearn_trainkit.inspection import (
    AnytimeCurvesDisplay,
    SearchCoverageDisplay,
    StrategyRanksDisplay,
    TrainingCurvesDisplay,
    anytime_curves,
    search_coverage,
    strategy_ranks,
)


def make_run(strategy, scores, epochs, *, dataset="d", test_score=0.5):
    best = np.maximum.accumulate(scores)
    run = {"run_test_score": test_score, "run_error": "", "run_note": "", "run_trials": len(scores)}
    run |= {"run_n_train": 60, "run_n_test": 40, "run_inner_score": best[-1]}
    key = {"dataset": dataset, "seed": 0, "fold": 0, "strategy": strategy}
    return [
        {**key, **run, "trial": number, "params": json.dumps({"x": score, "y": number}),
         "status": "complete", "score": score, "best_so_far": best[number],
         "epochs": epochs[number], "seconds": float(number + 1)}
        for number, score in enumerate(scores)
    ]  # fmt: skip


def make_table(*runs):
    return build_table([row for run in runs for row in run])


def test_anytime_heights_by_hand():
    table = make_table(
        make_run("short", [0.5, 1.0], [1, 2]), make_run("long", [0.75, 0.0, 1.0], [2, 4, 8])
    )
    curves = anytime_curves(table, by="epochs", n_points=9)
    heights = {name: rows["height"].tolist() for name, rows in curves.groupby("strategy")}
    # Scores already span 0 to 1; the largest budget is 8 epochs, one a point.
    assert heights["short"] == [0, 0.5, 1, 1, 1, 1, 1, 1, 1]
    assert heights["long"] == [0, 0, 0.75, 0.75, 0.75, 0.75, 0.75, 0.75, 1]
    ended = curves.groupby("strategy")["ended"].first()
    assert ended.to_dict() == {"long": 1.0, "short": 0.25}
    display = AnytimeCurvesDisplay.from_results(table)
    assert display.ends_["short"].get_xdata().item() == 0.25
    np.testing.assert_allclose(display.lines_["long"].get_ydata()[-1], 1.0)


@pytest.mark.parametrize("by", ["trials", "epochs", "seconds"])
def test_anytime_curves_of_real_runs_never_fall(comparison, by):
    curves = anytime_curves(comparison, by=by)
    for _, run in curves.groupby(["dataset", "seed", "strategy"]):
        assert run["height"].is_monotonic_increasing
        assert run["height"].between(0, 1).all()


def test_unknown_costs_are_explained():
    table = make_table(make_run("a", [0.5], [None]))
    with pytest.raises(ValueError, match="no run of this table knows its epochs"):
        anytime_curves(table)
    with pytest.raises(ValueError, match=r"by must be one of .*got 'days'"):
        anytime_curves(table, by="days")


RANKS = {"d1": (0.9, 0.8, 0.7), "d2": (0.9, 0.8, 0.7), "d3": (0.7, 0.9, 0.8), "d4": (0.9, 0.8, 0.1)}


@pytest.fixture
def ranked():
    return make_table(
        *(
            make_run(name, [0.5], [1], dataset=dataset, test_score=score)
            for dataset, scores in RANKS.items()
            for name, score in zip("abc", scores, strict=True)
        )
    )


def test_ranks_and_their_tests_by_hand(ranked):
    found = strategy_ranks(ranked)
    assert found.mean_rank.to_dict() == {"a": 1.5, "b": 1.75, "c": 2.75}
    # Nemenyi's critical value for three strategies is 2.343 (Demsar, table 5).
    assert found.critical_difference == pytest.approx(2.343 * np.sqrt(3 * 4 / (6 * 4)), rel=1e-3)
    columns = np.array(list(RANKS.values())).T
    assert found.friedman_p == pytest.approx(stats.friedmanchisquare(*columns).pvalue)
    assert found.groups == (("a", "b", "c"),)
    assert found.n_datasets == 4


def test_a_strategy_that_is_far_away_stands_apart():
    table = make_table(
        *(
            make_run(name, [0.5], [1], dataset=f"d{number}", test_score=score)
            for number in range(12)
            for name, score in zip("abc", (0.9, 0.91 - 0.02 * (number % 2), 0.1), strict=True)
        )
    )
    found = strategy_ranks(table)
    assert len(found.groups) == 1
    assert set(found.groups[0]) == {"a", "b"}
    display = StrategyRanksDisplay(found).plot()
    assert len(display.bars_) == 1


def test_the_drawing_of_ranks_shows_all_of_them(ranked):
    display = StrategyRanksDisplay.from_results(ranked)
    expected = rank_strategies(ranked)["mean_rank"]
    np.testing.assert_allclose(display.points_.get_offsets()[:, 0], expected)
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == ["a", "b", "c"]


def test_a_single_data_set_has_no_critical_difference():
    found = strategy_ranks(make_table(make_run("a", [0.5], [1]), make_run("b", [0.6], [1])))
    assert np.isnan(found.critical_difference)
    assert found.groups == ()
    with pytest.raises(ValueError, match="alpha must lie between 0 and 1; got 5"):
        strategy_ranks(make_table(make_run("a", [0.5], [1])), alpha=5)


def make_blocks(blocks):
    """Return a table with one run of each strategy with a score, by data set."""
    return make_table(
        *(
            make_run(name, [0.5], [1], dataset=f"d{number}", test_score=score)
            for number, block in enumerate(blocks)
            for name, score in zip("abc", block, strict=True)
            if score is not None
        )
    )


def test_data_sets_that_a_strategy_lacks_are_in_no_rank_and_no_test():
    complete = [(0.9, 0.8, 0.7), (0.9, 0.7, 0.8), (0.8, 0.9, 0.7), (0.9, 0.8, 0.6)]
    alone = strategy_ranks(make_blocks(complete))
    found = strategy_ranks(make_blocks([*complete, (None, 0.9, 0.8)]))
    assert found.mean_rank.to_dict() == alone.mean_rank.to_dict()
    assert (found.n_datasets, found.left_out) == (4, ("d4",))
    assert found.friedman_p == stats.friedmanchisquare(*np.array(complete).T).pvalue
    assert found.critical_difference == alone.critical_difference
    title = StrategyRanksDisplay(found).plot().ax_.get_title(loc="left")
    assert title.startswith("4 data sets of 5")


def test_strategies_without_a_common_data_set_have_no_ranks():
    found = strategy_ranks(make_blocks([(0.9, None, 0.8), (None, 0.7, 0.8)]))
    assert found.mean_rank.isna().all()
    assert np.isnan(found.friedman_p)
    with pytest.raises(ValueError, match="no data set has runs of all strategies"):
        StrategyRanksDisplay(found).plot()


@pytest.mark.filterwarnings("error")
def test_strategies_that_are_equal_but_for_rounding_are_alike():
    found = strategy_ranks(make_blocks([(0.1 + 0.2, 0.3, 0.3), (0.5, 0.5, 0.5)]))
    assert found.friedman_p == 1.0
    assert found.mean_rank.to_dict() == {"a": 2.0, "b": 2.0, "c": 2.0}


def test_friedmans_test_ranks_rounded_scores():
    blocks = [(0.1 + 0.2, 0.3, 0.2), (0.6, 0.7, 0.7), (0.5, 0.6, 0.9), (0.1, 0.2, 0.2)]
    expected = stats.friedmanchisquare(*np.round(blocks, 12).T).pvalue
    assert strategy_ranks(make_blocks(blocks)).friedman_p == pytest.approx(expected)


def test_coverage_holds_the_trials_of_each_strategy(first_run):
    found = search_coverage(first_run, params=["lr", "batch_size"])
    assert found.strategies == ("grid", "random", "TPE, pruned", "by hand")
    # The grid does not vary the batch size, so its trials do not hold it.
    assert set(found.strategy) == {"random", "TPE, pruned", "by hand"}
    by_hand = found.strategy == "by hand"
    np.testing.assert_array_equal(found.x.values[by_hand], [1e-3, 1e-2])
    np.testing.assert_array_equal(found.order[by_hand], [0, 1])
    display = SearchCoverageDisplay.from_results(first_run, params=["lr", "batch_size"])
    assert [ax.get_title() for ax in display.axes_] == list(found.strategies)
    assert "does not vary both" in [text.get_text() for text in display.axes_[0].texts]
    assert len(display.points_["by hand"].get_offsets()) == 2
    assert display.ax_.get_xscale() == "log"


def test_coverage_takes_searches_by_name(grid_search, study):
    display = SearchCoverageDisplay.from_estimator(
        {"first": grid_search, "again": grid_search}, params=["model__C", "scale"]
    )
    assert len(display.axes_) == 2
    one = SearchCoverageDisplay.from_estimator(grid_search, params=["model__C", "scale"])
    assert [ax.get_title() for ax in one.axes_] == ["GridSearchCV"]
    SearchCoverageDisplay.from_results({"random": study}, params=["a", "b"])
    with pytest.raises(TypeError, match="results must be the table of compare_searches"):
        search_coverage([grid_search], params=["a", "b"])


def test_panels_go_where_asked(first_run):
    figure, axes = plt.subplots(2, 2)
    display = SearchCoverageDisplay.from_results(first_run, params=["lr", "dropout"], ax=axes)
    assert display.figure_ is figure
    assert list(display.axes_) == list(axes.ravel())
    with pytest.raises(ValueError, match="ax must hold 4 axes, one for each panel; got 2"):
        SearchCoverageDisplay.from_results(first_run, params=["lr", "dropout"], ax=axes[0])


def test_a_comparison_keeps_the_curves_of_its_trials(first_run):
    rows = first_run[first_run["strategy"] == "TPE, pruned"]
    display = TrainingCurvesDisplay.from_results(rows)
    assert len(display.lines_) == len(rows)
    complete = rows[rows["status"] == "complete"]
    for _, row in complete.iterrows():
        assert json.loads(row["curve"])[-1][1] == pytest.approx(row["score"], abs=1e-6)


def test_the_star_of_a_minimized_study_is_its_lowest_value(study):
    display = SearchCoverageDisplay.from_results({"study": study}, params=["a", "b"])
    [star] = display.ax_.collections[-1].get_offsets()
    np.testing.assert_allclose(star, [study.best_params["a"], study.best_params["b"]])


def test_every_panel_given_gets_scales_and_choices():
    params = [{"a": a, "kind": kind} for a in (1e-4, 1.0) for kind in ("p", "q")]
    found = {"params": params, "mean_test_score": [0.1, 0.2, 0.3, 0.4]}
    _, axes = plt.subplots(1, 2)
    display = SearchCoverageDisplay.from_results(
        {"one": found, "two": found}, params=["a", "kind"], ax=axes
    )
    assert [panel.get_xscale() for panel in display.axes_] == ["log", "log"]
    for panel in display.axes_:
        assert [text.get_text() for text in panel.get_yticklabels()] == ["p", "q"]


def test_an_infinite_score_does_not_set_the_scale_of_the_heights():
    table = make_table(make_run("a", [-np.inf, 0.5, 1.0], epochs=[1, 2, 4]))
    heights = anytime_curves(table, by="epochs", n_points=5)["height"]
    assert heights.tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]
