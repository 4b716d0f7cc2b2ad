"""A Pipeline is taken apart only where that is what its own ``fit`` does."""

import warnings

import numpy as np
import optuna
import pytest
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_trainkit.model_selection import (
    FoldEnsembleClassifier,
    OptunaSearchCV,
    RacingPruner,
    cross_validate,
)
from sklearn_trainkit.neural_network import MLPNetClassifier
from sklearn_trainkit.utils._pipelines import reason_to_keep_whole

imblearn = pytest.importorskip("imblearn", reason="imbalanced-learn is missing")
from imblearn import FunctionSampler  # noqa: E402
from imblearn.over_sampling import RandomOverSampler  # noqa: E402
from imblearn.pipeline import Pipeline as ResamplingPipeline  # noqa: E402
from imblearn.under_sampling import RandomUnderSampler  # noqa: E402

X, y = make_classification(90, 5, weights=[0.8], flip_y=0.05, random_state=0)
CV = StratifiedKFold(3)
NET = MLPNetClassifier((4,), max_epochs=4, batch_size=16, lr=0.02, random_state=0)


def bootstrap(X, y):
    """Draw as many rows as there are, in another order."""
    rows = np.random.default_rng(0).integers(len(X), size=len(X))
    return X[rows], y[rows]


def add_square(frame):
    return frame.assign(more=frame.iloc[:, 0] ** 2)


class EveryThird(Pipeline):
    """Trains on every third row."""

    def fit(self, X, y=None, **params):
        return super().fit(X[::3], y[::3], **params)


PIPELINES = {
    "scaled, then oversampled": ResamplingPipeline(
        [("sc", StandardScaler()), ("os", RandomOverSampler(random_state=0)), ("net", NET)]
    ),
    "undersampled, then scaled": ResamplingPipeline(
        [("us", RandomUnderSampler(random_state=0)), ("sc", StandardScaler()), ("net", NET)]
    ),
    "bootstrap": ResamplingPipeline([("boot", FunctionSampler(func=bootstrap)), ("net", NET)]),
    "no resampling": ResamplingPipeline([("sc", StandardScaler()), ("net", NET)]),
    "a subclass": EveryThird([("sc", StandardScaler()), ("net", NET)]),
}
EVALUATIONS = {
    "auto": {},
    "with a pruner": {"pruner": optuna.pruners.NopPruner()},
    "in a race": {"pruner": RacingPruner(2, 2, 2)},
    "of several together": {"evaluator": "fold-stack", "trials_per_stack": 2},
    "per epoch": {"evaluator": "per-epoch"},
}


@pytest.mark.parametrize("pipe", PIPELINES.values(), ids=PIPELINES)
@pytest.mark.parametrize("settings", EVALUATIONS.values(), ids=EVALUATIONS)
def test_a_search_scores_what_cross_val_score_scores(pipe, settings):
    search = OptunaSearchCV(
        pipe, {"net__lr": [0.02, 0.05]}, sampler="grid", n_trials=None, cv=CV, **settings
    )
    if "evaluator" in settings:
        with pytest.raises(ValueError, match="is a Pipeline with a fit of its own"):
            search.fit(X, y)
        return
    results = search.fit(X, y).cv_results_
    for row, params in enumerate(results["params"]):
        expected = cross_val_score(clone(pipe).set_params(**params), X, y, cv=CV)
        n_folds = int(results["n_folds"][row]) if "n_folds" in results else 3
        found = [results[f"split{index}_test_score"][row] for index in range(n_folds)]
        np.testing.assert_array_equal(found, expected[:n_folds])
    alone = clone(pipe).set_params(**search.best_params_).fit(X, y)
    np.testing.assert_array_equal(search.predict_proba(X), alone.predict_proba(X))
    if settings:
        assert all("fit of its own" in how for how in search.evaluations_)


@pytest.mark.parametrize("pipe", PIPELINES.values(), ids=PIPELINES)
def test_cross_validation_and_ensembles_of_folds_fit_it_whole(pipe):
    expected = cross_val_score(pipe, X, y, cv=CV)
    np.testing.assert_array_equal(cross_validate(pipe, X, y, cv=CV)["test_score"], expected)
    with pytest.raises(ValueError, match="fit of its own"):
        cross_validate(pipe, X, y, cv=CV, stack=True)
    ensemble = FoldEnsembleClassifier(pipe, cv=CV).fit(X, y)
    np.testing.assert_array_equal(ensemble.fold_scores_, expected)


