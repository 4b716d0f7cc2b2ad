"""The meter sees every fit, epoch and gradient step, whichever process they happen in."""

import math
import os
import pickle
import time

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.callback import FitCallback
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_trainkit.callbacks import TrainingLimit, TrainingMeter, TrainingSpent
from sklearn_trainkit.neural_network import MLPNetClassifier
from tests.callbacks.iterative_classifier import IterativeClassifier

N_ROWS = 60


@pytest.fixture
def data():
    return make_classification(n_samples=N_ROWS, n_features=5, random_state=0)


@pytest.fixture
def meter():
    return TrainingMeter()


def test_it_follows_the_callback_protocol(meter):
    assert isinstance(meter, FitCallback)


def test_a_single_fit_is_one_fit_of_its_epochs_and_steps(data, meter):
    before = time.monotonic()
    IterativeClassifier(max_epochs=4, batch_size=16).set_callbacks(meter).fit(*data)
    after = time.monotonic()
    [trace] = meter.traces()
    assert trace.estimator_name == "IterativeClassifier"
    assert trace.epoch_steps == (4, 8, 12, 16)  # 60 rows in batches of 16: 4 steps an epoch
    assert trace.n_steps == 16
    stamps = [before, trace.begin, *trace.epoch_ends, trace.end, after]
    assert stamps == sorted(stamps)
    assert meter.spent() == TrainingSpent(n_fits=1, n_epochs=4, n_steps=16)


@pytest.mark.parametrize("backend", ["sequential", "threading", "loky"])
def test_a_search_is_counted_whole_under_every_backend(data, meter, backend):
    model = IterativeClassifier(max_epochs=3, batch_size=64).set_callbacks(meter)
    with parallel_config(backend=backend):
        GridSearchCV(model, {"lr": [0.1, 0.5]}, cv=2, n_jobs=2).fit(*data)
    # 2 candidates x 2 folds + refit = 5 fits; 3 epochs each; one step an epoch.
    assert meter.spent() == TrainingSpent(n_fits=5, n_epochs=15, n_steps=15)


def test_a_pipeline_and_its_last_step_count_as_one_fit(data, meter):
    net = IterativeClassifier(max_epochs=2).set_callbacks(meter.labelled("net"))
    pipeline = make_pipeline(StandardScaler(), net).set_callbacks(meter.labelled("whole"))
    cross_val_score(pipeline, *data, cv=3)
    assert [trace.label for trace in meter.traces()] == ["whole", "net"] * 3
    assert meter.spent() == TrainingSpent(n_fits=3, n_epochs=6, n_steps=18)


def test_the_task_path_names_the_candidate_and_fold(data, meter):
    model = IterativeClassifier(max_epochs=1).set_callbacks(meter)
    GridSearchCV(model, {"lr": [0.1, 0.5]}, cv=2).fit(*data)
    own_tasks = [trace.task_path[-1] for trace in meter.traces()]
    assert own_tasks[:4] == [("candidate-split-evaluation", number) for number in range(4)]
    assert own_tasks[4].task_name == "refit-with-best-params"


def test_a_failed_fit_counts_with_what_it_spent(data, meter):
    model = IterativeClassifier(max_epochs=5, batch_size=30, fail_in_epoch=2).set_callbacks(meter)
    with pytest.raises(RuntimeError):
        model.fit(*data)
    [trace] = meter.traces()
    assert not math.isnan(trace.end)
    assert meter.spent() == TrainingSpent(n_fits=1, n_epochs=2, n_steps=4)


def test_epochs_of_an_estimator_without_epochs_are_unknown_not_zero(data, meter):
    LogisticRegression().set_callbacks(meter).fit(*data)
    assert meter.spent() == TrainingSpent(n_fits=1, n_epochs=None, n_steps=None)


def test_a_running_fit_is_seen_before_it_ends(data, meter):
    class Peek:
        seen = None

        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...
        def on_fit_task_end(self, estimator, context):
            if context.task_name == "fit":
                [Peek.seen] = meter.traces()

    IterativeClassifier(max_epochs=2).set_callbacks(meter, Peek()).fit(*data)
    assert len(Peek.seen.epoch_ends) == 2
    assert math.isnan(Peek.seen.end)


def test_a_line_cut_off_by_a_killed_process_is_left_out(data, meter):
    IterativeClassifier(max_epochs=2).set_callbacks(meter).fit(*data)
    [name] = os.listdir(meter.directory)
    with open(os.path.join(meter.directory, name), "a") as file:
        file.write('{"kind": "epo')
    assert meter.spent().n_epochs == 2


def test_the_watched_model_predicts_the_same(data, meter):
    X, y = data
    watched = IterativeClassifier().set_callbacks(meter).fit(X, y)
    np.testing.assert_array_equal(watched.means_, IterativeClassifier().fit(X, y).means_)


def test_the_folder_goes_with_the_meter_and_training_survives_it(data):
    meter = TrainingMeter()
    directory = meter.directory
    model = IterativeClassifier().set_callbacks(meter)
    survivor = pickle.loads(pickle.dumps(clone(model)))
    del meter, model
    assert not os.path.exists(directory)
    survivor.fit(*data)
    assert not os.path.exists(directory)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_limit_of_epochs_stops_evaluations_but_not_the_refit(data, n_jobs):
    meter = TrainingMeter(limit=TrainingLimit(n_epochs=10))
    model = IterativeClassifier(max_epochs=3, batch_size=64).set_callbacks(meter)
    lrs = np.linspace(0.1, 1.0, 10).tolist()
    with parallel_config(backend="threading"):
        search = GridSearchCV(model, {"lr": lrs}, cv=2, n_jobs=n_jobs).fit(*data)
    spent = meter.spent().n_epochs - 3  # the refit's
    assert spent == 10 if n_jobs is None else 10 <= spent <= 11
    if n_jobs is None:
        # Folds of 3 epochs each: three whole ones and one epoch of the fourth.
        assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False] + [True] * 9
        assert meter.spent().n_fits == 4 + 1
        assert sum(trace.refused for trace in meter.traces()) == 16


def test_a_deadline_refuses_evaluations_but_no_other_fit(data):
    meter = TrainingMeter(limit=TrainingLimit(deadline=time.monotonic()))
    model = IterativeClassifier(max_epochs=3).set_callbacks(meter)
    model.fit(*data)
    with pytest.raises(ValueError, match="TrainingLimitReached: not begun"):
        GridSearchCV(model, {"lr": [0.1]}, cv=2).fit(*data)
    assert meter.spent().n_fits == 1


def test_warm_start_with_a_fit_counts_its_new_steps_and_is_no_other_fit(meter):
    X, y = make_classification(n_samples=64, n_features=5, random_state=0)
    net = MLPNetClassifier(hidden_units=(4,), batch_size=16, max_epochs=2).set_callbacks(meter)
    for _ in range(3):
        net.partial_fit(X, y, classes=[0, 1])
    assert meter.spent() == TrainingSpent(n_fits=1, n_epochs=3, n_steps=12)
    assert [trace.continued for trace in meter.traces()] == [False, True, True]


@pytest.mark.parametrize("make_net", [IterativeClassifier, MLPNetClassifier])
def test_fitting_the_same_object_again_is_another_fit(data, meter, make_net):
    net = make_net(max_epochs=1, batch_size=30).set_callbacks(meter)
    net.fit(*data).fit(*data)
    assert meter.spent() == TrainingSpent(n_fits=2, n_epochs=2, n_steps=4)
