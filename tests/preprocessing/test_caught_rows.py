"""Rows are set aside before a Pipeline that resamples, too, and it resamples the others only."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.pipeline import Pipeline

from sklearn_trainkit.preprocessing import SplitBeforeScaling, StandardScaler

pytest.importorskip("imblearn", reason="imbalanced-learn is missing")
from imblearn import FunctionSampler
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import Pipeline as ResamplingPipeline

X, y = make_classification(80, 4, weights=[0.8], flip_y=0, random_state=0)


class Keeps(ClassifierMixin, BaseEstimator):
    """Keeps what it is fitted on."""

    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None):
        self.seen_ = X, y, X_val, y_val
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def bootstrap(X, y):
    rows = np.random.default_rng(0).integers(len(X), size=len(X))
    return X[rows], y[rows]


def fit(steps, kind=ResamplingPipeline):
    model = SplitBeforeScaling(kind(steps), validation_fraction=0.25, random_state=0).fit(X, y)
    return model.estimator_


@pytest.mark.parametrize(
    "sampler", [RandomOverSampler(random_state=0), FunctionSampler(func=bootstrap)]
)
@pytest.mark.parametrize("sampler_first", [True, False])
def test_the_last_step_sees_what_it_sees_in_the_pipelines_own_fit(sampler, sampler_first):
    plain = fit([("scale", StandardScaler()), ("last", Keeps())], Pipeline)
    steps = [("sampler", sampler), ("scale", StandardScaler())]
    fitted = fit([*(steps if sampler_first else steps[::-1]), ("last", Keeps())])
    scale = plain["scale"]
    train, y_train, aside, y_aside = plain["last"].seen_
    rows = scale.inverse_transform(train)
    expected = ResamplingPipeline(
        [*(steps if sampler_first else steps[::-1]), ("last", Keeps())]
    ).fit(rows, y_train)
    found = fitted["last"].seen_
    np.testing.assert_allclose(found[0], expected["last"].seen_[0], atol=1e-9)
    np.testing.assert_array_equal(found[1], expected["last"].seen_[1])
    aside = expected["scale"].transform(scale.inverse_transform(aside))
    np.testing.assert_allclose(found[2], aside, atol=1e-9)
    np.testing.assert_array_equal(found[3], y_aside)
    assert fitted.predict(X).shape == (80,)


def test_weights_do_not_follow_rows_that_change():
    model = SplitBeforeScaling(
        ResamplingPipeline([("over", RandomOverSampler()), ("last", Keeps())])
    )
    with pytest.raises(ValueError, match="sample_weight cannot follow the rows"):
        model.fit(X, y, sample_weight=np.ones(80))


def test_a_pipeline_that_fails_is_left_with_its_last_step():
    class Fails(Pipeline):
        def fit(self, X, y=None):
            raise RuntimeError("no rows")

    model = SplitBeforeScaling(Fails([("scale", StandardScaler()), ("last", Keeps())]))
    with pytest.raises(RuntimeError, match="no rows"):
        model.fit(X, y)
    assert isinstance(model.estimator_["last"], Keeps)
