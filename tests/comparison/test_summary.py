"""Summaries add up the runs, pair them with the baseline, and say what is missing."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sklearn_trainkit.comparison import rank_strategies, summarize_runs, summarize_strategies
from sklearn_trainkit.comparison._table import COLUMNS, build_table

NAN = float("nan")


def make_run(strategy, test_score, *, best=(0.5, 0.9), epochs=(10, 20), dataset="d", seed=0, **run):
    """Return the rows of one run, a trial for each entry of ``best``."""
    facts = {
        "run_error": "",
        "run_note": "",
        "run_trials": len(best),
        "run_fits": 3 * len(best) + 1,
        "run_epochs": epochs[-1] if epochs else None,
        "run_seconds": 1.0,
        "run_inner_score": best[-1] if best else NAN,
        "run_test_score": test_score,
        "run_winners_curse": (best[-1] if best else NAN) - test_score,
        "run_n_train": 80,
        "run_n_test": 20,
        **run,
    }
    key = {"dataset": dataset, "seed": seed, "fold": 0, "strategy": strategy}
    if not best:
        return [{**key, **facts, "trial": None}]
    return [
        {
            **key,
            **facts,
            "trial": number,
            "status": "complete",
            "score": score,
            "best_so_far": score,
            "epochs": epochs[number] if epochs else None,
            "seconds": float(number + 1),
        }
        for number, score in enumerate(best)
    ]


def make_table(*runs):
    return build_table([row for run in runs for row in run])


def by_strategy(summary):
    return summary.set_index("strategy").to_dict("index")


def test_runs_are_one_row_each_in_their_order():
    table = make_table(make_run("b", 0.8), make_run("a", 0.7), make_run("b", 0.6, seed=1))
    runs = summarize_runs(table)
    assert runs["strategy"].tolist() == ["b", "a", "b"]
    assert runs["test_score"].tolist() == [0.8, 0.7, 0.6]
    assert runs["trials"].tolist() == [2, 2, 2]


def test_scores_differences_and_ranks_are_paired_by_seed():
    scores = {"a": [0.80, 0.70, 0.60], "b": [0.82, 0.71, 0.64], "c": [0.80, 0.60, 0.65]}
    table = make_table(
        *(
            make_run(name, score, seed=seed)
            for seed in range(3)
            for name, score in ((name, scores[name][seed]) for name in scores)
        )
    )
    rows = by_strategy(summarize_strategies(table, baseline="a"))
    differences = np.subtract(scores["b"], scores["a"])
    error = math.sqrt((1 / 3 + 20 / 80) * differences.var(ddof=1))
    assert rows["b"]["difference"] == pytest.approx(differences.mean())
    assert rows["b"]["p_value"] == pytest.approx(2 * stats.t.sf(differences.mean() / error, df=2))
    assert rows["b"]["difference_low"] == pytest.approx(
        differences.mean() - stats.t.ppf(0.975, df=2) * error
    )
    assert rows["a"]["test_score"] == pytest.approx(0.7)
    assert rows["a"]["test_low"] < 0.7 < rows["a"]["test_high"]
    assert math.isnan(rows["a"]["difference"])
    # Ranks: seed 0: b, then a and c tied; seed 1: b, a, c; seed 2: c, b, a.
    assert rows["a"]["mean_rank"] == pytest.approx((2.5 + 2 + 3) / 3)
    assert rows["b"]["mean_rank"] == pytest.approx((1 + 1 + 2) / 3)
    assert rows["c"]["mean_rank"] == pytest.approx((2.5 + 3 + 1) / 3)


def test_p_values_are_corrected_for_the_strategies_of_a_data_set():
    rng = np.random.default_rng(0)
    table = make_table(
        *(
            make_run(name, 0.7 + shift + 0.01 * rng.normal(), seed=seed, dataset=dataset)
            for dataset in ("d", "e")
            for seed in range(5)
            for name, shift in (("a", 0.0), ("b", 0.05), ("c", 0.02), ("d", 0.0))
        )
    )
    summary = summarize_strategies(table)
    for _, rows in summary.groupby("dataset"):
        raw = rows["p_value"].dropna().sort_values()
        # Holm by hand: the smallest times 3, the next times 2, the last as it is, never falling.
        by_hand = np.minimum(np.maximum.accumulate(raw * [3, 2, 1]), 1.0)
        np.testing.assert_allclose(rows["p_holm"][raw.index], by_hand)
        assert rows["p_holm"].isna().sum() == 1  # the baseline


def test_the_first_strategy_is_the_default_baseline():
    table = make_table(make_run("z", 0.8), make_run("a", 0.7))
    rows = by_strategy(summarize_strategies(table))
    assert math.isnan(rows["z"]["difference"])
    assert rows["a"]["difference"] == pytest.approx(-0.1)


def test_cost_to_reach_the_baseline_is_where_the_curve_first_stands_at_its_best():
    table = make_table(
        make_run("base", 0.8, best=(0.5, 0.9), epochs=(10, 20)),
        make_run("fast", 0.8, best=(0.6, 0.9, 0.95), epochs=(3, 6, 30)),
        make_run("slow", 0.8, best=(0.6, 0.7), epochs=(3, 60)),
    )
    rows = by_strategy(summarize_strategies(table, baseline="base"))
    reached = {
        name: (row["reached_baseline"], row["epochs_to_baseline"], row["seconds_to_baseline"])
        for name, row in rows.items()
    }
    assert reached["base"] == (1, 20, 2)
    assert reached["fast"] == (1, 6, 2)
    assert reached["slow"] == pytest.approx((0, NAN, NAN), nan_ok=True)


def test_the_area_is_over_the_budget_that_all_have_spent():
    table = make_table(
        make_run("a", 0.8, best=(0.5, 1.0), epochs=(1, 4)),
        make_run("b", 0.8, best=(0.75, 1.0, 1.0), epochs=(1, 3, 9)),
    )
    rows = by_strategy(summarize_strategies(table))
    # Scores scaled from 0.5..1 to 0..1; the shorter run ends at 4 epochs.
    assert rows["a"]["area_epochs"] == pytest.approx(0.0)
    assert rows["b"]["area_epochs"] == pytest.approx((0 * 1 + 0.5 * 2 + 1 * 1) / 4)
    # Trials end at 1, 2, (3) seconds: the shorter run ends at 2.
    assert rows["b"]["area_seconds"] == pytest.approx((0 * 1 + 0.5 * 1) / 2)


def test_a_failed_run_ranks_last_and_is_noted_with_its_reason():
    table = make_table(
        make_run("a", 0.8),
        make_run("b", NAN, best=(), epochs=(), run_error="ValueError: no\nmore", run_trials=0),
        make_run("a", 0.7, seed=1),
        make_run("b", 0.9, seed=1),
    )
    rows = by_strategy(summarize_strategies(table))
    assert rows["b"]["failed"] == 1
    assert rows["b"]["mean_rank"] == (2 + 1) / 2
    assert rows["b"]["test_score"] == 0.9
    assert rows["b"]["note"] == "1 of 2 runs failed: ValueError: no"
    assert rows["a"]["note"] == ""


def test_a_long_reason_is_shortened_to_its_ends():
    long = "ValueError: \nAll the 4 fits failed.\nSee below.\n\nRuntimeError: no memory\n"
    failed = make_run("a", NAN, best=(), epochs=(), run_error=long, run_trials=0)
    [row] = by_strategy(summarize_strategies(make_table(failed))).values()
    assert row["note"].endswith("ValueError: All the 4 fits failed. ... RuntimeError: no memory")


def test_unequal_budgets_and_missing_epochs_are_noted():
    table = make_table(make_run("a", 0.8), make_run("b", 0.8, best=(0.5, 0.6, 0.7), epochs=()))
    rows = by_strategy(summarize_strategies(table))
    assert rows["b"]["note"] == "3 trials a run, the baseline 2; epochs not watched"
    assert math.isnan(rows["b"]["epochs"])
    assert math.isnan(rows["b"]["area_epochs"])
    assert not math.isnan(rows["b"]["area_seconds"])


def test_a_failed_baseline_leaves_differences_missing():
    failed = make_run("a", NAN, best=(), epochs=(), run_error="ValueError: no", run_trials=0)
    rows = by_strategy(summarize_strategies(make_table(failed, make_run("b", 0.8))))
    assert math.isnan(rows["b"]["difference"])
    assert rows["b"]["reached_baseline"] == 0
    assert rows["b"]["mean_rank"] == 1


def test_ranking_is_over_data_sets():
    data = {"d1": (0.8, 0.9), "d2": (0.7, 0.75), "d3": (0.6, 0.5)}
    table = make_table(
        *(
            make_run(name, score, dataset=dataset)
            for dataset, scores in data.items()
            for name, score in zip("ab", scores, strict=True)
        )
    )
    ranking = rank_strategies(table, baseline="a")
    assert ranking["strategy"].tolist() == ["b", "a"]
    assert ranking["mean_rank"].tolist() == pytest.approx([4 / 3, 5 / 3])
    assert ranking["best_on"].tolist() == [2, 1]
    assert ranking["difference"][0] == pytest.approx((0.1 + 0.05 - 0.1) / 3)
    assert ranking["p_value"][0] == pytest.approx(stats.wilcoxon([0.1, 0.05, -0.1]).pvalue)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"baseline": "x"}, r"baseline must be one of the strategies \['a'\]; got 'x'"),
        ({"confidence": 95}, "confidence must lie between 0 and 1; got 95"),
    ],
)
def test_bad_arguments_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        summarize_strategies(make_table(make_run("a", 0.8)), **arguments)


def test_an_empty_or_foreign_table_is_explained():
    with pytest.raises(ValueError, match="must hold at least one run"):
        summarize_strategies(make_table())
    with pytest.raises(ValueError, match=r"lacks the columns \['seed'"):
        summarize_runs(pd.DataFrame({"dataset": []}))


def test_every_documented_column_exists():
    summary = summarize_strategies(make_table(make_run("a", 0.8)))
    for name in summary.columns:
        assert f"``{name}``" in summarize_strategies.__doc__, name
    for name in COLUMNS:
        from sklearn_trainkit.comparison import compare_searches

        assert f"``{name}``" in compare_searches.__doc__, name


def test_scores_that_differ_in_their_last_digits_are_ties_over_data_sets():
    scores = {"0": (0.3, 0.1 + 0.2), "1": (0.5, 0.6), "2": (0.5, 0.7), "3": (0.5, 0.8)}
    table = make_table(
        *(
            make_run(strategy, score, dataset=dataset)
            for dataset, pair in scores.items()
            for strategy, score in zip("ab", pair, strict=True)
        )
    )
    rows = by_strategy(rank_strategies(table))
    assert (rows["a"]["best_on"], rows["b"]["best_on"]) == (1, 4)
    assert rows["b"]["p_value"] == stats.wilcoxon([0.1, 0.2, 0.3]).pvalue


def test_an_infinite_score_does_not_set_the_scale_of_the_area():
    # Between 0.5 and 1, as in the test above.
    table = make_table(
        make_run("a", 0.8, best=(-math.inf, 0.5, 1.0), epochs=(1, 2, 4)),
        make_run("b", 0.8, best=(0.75, 1.0, 1.0), epochs=(1, 3, 9)),
    )
    rows = by_strategy(summarize_strategies(table))
    assert rows["a"]["area_epochs"] == pytest.approx(0.0)
    assert rows["b"]["area_epochs"] == pytest.approx((0 * 1 + 0.5 * 2 + 1 * 1) / 4)


def test_runs_that_an_interrupted_comparison_lacks_are_noted():
    table = make_table(make_run("a", 0.8), make_run("b", 0.7), make_run("a", 0.9, seed=1))
    rows = by_strategy(summarize_strategies(table))
    assert rows["a"]["note"] == ""
    assert rows["b"]["note"] == "1 of 2 runs are not in the table"


def make_scores(scores):
    """Return a table with a run of each strategy for each of its scores, by data set."""
    return make_table(
        *(
            make_run(name, score, dataset=dataset, seed=seed)
            for dataset, strategies in scores.items()
            for name, values in strategies.items()
            for seed, score in enumerate(values)
        )
    )


def test_scores_that_differ_by_rounding_share_a_rank_and_reach_the_baseline():
    table = make_table(
        make_run("a", 0.1 + 0.2, best=(0.2, 0.1 + 0.2)), make_run("b", 0.3, best=(0.1, 0.3))
    )
    rows = by_strategy(summarize_strategies(table))
    assert (rows["a"]["mean_rank"], rows["b"]["mean_rank"]) == (1.5, 1.5)
    assert rows["b"]["reached_baseline"] == 1
    assert rows["b"]["difference"] == 0.0


def test_large_scores_that_differ_by_rounding_have_no_difference():
    noise = 1e-6 * np.array([[1, -1, 0.5, 0.3], [0, 0.2, -1, 0.4]])
    errors = -2.5e9 - 1e6 * np.arange(4) + noise
    rows = by_strategy(summarize_strategies(make_scores({"d": {"a": errors[0], "b": errors[1]}})))
    assert rows["b"]["p_value"] == 1.0
    assert math.isnan(rows["b"]["difference_low"])


def test_only_seeds_that_all_strategies_have_are_ranked():
    table = make_scores({"d": {"a": [0.9, 0.5], "b": [0.8, 0.7], "c": [0.7]}})
    rows = by_strategy(summarize_strategies(table))
    assert [rows[name]["mean_rank"] for name in "abc"] == [1, 2, 3]
    # The difference is between the two of them, whatever a third has.
    assert rows["b"]["difference"] == pytest.approx((0.8 - 0.9 + 0.7 - 0.5) / 2)


def test_only_data_sets_that_all_strategies_have_are_ranked():
    table = make_scores(
        {
            "d1": {"a": [0.9], "b": [0.8], "c": [0.7]},
            "d2": {"b": [0.9], "c": [0.8]},
            "d3": {"a": [0.5], "b": [0.7], "c": [0.6]},
        }
    )
    rows = by_strategy(rank_strategies(table))
    assert {name: row["mean_rank"] for name, row in rows.items()} == {"a": 2, "b": 1.5, "c": 2.5}
    assert {name: row["best_on"] for name, row in rows.items()} == {"a": 1, "b": 1, "c": 0}
    assert {row["common_datasets"] for row in rows.values()} == {2}


def test_without_a_common_data_set_there_is_no_rank():
    ranking = rank_strategies(make_scores({"d1": {"a": [0.9]}, "d2": {"b": [0.9]}}))
    assert ranking["mean_rank"].isna().all()
    assert ranking["common_datasets"].tolist() == [0, 0]
    assert ranking["best_on"].tolist() == [0, 0]


def test_wilcoxons_test_ties_differences_that_differ_by_rounding():
    base = np.array([0.2, 0.3, 0.5, 0.6, 0.1, 0.4])
    steps = np.array([0.1, -0.1, 0.1, 0.1, 0.2, 0.1])
    table = make_scores(
        {
            f"d{i}": {"a": [low], "b": [low + step]}
            for i, (low, step) in enumerate(zip(base, steps, strict=True))
        }
    )
    row = by_strategy(rank_strategies(table))["b"]
    assert row["p_value"] == stats.wilcoxon(steps).pvalue
    assert row["p_value"] != stats.wilcoxon((base + steps) - base).pvalue


@pytest.mark.parametrize(
    ("scores", "low", "high"),
    [
        ([0.98, 1.0, 0.97], 0, 1),
        ([0.01, 0.0, 0.05], 0, 1),
        ([-0.01, -0.9], -math.inf, 0),
        ([0.9, 0.99, -0.4], -math.inf, 1),
    ],
)
def test_intervals_stay_where_all_scores_are(scores, low, high):
    table = make_table(
        *(make_run("a", score, best=(min(scores),), epochs=(1,), seed=seed)
          for seed, score in enumerate(scores))
    )  # fmt: skip
    [row] = by_strategy(summarize_strategies(table)).values()
    assert low <= row["test_low"] < np.mean(scores) < row["test_high"] <= high


def test_differences_of_shares_stay_between_minus_one_and_one():
    table = make_scores({"d": {"a": [0.1, 0.05], "b": [0.9, 1.0]}})
    row = by_strategy(summarize_strategies(table))["b"]
    assert -1 <= row["difference_low"] < row["difference_high"] == 1
