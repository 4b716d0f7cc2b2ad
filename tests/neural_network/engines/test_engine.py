"""What every engine keeps to: it trains as autograd does."""

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from sklearn_trainkit.neural_network.engines._choose_engine import ENGINES
from tests.neural_network.training.test_stacked_run import (
    NET_PARAMS,
    TASKS,
    WEIGHTS,
    X,
    assert_same,
)


@pytest.mark.usefixtures("compiled_engines")
@pytest.mark.parametrize("engine", [kind.name for kind in ENGINES if kind.name != "autograd"])
@settings(max_examples=80, deadline=None, derandomize=True, phases=[Phase.generate])
@given(
    task=st.sampled_from(sorted(TASKS)),
    params=st.fixed_dictionaries(NET_PARAMS),
    weighted=st.booleans(),
)
def test_a_fit_by_another_engine_is_autograds(engine, task, params, weighted):
    kind, y, task_params = TASKS[task]
    if params["skip"] == "long":
        params = params | {"hidden_units": (6, 4, 6)}
    # Rounding of gradients that are zero, divided by its own size, would be steps of its own. So
    # would be those before a norm over two features, which makes -1 and 1 of whatever they are.
    adaptive = {} if params["optimizer"] == "sgd" else {"optimizer_params": {"eps": 1e-5}}
    if params["norm"] == "group" and min(params["hidden_units"], default=8) < 6:
        params = params | {"norm_groups": 1}
    net = kind(**params, **task_params, **adaptive, engine=engine)
    reference = clone(net).set_params(engine="autograd")
    rows, y = X[:41], y[:41]
    extra = {"sample_weight": WEIGHTS[:41]} if weighted else {}
    assert_same([reference.fit(rows, y, **extra)], [net.fit(rows, y, **extra)], atol=1e-10)
    assert (reference.engine_, net.engine_) == ("autograd", engine)
