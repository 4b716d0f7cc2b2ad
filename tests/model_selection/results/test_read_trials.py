"""Trials from a searcher, its results, its study and a comparison are the same trials."""

import numpy as np
import optuna
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC
from skorch.history import History

from sklearn_trainkit.comparison import compare_searches
from sklearn_trainkit.inspection import parameter_importances
from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.model_selection.results._read_trials import read_trials
from sklearn_trainkit.neural_network import MLPNetClassifier


def test_a_plain_search_gives_its_scores_params_and_cumulative_work(grid_search):
    trials = read_trials(grid_search)
    results = grid_search.cv_results_
    np.testing.assert_array_equal(trials.score, results["mean_test_score"])
    assert trials.params["scale"].tolist() == [str(params["scale"]) for params in results["params"]]
    assert trials.params["model__C"].tolist() == [p["model__C"] for p in results["params"]]
    work = (results["mean_fit_time"] + results["mean_score_time"]) * 3
    np.testing.assert_allclose(trials.seconds, np.cumsum(work))
    assert trials.complete.all()
    assert trials.study is None


def test_results_alone_say_the_same_as_their_search(grid_search):
    whole = read_trials(grid_search)
    for results in (grid_search.cv_results_, pd.DataFrame(grid_search.cv_results_)):
        alone = read_trials(results)
        np.testing.assert_array_equal(alone.score, whole.score)
        pd.testing.assert_frame_equal(alone.params, whole.params)


def test_our_search_adds_states_epochs_curves_and_scales(pruned_search):
    trials = read_trials(pruned_search)
    results = pruned_search.cv_results_
    assert trials.state.tolist() == results["state"].tolist()
    assert {"complete", "pruned"} <= set(trials.state)
    np.testing.assert_array_equal(trials.epochs, np.cumsum(results["n_epochs"] * 3))
    assert trials.log_params == {"net__lr"}
    assert trials.study is pruned_search.study_
    for curve, n_epochs in zip(trials.curves, results["n_epochs"], strict=True):
        assert curve.steps.tolist() == list(range(1, n_epochs + 1))
        assert curve.fold_scores.shape == (n_epochs, 3)
        np.testing.assert_allclose(curve.fold_scores.mean(axis=1), curve.values)


def test_the_last_point_of_a_complete_curve_is_the_score_of_each_fold(pruned_search):
    trials = read_trials(pruned_search)
    results = pruned_search.cv_results_
    for row in np.flatnonzero(trials.complete):
        folds = [results[f"split{fold}_test_score"][row] for fold in range(3)]
        np.testing.assert_allclose(trials.curves[row].fold_scores[-1], folds)


def test_a_study_is_minimized_when_it_says_so(study):
    trials = read_trials(study)
    assert not trials.maximize
    assert trials.score.tolist() == [trial.value for trial in study.trials]
    assert trials.log_params == {"b"}
    assert trials.params["kind"].isin(["p", "q"]).all()


def test_no_trial_is_copied_and_none_is_handed_out(pruned_search, monkeypatch):
    def refuse(self):
        raise AssertionError("the trials were copied")

    get_trials = optuna.Study.get_trials
    study = pruned_search.study_
    before = [dict(trial.params) for trial in study.get_trials()]
    copied = []

    def get_and_note(self, deepcopy=True, states=None):
        copied.append(deepcopy)
        return get_trials(self, deepcopy, states)

    monkeypatch.setattr(optuna.Study, "get_trials", get_and_note)
    monkeypatch.setattr(type(study), "trials", property(refuse))
    read_trials(pruned_search)
    for row in read_trials(study).rows:
        row.params.clear()
    assert copied
    assert not any(copied)
    monkeypatch.undo()
    assert [trial.params for trial in study.get_trials()] == before


def test_trials_that_were_withdrawn_are_none():
    search = OptunaSearchCV(
        LogisticRegression(), {"C": [0.1, 1.0]}, n_trials=2, cv=2, random_state=0
    ).fit(*load_iris(return_X_y=True))
    study = search.study_
    study.withdraw(study.ask())
    assert len(study.get_trials()) == 3
    assert len(read_trials(study).rows) == len(study.trials) == 2


def test_pruned_and_failed_trials_of_a_study():
    made = optuna.create_study(direction="maximize")
    pruned = made.ask()
    pruned.report(0.4, 3)
    made.tell(pruned, state=optuna.trial.TrialState.PRUNED)
    made.tell(made.ask(), state=optuna.trial.TrialState.FAIL)
    made.tell(made.ask(), 0.9)
    trials = read_trials(made)
    assert trials.state.tolist() == ["pruned", "failed", "complete"]
    np.testing.assert_array_equal(trials.score, [0.4, np.nan, 0.9])
    assert trials.complete.tolist() == [False, False, True]


