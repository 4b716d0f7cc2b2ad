"""The forest finds optima sooner than chance, and takes short trainings for what they are."""

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from sklearn_trainkit.model_selection import ForestSampler
from sklearn_trainkit.model_selection.space._unit_space import UnitSpace
from sklearn_trainkit.model_selection.study._forest_sampler import Model, expect_ends, spread_out

DISTRIBUTIONS = {
    "choice": CategoricalDistribution(("a", None, 3)),
    "number": FloatDistribution(-2.0, 5.0),
    "log": FloatDistribution(1e-5, 1e2, log=True),
    "step": FloatDistribution(0.0, 1.0, step=0.25),
    "whole": IntDistribution(1, 9, step=2),
    "log whole": IntDistribution(1, 100, log=True),
}


def objective(trial):
    x = trial.suggest_float("x", 0.0, 1.0)
    rate = trial.suggest_float("rate", 1e-5, 1.0, log=True)
    kind = trial.suggest_categorical("kind", ["a", "b", "c", "d"])
    return (
        -((x - 0.3) ** 2)
        - 0.1 * (np.log10(rate) + 2.0) ** 2
        - {"a": 0.4, "b": 0.0, "c": 0.3, "d": 0.5}[kind]
    )


def best_of(sampler, n_trials=40):
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=n_trials)
    return study.best_value


def test_it_is_ahead_of_chance():
    ours = [best_of(ForestSampler(seed=seed)) for seed in range(10)]
    random = [best_of(optuna.samplers.RandomSampler(seed=seed)) for seed in range(10)]
    # The optimum is 0: a fifth as far off, and never stuck at another choice.
    assert np.median(ours) > 0.2 * np.median(random)
    assert min(ours) > np.median(random)


def test_the_same_seed_draws_the_same_and_minimizing_mirrors_maximizing():
    def run(direction, sign, seed=0):
        study = optuna.create_study(direction=direction, sampler=ForestSampler(seed=seed))
        study.optimize(lambda trial: sign * objective(trial), n_trials=15)
        return [trial.params for trial in study.trials]

    first = run("maximize", 1)
    assert first == run("maximize", 1)
    assert first == run("minimize", -1)
    assert first != run("maximize", 1, seed=1)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31))
def test_rows_and_parameters_are_the_same_thing(seed):
    space = UnitSpace(DISTRIBUTIONS)
    rng = np.random.default_rng(seed)
    rows = space.draw(20, rng)
    for drawn in (rows, space.mutate(rows, rng)):
        for row in drawn:
            params = space.decode(row)
            for name, distribution in DISTRIBUTIONS.items():
                assert distribution._contains(distribution.to_internal_repr(params[name]))
            trial = create_trial(params=params, distributions=DISTRIBUTIONS, value=0.0)
            assert space.decode(space.encode([trial])[0]) == pytest.approx(params)


def test_every_value_of_a_stepped_range_is_as_likely():
    space = UnitSpace({"whole": IntDistribution(1, 9, step=2), "choice": DISTRIBUTIONS["choice"]})
    rows = space.draw(5000, np.random.default_rng(0))
    drawn = [space.decode(row) for row in rows]
    for name, values in (("whole", [1, 3, 5, 7, 9]), ("choice", ["a", None, 3])):
        shares = [np.mean([params[name] == value for params in drawn]) for value in values]
        np.testing.assert_allclose(shares, 1 / len(values), atol=0.03)


