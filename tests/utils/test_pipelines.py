"""The last step of a Pipeline, and the innermost of Pipelines in Pipelines."""

from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_trainkit.utils._pipelines import innermost_step, last_step


def test_only_the_innermost_step_is_sought_in_a_pipeline_within():
    ridge = Ridge()
    inner = make_pipeline(StandardScaler(), ridge)
    outer = make_pipeline(StandardScaler(), inner)
    assert last_step(outer) is inner
    assert [innermost_step(each) for each in (outer, inner, ridge)] == [ridge] * 3