def test_several_objectives_are_read_one_at_a_time():
    made = optuna.create_study(directions=["maximize", "minimize"])
    made.tell(made.ask(), [0.5, 7.0])
    assert read_trials(made).score.tolist() == [0.5]
    second = read_trials(made, metric=1)
    assert (second.score.tolist(), second.maximize) == ([7.0], False)
    with pytest.raises(ValueError, match="metric must be the number of an objective, 0 to 1"):
        read_trials(made, metric=2)


def test_several_metrics_follow_refit_unless_told_otherwise():
    search = GridSearchCV(
        LogisticRegression(max_iter=500), {"C": [0.01, 1.0]}, cv=3,
        scoring=["neg_log_loss", "accuracy"], refit="accuracy",
    ).fit(*load_iris(return_X_y=True))  # fmt: skip
    results = search.cv_results_
    np.testing.assert_array_equal(read_trials(search).score, results["mean_test_accuracy"])
    losses = read_trials(search, "neg_log_loss")
    np.testing.assert_array_equal(losses.score, results["mean_test_neg_log_loss"])
    assert losses.score_name == "neg log loss"
    with pytest.raises(ValueError, match=r"metric must be one of .*got 'f1'"):
        read_trials(search, "f1")


def test_a_function_space_is_shown_by_its_draws():
    def space(trial):
        return {"C": 10.0 ** trial.suggest_int("decade", -2, 1)}

    search = OptunaSearchCV(SVC(), space, n_trials=4, cv=2, random_state=0)
    trials = read_trials(search.fit(*load_iris(return_X_y=True)))
    assert list(trials.params) == ["decade"]


def test_rows_of_a_comparison(first_run):
    rows = first_run[first_run["strategy"] == "TPE, pruned"]
    trials = read_trials(rows)
    assert set(trials.params) == {"lr", "dropout", "batch_size"}
    np.testing.assert_array_equal(trials.score, rows["score"])
    assert all(len(curve.steps) in (1, 2, 3) for curve in trials.curves)


def test_several_runs_of_a_comparison_have_numbers_that_differ(comparison):
    rows = comparison[comparison["strategy"] == "random"]
    assert read_trials(rows).number.tolist() == list(range(len(rows)))


def test_only_the_last_rung_of_a_halving_search_is_complete():
    search = HalvingRandomSearchCV(
        LogisticRegression(max_iter=500), {"C": [0.01, 0.1, 1.0, 10.0]}, n_candidates=4, factor=2,
        min_resources=40, max_resources=80, random_state=0,
    ).fit(*load_iris(return_X_y=True))  # fmt: skip
    trials = read_trials(search)
    top = search.cv_results_["n_resources"] == search.cv_results_["n_resources"].max()
    np.testing.assert_array_equal(trials.complete, top)
    assert trials.score[trials.complete].max() == search.best_score_


def test_a_parameter_that_only_some_trials_have_is_missing_in_the_others():
    results = {"params": [{"a": 1}, {"b": "x"}], "mean_test_score": [0.1, 0.2]}
    params = read_trials(results).params
    assert params["a"].isna().tolist() == [False, True]
    assert params["b"].tolist() == [None, "x"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (GridSearchCV(SVC(), {"C": [1.0]}), "has no cv_results_: fit it first"),
        ([1, 2], "trials are read from a fitted searcher.*got list$"),
        (History(), r"got History: one training, .*history\.to_list\(\)"),
        (MLPNetClassifier(), "got MLPNetClassifier: one training"),
    ],
)
def test_other_sources_are_explained(source, message):
    with pytest.raises(TypeError, match=message):
        read_trials(source)


def test_what_one_trial_hides_is_unknown_of_it_alone():
    results = {"params": [{"a": 1}, {"a": 2}, {"a": 3}], "mean_test_score": [0.1, np.nan, 0.3]}
    results["n_fold_epochs"] = np.ma.masked_equal([8, -1, 10], -1)
    results |= {f"split{fold}_test_score": [0.1, np.nan, 0.3] for fold in range(2)}
    trials = read_trials(results)
    np.testing.assert_array_equal(trials.epochs, [8, np.nan, 18])
    assert np.isnan(trials.seconds).all()
    with pytest.raises(ValueError, match="mean_test_score"):
        read_trials({"params": [{"a": 1}]})


