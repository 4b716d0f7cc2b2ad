"""The winners' parameters are those of the best complete trials."""

import json

import numpy as np
import pytest

from sklearn_trainkit.comparison._table import build_table
from sklearn_trainkit.inspection._winning_params import describe_winners, winning_trials


def make_run(strategy, trials, *, seed=0):
    """Return the rows of a run whose trials are (score, params), or (score, params, facts)."""
    scores = [trial[0] for trial in trials]
    run = {"run_error": "", "run_note": "", "run_trials": len(trials)}
    run |= {"run_n_train": 60, "run_n_test": 40}
    key = {"dataset": "d", "seed": seed, "fold": 0, "strategy": strategy}
    return [
        {**key, **run, "trial": number, "params": json.dumps(params), "status": "complete",
         "score": score, "best_so_far": max(scores[: number + 1]), **dict(*facts)}
        for number, (score, params, *facts) in enumerate(trials)
    ]  # fmt: skip


def test_the_best_complete_trial_wins_and_the_earlier_of_two():
    rows = make_run("a", [(0.5, {"C": 1}), (0.9, {"C": 2}), (0.9, {"C": 3}), (0.7, {"C": 4})])
    rows += make_run("a", [(0.6, {"C": 5})], seed=1)
    won = winning_trials(build_table(rows))
    assert won["params"].tolist() == ['{"C": 2}', '{"C": 5}']


def test_a_halving_search_has_its_winner_among_the_largest_resource():
    rows = make_run(
        "a",
        [
            (0.8, {"C": 1}, {"resource": 10, "best_so_far": 0.8}),
            (0.9, {"C": 2}, {"resource": 10, "best_so_far": 0.9}),
            (0.8, {"C": 2}, {"resource": 30, "best_so_far": 0.8}),
        ],
    )
    assert winning_trials(build_table(rows))["trial"].tolist() == [2]


def test_winners_are_counted_and_the_most_frequent_come_first():
    rows = [row for seed, c in enumerate([1, 2, 2]) for row in
            make_run("a", [(0.5, {"C": c, "kernel": "rbf"})], seed=seed)]  # fmt: skip
    rows += make_run("b", [(0.5, {})])
    failed = {"dataset": "d", "seed": 0, "fold": 0, "strategy": "c", "trial": None}
    failed |= {"run_error": "no", "run_note": "", "run_n_train": 60, "run_n_test": 40}
    failed |= {"run_trials": 0, "params": "{}", "best_so_far": np.nan}
    assert describe_winners(build_table([*rows, failed])) == [
        "a, 2 of 3 runs: C=2, kernel=rbf",
        "a, 1 of 3 runs: C=1, kernel=rbf",
        "b, 1 of 1 runs: the estimator as it is",
        "c: no complete trial",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.03125, "0.03125"),
        (None, "None"),
        ([64, 32], "[64, 32]"),
        ("Pipeline(\n    steps=[])", "Pipeline( steps=[])"),
        ("x" * 200, "x" * 37 + " ... " + "x" * 37),
    ],
)
def test_values_are_shown_readable(value, shown):
    [line] = describe_winners(build_table(make_run("a", [(0.5, {"p": value})])))
    assert line == f"a, 1 of 1 runs: p={shown}"


def test_of_many_winners_the_rest_is_counted():
    rows = [row for seed in range(8) for row in make_run("a", [(0.5, {"C": seed})], seed=seed)]
    lines = describe_winners(build_table(rows))
    assert len(lines) == 6
    assert lines[-1] == "a: 3 more winners, of fewer or as many runs"