def test_a_choice_of_steps_is_judged_candidate_by_candidate():
    class Resamples(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            return self

        def transform(self, X):
            return X

        def fit_resample(self, X, y):
            return X[::2], y[::2]

    pipe = Pipeline([("first", StandardScaler()), ("net", NET)])
    space = {"first": [StandardScaler(), Resamples()]}
    search = OptunaSearchCV(pipe, space, sampler="grid", n_trials=None, cv=CV)
    search.set_params(pruner=optuna.pruners.NopPruner()).fit(X, y)
    assert search.evaluations_[0].startswith(("fold-stack", "per-epoch"))
    assert search.evaluations_[1] == "whole-fit: step 'first' changes rows (fit_resample)"
    expected = cross_val_score(clone(pipe).set_params(first=Resamples()), X, y, cv=CV).mean()
    assert search.cv_results_["mean_test_score"][1] == expected


def test_what_the_pipeline_itself_refuses_is_refused():
    single = Pipeline([("net", NET)])
    search = OptunaSearchCV(single, {"net__lr": [0.02]}, n_trials=1, cv=CV, error_score="raise")
    with pytest.raises(ValueError, match=r"Pipeline.fit does not accept the sample_weight"):
        search.fit(X, y, sample_weight=np.ones(90))
    with pytest.raises(ValueError, match=r"Pipeline.fit does not accept the sample_weight"):
        cross_validate(
            single, X, y, cv=CV, params={"sample_weight": np.ones(90)}, error_score="raise"
        )
    scaled = Pipeline([("sc", StandardScaler()), ("net", NET)], transform_input=["X_val"])
    with pytest.raises(ValueError, match="`transform_input` parameter can only be set"):
        OptunaSearchCV(scaled, {"net__lr": [0.02]}, n_trials=1, cv=CV, error_score="raise").fit(
            X, y
        )


@pytest.mark.parametrize(
    ("pipe", "params", "reason"),
    [
        (LogisticRegression(), ["sample_weight"], None),
        (Pipeline([("a", StandardScaler()), ("b", NET)]), ["b__sample_weight"], None),
        (Pipeline([("a", Pipeline([("c", StandardScaler())])), ("b", NET)]), [], None),
        (Pipeline([("a", "passthrough"), ("b", NET)], memory="somewhere"), [], None),
        (Pipeline([("a", StandardScaler()), ("b", NET)]), ["weights"], "the argument 'weights'"),
        (Pipeline([("a", StandardScaler()), ("b", NET)]), ["c__x"], "the argument 'c__x'"),
        (PIPELINES["bootstrap"], [], "imblearn.pipeline.Pipeline is a Pipeline with a fit"),
        (PIPELINES["a subclass"], [], "EveryThird is a Pipeline with a fit of its own"),
        (Pipeline([("a", PIPELINES["bootstrap"][:-1]), ("b", NET)]), [], "step 'a' changes rows"),
    ],
)
def test_the_rule(pipe, params, reason):
    found = reason_to_keep_whole(pipe, params)
    assert (found is None) == (reason is None)
    assert reason is None or reason in found


def test_routed_arguments_are_left_to_the_pipeline():
    with sklearn.config_context(enable_metadata_routing=True):
        net = clone(NET).set_fit_request(sample_weight=True)
        pipe = Pipeline(
            [("sc", StandardScaler().set_fit_request(sample_weight=False)), ("net", net)]
        )
        assert "are routed" in reason_to_keep_whole(pipe, ["sample_weight"])
        assert reason_to_keep_whole(pipe) is None


def test_pandas_output_and_memory_stay_as_they_are(tmp_path):
    names = FunctionTransformer(add_square)
    pipe = Pipeline(
        [("sc", StandardScaler()), ("names", names), ("net", NET)], memory=str(tmp_path)
    )
    pipe.set_output(transform="pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        search = OptunaSearchCV(
            pipe, {"net__lr": [0.02]}, n_trials=1, cv=CV, pruner=optuna.pruners.NopPruner()
        ).fit(X, y)
        expected = cross_val_score(pipe, X, y, cv=CV).mean()
    assert search.evaluator_ == "fold-stack"
    assert search.best_score_ == expected