def test_each_run_of_a_halving_search_has_its_own_largest_resource(first_run):
    rows = first_run[first_run["strategy"] == "grid"].iloc[:4].copy()
    rows["seed"], rows["resource"] = [0, 0, 1, 1], [20.0, 40.0, 21.0, 42.0]
    assert read_trials(rows).state.tolist() == ["pruned", "complete"] * 2


def test_choices_with_equal_labels_stay_apart():
    name = "functiontransformer__func"
    space = {name: [lambda X: X, lambda X: X * 0], "logisticregression__C": [1.0, 3.0]}
    pipe = make_pipeline(FunctionTransformer(), LogisticRegression())
    data = load_iris(return_X_y=True)
    ours = OptunaSearchCV(pipe, space, sampler="grid", n_trials=None, cv=2).fit(*data)
    grid = GridSearchCV(pipe, space, cv=2).fit(*data)
    study_labels = [trial.params[name] for trial in ours.study_.trials]
    assert read_trials(ours).params[name].tolist() == study_labels
    for source in (ours, ours.study_, grid, grid.cv_results_, ours.cv_results_):
        shown = read_trials(source).params[name]
        good = [params[name] is space[name][0] for params in ours.cv_results_["params"]]
        assert shown.nunique() == 2
        assert shown[good].nunique() == 1
    table = compare_searches({"ours": ours, "grid": grid}, *data, cv=2)
    assert read_trials(table).params[name].nunique() == 2
    importances = parameter_importances(grid)
    assert importances.index[0] == name


def test_equal_values_in_two_dicts_of_a_space_are_one_choice():
    space = [{"C": [1.0], "kernel": ["rbf"]}, {"C": [2.0], "kernel": ["rbf"]}]
    search = OptunaSearchCV(SVC(), space, sampler="grid", n_trials=None, cv=2)
    trials = read_trials(search.fit(*load_iris(return_X_y=True)))
    assert trials.params["kernel"].tolist() == ["rbf", "rbf"]
    lambdas = [{"func": [lambda X: X]}, {"func": [lambda X: X * 0]}]
    pipe = make_pipeline(FunctionTransformer(), SVC())
    space = [{"functiontransformer__func": each["func"]} for each in lambdas]
    search = OptunaSearchCV(pipe, space, sampler="grid", n_trials=None, cv=2)
    trials = read_trials(search.fit(*load_iris(return_X_y=True)))
    assert trials.params["functiontransformer__func"].nunique() == 2


def test_rows_and_columns_are_the_same_trials(pruned_search):
    trials = read_trials(pruned_search)
    results = pruned_search.cv_results_
    assert [row.params for row in trials.rows] == results["params"]
    assert [row.state for row in trials.rows] == trials.state.tolist()
    for name in ("number", "score", "seconds", "epochs"):
        values = [getattr(row, name) for row in trials.rows]
        np.testing.assert_array_equal(getattr(trials, name), values)
    np.testing.assert_array_equal([row.score_std for row in trials.rows], results["std_test_score"])
    stamps = [trial.datetime_complete for trial in pruned_search.trials_]
    assert [row.completed_at for row in trials.rows] == stamps


def test_a_row_of_a_halving_search_is_pruned_only_when_the_search_is_over():
    results = {"params": [{"a": 1}, {"a": 2}, {"a": 2}], "mean_test_score": [0.1, 0.2, np.nan]}
    trials = read_trials(results | {"n_resources": [10, 20, 20]})
    assert [row.state for row in trials.rows] == ["complete", "complete", "failed"]
    assert trials.state.tolist() == ["pruned", "complete", "failed"]


def test_a_winner_picked_by_a_function_leaves_the_curves_of_the_first_metric():
    search = OptunaSearchCV(
        MLPNetClassifier((4,), max_epochs=2), {"lr": [1e-3, 1e-2]}, sampler="grid", n_trials=None,
        cv=2, scoring=["neg_log_loss", "accuracy"], refit=lambda results: 0,
        pruner=optuna.pruners.NopPruner(), random_state=0,
    ).fit(*load_iris(return_X_y=True))  # fmt: skip
    trials = read_trials(search)
    ends = [curve.values[-1] for curve in trials.curves]
    np.testing.assert_allclose(ends, search.cv_results_["mean_test_neg_log_loss"])
    assert not any(len(curve.steps) for curve in read_trials(search, "accuracy").curves)


def test_results_without_params_are_explained():
    with pytest.raises(TypeError, match="whose cv_results_ has no params"):
        read_trials(type("Search", (), {"cv_results_": {}})())