def make_trial(x, steps, value=None):
    return create_trial(
        state=TrialState.PRUNED if value is None else TrialState.COMPLETE,
        value=value,
        params={"x": x},
        distributions={"x": FloatDistribution(0.0, 1.0)},
        intermediate_values=steps,
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_stopped_trials_are_given_what_others_gained(sign):
    curves = [
        ({1: 0.5, 3: 0.6, 9: 0.7}, 0.75),
        ({1: 0.4, 3: 0.6, 9: 0.8}, 0.81),
        ({1: 0.2, 3: 0.45}, None),
        ({1: 0.3}, None),
        ({1: np.nan}, None),
        ({}, 0.9),
        ({}, None),
    ]
    study = optuna.create_study(direction="maximize" if sign == 1 else "minimize")
    for steps, value in curves:
        signed = {step: sign * score for step, score in steps.items()}
        study.add_trial(make_trial(0.5, signed, None if value is None else sign * value))
    ends = expect_ends(study, study.trials)
    # From 3 to the end 0.15 and 0.21; from 1 to 3 0.1, 0.2 and 0.25.
    expected = [0.75, 0.81, 0.45 + 0.18, 0.3 + 0.2 + 0.18]
    np.testing.assert_allclose(ends, [*expected, min(expected), 0.9, min(expected)])


def test_infinite_scores_tell_nothing_about_gains():
    study = optuna.create_study(direction="maximize")
    for steps, value in (
        ({1: 0.6}, 0.9),
        ({1: 0.5}, -np.inf),
        ({1: 0.5}, -np.inf),
        ({1: 0.1}, None),
    ):
        study.add_trial(make_trial(0.5, steps, value))
    np.testing.assert_allclose(expect_ends(study, study.trials), [0.9, 0.4, 0.4, 0.4])


def test_stopped_trials_are_not_taken_for_good_ones():
    # Only those above 0.5 went on, and gained much.
    rng = np.random.default_rng(0)
    study = optuna.create_study(direction="maximize")
    for x in rng.random(60):
        study.add_trial(
            make_trial(x, {1: x / 2, 9: x}, value=x) if x > 0.5 else make_trial(x, {1: x / 2})
        )
    space = UnitSpace({"x": FloatDistribution(0.0, 1.0)})
    scores = expect_ends(study, study.trials)
    model = Model(space, space.encode(study.trials), scores, 100, seed=0)
    expected, spread = model.expect(np.array([[0.05], [0.4], [0.6], [0.9]]))
    assert (np.diff(expected) > 0).all()
    assert (spread >= 0).all()


def test_good_scores_are_told_apart():
    scores = np.array([-100.0, 0.7, 0.8, 0.89, 0.9])
    values = spread_out(scores)
    assert (np.diff(values) > 0).all()
    assert values[4] - values[3] > 0.3
    np.testing.assert_allclose(spread_out(5.0 * scores + 3.0), values)
    assert np.isfinite(spread_out(np.ones(4))).all()


def test_conditional_parameters_are_drawn_at_random():
    def conditional(trial):
        kind = trial.suggest_categorical("kind", ["a", "b"])
        return trial.suggest_float(f"of {kind}", 0.0, 1.0) + (kind == "a")

    study = optuna.create_study(direction="maximize", sampler=ForestSampler(seed=0))
    study.optimize(conditional, n_trials=30)
    kinds = [trial.params["kind"] for trial in study.trials[10:]]
    assert kinds.count("a") > 15


def test_a_space_of_one_point_and_scores_that_are_all_the_same():
    study = optuna.create_study(direction="maximize", sampler=ForestSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_categorical("only", [1]), n_trials=12)
    assert {trial.params["only"] for trial in study.trials} == {1}
    study = optuna.create_study(direction="maximize", sampler=ForestSampler(seed=0))
    study.optimize(lambda trial: 0.0 * trial.suggest_float("x", 0.0, 1.0), n_trials=12)
    assert len(study.trials) == 12


def test_several_objectives_are_refused():
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=ForestSampler(seed=0))
    with pytest.raises(ValueError, match="sampler='forest' follows one objective"):
        study.optimize(lambda trial: (trial.suggest_float("x", 0.0, 1.0), 0.0), n_trials=20)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_trees": 0}, "n_trees=0 needs to be at least 1"),
        ({"n_candidates": 0}, "n_candidates=0 needs to be at least 1"),
        ({"random_share": 1.5}, r"random_share=1.5 needs to be between 0 and 1"),
    ],
)
def test_bad_settings(parameters, message):
    with pytest.raises(ValueError, match=message):
        ForestSampler(**parameters)
