"""The gradient flow of a training, as recorded, judged and drawn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from skorch.history import History

from sklearn_trainkit.callbacks import GradientFlow, LayerFlow, diagnose_flow
from sklearn_trainkit.inspection import GradientFlowDisplay, gradient_flow_history
from sklearn_trainkit.inspection._gradient_flow import _judge
from sklearn_trainkit.neural_network import MLPNetClassifier


@pytest.fixture(scope="module")
def deep_net():
    X, y = load_digits(return_X_y=True)
    net = MLPNetClassifier(
        (16,) * 20, activation="tanh", init="default", optimizer="adam", max_epochs=3,
        callbacks=[GradientFlow(warn=False)], random_state=0,
    )  # fmt: skip
    return make_pipeline(MinMaxScaler(), net).fit(X[:200], y[:200])


def test_every_layer_of_every_epoch_is_there_as_recorded(deep_net):
    flow = gradient_flow_history(deep_net)
    history = deep_net[-1].history
    assert len(flow) == 3 * 21
    for epoch, recorded in enumerate(history[:, "gradient_flow"], start=1):
        rows = flow[flow["epoch"] == epoch]
        assert rows["layer"].tolist() == [layer.layer for layer in recorded]
        np.testing.assert_array_equal(rows["grad_norm"], [layer.grad_norm for layer in recorded])


@pytest.mark.parametrize(
    ("layer", "verdict"),
    [
        (LayerFlow("a", 0.1, 0.0, 0.0), ""),
        (LayerFlow("a", 0.9e-4, 0.0, 0.0), "vanishing"),
        (LayerFlow("a", 1.1e4, 0.0, 0.0), "exploding"),
        (LayerFlow("a", float("nan"), 0.0, 0.5), "not finite"),
        (LayerFlow("a", 0.1, 0.95, 0.0), "dead"),
        (LayerFlow("a", 0.1, 0.95, 0.0, dead_share=0.5), ""),
        (LayerFlow("a", 0.1, 0.95, 0.0, dead_share=float("nan")), ""),
        (LayerFlow("a", 0.1, 0.5, 0.0, dead_share=0.95), "dead"),
    ],
)
def test_verdicts_against_a_last_layer_of_one(layer, verdict):
    assert _judge(layer, LayerFlow("last", 1.0, 0.0, 0.0), is_last=False) == verdict


def test_marks_stand_where_the_verdicts_are(deep_net):
    display = GradientFlowDisplay.from_estimator(deep_net)
    flow = display.flow
    assert (flow["verdict"] == "vanishing").any()
    marks = display.marks_["vanishing"].get_offsets()
    assert len(marks) == (flow["verdict"] == "vanishing").sum()
    assert display.mesh_.get_array().shape == (21, 3)
    assert "vanishes" in display.ax_.get_title(loc="left")


def test_a_table_alone_is_drawn_and_may_hold_what_is_not_finite(deep_net):
    flow = gradient_flow_history(deep_net)
    flow.loc[0, ["grad_norm", "verdict"]] = [np.inf, "not finite"]
    display = GradientFlowDisplay.from_results(pd.DataFrame(flow))
    assert len(display.marks_["not finite"].get_offsets()) == 1
    display.figure_.canvas.draw()


def test_missing_records_are_explained():
    X, y = load_digits(return_X_y=True)
    net = MLPNetClassifier((4,), max_epochs=1).fit(X[:50], y[:50])
    with pytest.raises(ValueError, match=r"train it with callbacks=\[GradientFlow\(\)\]"):
        gradient_flow_history(net)
    with pytest.raises(TypeError, match="must be a fitted net with a history"):
        gradient_flow_history(MinMaxScaler())


def test_a_history_read_from_a_file_is_as_good_as_its_net(deep_net, tmp_path):
    net = deep_net[-1]
    net.save_params(f_history=str(tmp_path / "history.json"))
    history = History.from_file(str(tmp_path / "history.json"))
    pd.testing.assert_frame_equal(gradient_flow_history(history), gradient_flow_history(net))
    title = GradientFlowDisplay.from_estimator(history).ax_.get_title(loc="left")
    assert title == GradientFlowDisplay.from_estimator(net).ax_.get_title(loc="left")
    assert diagnose_flow(history[:, "gradient_flow"]) == net.callbacks_[0][1].diagnosis_


def test_records_of_five_entries_are_read(deep_net):
    rows = [{"gradient_flow": [["a", 0.1, 0.0, 0.0, 1e-3], ["b", 0.1, 0.0, 0.0, 1e-3]]}]
    assert gradient_flow_history(History(rows))["verdict"].tolist() == ["", ""]


def test_a_search_and_nested_pipelines_are_looked_into():
    X, y = load_digits(return_X_y=True)
    net = MLPNetClassifier((4,), max_epochs=1, callbacks=[GradientFlow()], random_state=0)
    nested = make_pipeline(MinMaxScaler(), make_pipeline(net))
    search = GridSearchCV(nested, {}, cv=2).fit(X[:60], y[:60])
    inside = search.best_estimator_[-1][-1]
    for source in (search, search.best_estimator_, make_pipeline(search)):
        flow = gradient_flow_history(source)
        pd.testing.assert_frame_equal(flow, gradient_flow_history(inside))
