"""Spaces: a dict, several dicts, or a function of the trial."""

import optuna
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_trainkit.model_selection.space._search_space import check_names, make_search_space

TWO_DICTS = [
    {"kernel": ["rbf"], "C": stats.loguniform(1, 10), "gamma": [0.1, 1.0]},
    {"kernel": ["poly"], "degree": [2, 3]},
]


def draw(space, n_trials, seed=0):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [space.suggest(study.ask()) for _ in range(n_trials)]


def test_each_trial_draws_from_one_of_the_dicts():
    drawn = draw(make_search_space(TWO_DICTS), 30)
    keys = {frozenset(params) for params in drawn}
    assert keys == {frozenset({"kernel", "C", "gamma"}), frozenset({"kernel", "degree"})}
    assert all((params["kernel"] == "poly") == ("degree" in params) for params in drawn)


def test_a_function_may_depend_on_its_own_draws():
    scalers = [StandardScaler(), None]

    def space(trial):
        n_layers = trial.suggest_int("n_layers", 1, 3)
        widths = [trial.suggest_int(f"width_{i}", 4, 8) for i in range(n_layers)]
        return {"widths": tuple(widths), "scale": trial.suggest_categorical("scale", scalers)}

    drawn = draw(make_search_space(space), 20)
    assert {len(params["widths"]) for params in drawn} == {1, 2, 3}
    assert all(params["scale"] in scalers for params in drawn)


def test_a_function_has_to_return_a_dict():
    with pytest.raises(TypeError, match="has to return a dict"):
        draw(make_search_space(lambda trial: 3), 1)


@pytest.mark.parametrize(
    "grid", [{"a": [1, 2], "b": ["x", "y", "z"]}, [{"a": [1]}, {"b": [1, 2]}], {}]
)
def test_points_come_in_the_order_of_parameter_grid(grid):
    assert make_search_space(grid).list_points() == list(ParameterGrid(grid))


def test_an_enqueued_candidate_picks_the_dict_that_holds_it():
    matched = make_search_space(TWO_DICTS).match({"kernel": "poly", "degree": 3}, "enqueue[0]")
    assert matched.fixed["degree"] == 3
    assert matched.fixed["param_distributions[i]"] == 1


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        ({"nope": 1}, r"enqueue\[0\] sets 'nope', which param_distributions does not hold"),
        ({"kernel": "poly", "degree": 9}, r"enqueue\[0\] sets degree=9, which is not one of"),
    ],
)
def test_an_enqueued_candidate_outside_the_space_is_refused(candidate, message):
    with pytest.raises(ValueError, match=message):
        make_search_space(TWO_DICTS).match(candidate, "enqueue[0]")


@pytest.mark.parametrize(
    ("space", "error", "message"),
    [
        ([], ValueError, "empty list"),
        ([{"a": [1]}, 0], TypeError, r"param_distributions\[1\] needs to be a dict"),
        ({"a": 1}, TypeError, r"param_distributions\['a'\]"),
    ],
)
def test_bad_spaces(space, error, message):
    with pytest.raises(error, match=message):
        make_search_space(space)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"names 'Q', which SVC does not accept.*Invalid"):
        check_names(make_search_space({"C": [1], "Q": [1]}), SVC())
    pipe = Pipeline([("clf", SVC())])
    with pytest.raises(ValueError, match="names 'clf__Q'"):
        check_names(make_search_space({"clf__Q": [1]}), pipe)


def test_a_parameter_of_a_step_that_is_searched_too_is_left_to_the_trial():
    pipe = Pipeline([("clf", None)])
    space = {"clf": [Ridge(), LogisticRegression()], "clf__C": [1.0]}
    check_names(make_search_space(space), pipe)
