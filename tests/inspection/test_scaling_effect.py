"""The effect of scaling is a plain cross-validation of plain Pipelines on common folds."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from sklearn_trainkit.inspection import ScalingEffectDisplay, scaling_effect


def test_scores_are_those_of_scikit_learns_pipelines():
    X, y = load_wine(return_X_y=True)
    found = scaling_effect(KNeighborsClassifier(), X, y, cv=3)
    scalers = {"raw": "passthrough", "min-max": MinMaxScaler(), "standardized": StandardScaler()}
    for name, scaler in scalers.items():
        pipe = make_pipeline(scaler, KNeighborsClassifier())
        expected = cross_val_score(pipe, X, y, cv=StratifiedKFold(3))
        np.testing.assert_allclose(found.loc[found["scaler"] == name, "score"], expected)


def test_an_unseeded_shuffle_gives_all_scalers_the_same_folds():
    X, y = load_diabetes(return_X_y=True)
    same = {"one": StandardScaler(), "other": StandardScaler()}
    found = scaling_effect(
        KNeighborsRegressor(), X, y, scalers=same, cv=KFold(4, shuffle=True), scoring="r2"
    )
    scores = found.pivot(index="fold", columns="scaler", values="score")
    np.testing.assert_array_equal(scores["one"], scores["other"])


def test_means_and_folds_are_drawn():
    scalers = {"raw": "passthrough", "robust": RobustScaler()}
    display = ScalingEffectDisplay.from_estimator(
        KNeighborsClassifier(), *load_wine(return_X_y=True), scalers=scalers, cv=4
    )
    assert [text.get_text() for text in display.ax_.get_xticklabels()] == ["raw", "robust"]
    means = display.scores.groupby("scaler", sort=False)["score"].mean()
    np.testing.assert_allclose(display.means_.get_offsets()[:, 1], means)
    assert len(display.folds_) == 4
    assert display.ax_.get_ylabel() == "accuracy"
    assert ScalingEffectDisplay.from_results(display.scores).ax_.get_ylabel() == "score"


def test_no_scaler_is_explained():
    with pytest.raises(ValueError, match="scalers must name at least one scaler"):
        scaling_effect(KNeighborsClassifier(), *load_wine(return_X_y=True), scalers={})


@pytest.mark.parametrize("effect", [scaling_effect, ScalingEffectDisplay.from_estimator])
def test_an_estimator_alone_is_told_what_else_is_needed(effect):
    fitted = KNeighborsClassifier().fit(*load_wine(return_X_y=True))
    with pytest.raises(TypeError, match=r"X must be the unscaled rows .* KNeighborsClassifier"):
        effect(fitted)
